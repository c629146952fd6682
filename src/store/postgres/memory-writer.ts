/**
 * Changes of memory in Postgres, within the transaction of their batch, which holds the user's lock. Rows are read and written in
 * bulk: changes of different entries do not depend on each other, so all changes of a call with different ids run together.
 */
import { ownValue, type UserId } from '../../base/index.ts'
import { keptRemovals } from '../limits.ts'
import type { MemoryChange, MemoryItem, MemoryPatch, PassageVector } from '../memory.ts'
import {
  type BlockRow,
  type EntryRow,
  entryRow,
  type KeyedEntryRow,
  type ModelRow,
  noState,
  type PassageRow,
  rowEntry,
  type StateRow,
} from '../memory/memory-rows.ts'
import { markRecords } from '../memory/memory-marks.ts'
import { runAsync } from '../memory/memory-reads.ts'
import { lengthOfBody, packBody } from '../memory/passage-body.ts'
import {
  type BlockChange,
  blockOf,
  changedBlock,
  createMadeVectors,
  type MadeVectors,
  modelOf,
  modelsAfter,
  putting,
  removing,
} from '../search/vector-block.ts'
import { entryTypes, hexOf, memoryWrites } from './memory-statements.ts'
import { dropNear, removeNear } from './near-index.ts'
import { createAnswers } from './postgres-memory.ts'
import { jsonRows, type PostgresSession } from './postgres-session.ts'
import { asOwner } from './row-security.ts'
import type { OwnWrite } from './write-transaction.ts'

interface Work {
  readonly session: PostgresSession
  readonly user: UserId
  readonly version: number
  state: StateRow
  readonly made: MadeVectors
}

/** From so many passages on the tables are analyzed whenever their number doubles: it takes some tens of milliseconds. */
const firstAnalyzed = 200

type EntryChange = Extract<MemoryChange, { change: 'put' | 'patch' | 'erase' }>

/** The write of an engine's batch; with it come the records that tell the journal of it. */
export function memoryWrite(user: UserId): OwnWrite {
  const answersOf = createAnswers()
  return async (session, extra, now) => {
    if (extra.kind !== 'memory') return { result: null }
    const { answer, ahead } = answersOf(session)
    const records = await runAsync(markRecords(user, extra.changes, now), answer, ahead)
    await changeMemory(session, user, extra.changes)
    return { result: null, records }
  }
}

/** @throws OxbowError `bad_input`, or what the driver throws; then the transaction must be taken back */
async function changeMemory(session: PostgresSession, user: UserId, changes: readonly MemoryChange[]): Promise<void> {
  const [found] = await session.objects<StateRow>({ ...memoryWrites.state, values: [user] })
  const state = found ?? { user, ...noState }
  const work: Work = { session, user, version: state.version + 1, state, made: createMadeVectors() }
  for (const group of groupsOf(changes)) await changeEntries(work, group)
  for (const change of changes) {
    if (change.change === 'cursor') await session.rows({ ...memoryWrites.putCursor, values: [user, change.cursor.name, change.cursor.seq] })
    if (change.change === 'model') await changeModel(work, change)
    if (change.change === 'vectors') await putVectors(work, change.model, change.vectors)
  }
  if (!work.made.isEmpty()) for (const [model, vectors] of work.made.of(await modelsOf(work))) await putVectors(work, model, vectors)
  await putState(work)
}

async function putState({ session, user, version, state }: Work): Promise<void> {
  const full = state.removals > keptRemovals
  if (full) await session.rows({ ...memoryWrites.trimRemovals, values: [user, version] })
  const { trimmed, next_entry: entry, next_passage: passage, removals } = full ? { ...state, trimmed: version, removals: 0 } : state
  await session.rows({ ...memoryWrites.putState, values: [user, version, trimmed, entry, passage, removals] })
}

