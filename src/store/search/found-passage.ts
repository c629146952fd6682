/** A row of a passage and its entry, as it is handed out. */
import type { FoundPassage } from '../memory.ts'
import { rowEntry } from '../memory/entry-row.ts'
import type { FoundRow } from '../memory/memory-rows.ts'
import { unpackBody } from '../memory/passage-body.ts'

/** @throws OxbowError `store_corrupt` */
export function foundPassage(row: FoundRow): FoundPassage {
  return { id: row.passage, part: row.part, start: row.start, ...unpackBody(row.body), entry: rowEntry(row) }
}
