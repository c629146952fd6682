/** Calls by which a person manages sessions: rename, archive, delete, and fork from an earlier point. */
import { setImmediate } from 'node:timers/promises'
import { z } from 'zod'
import {
  changesScratchpad,
  type Core,
  historyPage,
  historyPages,
  inherited,
  maxForkDepth,
  maxSessionsRead,
  sessionId,
} from '../../kernel/index.ts'
import { foldPhrase, type Store } from '../../store/index.ts'
import { type CallId, type JsonObject, OxbowError, type SessionId } from '../../base/index.ts'
import {
  type Call,
  type CallContext,
  defineCall,
  titleCalls,
  forkSessionCall,
  deleteSessionCall,
  renameSessionCall,
  isTurn,
  idOrEmpty,
  archiveSessionCall,
  idSchema,
  type JournalRecord,
  toolPlace,
} from '../../protocol/index.ts'
import type { Access } from '../access/service.ts'
import { folderChange, folderOf } from './session-folders.ts'

type SessionKeepingDeps = Pick<
  Core,
  'store' | 'sessions' | 'summaries' | 'lanes' | 'background' | 'journal' | 'newId' | 'documents' | 'memory'
> &
  Pick<Access, 'copyMode'>

const session = sessionId.describe('Id of the session.')

const example = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId

const shared = {
  tier: 'side_effecting',
  right: 'session.write',
  effect: 'idempotent',
  audience: ['terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: 30_000,
} as const satisfies Partial<Call>

/** The change to a session's row. It is recorded, so that the row can be derived from the journal. */
const changed = z.strictObject({
  session: idSchema('SessionId'),
  change: z
    .strictObject({
      title: z.string(),
      createdAt: z.number(),
      activeAt: z.number(),
      labels: z.string(),
      origins: z.string(),
      scratchpad: z.string(),
      archived: z.number().describe('When it was archived; 0: it no longer is.'),
      deleted: z.number().describe('When it was deleted.'),
      parent: idSchema('SessionId'),
      forked: z.int(),
      summary: idOrEmpty('CallId'),
    })
    .partial(),
})

type Changed = z.infer<typeof changed>

const changesRow = {
  output: changed,
  projection: 'session' as const,
  recordOutput: (output: Changed): JsonObject => ({ ...output, change: { ...output.change } as JsonObject }),
}

export function sessionKeepingCalls(deps: SessionKeepingDeps): readonly Call[] {
  return [rename(deps), archive(deps), erase(deps), fork(deps)]
}

function rename({ sessions }: SessionKeepingDeps): Call {
  return defineCall({
    ...shared,
    ...changesRow,
    name: renameSessionCall,
    routes: [{ method: 'PATCH', path: '/sessions/{session}' }],
    summary: 'Renames a session.',
    input: z.strictObject({ session, title: z.string().trim().min(1).max(200).describe('The new title.') }),
    example: { session: example, title: 'Taxes' },
    async run({ session: id, title }) {
      await sessions.load(id)
      return { output: { session: id, change: { title: title.replace(/\s+/gu, ' ') } } }
    },
  })
}

function archive({ sessions }: SessionKeepingDeps): Call {
  return defineCall({
    ...shared,
    ...changesRow,
    name: archiveSessionCall,
    routes: [{ method: 'POST', path: '/sessions/{session}/archive' }],
    event: ({ session: id = '' }) => ({ kind: 'session_archived', fields: { id } }),
    summary: 'Archives a session, so that lists leave it out; nothing is deleted. Or unarchives it.',
    input: z.strictObject({ session, archived: z.boolean().default(true).describe('False unarchives it.') }),
    example: { session: example, archived: true },
    async run({ session: id, archived }, { clock }) {
      await sessions.load(id)
      return { output: { session: id, change: { archived: archived ? clock.now() : 0 } } }
    },
  })
}

function erase(deps: SessionKeepingDeps): Call {
  return defineCall({
    ...shared,
    ...changesRow,
    name: deleteSessionCall,
    routes: [{ method: 'DELETE', path: '/sessions/{session}' }],
    event: ({ session: id = '' }) => ({ kind: 'session_deleted', fields: { id } }),
    summary: 'Deletes a session with all its messages and memories. The journal keeps only hashes.',
    input: z.strictObject({ session }),
    example: { session: example },
    tier: 'privileged',
    timeoutMs: 10 * 60_000,
    async run({ session: id }, context) {
      await deps.sessions.load(id)
      await assertNoForks(deps, id)
      if (deps.lanes.isBusy(id)) throw bad('A turn of this session is running.', 'Wait for it or cancel it, then delete the session.')
      // No await since the check of the lane, so no turn can start in between.
      const undoLeave = deps.sessions.leave(id)
      try {
        // A fork may have passed its checks before `leave`; its record is appended by the next tick.
        await setImmediate()
        await assertNoForks(deps, id)
        // A title or summary in progress would otherwise be written after the session was erased.
        await deps.background.end(id)
        await eraseSession(deps, id, context)
      } catch (error) {
        undoLeave()
        throw error
      }
      return { output: { session: id, change: { deleted: context.clock.now(), title: '', scratchpad: '', summary: '' as const } } }
    },
  })
}

async function assertNoForks({ journal, store }: SessionKeepingDeps, id: SessionId): Promise<void> {
  await journal.flushed()
  const child = (await store.sessions(maxSessionsRead)).find(({ parent, deleted }) => parent === id && deleted === 0)
  if (child !== undefined) throw bad(`Session ${child.id} is a fork of this session and shares its history.`, 'Delete the fork first.')
}

/**
 * Erases memory first, so that nothing is recalled even if a later step fails; repeating the call continues where it stopped. Erases
 * memory again at the end, because the indexer may have written what it had read before.
 */
async function eraseSession(deps: SessionKeepingDeps, id: SessionId, context: CallContext): Promise<void> {
  await eraseEntries(deps.store, id)
  await deps.journal.flushed()
  await eraseTitles(deps, id, context)
  if ((await folderOf(deps.documents, id)) !== null)
    await deps.documents.put({ caller: context.caller, call: context.id, name: deleteSessionCall }, [folderChange(id, null)])
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
    await journal.erase({ caller, call, name: deleteSessionCall }, seqs, 'session deleted')
    after = page.at(-1)?.seq ?? after
  }
}