/** Splits changes of entries into runs without a repeated id, in order. */
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
  const existing = new Map(rows.map((row) => [row.id, row]))
  const gone: KeyedEntryRow[] = []
  const patched: { row: KeyedEntryRow; patch: MemoryPatch }[] = []
  const items: MemoryItem[] = []
  for (const change of changes) {
    const row = existing.get(idOf(change))
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
  const { session, user, version, made } = work
  let { next_entry: key, next_passage: id } = work.state
  const entries: object[] = []
  const passages: object[] = []
  for (const item of items) {
    const { entry, passages: parts } = item
    made.add(item, id)
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
  // Without statistics the server takes any index for as good as the right one. Autovacuum would come a minute later.
  if (id > firstAnalyzed && Math.floor(Math.log2(id)) > Math.floor(Math.log2(work.state.next_passage))) {
    await session.exec(asOwner('analyze memory_entry, memory_passage, memory_vectors'))
  }
  work.state = { ...work.state, next_entry: key, next_passage: id }
}

/** Only the stored columns. */
function stored(row: EntryRow): object {
  return Object.fromEntries(Object.keys(entryTypes).map((column) => [column, ownValue(row, column as keyof EntryRow)]))
}

/** Vectors stand in rows of several, as in SQLite: each row is read, changed and written back once a call. */
type VectorWork = Omit<Work, 'state' | 'made'>

/** @throws OxbowError `bad_input` for a model that is not kept, or a vector of another size */
async function putVectors(work: VectorWork, model: string, vectors: readonly PassageVector[]): Promise<void> {
  const { session, user } = work
  const kept = modelOf(await modelsOf(work), model, vectors)
  const ids = new Set(vectors.map(({ passage }) => passage))
  const there = await session.rows({ ...memoryWrites.passagesIn, values: [user, jsonRows([...ids])] })
  const passages = there.map(([id]) => id as number)
  const more = await changeBlocks(work, kept, passages, putting(vectors))
  await putModel(work, { ...kept, vectors: kept.vectors + more })
}

/** @throws OxbowError `bad_input` when it is kept with other dimensions */
async function changeModel(work: VectorWork, change: MemoryChange & { change: 'model' }): Promise<void> {
  const { session, user, version } = work
  const { model, state } = change
  const kept = await modelsOf(work)
  if (state === 'dropped') {
    await session.rows({ ...memoryWrites.dropBlocks, values: [user, model] })
    await session.rows({ ...memoryWrites.dropModel, values: [user, model] })
    await dropNear(session, user, model)
    return
  }
  for (const row of modelsAfter(kept, change, state, version)) await putModel(work, row)
}

async function removeVectors(work: VectorWork, passages: readonly number[]): Promise<void> {
  if (passages.length === 0) return
  await removeNear(work.session, work.user, passages)
  for (const kept of await modelsOf(work)) {
    const more = await changeBlocks(work, kept, passages, removing)
    if (more !== 0) await putModel(work, { ...kept, vectors: kept.vectors + more })
  }
}

/** @returns by how many vectors there are more */
async function changeBlocks(
  { session, user, version }: VectorWork,
  { model, dims }: ModelRow,
  passages: readonly number[],
  change: BlockChange,
): Promise<number> {
  const byBlock = Map.groupBy(passages, blockOf)
  const rows = await session.objects<BlockRow>({ ...memoryWrites.blocks, values: [user, jsonRows([...byBlock.keys()]), model] })
  const found = new Map(rows.map((row) => [row.block, row]))
  let more = 0
  for (const [block, inBlock] of byBlock) {
    const changed = changedBlock(block, found.get(block), dims, (held) => change(held, inBlock))
    if (changed === null) continue
    more += changed.more
    const { row } = changed
    if (row === null) await session.rows({ ...memoryWrites.dropBlock, values: [user, model, block] })
    else await session.rows({ ...memoryWrites.putBlock, values: [user, model, block, version, row.mask, row.bytes] })
  }
  return more
}

function modelsOf({ session, user }: VectorWork): Promise<ModelRow[]> {
  return session.objects<ModelRow>({ ...memoryWrites.models, values: [user] })
}

async function putModel({ session, user }: VectorWork, { model, dims, state, began, vectors }: ModelRow): Promise<void> {
  await session.rows({ ...memoryWrites.putModel, values: [user, model, dims, state, began, vectors] })
}
