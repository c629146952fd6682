/** Every statement that changes memory in SQLite, and the reads that decide about a change. */
import { type EntryRow, entryColumns } from '../../memory/entry-row.ts'
import { statementMaker } from '../../memory/memory-statement.ts'
import type { BlockRow, ModelRow, PassageRow, StateRow } from '../../memory/memory-rows.ts'
import type { Database, Statement } from '../sqlite-database.ts'

interface Of {
  readonly user: string
}

type Keyed<Args> = Statement<Of & Args, never>
type Found<Args, Row> = Statement<Of & Args, Row>

export interface MemoryWrites {
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

export function openWriteStatements(database: Database): MemoryWrites {
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
