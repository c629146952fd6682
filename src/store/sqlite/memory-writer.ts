/** Changes of memory in SQLite: one call is one transaction, which the engine around it holds. */
import type { UserId } from '../../base/index.ts'
import type { NewRecord } from '../../protocol/index.ts'
import { keptRemovals } from '../limits.ts'
import type { MemoryChange, MemoryItem, MemoryPatch, PassageVector } from '../memory.ts'
import { markRecords } from '../memory/memory-marks.ts'
import { runSync, statementMaker } from '../memory/memory-reads.ts'
import {
  type BlockRow,
  entryColumns,
  entryRow,
  type EntryRow,
  type ModelRow,
  noState,
  type PassageRow,
  rowEntry,
  type StateRow,
} from '../memory/memory-rows.ts'
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
import { eraseSnapshots } from '../snapshot/erase-snapshots.ts'
import { createAnswers } from './memory-answers.ts'
import type { Database, Statement } from './sqlite-database.ts'

export interface MemoryWriter {
  /** Within a transaction. @returns records that tell the journal of it, to be appended. @throws OxbowError `bad_input` */
  apply(changes: readonly MemoryChange[], now: number): readonly NewRecord[]
  /** After a commit: makes sure that what was erased is in no file any more. */
  settle(): void
}

interface WriterParts {
  readonly user: UserId
  readonly writes: MemoryWrites
  readonly vectors: VectorWriter
}

/** What one call of changes carries from change to change. */
interface Work extends WriterParts {
  state: StateRow
  readonly version: number
  readonly made: MadeVectors
}

export function createMemoryWriter(database: Database, user: UserId): MemoryWriter {
  let parts: WriterParts | null = null
  const answer = createAnswers(database)
  let erasing = false
  const open = (): WriterParts => {
    const writes = openWriteStatements(database)
    return { user, writes, vectors: createVectorWriter(writes, user) }
  }
  return {
    apply(changes, now) {
      const records = runSync(markRecords(user, changes, now), answer)
      parts ??= open()
      const { writes } = parts
      const state = writes.state.get({ user }) ?? { user, ...noState }
      const work: Work = { ...parts, state, version: state.version + 1, made: createMadeVectors() }
      for (const change of changes) applyChange(work, change)
      work.vectors.putMade(work.made, work.version)
      writes.putState.run({ ...trimmedState(work), version: work.version })
      erasing ||= changes.some(({ change }) => change === 'erase')
      return records
    },
    settle() {
      if (erasing) {
        database.emptyLog()
        if (database.path !== ':memory:') eraseSnapshots(database.path)
      }
      erasing = false
    },
  }
}

function applyChange(work: Work, change: MemoryChange): void {
  const { writes, user, version } = work
  switch (change.change) {
    case 'put':
      remove(work, change.item.entry.id)
      put(work, change.item)
      return
    case 'patch':
      patch(work, change.id, change.patch)
      return
    case 'erase':
      remove(work, change.id)
      return
    case 'cursor':
      writes.putCursor.run({ user, ...change.cursor })
      return
    case 'vectors':
      work.vectors.put(change.model, change.vectors, version)
      return
    case 'model':
      work.vectors.model(change, version)
  }
}

function put(work: Work, item: MemoryItem): void {
  const { entry, passages } = item
  const { writes, user, version } = work
  const key = work.state.next_entry
  let id = work.state.next_passage
  writes.putEntry.run({ user, key, version, ...entryRow(entry) })
  for (const { part, start, ...body } of passages) {
    writes.putPassage.run({ user, id, entry: key, part, start, length: lengthOfBody(body), body: packBody(body) })
    id++
  }
  work.made.add(item, work.state.next_passage)
  work.state = { ...work.state, next_entry: key + 1, next_passage: id }
}

