/**
 * `[[schedule]]` of the configuration: each entry is one schedule, whose id follows from its name. Schedules are made, changed and removed until
 * they are as the entries say, at the start and whenever a guest takes up other entries. What a call made is left alone.
 */
import { createHash } from 'node:crypto'
import { type CallId, derivedId, errorMessage, OxbowError } from '../../base/index.ts'
import { sectionOf } from '../../config/index.ts'
import type { Core, DocumentChange } from '../../kernel/index.ts'
import { type Cadence, checkCadence, nextDue } from '../../runs/index.ts'
import { type ConfiguredSchedule, configuredSchedules, schedulesConfig } from './config.ts'
import { scheduleCategory, withoutSchedule } from './schedule-record.ts'
import type { Schedule } from './schedule-schemas.ts'

type Begun = 'counted_from' | 'due_after' | 'next_at' | 'queued' | 'retry' | 'failures'

/** @returns what a schedule begins with, and begins again with: times before now, and failures, do not count */
export async function begun({ cadence }: Pick<Schedule, 'cadence'>, now: number): Promise<Pick<Schedule, Begun>> {
  return { counted_from: now, due_after: now, next_at: await nextDue(cadence, now, now), queued: [], retry: null, failures: 0 }
}

/** What a schedule is not to do while it is paused. */
export const paused = { status: 'paused', next_at: null, queued: [], retry: null } as const

export type ConfiguredDeps = Pick<Core, 'config' | 'documents' | 'clock' | 'newId' | 'noteEvent' | 'user'>

const hashOf = (entry: ConfiguredSchedule): string => createHash('sha256').update(JSON.stringify(entry)).digest('hex').slice(0, 16)

/** Makes the schedules what the entries say. An entry that cannot be used is an event, and no reason to leave the others. */
export async function takeConfigured(deps: ConfiguredDeps): Promise<void> {
  const { config, documents, noteEvent } = deps
  const entries = sectionOf(configuredSchedules, config)
  const known = await documents.all<Schedule>(scheduleCategory)
  const wanted = new Set(entries.map(({ name }) => idOf(name)))
  for (const { name, value } of known)
    if (value.configured !== undefined && !wanted.has(name)) await change(deps, name, () => withoutSchedule(documents, name))
  let count = known.filter(({ name, value }) => value.configured === undefined || wanted.has(name)).length
  for (const entry of entries) {
    const id = idOf(entry.name)
    const isNew = known.every(({ name }) => name !== id)
    try {
      if (isNew) assertRoom(deps, (count += 1))
      await change(deps, id, async (before) => (before?.configured === hashOf(entry) ? [] : [await scheduleOf(deps, id, entry, before)]))
    } catch (error) {
      noteEvent('schedule_refused', { name: entry.name, problem: errorMessage(error) })
    }
  }
}

/** @returns names of entries that no schedule follows, for the doctor */
export function withoutEffect(config: Core['config'], schedules: readonly Pick<Schedule, 'configured'>[]): readonly string[] {
  const followed = new Set(schedules.map(({ configured }) => configured))
  return sectionOf(configuredSchedules, config).flatMap((entry) => (followed.has(hashOf(entry)) ? [] : [entry.name]))
}

/** @returns what is wrong with the first expression or time zone that cannot be read. A time that has passed is no fault: it was right once. */
export async function cronFault(config: Core['config']): Promise<string> {
  for (const { name, cron, time_zone } of sectionOf(configuredSchedules, config)) {
    if (cron === undefined) continue
    const problem = await nextDue({ type: 'cron', expression: cron.trim(), time_zone }, 0, 0).then(() => '', errorMessage)
    if (problem !== '') return `[[schedule]] ${JSON.stringify(name)}: ${problem}`
  }
  return ''
}

const idOf = (name: string): string => derivedId('configured schedule', name)

function change(
  { documents, newId }: ConfiguredDeps,
  id: string,
  next: (before: Schedule | undefined) => Promise<readonly DocumentChange[]>,
): Promise<void> {
  const of = { caller: { actor: 'kernel', session: '', turn: '' }, call: newId() as CallId, name: 'schedule.configured' } as const
  return documents.update<Schedule>(of, scheduleCategory, id, (current) => next(current?.value))
}

function assertRoom({ config }: ConfiguredDeps, count: number): void {
  const { max_schedules: most } = sectionOf(schedulesConfig, config)
  if (count > most)
    throw new OxbowError('limit_reached', `At most ${most} schedules are allowed.`, { hint: 'Raise `schedules.max_schedules`.' })
}

async function scheduleOf(
  { clock, config, user }: ConfiguredDeps,
  id: string,
  entry: ConfiguredSchedule,
  before: Schedule | undefined,
): Promise<DocumentChange> {
  const { cron, time_zone, every_s, at, enabled, grace_s, budget, ...rest } = entry
  const now = clock.now()
  const cadence: Cadence =
    cron !== undefined
      ? { type: 'cron', expression: cron.trim(), time_zone }
      : every_s !== undefined
        ? { type: 'interval', every_s }
        : { type: 'once', at: at ?? '' }
  const isOver = cadence.type === 'once' && Date.parse(cadence.at) <= now
  if (!isOver) await checkCadence(cadence, now, sectionOf(schedulesConfig, config).min_interval_s)
  const limits = Object.fromEntries(Object.entries(budget ?? {}).filter(([, limit]) => limit !== undefined))
  const isSame = before?.status === 'active' && JSON.stringify(before.cadence) === JSON.stringify(cadence)
  const value: Schedule = {
    ...rest,
    id,
    ...(rest.as !== undefined && { as_bounds: ['*'] }),
    cadence,
    status: isOver ? 'completed' : 'active',
    grace_s: grace_s ?? null,
    labels: [],
    author: `user:${user}`,
    origin: '',
    created_at: before?.created_at ?? now,
    // Another goal leaves the times as they are.
    ...(isSame ? timesOf(before) : await begun({ cadence }, now)),
    ...(!enabled && paused),
    deleted_sessions: before?.deleted_sessions ?? 0,
    ...(budget !== undefined && { budget: limits }),
    configured: hashOf(entry),
  }
  return { category: scheduleCategory, name: id, value }
}

function timesOf({ counted_from, due_after, next_at, queued, retry, failures }: Schedule): Awaited<ReturnType<typeof begun>> {
  return { counted_from, due_after, next_at, queued, retry, failures }
}
