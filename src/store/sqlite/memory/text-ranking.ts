/**
 * Ranking by words in SQLite: FTS5 keeps where words occur, and says it through its list of them (`fts5vocab`); scores are made
 * of that by our own words. FTS5's own ranking gives the same ones, but reads a row of lengths for each passage that has a word.
 */
import type { UserId } from '../../../types/index.ts'
import { ask } from '../../search/asking.ts'
import type { TextRanking } from '../../search/memory-search.ts'
import { createWordRanking, type Occurrences } from '../../search/word-ranking.ts'
import type { Database } from '../sqlite-database.ts'
import { hasTextIndex, textTable } from './text-index.ts'

/** Every place of a word as `<passage><column>`, with commas between: one value, for a row each would take longer than all the rest. */
const text = 'select cast(group_concat(doc || col) as blob) as places from temp.memory_words where term = :term'

export function createTextRanking(database: Database, user: UserId): TextRanking {
  const rankByWords = createWordRanking()
  let hasIndex = false
  /** The list belongs to this connection; a file that is only read can have it too. */
  const openList = (): boolean => {
    if (!hasTextIndex(database, user)) return false
    database.exec(`create virtual table if not exists temp.memory_words using fts5vocab('main', '${textTable(user)}', 'instance')`)
    return true
  }
  return function* (slots, filter, { terms, contextWeight, limit }) {
    hasIndex ||= openList()
    if (!hasIndex || terms.length === 0 || limit === 0) return []
    const words: Occurrences[] = []
    for (const term of terms) {
      const [row] = yield* ask<{ places: Uint8Array | null }>({ text, args: { term } })
      const places = row?.places ?? null
      if (places !== null) words.push((seen) => readPlaces(places, contextWeight, seen))
    }
    return rankByWords(slots, filter, limit, words)
  }
}

const comma = 44
const [digit0, digit9] = [48, 57]
/** First letters of the columns `terms` and `context`; `scope` finds nothing here. */
const [ofTerms, ofContext] = [116, 99]

function readPlaces(places: Uint8Array, contextWeight: number, seen: (passage: number, weight: number) => void): void {
  for (let at = 0; at < places.length; at++) {
    let passage = 0
    for (let code = places[at] as number; code >= digit0 && code <= digit9; code = places[++at] as number) {
      passage = passage * 10 + code - digit0
    }
    const column = places[at]
    if (column === ofTerms) seen(passage, 1)
    else if (column === ofContext) seen(passage, contextWeight)
    while (at < places.length && places[at] !== comma) at++
  }
}
