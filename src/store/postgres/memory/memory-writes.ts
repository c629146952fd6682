/** Every statement that changes memory in Postgres. Rows come as one JSON array, so that a thousand take one trip; bytes in it are hex. */
import { Buffer } from 'node:buffer'
import type { EntryRow } from '../../memory/entry-row.ts'
import { toStored } from '../postgres-session.ts'

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

/** JSON says NUL as an escape that Postgres refuses in a text: texts are put as they are kept before they become JSON. */
export function jsonRows(rows: readonly unknown[]): string {
  return JSON.stringify(rows, (_key, value: unknown) => (typeof value === 'string' ? toStored(value) : value))
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
const entryColumns = Object.keys(entryTypes).map((column) => `"${column}"`)
const numbers = (parameter: string): string => `(select cast(value as bigint) from json_array_elements_text(${parameter}::json))`
const texts = (parameter: string): string => `(select json_array_elements_text(${parameter}::json))`

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
  | 'passagesAfter'
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
  | 'hasPostings'
  | 'postings'
  | 'addPostings'
  | 'replacePostings'
  | 'dropPostings'

/** `$1` is the user, always. */
export const memoryWrites: Readonly<Record<Name, NamedText>> = {
  state: named('state', 'select * from memory_state where "user" = $1'),
  putState: named(
    'put_state',
    `insert into memory_state ("user", version, trimmed, next_entry, next_passage, removals) values ($1, $2, $3, $4, $5, $6)
     on conflict ("user") do update set version = excluded.version, trimmed = excluded.trimmed,
     next_entry = excluded.next_entry, next_passage = excluded.next_passage, removals = excluded.removals`,
  ),
  entries: named('entries', `select "key", ${entryColumns.join(', ')} from memory_entry where "user" = $1 and id in ${texts('$2')}`),
  putEntries: named(
    'put_entries',
    `insert into memory_entry ("user", ${columns.join(', ')})
     select $1, ${columns.join(', ')} from json_to_recordset($2::json) as r(${typed.join(', ')})`,
  ),
  updateEntries: named(
    'update_entries',
    `update memory_entry t set ${['version', ...Object.keys(entryTypes)].map((column) => `"${column}" = r."${column}"`).join(', ')}
     from json_to_recordset($2::json) as r(${typed.join(', ')}) where t."user" = $1 and t."key" = r."key"`,
  ),
  dropEntries: named('drop_entries', `delete from memory_entry where "user" = $1 and "key" in ${numbers('$2')}`),
  passagesOf: named(
    'passages_of',
    `select id, part, start, body from memory_passage where "user" = $1 and entry in ${numbers('$2')} order by id`,
  ),
  putPassages: named(
    'put_passages',
    `insert into memory_passage ("user", id, entry, part, start, length, body)
     select $1, id, entry, part, start, length, decode(body, 'hex') from json_to_recordset($2::json)
     as r(id bigint, entry bigint, part bigint, start bigint, length bigint, body text)`,
  ),
  dropPassages: named('drop_passages', `delete from memory_passage where "user" = $1 and entry in ${numbers('$2')}`),
  passagesAfter: named('passages_after', 'select id, body from memory_passage where "user" = $1 and id > $2 order by id limit $3'),
  passagesIn: named('passages_in', `select id from memory_passage where "user" = $1 and id in ${numbers('$2')}`),
  putRemovals: named(
    'put_removals',
    `insert into memory_removal ("user", version, passage) select $1, $2, r from ${numbers('$3')} as q(r)`,
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
  blocks: named('blocks', `select block, mask, bytes from memory_vectors where "user" = $1 and model = $2 and block in ${numbers('$3')}`),
  putBlock: named(
    'put_block',
    `insert into memory_vectors ("user", model, block, version, mask, bytes) values ($1, $2, $3, $4, $5, $6)
     on conflict ("user", model, block) do update set version = excluded.version, mask = excluded.mask, bytes = excluded.bytes`,
  ),
  dropBlock: named('drop_block', 'delete from memory_vectors where "user" = $1 and model = $2 and block = $3'),
  dropBlocks: named('drop_blocks', 'delete from memory_vectors where "user" = $1 and model = $2'),
  hasPostings: named('has_postings', 'select 1 from memory_posting where "user" = $1 limit 1'),
  postings: named(
    'postings',
    `select term, bucket, postings from memory_posting
     where "user" = $1 and term in ${texts('$2')} and bucket in ${numbers('$3')} order by term, bucket`,
  ),
  addPostings: named(
    'add_postings',
    `insert into memory_posting as p ("user", term, bucket, postings)
     select $1, term, bucket, decode(postings, 'hex') from json_to_recordset($2::json) as r(term text, bucket bigint, postings text)
     on conflict ("user", term, bucket) do update set postings = p.postings || excluded.postings`,
  ),
  replacePostings: named(
    'replace_postings',
    `update memory_posting p set postings = decode(r.postings, 'hex')
     from json_to_recordset($2::json) as r(term text, bucket bigint, postings text)
     where p."user" = $1 and p.term = r.term and p.bucket = r.bucket`,
  ),
  dropPostings: named(
    'drop_postings',
    `delete from memory_posting p using json_to_recordset($2::json) as r(term text, bucket bigint)
     where p."user" = $1 and p.term = r.term and p.bucket = r.bucket`,
  ),
}
