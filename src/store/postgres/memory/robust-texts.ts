/**
 * Statements that read memory, as Postgres is asked them where its planner would go by statistics that are older than the rows: each
 * key is looked up by itself (`offset 0` keeps the planner from turning that round). Else it takes a user to have one row, and walks
 * over all of them for each key.
 */
import { entryColumns } from '../../memory/entry-row.ts'
import { blockPassages } from '../../memory/memory-limits.ts'
import { foundSlots, readTexts, slotColumns } from '../../memory/read-texts.ts'

const entries = entryColumns.join(', ')
const passages = (columns: string): string =>
  `cross join lateral (select ${columns} from memory_passage where "user" = :user and entry = e.key offset 0) p`

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

/** @returns the statement as it is to be asked here */
export function robustText(text: string): string {
  return robust.get(text) ?? text
}
