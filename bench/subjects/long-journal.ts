/**
 * A journal with a long past, made through the store's own door. One real turn is run first and its records are the pattern, so
 * that the past looks as the guest writes it.
 */
import { openSqliteStore, plainSession, type Append, type Projection, type Store } from '../../src/store/index.ts'
import { type CallId, createIdMaker, type SessionId, systemClock, systemRandom, type TurnId } from '../../src/base/index.ts'
import { type JournalRecord, sessionScope, type Spend, userScope } from '../../src/protocol/index.ts'
import { benchUser, type BenchGuestOptions, startGuest, type Workspace } from './guest.ts'

export interface LongJournal {
  /** The session with all the messages. */
  readonly long: SessionId
  /** Sessions with ten messages each. */
  readonly short: readonly SessionId[]
  readonly records: number
}

interface JournalPlan {
  readonly longMessages: number
  readonly shortSessions: number
}

/** A prompt of about 100 tokens that fills a window as people's messages do; the scripted model answers `bench: plain` in it. */
export const paragraph: string =
  'bench: plain. The committee met again on Thursday and went through the list of open questions one by one, as it had promised to. ' +
  'Nobody was surprised that the budget came first, nor that the discussion of the roof took longer than all other points together. ' +
  'In the end they agreed to ask three firms for an offer, to compare them by the end of the month, and to tell the members in a letter ' +
  'what was decided and why the decision could not wait until the spring, when the rain would have done its work on the old beams.'

const messagesPerShortSession = 10
/** Records of one append: the store shares transactions anyway, this bounds memory here. */
const turnsPerAppend = 200

const newId = createIdMaker(systemClock, systemRandom)

export async function fillJournal(guest: BenchGuestOptions, plan: JournalPlan): Promise<LongJournal> {
  const pattern = await realTurn(guest)
  const store = await openSqliteStore({ path: guest.workspace.database, user: benchUser, durability: 'normal', exclusive: true })
  try {
    const short: SessionId[] = []
    for (let i = 0; i < plan.shortSessions; i++) short.push(await fillSession(store, pattern, messagesPerShortSession / 2))
    const long = await fillSession(store, pattern, plan.longMessages / 2)
    return { long, short, records: (await store.head()).seq }
  } finally {
    await store.close()
  }
}

/** The records of a turn as the guest writes them. */
async function realTurn(options: BenchGuestOptions & { readonly workspace: Workspace }): Promise<readonly JournalRecord[]> {
  await using guest = await startGuest(options)
  using terminal = await guest.connect()
  const session = await terminal.open()
  await terminal.turn(session, paragraph)
  await guest[Symbol.asyncDispose]()
  const store = await openSqliteStore({ path: options.workspace.database, user: benchUser, durability: 'normal', readOnly: true })
  const records = await store.records({ session, order: 'oldest_first', limit: 100, hydrate: true })
  await store.close()
  return records.filter((record) => record.turn !== '')
}

async function fillSession(store: Store, pattern: readonly JournalRecord[], turns: number): Promise<SessionId> {
  const session = newId() as SessionId
  const row = { ...plainSession, id: session, title: 'long', createdAt: Date.now(), activeAt: Date.now(), turns }
  const waiting: Promise<unknown>[] = []
  for (let done = 0; done < turns; done += turnsPerAppend) {
    const append = copyTurns(pattern, session, Math.min(turnsPerAppend, turns - done))
    const projections: Projection[] = [...(append.projections ?? []), ...(done === 0 ? [{ kind: 'session', session: row } as const] : [])]
    waiting.push(store.append({ ...append, projections }))
    if (waiting.length >= 4) await waiting.shift()
  }
  await Promise.all(waiting)
  return session
}

/** The pattern again and again, with new ids and numbered texts. */
function copyTurns(pattern: readonly JournalRecord[], session: SessionId, turns: number): Append {
  const records: JournalRecord[] = []
  const projections: Projection[] = []
  for (let i = 0; i < turns; i++) {
    const ids = new Map<string, string>()
    const fresh = (old: string): string => {
      if (!ids.has(old)) ids.set(old, newId())
      return ids.get(old) ?? old
    }
    for (const record of pattern) {
      const body = record.body.replace('one by one', `one by one (${i})`)
      const spent = (JSON.parse(body) as { spent?: Spend }).spent
      const scopes = spent === undefined ? [] : [userScope(benchUser), sessionScope(session)]
      for (const scope of scopes) projections.push({ kind: 'spend', scope, spend: spent! })
      if (carriesMessage(record)) projections.push({ kind: 'message', record: records.length })
      records.push({ ...record, session, turn: fresh(record.turn) as TurnId, call: fresh(record.call) as CallId, body })
    }
  }
  return { records: records.map(({ seq: _seq, previous: _previous, hash: _hash, ...record }) => record), projections }
}

function carriesMessage({ name, phase }: JournalRecord): boolean {
  return (name === 'turn.send' && phase === 'started') || (name === 'model.generate' && phase === 'outcome')
}
