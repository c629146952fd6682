/** What verbs about two spaces ask a guest, page by page. */
import { isOxbowError, OxbowError } from '../../base/index.ts'
import type { OutputOf } from '../../client/index.ts'
import { type GatewayPort, outcomeOf, outputOf } from '../guest-connection.ts'

export type Gateway = Pick<GatewayPort, 'call'>

/** As much of memory as one call takes here. */
const maxLinesAtOnce = 200
/** Most sessions that a list has. */
const maxListed = 1_000
const schedulesAtOnce = 100

/** What is gone was done before. */
export async function ifThere(asked: Promise<unknown>): Promise<void> {
  await asked.catch((error: unknown) => {
    if (!isOxbowError(error, 'not_found')) throw error
  })
}

/** @returns ids in parts that fit one call each */
export function chunks(ids: readonly string[]): readonly (readonly string[])[] {
  return Array.from({ length: Math.ceil(ids.length / maxLinesAtOnce) }, (_, i) => ids.slice(i * maxLinesAtOnce, (i + 1) * maxLinesAtOnce))
}

type Schedules = OutputOf<'schedule.search'>['schedules']
type Sessions = OutputOf<'session.list'>

export async function allSchedules(gateway: Gateway): Promise<Schedules> {
  const all: Schedules[number][] = []
  for (;;) {
    const { schedules, total } = await outputOf(gateway, 'schedule.search', { limit: schedulesAtOnce, offset: all.length })
    all.push(...schedules)
    if (schedules.length === 0 || all.length >= total) return all
  }
}

/** @throws OxbowError `limit_reached` where a list cannot have them all: some would be forgotten */
export async function allSessions(gateway: Gateway): Promise<Sessions> {
  const sessions = await outputOf(gateway, 'session.list', { limit: maxListed, archived: true })
  if (sessions.length < maxListed) return sessions
  throw new OxbowError('limit_reached', `the space has ${maxListed} sessions or more`, {
    hint: 'Move sessions by their ids first, or delete old ones: oxbow space move ID --to SPACE',
  })
}

/** Deletes sessions; forks go before the session whose history they share. @throws what keeps the last of them */
export async function deleteSessions(gateway: Gateway, ids: readonly string[]): Promise<void> {
  for (let rest = ids; rest.length > 0;) {
    const left: string[] = []
    let failure: unknown
    for (const session of rest)
      await ifThere(outcomeOf(gateway, 'session.delete', { session: session })).catch((error: unknown) => {
        failure = error
        left.push(session)
      })
    if (left.length === rest.length) throw failure
    rest = left
  }
}
