/** Every statement that reads memory in SQLite. */
import { type EntryRow, entryColumns } from '../../memory/entry-row.ts'
import { statementMaker } from '../../memory/memory-statement.ts'
import { blockPassages } from '../../memory/memory-limits.ts'
import type { Database, Statement } from '../sqlite-database.ts'
import type { BlockRow, ModelRow, PassageRow, StateRow } from './memory-writes.ts'

interface Of {
  readonly user: string
}

/** A passage with its entry. */
export type FoundRow = EntryRow & { readonly passage: number; readonly part: number; readonly start: number; readonly body: Uint8Array }

type Found<Args, Row> = Statement<Of & Args, Row>

export interface MemoryReads {
  readonly state: Found<object, StateRow>
  readonly entry: Found<{ id: string }, EntryRow & { readonly key: number }>
  readonly passagesOf: Found<{ entry: number }, PassageRow>
  readonly found: Found<{ id: number }, FoundRow>
  readonly foundOf: Found<{ entry: number }, FoundRow>
  readonly entriesBefore: Found<{ stream: string; place: number; limit: number }, { readonly key: number }>
  readonly entriesAfter: Found<{ stream: string; place: number; limit: number }, { readonly key: number }>
  readonly withHash: Found<{ hash: string }, { readonly id: string }>
  readonly withoutVector: Found<{ model: string; from: number; limit: number }, { readonly id: number; readonly body: Uint8Array }>
  readonly cursor: Found<{ name: string }, { readonly seq: number }>
  readonly models: Found<object, ModelRow>
  readonly block: Found<{ model: string; block: number }, BlockRow>
  /** Rows as a slot table takes them, of entries that changed after a version. */
  readonly slotsSince: Found<{ version: number }, never>
  readonly removedSince: Found<{ version: number }, never>
  readonly blocksSince: Found<{ model: string; version: number; after: number; limit: number }, BlockRow>
}

const columns = entryColumns.map((column) => `e.${column}`).join(', ')
const slotColumns = 'p.id, e.kind, e.type, e.tier, e.session, e.stream, e.tags, e.labels, e.place, e.created_at, e.valid_from, e.valid_to'
const joined = 'memory_entry e join memory_passage p on p.user = e.user and p.entry = e.key'

export function openReadStatements(database: Database): MemoryReads {
  const sql = statementMaker('sqlite')
  const entries = (side: string, order: string): string =>
    `select key from memory_entry where user = :user and stream = :stream and place ${side} :place order by place ${order}, id ${order} limit :limit`
  return {
    state: database.prepare(sql('select * from memory_state where user = :user')),
    entry: database.prepare(sql(`select key, ${columns} from memory_entry e where user = :user and id = :id`)),
    passagesOf: database.prepare(
      sql('select id, part, start, body from memory_passage where user = :user and entry = :entry order by part, id'),
    ),
    found: database.prepare(
      sql(
        `select p.id as passage, p.part, p.start, p.body, ${columns} from memory_passage p
         join memory_entry e on e.user = p.user and e.key = p.entry where p.user = :user and p.id = :id`,
      ),
    ),
    foundOf: database.prepare(
      sql(
        `select p.id as passage, p.part, p.start, p.body, ${columns} from ${joined}
         where e.user = :user and e.key = :entry order by p.part, p.id`,
      ),
    ),
    entriesBefore: database.prepare(sql(entries('<', 'desc'))),
    entriesAfter: database.prepare(sql(entries('>', 'asc'))),
    withHash: database.prepare(sql('select id from memory_entry where user = :user and hash = :hash order by id')),
    withoutVector: database.prepare(
      sql(
        `select p.id, p.body from memory_passage p
         left join memory_vectors v on v.user = p.user and v.model = :model and v.block = p.id / ${blockPassages}
         where p.user = :user and p.id >= :from and (v.mask is null or (v.mask >> (p.id % ${blockPassages})) & 1 = 0)
         order by p.id limit :limit`,
      ),
    ),
    cursor: database.prepare(sql('select seq from memory_cursor where user = :user and name = :name')),
    models: database.prepare(sql('select model, dims, state, began, vectors from memory_model where user = :user order by model')),
    block: database.prepare(sql('select block, mask, bytes from memory_vectors where user = :user and model = :model and block = :block')),
    slotsSince: database.prepare(sql(`select ${slotColumns} from ${joined} where e.user = :user and e.version > :version`)),
    removedSince: database.prepare(sql('select passage from memory_removal where user = :user and version > :version')),
    blocksSince: database.prepare(
      sql(
        `select block, mask, bytes from memory_vectors
         where user = :user and model = :model and version > :version and block > :after order by block limit :limit`,
      ),
    ),
  }
}