function remove(work: Work, id: string): void {
  const { writes, user, version } = work
  const row = writes.entry.get({ user, id })
  if (row === undefined) return
  const passages = writes.passagesOf.all({ user, entry: row.key })
  for (const passage of passages) writes.putRemoval.run({ user, version, passage: passage.id })
  work.vectors.removePassages(
    passages.map((passage) => passage.id),
    version,
  )
  writes.dropPassages.run({ user, entry: row.key })
  writes.dropEntry.run({ user, key: row.key })
  work.state = { ...work.state, removals: work.state.removals + passages.length }
}

function patch({ writes, user, version }: Work, id: string, patched: MemoryPatch): void {
  const row = writes.entry.get({ user, id })
  if (row === undefined) return
  const entry = { ...rowEntry(row), ...patched }
  writes.updateEntry.run({ user, key: row.key, version, ...entryRow({ ...entry, id }) })
}

/** Only so many removals are remembered; a reader that was away for longer reads all anew. */
function trimmedState({ writes, user, state, version }: Work): StateRow {
  if (state.removals <= keptRemovals) return state
  writes.trimRemovals.run({ user, version })
  return { ...state, trimmed: version, removals: 0 }
}

interface VectorWriter {
  /** @throws OxbowError `bad_input` for a model that is not kept, or a vector of another size */
  put(model: string, vectors: readonly PassageVector[], version: number): void
  /** What came with the entries of the same call. */
  putMade(made: MadeVectors, version: number): void
  /** @throws OxbowError `bad_input` when it is kept with other dimensions */
  model(change: MemoryChange & { change: 'model' }, version: number): void
  removePassages(passages: readonly number[], version: number): void
}

function createVectorWriter(writes: MemoryWrites, user: UserId): VectorWriter {
  /** @returns by how many vectors there are more */
  const changeBlocks = ({ model, dims }: ModelRow, passages: readonly number[], version: number, change: BlockChange): number => {
    let more = 0
    for (const [block, inBlock] of Map.groupBy(passages, blockOf)) {
      const changed = changedBlock(block, writes.block.get({ user, model, block }), dims, (held) => change(held, inBlock))
      if (changed === null) continue
      more += changed.more
      if (changed.row === null) writes.dropBlock.run({ user, model, block })
      else writes.putBlock.run({ user, model, version, ...changed.row })
    }
    return more
  }
  const models = (): ModelRow[] => writes.models.all({ user })
  const putVectors: VectorWriter['put'] = (model, vectors, version) => {
    const kept = modelOf(models(), model, vectors)
    const ids = new Set(vectors.map(({ passage }) => passage))
    const there = [...ids].filter((id) => writes.passageIn.get({ user, id }) !== undefined)
    const more = changeBlocks(kept, there, version, putting(vectors))
    writes.putModel.run({ user, ...kept, vectors: kept.vectors + more })
  }
  return {
    put: putVectors,
    putMade(made, version) {
      if (!made.isEmpty()) for (const [model, vectors] of made.of(models())) putVectors(model, vectors, version)
    },
    model(change, version) {
      const { model, state } = change
      if (state === 'dropped') {
        writes.dropBlocks.run({ user, model })
        writes.dropModel.run({ user, model })
      } else {
        for (const row of modelsAfter(models(), change, state, version)) writes.putModel.run({ user, ...row })
      }
    },
    removePassages(passages, version) {
      if (passages.length === 0) return
      for (const kept of models()) {
        const more = changeBlocks(kept, passages, version, removing)
        if (more !== 0) writes.putModel.run({ user, ...kept, vectors: kept.vectors + more })
      }
    },
  }
}

interface Of {
  readonly user: string
}

type Keyed<Args> = Statement<Of & Args, never>
type Found<Args, Row> = Statement<Of & Args, Row>

