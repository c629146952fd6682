/** Memories of many other users, generated in SQL as rows like Oxbow's, because that is fast enough for a benchmark. */
import { createMemoryData } from '../memory/memory-data.ts'

export interface Others {
  readonly users: number
  /** Memories of each user. */
  readonly each: number
}

/** Vectors in a row of vectors; bytes of such a row at 384 dimensions. */
const block = 16
const rowBytes = 1 + block * (4 + 384 * 2)

/** @param sql runs one statement */
export async function fillOthers(sql: (statement: string) => Promise<unknown>, { users, each }: Others): Promise<void> {
  const { terms, text, context } = createMemoryData(5, true).item(1).passages[0] ?? { terms: '', text: '', context: '' }
  const zero = `'\\x00'::bytea`
  const bytes = (value: string): string => `convert_to('${value}', 'UTF8')`
  const body = [zero, bytes(text), zero, bytes(terms), zero, bytes(context)].join(' || ')
  const all = `generate_series(1, ${users}) u, generate_series(1, ${each}) i`
  await sql(`insert into memory_state ("user", version, trimmed, next_entry, next_passage, removals)
    select 'other-' || u, 1, 0, ${each} + 1, ${each} + 1, 0 from generate_series(1, ${users}) u`)
  await sql(`insert into memory_entry ("user", key, version, id, kind, type, session, stream, place, author, tags, labels, created_at,
      updated_at, valid_from, valid_to, superseded_by, contradicts, confirmed_by, importance, tier, protection, accesses, accessed_at,
      seq, hash, stream_key, hash_key, extra)
    select 'other-' || u, i, 1, 'message:' || i, 'message', 'conversation', 's' || i / 400, 's' || i / 400, i, 'user', '', '',
      1795000000000 + i, 1795000000000 + i, 1795000000000, null, '', '', '', 0.3, 'warm', 'none', 0, 0, i, md5(i::text) || md5(u::text),
      hashtext('s' || i / 400), hashtext(i::text), '{}' from ${all}`)
  await sql(`insert into memory_passage ("user", id, entry, part, start, length, body)
    select 'other-' || u, i, i, 0, 0, ${terms.split(' ').length + context.split(' ').length}, ${body} from ${all}`)
  await sql(`insert into memory_model ("user", model, dims, state, began, vectors)
    select 'other-' || u, 'm', 384, 'active', 1, ${each} from generate_series(1, ${users}) u`)
  await sql(`insert into memory_vectors ("user", model, block, version, mask, bytes)
    select 'other-' || u, 'm', b, 1, 65535, decode(repeat('01', ${rowBytes}), 'hex')
    from generate_series(1, ${users}) u, generate_series(1, ${Math.floor(each / block)}) b`)
}
