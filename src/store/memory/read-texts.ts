/** Every statement that reads memory, but those of the index of words. The same for every database. */
import { entryColumns } from './entry-row.ts'
import { blockPassages } from './memory-limits.ts'

const columns = entryColumns.map((column) => `e.${column}`).join(', ')
/** In the order of `SlotRow`. */
export const slotColumns =
  'p.id, p.length, e.kind, e.type, e.tier, e.session, e.stream, e.tags, e.labels, e.place, e.created_at, e.valid_from, e.valid_to, e.key'
const joined = 'memory_entry e join memory_passage p on p."user" = e."user" and p.entry = e.key'
const foundColumns = `p.id as passage, p.part, p.start, p.body, ${columns}`

/** Many at once: a statement for each would take longer than all the rest of a search. */
const foundAtOnce = 40
export const foundSlots: readonly string[] = Array.from({ length: foundAtOnce }, (_, i) => `id${i}`)

/** @returns values of `found` for all these ids, a statement's worth each; the last of them fills what is left. */
export function foundArgs(ids: readonly number[]): readonly Readonly<Record<string, number>>[] {
  const statements: Record<string, number>[] = []
  for (let from = 0; from < ids.length; from += foundAtOnce) {
    const some = ids.slice(from, from + foundAtOnce)
    statements.push(Object.fromEntries(foundSlots.map((slot, i) => [slot, some[Math.min(i, some.length - 1)] ?? 0])))
  }
  return statements
}

const neighbours = (side: string, order: string): string =>
  `select key from memory_entry where "user" = :user and stream_key = :stream_key and stream = :stream and place ${side} :place
   order by place ${order}, key ${order} limit :limit`

type Name =
  | 'state'
  | 'entry'
  | 'passagesOf'
  | 'found'
  | 'foundOf'
  | 'entriesBefore'
  | 'entriesAfter'
  | 'withHash'
  | 'withoutVector'
  | 'cursor'
  | 'models'
  | 'block'
  | 'slotsSince'
  | 'removedSince'
  | 'blocksSince'
  | 'kinds'
  | 'passageBytes'

export const readTexts: Readonly<Record<Name, string>> = {
  state: 'select * from memory_state where "user" = :user',
  entry: `select e.key, ${columns} from memory_entry e where e."user" = :user and e.id = :id`,
  passagesOf: 'select id, part, start, body from memory_passage where "user" = :user and entry = :entry order by part, id',
  found: `select ${foundColumns} from memory_passage p join memory_entry e on e."user" = p."user" and e.key = p.entry
    where p."user" = :user and p.id in (${foundSlots.map((slot) => `:${slot}`).join(', ')})`,
  foundOf: `select ${foundColumns} from ${joined} where e."user" = :user and e.key = :entry order by p.part, p.id`,
  entriesBefore: neighbours('<', 'desc'),
  entriesAfter: neighbours('>', 'asc'),
  withHash: 'select id from memory_entry where "user" = :user and hash_key = :hash_key and hash = :hash order by id',
  withoutVector: `select p.id, p.body from memory_passage p
    left join memory_vectors v on v."user" = p."user" and v.model = :model and v.block = p.id / ${blockPassages}
    where p."user" = :user and p.id >= :from_id
    and (v.mask is null or (v.mask >> cast(p.id % ${blockPassages} as integer)) & 1 = 0) order by p.id limit :limit`,
  cursor: 'select seq from memory_cursor where "user" = :user and name = :name',
  models: 'select model, dims, state, began, vectors from memory_model where "user" = :user order by model',
  block: 'select block, mask, bytes from memory_vectors where "user" = :user and model = :model and block = :block',
  slotsSince: `select ${slotColumns} from ${joined} where e."user" = :user and e.version > :version`,
  removedSince: 'select passage from memory_removal where "user" = :user and version > :version',
  blocksSince: `select block, mask, bytes from memory_vectors
    where "user" = :user and model = :model and version > :version and block > :after order by block limit :limit`,
  kinds: 'select kind, count(*) as count from memory_entry where "user" = :user group by kind order by kind',
  passageBytes: 'select count(*) as count, coalesce(sum(length(body)), 0) as bytes from memory_passage where "user" = :user',
}