/** Erases the titles that a person gave: their records do not belong to the session, so they are found by its id in the body. */
async function eraseTitles(
  { store, journal }: SessionKeepingDeps,
  id: SessionId,
  { id: call, caller, signal }: CallContext,
): Promise<void> {
  const calls = new Set<CallId>()
  const end = (await store.head()).seq
  for (let after = 0; after < end;) {
    signal.throwIfAborted()
    const { records, upto } = await store.scan({ after, before: end + 1, phrases: [foldPhrase(id)] })
    for (const record of records) if (titleCalls.has(record.name) && isAbout(record.body, id)) calls.add(record.call)
    after = upto
  }
  for (const titleCall of calls) {
    const records = await store.records({ call: titleCall, order: 'oldest_first', limit: 10, hydrate: false })
    await journal.erase(
      { caller, call, name: deleteSessionCall },
      records.map(({ seq }) => seq),
      'session deleted',
    )
  }
}

/** An intent names the session in its input, an outcome in its own fields. */
function isAbout(body: string, id: SessionId): boolean {
  const value = JSON.parse(body) as JsonObject
  return [value['id'], value['session'], (value['input'] as JsonObject | undefined)?.['session']].includes(id)
}

function fork(deps: SessionKeepingDeps): Call {
  return defineCall({
    ...shared,
    ...changesRow,
    name: forkSessionCall,
    routes: [{ method: 'POST', path: '/sessions/{session}/fork', status: 201 }],
    event: ({ session: id = '' }) => ({ kind: 'session_forked', fields: { id } }),
    summary: 'Starts a new session that continues from a point in another one, which stays as it is.',
    input: z.strictObject({
      session,
      at: z.int().min(1).optional().describe('#number of the last message that both share. Default: the newest.'),
      message: z
        .int()
        .min(1)
        .optional()
        .describe('In place of `at`: how many messages of the person both share, with their replies, counted from the first one.'),
      title: z.string().trim().max(200).optional().describe('Title of the new session. Default: the other session’s.'),
    }),
    example: { session: example, at: 42 },
    async run({ session: id, at: atRecord, message, title }, { clock, caller, id: call }) {
      await deps.sessions.load(id)
      if (atRecord !== undefined && message !== undefined) throw bad('`at` and `message` name two points.', 'Give one of them.')
      const at = message === undefined ? atRecord : await endOfMessage(deps, id, message)
      if (at === undefined && deps.lanes.isBusy(id))
        throw bad('A turn of this session is running.', 'Wait for it, or name a message with `at`.')
      await assertReachable(deps, id)
      const lastShared = await lastSharedRecord(deps, id, at ?? Number.MAX_SAFE_INTEGER)
      if (lastShared === 0)
        throw bad(
          at === undefined ? 'The session has no messages yet.' : `The session has no messages up to #${at}.`,
          'Start a new session.',
        )
      const summary = await deps.summaries.read(id)
      const padChange = await scratchpadAt(deps, id, Math.max(lastShared, at ?? Number.MAX_SAFE_INTEGER))
      // A person may have changed the scratchpad after the last message: that change is shared too.
      const forked = Math.max(lastShared, padChange?.seq ?? 0)
      // Loaded last, because deleting the session may have begun meanwhile.
      const row = await deps.sessions.load(id)
      const now = clock.now()
      const change = {
        title: title ?? row.title,
        createdAt: now,
        activeAt: now,
        ...inherited(row),
        scratchpad: padChange?.call ?? '',
        parent: id,
        forked,
        // A summary that covers more than the shared part does not apply to the fork.
        summary: summary !== null && summary.summary.upto <= forked ? row.summary : ('' as const),
      }
      const made = deps.newId() as SessionId
      await deps.copyMode({ caller, call, name: forkSessionCall }, { from: id, to: made })
      const folder = await folderOf(deps.documents, id)
      if (folder !== null) await deps.documents.put({ caller, call, name: forkSessionCall }, [folderChange(made, folder)])
      return { output: { session: made, change } }
    },
  })
}

