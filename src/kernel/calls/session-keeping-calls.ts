/** Calls by which a person keeps sessions in order: names, puts away, erases, and goes on from an earlier point. */
import { setImmediate } from 'node:timers/promises'
import { z } from 'zod'
import type { Memory } from '../../memory/index.ts'
import { foldPhrase, type SessionRow, type Store } from '../../store/index.ts'
import {
  type Call,
  type CallContext,
  type CallId,
  type JournalRecord,
  type JsonObject,
  OxbowError,
  type SessionId,
  toolPlace,
} from '../../types/index.ts'
import { type HistoryDeps, historyPages } from '../conversation/conversations.ts'
import { changesScratchpad } from '../conversation/scratchpads.ts'
import type { Summaries } from '../conversation/summaries.ts'
import type { Journal } from '../journal.ts'
import { historyPage, maxForkDepth, maxSessionsRead } from '../limits.ts'
import type { Background } from '../background.ts'
import type { Sessions } from '../sessions.ts'
import type { Lanes } from '../turns/lanes.ts'
import { sessionId } from './session-calls.ts'

export interface SessionKeepingDeps extends HistoryDeps {
  readonly store: Store
  readonly sessions: Sessions
  readonly summaries: Summaries
  readonly lanes: Pick<Lanes, 'isBusy'>
  readonly background: Pick<Background, 'end'>
  readonly journal: Journal
  readonly newSessionId: () => SessionId
  /** Absent: nothing is remembered. */
  readonly memory?: Pick<Memory, 'caughtUp'> | undefined
}

const session = sessionId.describe('The session.')

const example = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId

