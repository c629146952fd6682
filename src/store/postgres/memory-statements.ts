/** Statements of memory in Postgres: all that change it, and the reads that need a form of their own. Rows travel as one JSON array, with bytes as hex, so that a thousand take one trip. */
import { Buffer } from 'node:buffer'
import { blockPassages } from '../limits.ts'
import { foundSlots, readTexts, slotColumns } from '../memory/memory-reads.ts'
import { entryColumns, type EntryRow } from '../memory/memory-rows.ts'

export const entryTypes: Readonly<Record<keyof EntryRow, 'text' | 'bigint' | 'double precision'>> = {
  id: 'text',
  kind: 'text',
  type: 'text',
  session: 'text',
  stream: 'text',
  place: 'bigint',
  author: 'text',
  tags: 'text',
  labels: 'text',
  created_at: 'bigint',
  updated_at: 'bigint',
  valid_from: 'bigint',
  valid_to: 'bigint',
  superseded_by: 'text',
  contradicts: 'text',
  confirmed_by: 'text',
  importance: 'double precision',
  tier: 'text',
  protection: 'text',
  accesses: 'bigint',
  accessed_at: 'bigint',
  seq: 'bigint',
  hash: 'text',
  stream_key: 'bigint',
  hash_key: 'bigint',
  extra: 'text',
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

interface NamedText {
  readonly name: string
  readonly text: string
}

const named = (name: string, text: string): NamedText => ({ name: `memory_${name}`, text })

const all = { key: 'bigint', version: 'bigint', ...entryTypes }
const columns = Object.keys(all).map((column) => `"${column}"`)
const typed = Object.entries(all).map(([column, type]) => `"${column}" ${type}`)
const quotedColumns = Object.keys(entryTypes).map((column) => `"${column}"`)

/**
 * Rows by keys that come as a JSON array. Each key is looked up by itself (`offset 0` keeps the planner from turning that round):
 * with statistics that are older than the rows, which is so whenever many are written, Postgres takes a user to have one row, and
 * compares each of the user's rows with each of the keys.
 */
const byKeys = (select: string, table: string, column: string, type: 'text' | 'bigint'): string =>
  `json_array_elements_text($2::json) w(value) cross join lateral
   (select ${select} from ${table} where "user" = $1 and ${column} = cast(w.value as ${type}) offset 0) t`
const dropByKeys = (table: string, column: string): string =>
  `delete from ${table} where ctid = any(array(select t.ctid from ${byKeys('ctid', table, column, 'bigint')}))`
/** In place of rows that are there: all columns but the key. */
const replaced = (names: readonly string[]): string => names.map((name) => `"${name}" = excluded."${name}"`).join(', ')

type Name =
  | 'state'
  | 'putState'
  | 'entries'
  | 'putEntries'
  | 'updateEntries'
  | 'dropEntries'
  | 'passagesOf'
  | 'putPassages'
  | 'dropPassages'
  | 'passagesIn'
  | 'putRemovals'
  | 'trimRemovals'
  | 'putCursor'
  | 'models'
  | 'putModel'
  | 'dropModel'
  | 'blocks'
  | 'putBlock'
  | 'dropBlock'
  | 'dropBlocks'

/** `$1` is the user, always. */
export const memoryWrites: Readonly<Record<Name, NamedText>> = {
  state: named('state', 'select * from memory_state where "user" = $1'),
  putState: named(
    'put_state',
    `insert into memory_state ("user", version, trimmed, next_entry, next_passage, removals) values ($1, $2, $3, $4, $5, $6)
     on conflict ("user") do update set version = excluded.version, trimmed = excluded.trimmed,
     next_entry = excluded.next_entry, next_passage = excluded.next_passage, removals = excluded.removals`,
  ),
  entries: named('entries', `select t.* from ${byKeys(`"key", ${quotedColumns.join(', ')}`, 'memory_entry', 'id', 'text')}`),
  putEntries: named(
    'put_entries',
    `insert into memory_entry ("user", ${columns.join(', ')})
     select $1, ${columns.join(', ')} from json_to_recordset($2::json) as r(${typed.join(', ')})`,
  ),
  updateEntries: named(
    'update_entries',
    `insert into memory_entry ("user", ${columns.join(', ')})
     select $1, ${columns.join(', ')} from json_to_recordset($2::json) as r(${typed.join(', ')})
     on conflict ("user", "key") do update set ${replaced(['version', ...Object.keys(entryTypes)])}`,
  ),
  dropEntries: named('drop_entries', dropByKeys('memory_entry', '"key"')),
  passagesOf: named('passages_of', `select t.* from ${byKeys('id, part, start, body', 'memory_passage', 'entry', 'bigint')} order by t.id`),
  putPassages: named(
    'put_passages',
    `insert into memory_passage ("user", id, entry, part, start, length, body)
     select $1, id, entry, part, start, length, decode(body, 'hex') from json_to_recordset($2::json)
     as r(id bigint, entry bigint, part bigint, start bigint, length bigint, body text)`,
  ),
  dropPassages: named('drop_passages', dropByKeys('memory_passage', 'entry')),
  passagesIn: named('passages_in', `select t.id from ${byKeys('id', 'memory_passage', 'id', 'bigint')}`),
  putRemovals: named(
    'put_removals',
    `insert into memory_removal ("user", version, passage) select $1, $2, cast(value as bigint) from json_array_elements_text($3::json)`,
  ),
  trimRemovals: named('trim_removals', 'delete from memory_removal where "user" = $1 and version <= $2'),
  putCursor: named(
    'put_cursor',
    'insert into memory_cursor ("user", name, seq) values ($1, $2, $3) on conflict ("user", name) do update set seq = excluded.seq',
  ),
  models: named('models', 'select model, dims, state, began, vectors from memory_model where "user" = $1 order by model'),
  putModel: named(
    'put_model',
    `insert into memory_model ("user", model, dims, state, began, vectors) values ($1, $2, $3, $4, $5, $6)
     on conflict ("user", model) do update set dims = excluded.dims, state = excluded.state, began = excluded.began,
     vectors = excluded.vectors`,
  ),
  dropModel: named('drop_model', 'delete from memory_model where "user" = $1 and model = $2'),
  blocks: named('blocks', `select t.* from ${byKeys('block, mask, bytes', 'memory_vectors', 'model = $3 and block', 'bigint')}`),
  putBlock: named(
    'put_block',
    `insert into memory_vectors ("user", model, block, version, mask, bytes) values ($1, $2, $3, $4, $5, $6)
     on conflict ("user", model, block) do update set version = excluded.version, mask = excluded.mask, bytes = excluded.bytes`,
  ),
  dropBlock: named('drop_block', 'delete from memory_vectors where "user" = $1 and model = $2 and block = $3'),
  dropBlocks: named('drop_blocks', 'delete from memory_vectors where "user" = $1 and model = $2'),
}

const entries = entryColumns.join(', ')
const passages = (wanted: string): string =>
  `cross join lateral (select ${wanted} from memory_passage where "user" = :user and entry = e.key offset 0) p`

/**
 * Reads of memory that Postgres must be asked in another form. Its planner goes by statistics that may be older than the rows: then it
 * expects one row for a user and scans all of them for each key. So each key is looked up by itself; `offset 0` keeps the planner
 * from turning that round.
 */
const robust = new Map<string, string>([
  [
    readTexts.found,
    `select p.passage, p.part, p.start, p.body, e.* from (select distinct value from unnest(array[${foundSlots.map((slot) => `cast(:${slot} as bigint)`).join(', ')}]) v(value)) w
     cross join lateral
      (select id as passage, entry, part, start, body from memory_passage where "user" = :user and id = w.value offset 0) p
     cross join lateral (select ${entries} from memory_entry where "user" = :user and "key" = p.entry offset 0) e`,
  ],
  [
    readTexts.slotsSince,
    `select ${slotColumns} from memory_entry e ${passages('id, length')} where e."user" = :user and e.version > :version`,
  ],
  [
    readTexts.withoutVector,
    `select p.id, p.body from memory_passage p left join lateral
      (select mask from memory_vectors where "user" = :user and model = :model and block = p.id / ${blockPassages} offset 0) v on true
     where p."user" = :user and p.id >= :from_id
     and (v.mask is null or (v.mask >> cast(p.id % ${blockPassages} as integer)) & 1 = 0) order by p.id limit :limit`,
  ],
])

/** @returns the form of the statement for Postgres. */
export function robustText(text: string): string {
  return robust.get(text) ?? text
}