/** @returns the seq just before the message after this one; undefined if this is the newest */
async function endOfMessage(deps: SessionKeepingDeps, id: SessionId, number: number): Promise<number | undefined> {
  await deps.journal.flushed()
  const sent: number[] = []
  for await (const page of historyPages(deps, id)) for (const row of page) if (isTurn(row)) sent.unshift(row.seq)
  if (number > sent.length)
    throw bad(`The session has ${sent.length} ${sent.length === 1 ? 'message' : 'messages'}.`, '`oxbow sessions show ID` numbers them.')
  const next = sent[number]
  return next === undefined ? undefined : next - 1
}

/** A history is read across at most `maxForkDepth` forks. Refuses a deeper fork, whose beginning would silently be missing. */
async function assertReachable({ sessions }: SessionKeepingDeps, id: SessionId): Promise<void> {
  let from = id
  for (let depth = 1; depth <= maxForkDepth; depth++) {
    const { parent } = await sessions.load(from)
    if (parent === '') return
    from = parent
  }
  throw new OxbowError('limit_reached', `Session ${id} is ${maxForkDepth} forks away from the first session, the most that are possible.`, {
    hint: 'Continue in it, or fork one of the sessions that it was forked from.',
  })
}

/** @returns seq of the last record up to `at`, including the results of the calls that it made; 0 for no record */
async function lastSharedRecord(deps: SessionKeepingDeps, id: SessionId, at: number): Promise<number> {
  await deps.journal.flushed()
  let results: number[] = []
  for await (const page of historyPages(deps, id)) {
    for (const { seq, call } of page) {
      const isResult = toolPlace(call) !== null
      if (seq <= at) return Math.max(seq, ...results)
      // Results right after the message belong to it.
      results = isResult ? [...results, seq] : []
    }
  }
  return 0
}

/** @returns the last record up to `point` that changed the scratchpad; undefined if no record did */
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
