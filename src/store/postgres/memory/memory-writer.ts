/**
 * Changes of memory in Postgres, within the transaction of their batch, which holds the user's lock. Rows go in and out in
 * bulk: changes of different entries do not depend on each other, so all of a call that are of different ids are done together.
 */
import type { UserId } from '../../../types/index.ts'
import type { MemoryChange, MemoryItem, MemoryPatch } from '../../memory.ts'
import { type EntryRow, entryRow, rowEntry } from '../../memory/entry-row.ts'
import { keptRemovals } from '../../memory/memory-limits.ts'
import { type KeyedEntryRow, noState, type PassageRow, type StateRow } from '../../memory/memory-rows.ts'
import { lengthOfBody, packBody, unpackBody } from '../../memory/passage-body.ts'
import type { Extra } from '../../store-message.ts'
import { jsonRows, type PostgresSession } from '../postgres-session.ts'
import { entryTypes, hexOf, memoryWrites } from './memory-writes.ts'
import { indexAll, indexFull, removePostings } from './posting-writer.ts'
import { changeModel, putVectors, removeVectors } from './vector-writer.ts'

interface Work {
  readonly session: PostgresSession
  readonly user: UserId
  readonly version: number
  state: StateRow
}

/** Passages from which on the server is told to look at the tables, whenever there are twice as many: it takes some tens of milliseconds. */
const firstLookedAt = 200

type EntryChange = Extract<MemoryChange, { change: 'put' | 'patch' | 'erase' }>

/** The write of an engine's batch. */
export function memoryWrite(user: UserId): (session: PostgresSession, extra: Extra) => Promise<null> {
  return async (session, extra) => {
    if (extra.kind === 'memory') await changeMemory(session, user, extra.changes)
    return null
  }
}

/** @throws OxbowError `bad_input`, or what the driver throws; then the transaction must be taken back */
async function changeMemory(session: PostgresSession, user: UserId, changes: readonly MemoryChange[]): Promise<void> {
  const [found] = await session.objects<StateRow>({ ...memoryWrites.state, values: [user] })
  const state = found ?? { user, ...noState }
  const work: Work = { session, user, version: state.version + 1, state }
  // Rows that came from elsewhere bring no index of words.
  if (state.version > 0) await indexAll(session, user)
  for (const group of groupsOf(changes)) await changeEntries(work, group)
  for (const change of changes) {
    if (change.change === 'cursor') await session.rows({ ...memoryWrites.putCursor, values: [user, change.cursor.name, change.cursor.seq] })
    if (change.change === 'model') await changeModel(work, change)
    if (change.change === 'vectors') await putVectors(work, change.model, change.vectors)
  }
  await putState(work)
}

async function putState({ session, user, version, state }: Work): Promise<void> {
  const full = state.removals > keptRemovals
  if (full) await session.rows({ ...memoryWrites.trimRemovals, values: [user, version] })
  const { trimmed, next_entry: entry, next_passage: passage, removals } = full ? { ...state, trimmed: version, removals: 0 } : state
  await session.rows({ ...memoryWrites.putState, values: [user, version, trimmed, entry, passage, removals] })
}

/** Runs of changes of entries in which no id comes twice, in order. */
function groupsOf(changes: readonly MemoryChange[]): readonly (readonly EntryChange[])[] {
  const groups: EntryChange[][] = []
  let ids = new Set<string>()
  for (const change of changes) {
    if (change.change !== 'put' && change.change !== 'patch' && change.change !== 'erase') continue
    const id = idOf(change)
    if (groups.length === 0 || ids.has(id)) {
      groups.push([])
      ids = new Set()
    }
    ids.add(id)
    groups.at(-1)?.push(change)
  }
  return groups
}

function idOf(change: EntryChange): string {
  return change.change === 'put' ? change.item.entry.id : change.id
}

async function changeEntries(work: Work, changes: readonly EntryChange[]): Promise<void> {
  const { session, user } = work
  const rows = await session.objects<KeyedEntryRow>({ ...memoryWrites.entries, values: [user, jsonRows(changes.map(idOf))] })
  const known = new Map(rows.map((row) => [row.id, row]))
  const gone: KeyedEntryRow[] = []
  const patched: { row: KeyedEntryRow; patch: MemoryPatch }[] = []
  const items: MemoryItem[] = []
  for (const change of changes) {
    const row = known.get(idOf(change))
    if (change.change === 'put') items.push(change.item)
    if (row === undefined) continue
    if (change.change === 'patch') patched.push({ row, patch: change.patch })
    else gone.push(row)
  }
  if (gone.length > 0) await removeEntries(work, gone)
  if (patched.length > 0) await patchEntries(work, patched)
  if (items.length > 0) await putItems(work, items)
}

async function removeEntries(work: Work, rows: readonly KeyedEntryRow[]): Promise<void> {
  const { session, user, version } = work
  const keys = jsonRows(rows.map(({ key }) => key))
  const passages = await session.objects<PassageRow>({ ...memoryWrites.passagesOf, values: [user, keys] })
  const ids = passages.map(({ id }) => id)
  await removePostings(
    session,
    user,
    passages.map(({ id, body }) => ({ id, ...unpackBody(body) })),
  )
  await removeVectors(work, ids)
  await session.rows({ ...memoryWrites.putRemovals, values: [user, version, jsonRows(ids)] })
  await session.rows({ ...memoryWrites.dropPassages, values: [user, keys] })
  await session.rows({ ...memoryWrites.dropEntries, values: [user, keys] })
  work.state = { ...work.state, removals: work.state.removals + ids.length }
}

async function patchEntries(
  { session, user, version }: Work,
  patched: readonly { row: KeyedEntryRow; patch: MemoryPatch }[],
): Promise<void> {
  const rows = patched.map(({ row, patch }) => ({ ...stored(entryRow({ ...rowEntry(row), ...patch, id: row.id })), key: row.key, version }))
  await session.rows({ ...memoryWrites.updateEntries, values: [user, jsonRows(rows)] })
}

async function putItems(work: Work, items: readonly MemoryItem[]): Promise<void> {
  const { session, user, version } = work
  let { next_entry: key, next_passage: id } = work.state
  const entries: object[] = []
  const passages: object[] = []
  for (const { entry, passages: parts } of items) {
    entries.push({ ...stored(entryRow(entry)), key, version })
    for (const { part, start, ...body } of parts) {
      passages.push({ id, entry: key, part, start, length: lengthOfBody(body), body: hexOf(packBody(body)) })
      id++
    }
    key++
  }
  await Promise.all([
    session.rows({ ...memoryWrites.putEntries, values: [user, jsonRows(entries)] }),
    session.rows({ ...memoryWrites.putPassages, values: [user, jsonRows(passages)] }),
  ])
  await indexFull(session, user, work.state.next_passage, id)
  // A server that knows nothing of these tables takes any index for as good as the right one. It looks by itself a minute later.
  if (id > firstLookedAt && Math.floor(Math.log2(id)) > Math.floor(Math.log2(work.state.next_passage))) {
    await session.exec('analyze memory_entry, memory_passage, memory_vectors, memory_posting')
  }
  work.state = { ...work.state, next_entry: key, next_passage: id }
}

/** Only the columns of the table. */
function stored(row: EntryRow): object {
  return Object.fromEntries(Object.keys(entryTypes).map((column) => [column, row[column as keyof EntryRow]]))
}