interface MemoryWrites {
  readonly state: Found<object, StateRow>
  readonly putState: Keyed<StateRow>
  readonly entry: Found<{ id: string }, EntryRow & { readonly key: number }>
  readonly putEntry: Keyed<EntryRow & { key: number; version: number }>
  readonly updateEntry: Keyed<EntryRow & { key: number; version: number }>
  readonly dropEntry: Keyed<{ key: number }>
  readonly passagesOf: Found<{ entry: number }, PassageRow>
  readonly putPassage: Keyed<{ id: number; entry: number; part: number; start: number; length: number; body: Uint8Array }>
  readonly dropPassages: Keyed<{ entry: number }>
  readonly passageIn: Found<{ id: number }, { readonly found: number }>
  readonly putRemoval: Keyed<{ version: number; passage: number }>
  readonly trimRemovals: Keyed<{ version: number }>
  readonly putCursor: Keyed<{ name: string; seq: number }>
  readonly models: Found<object, ModelRow>
  readonly putModel: Keyed<ModelRow>
  readonly dropModel: Keyed<{ model: string }>
  readonly block: Found<{ model: string; block: number }, BlockRow>
  readonly putBlock: Keyed<BlockRow & { model: string; version: number }>
  readonly dropBlock: Keyed<{ model: string; block: number }>
  readonly dropBlocks: Keyed<{ model: string }>
}

const columns = entryColumns.join(', ')
const values = entryColumns.map((column) => `:${column}`).join(', ')
const changes = entryColumns.map((column) => `${column} = :${column}`).join(', ')

function openWriteStatements(database: Database): MemoryWrites {
  const sql = statementMaker('sqlite')
  return {
    state: database.prepare(sql('select * from memory_state where user = :user')),
    putState: database.prepare(
      sql(
        `insert or replace into memory_state (user, version, trimmed, next_entry, next_passage, removals)
         values (:user, :version, :trimmed, :next_entry, :next_passage, :removals)`,
      ),
    ),
    entry: database.prepare(sql(`select key, ${columns} from memory_entry where user = :user and id = :id`)),
    putEntry: database.prepare(sql(`insert into memory_entry (user, key, version, ${columns}) values (:user, :key, :version, ${values})`)),
    updateEntry: database.prepare(sql(`update memory_entry set version = :version, ${changes} where user = :user and key = :key`)),
    dropEntry: database.prepare(sql('delete from memory_entry where user = :user and key = :key')),
    passagesOf: database.prepare(
      sql('select id, part, start, body from memory_passage where user = :user and entry = :entry order by part, id'),
    ),
    putPassage: database.prepare(
      sql(
        'insert into memory_passage (user, id, entry, part, start, length, body) values (:user, :id, :entry, :part, :start, :length, :body)',
      ),
    ),
    dropPassages: database.prepare(sql('delete from memory_passage where user = :user and entry = :entry')),
    passageIn: database.prepare(sql('select 1 as found from memory_passage where user = :user and id = :id')),
    putRemoval: database.prepare(sql('insert into memory_removal (user, version, passage) values (:user, :version, :passage)')),
    trimRemovals: database.prepare(sql('delete from memory_removal where user = :user and version <= :version')),
    putCursor: database.prepare(sql('insert or replace into memory_cursor (user, name, seq) values (:user, :name, :seq)')),
    ...vectorStatements(database),
  }
}

type VectorStatements = Pick<MemoryWrites, 'models' | 'putModel' | 'dropModel' | 'block' | 'putBlock' | 'dropBlock' | 'dropBlocks'>

function vectorStatements(database: Database): VectorStatements {
  const sql = statementMaker('sqlite')
  return {
    models: database.prepare(sql('select model, dims, state, began, vectors from memory_model where user = :user order by model')),
    putModel: database.prepare(
      sql(
        `insert or replace into memory_model (user, model, dims, state, began, vectors)
         values (:user, :model, :dims, :state, :began, :vectors)`,
      ),
    ),
    dropModel: database.prepare(sql('delete from memory_model where user = :user and model = :model')),
    block: database.prepare(sql('select block, mask, bytes from memory_vectors where user = :user and model = :model and block = :block')),
    putBlock: database.prepare(
      sql(
        `insert or replace into memory_vectors (user, model, block, version, mask, bytes)
         values (:user, :model, :block, :version, :mask, :bytes)`,
      ),
    ),
    dropBlock: database.prepare(sql('delete from memory_vectors where user = :user and model = :model and block = :block')),
    dropBlocks: database.prepare(sql('delete from memory_vectors where user = :user and model = :model')),
  }
}