const facts = {
  tier: 'side_effecting',
  right: 'session.write',
  effect: 'idempotent',
  audience: ['terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: 30_000,
} as const satisfies Partial<Call>

/** What a session's row becomes; the record is where it follows from. */
interface Kept {
  readonly session: SessionId
  readonly change: Partial<Omit<SessionRow, 'id'>>
}

const kept = {
  output: z.custom<Kept>(),
  projection: 'session' as const,
  recordOutput: (output: Kept): JsonObject => ({ ...output, change: { ...output.change } }),
}

export function sessionKeepingCalls(deps: SessionKeepingDeps): readonly Call[] {
  return [rename(deps), archive(deps), erase(deps), fork(deps)]
}

function rename({ sessions }: SessionKeepingDeps): Call<{ session: SessionId; title: string }, Kept> {
  return {
    ...facts,
    ...kept,
    name: 'session.rename',
    summary: 'Gives a session another title.',
    input: z.strictObject({ session, title: z.string().trim().min(1).max(200).describe('The new title.') }),
    example: { session: example, title: 'Taxes' },
    async run({ session: id, title }) {
      await sessions.load(id)
      return { output: { session: id, change: { title: title.replace(/\s+/gu, ' ') } } }
    },
  }
}

function archive({ sessions }: SessionKeepingDeps): Call<{ session: SessionId; archived: boolean }, Kept> {
  return {
    ...facts,
    ...kept,
    name: 'session.archive',
    summary: 'Puts a session away: lists leave it out, and all of it stays. Or brings it back.',
    input: z.strictObject({ session, archived: z.boolean().default(true).describe('False brings it back.') }),
    example: { session: example, archived: true },
    async run({ session: id, archived }, { clock }) {
      await sessions.load(id)
      return { output: { session: id, change: { archived: archived ? clock.now() : 0 } } }
    },
  }
}

function erase(deps: SessionKeepingDeps): Call<{ session: SessionId }, Kept> {
  return {
    ...facts,
    ...kept,
    name: 'session.delete',
    summary: 'Erases a session: all that was said in it, and what memory has of it. The journal keeps hashes only.',
    input: z.strictObject({ session }),
    example: { session: example },
    tier: 'privileged',
    timeoutMs: 10 * 60_000,
    async run({ session: id }, context) {
      await deps.sessions.load(id)
      await assertNoForks(deps, id)
      if (deps.lanes.isBusy(id)) throw bad('A turn of this session runs.', 'Wait for it, or cancel it, and delete then.')
      // Behind the look at its lane without a pause: whoever comes later finds it gone.
      const stay = deps.sessions.leave(id)
      try {
        // One may have been made in between, and one that was found to go on before that is on record by the next tick.
        await setImmediate()
        await assertNoForks(deps, id)
        // A title or a summary that is under way would be written behind what is erased.
        await deps.background.end(id)
        await eraseSession(deps, id, context)
      } catch (error) {
        stay()
        throw error
      }
      return { output: { session: id, change: { deleted: context.clock.now(), title: '', scratchpad: '', summary: '' } } }
    },
  }
}

async function assertNoForks({ journal, store }: SessionKeepingDeps, id: SessionId): Promise<void> {
  await journal.flushed()
  const child = (await store.sessions(maxSessionsRead)).find(({ parent, deleted }) => parent === id && deleted === 0)
  if (child !== undefined) throw bad(`Session ${child.id} was forked from it and shares its history.`, 'Delete that one first.')
}

/**
 * Memory first, so that nothing recalls it, whatever stops the rest; done again, it goes on where it stopped. And once more in the
 * end: what the indexer had read before it was erased is written behind that.
 */
async function eraseSession(deps: SessionKeepingDeps, id: SessionId, context: CallContext): Promise<void> {
  await eraseEntries(deps.store, id)
  await deps.journal.flushed()
  await eraseNaming(deps, id, context)
  await eraseRecords(deps, id, context)
  await deps.memory?.caughtUp()
  await eraseEntries(deps.store, id)
}

async function eraseEntries({ memory }: Store, id: SessionId): Promise<void> {
  for (;;) {
    const entries = await memory.list({ sessions: [id] }, 1_000)
    if (entries.length === 0) return
    await memory.change(entries.map((entry) => ({ change: 'erase', id: entry.id })))
  }
}

async function eraseRecords(
  { store, journal }: SessionKeepingDeps,
  id: SessionId,
  { id: call, caller, signal }: CallContext,
): Promise<void> {
  for (let after = 0; ;) {
    signal.throwIfAborted()
    const page = await store.records({ session: id, after, order: 'oldest_first', limit: 1_000, hydrate: false })
    if (page.length === 0) return
    const seqs = page.filter((record) => record.call !== call).map(({ seq }) => seq)
    await journal.erase({ caller, call, name: 'session.delete' }, seqs, 'session deleted')
    after = page.at(-1)?.seq ?? after
  }
}

const naming: ReadonlySet<string> = new Set(['session.create', 'session.rename', 'session.fork'])

/** The title that a person gave stands in records of no session. */
async function eraseNaming(
  { store, journal }: SessionKeepingDeps,
  id: SessionId,
  { id: call, caller, signal }: CallContext,
): Promise<void> {
  const calls = new Set<CallId>()
  const end = (await store.head()).seq
  for (let after = 0; after < end;) {
    signal.throwIfAborted()
    const { records, upto } = await store.scan({ after, before: end + 1, phrases: [foldPhrase(id)] })
    for (const record of records) if (naming.has(record.name) && isAbout(record.body, id)) calls.add(record.call)
    after = upto
  }
  for (const named of calls) {
    const records = await store.records({ call: named, order: 'oldest_first', limit: 10, hydrate: false })
    await journal.erase(
      { caller, call, name: 'session.delete' },
      records.map(({ seq }) => seq),
      'session deleted',
    )
  }
}

/** An intent names the session in its input, an outcome by itself. */
function isAbout(body: string, id: SessionId): boolean {
  const value = JSON.parse(body) as JsonObject
  return [value['id'], value['session'], (value['input'] as JsonObject | undefined)?.['session']].includes(id)
}

interface ForkInput {
  session: SessionId
  at?: number | undefined
  title?: string | undefined
}

function fork(deps: SessionKeepingDeps): Call<ForkInput, Kept> {
  return {
    ...facts,
    ...kept,
    name: 'session.fork',
    summary: 'Starts a session that goes on from a point of another one; that one stays as it is.',
    input: z.strictObject({
      session,
      at: z.int().min(1).optional().describe('#number of the last message that both share. Without it, the newest.'),
      title: z.string().trim().max(200).optional().describe('Without it, that of the other one.'),
    }),
    example: { session: example, at: 42 },
    async run({ session: id, at, title }, { clock }) {
      await deps.sessions.load(id)
      if (at === undefined && deps.lanes.isBusy(id)) throw bad('A turn of this session runs.', 'Wait for it, or name a message with `at`.')
      await assertReachable(deps, id)
      const said = await pointOf(deps, id, at ?? Number.MAX_SAFE_INTEGER)
      if (said === 0)
        throw bad(at === undefined ? 'Nothing was said in it yet.' : `Nothing was said in it up to #${at}.`, 'Start a new session.')
      const summary = await deps.summaries.read(id)
      const noted = await scratchpadAt(deps, id, Math.max(said, at ?? Number.MAX_SAFE_INTEGER))
      // What a person did to the scratchpad since is shared too.
      const forked = Math.max(said, noted?.seq ?? 0)
      // Last of all: its erasing may have begun meanwhile.
      const row = await deps.sessions.load(id)
      const now = clock.now()
      const change = {
        title: title ?? row.title,
        createdAt: now,
        activeAt: now,
        labels: row.labels,
        scratchpad: noted?.call ?? '',
        parent: id,
        forked,
        // A summary that stands for more than both share is not the new one's.
        summary: summary !== null && summary.summary.upto <= forked ? row.summary : ('' as const),
      }
      return { output: { session: deps.newSessionId(), change } }
    },
  }
}

/** A history is read over so many forks and no further: what was said before would be missing without a word. */
async function assertReachable({ lineage }: SessionKeepingDeps, id: SessionId): Promise<void> {
  let from = id
  for (let depth = 1; depth <= maxForkDepth; depth++) {
    const { parent } = await lineage(from)
    if (parent === '') return
    from = parent
  }
  throw new OxbowError('limit_reached', `Session ${id} is a fork over ${maxForkDepth} others, and no more can follow.`, {
    hint: 'Go on in it, or fork one of those that it came from.',
  })
}

/** @returns seq of the last record up to `at`, with the results of the calls that it asked for; 0 when there is none. */
async function pointOf(deps: SessionKeepingDeps, id: SessionId, at: number): Promise<number> {
  await deps.journal.flushed()
  let behind: number[] = []
  for await (const page of historyPages(deps, id)) {
    for (const { seq, call } of page) {
      const isResult = toolPlace(call) !== null
      if (seq <= at) return Math.max(seq, ...behind)
      // Results that come right behind the message belong to it.
      behind = isResult ? [...behind, seq] : []
    }
  }
  return 0
}

/** @returns the record that had changed the scratchpad last at this point; undefined when none had. */
async function scratchpadAt(deps: SessionKeepingDeps, id: SessionId, point: number): Promise<JournalRecord | undefined> {
  const { store, sessions } = deps
  const outcomes = { phases: ['outcome'], order: 'newest_first', hydrate: true } as const
  const { scratchpad, parent, forked } = await sessions.load(id)
  if (scratchpad === '') return undefined
  const [newest] = await store.records({ ...outcomes, call: scratchpad as CallId, limit: 1 })
  if (newest !== undefined && newest.seq <= point) return newest
  let page: readonly JournalRecord[]
  let before = point + 1
  do {
    page = await store.records({ ...outcomes, session: id, before, limit: historyPage })
    const found = page.find(({ name, phase, body }) => changesScratchpad({ name, phase, body: JSON.parse(body) as JsonObject }))
    if (found !== undefined) return found
    before = page.at(-1)?.seq ?? 0
  } while (page.length === historyPage)
  return parent === '' ? undefined : scratchpadAt(deps, parent, Math.min(point, forked))
}

function bad(message: string, hint: string): OxbowError {
  return new OxbowError('bad_input', message, { hint })
}
