/** Calls by which a person manages sessions: rename, archive, delete, and fork from an earlier point. */
import { setImmediate } from 'node:timers/promises'
import { z } from 'zod'
import { type Core, maxSessionsRead, sessionId } from '../../kernel/index.ts'
import { foldPhrase, type Store } from '../../store/index.ts'
import { type CallId, type JsonObject, OxbowError, type SessionId } from '../../base/index.ts'
import {
  type Call,
  type CallContext,
  defineCall,
  titleCalls,
  deleteSessionCall,
  renameSessionCall,
  archiveSessionCall,
} from '../../protocol/index.ts'
import { folderChange, folderOf } from './session-folders.ts'
import { recordsRow } from './session-row.ts'

type SessionKeepingDeps = Pick<
  Core,
  'store' | 'sessions' | 'summaries' | 'lanes' | 'background' | 'journal' | 'newId' | 'documents' | 'memory'
>

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

export function sessionKeepingCalls(deps: SessionKeepingDeps): readonly Call[] {
  return [rename(deps), archive(deps), erase(deps)]
}

function rename({ sessions }: SessionKeepingDeps): Call {
  return defineCall({
    ...shared,
    ...recordsRow,
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
    ...recordsRow,
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
    ...recordsRow,
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

function bad(message: string, hint: string): OxbowError {
  return new OxbowError('bad_input', message, { hint })
}
