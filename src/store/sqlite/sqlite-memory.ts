/** Reads of memory in SQLite: answered at once, with its full-text index as the word index. */
import { createRecentMap, type UserId } from '../../base/index.ts'
import { maxHeldFrequencies, maxPlaces } from '../limits.ts'
import type { MemoryAnswers, MemoryRead } from '../memory/memory-client.ts'
import { runSync, queryRows } from '../memory/memory-reads.ts'
import { createMemoryReader } from '../search/memory-reader.ts'
import type { CommonTerms, TextRanking } from '../search/memory-search.ts'
import { readBlocks } from '../search/vector-block.ts'
import { createWordRanking, type Occurrences } from '../search/word-ranking.ts'
import { createAnswers } from './memory-answers.ts'
import { hasTextIndex, textTable } from './text-index.ts'
import type { Database } from './sqlite-database.ts'

/** @throws OxbowError `bad_input`, `store_corrupt` or `store_failed` */
export type SqliteMemory = (read: MemoryRead) => MemoryAnswers[MemoryRead['ask']]

export function createSqliteMemory(database: Database, user: UserId): SqliteMemory {
  const answer = createAnswers(database)
  const reader = createMemoryReader({
    dialect: 'sqlite',
    user,
    textRanking: createTextRanking(database, user),
    vectorReading: readBlocks(user),
    common: createCommonTerms(database, user),
    *indexBytes() {
      if (!hasTextIndex(database, user)) return 0
      const text = `select coalesce(sum(length(block)), 0) as bytes from ${textTable(user)}_data`
      return (yield* queryRows<{ bytes: number }>({ text, args: { user } }))[0]?.bytes ?? 0
    },
  })
  return (read) => database.snapshot(() => runSync(reader(read), answer))
}

/** Every place of a word as `<passage><column>`, with commas between: one value, for a row each would take longer than all the rest. */
const text = 'select cast(group_concat(doc || col) as blob) as places from temp.memory_words where term = :term'
const firstText = `select count(*) as count, cast(group_concat(place) as blob) as places
  from (select doc || col as place from temp.memory_words where term = :term limit :limit)`

/**
 * Ranks by words. FTS5 stores where words occur and lists it (`fts5vocab`); scores are computed here. FTS5's own ranking gives the
 * same scores, but reads a row of lengths for each passage that has a word. Next to rarer words, words with very many places are
 * skipped: they weigh least and cost most.
 */
function createTextRanking(database: Database, user: UserId): TextRanking {
  const rankByWords = createWordRanking()
  /** Words with more places than are read along with rarer words. */
  const frequent = createRecentMap<string, true>(maxHeldFrequencies)
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
    const add = (places: Uint8Array | null | undefined): void => {
      if (places) words.push((seen) => readPlaces(places, contextWeight, seen))
    }
    const skipped: string[] = []
    for (const term of terms) {
      if (frequent.get(term) === undefined) {
        const [row] = yield* queryRows<{ count: number; places: Uint8Array | null }>({ text: firstText, args: { term, limit: maxPlaces } })
        if ((row?.count ?? 0) < maxPlaces) {
          add(row?.places)
          continue
        }
        frequent.put(term, true)
      }
      skipped.push(term)
    }
    // Without a rarer word they are all there is.
    if (words.length === 0) for (const term of skipped) add((yield* queryRows<PlacesRow>({ text, args: { term } }))[0]?.places)
    return rankByWords(slots, filter, limit, words)
  }
}

interface PlacesRow {
  readonly places: Uint8Array | null
}

/**
 * Counts passages only up to what is asked, and remembers: a word that was common stays so while memory grows, unless much is erased,
 * and then a search for it finds nothing a little longer.
 */
function createCommonTerms(database: Database, user: UserId): CommonTerms {
  const table = textTable(user)
  const countText = `select count(*) as count from (select 1 from ${table} where ${table} match :match limit :limit)`
  const seen = createRecentMap<string, number>(maxHeldFrequencies)
  return function* ({ onlyRare = [] }, least) {
    if (!hasTextIndex(database, user)) return true
    for (const term of onlyRare) {
      if ((seen.get(term) ?? 0) >= least) continue
      const match = `{terms context}: "${term.replaceAll('"', '""')}"`
      const [row] = yield* queryRows<{ count: number }>({ text: countText, args: { match, limit: least } })
      const count = row?.count ?? 0
      if (count < least) return false
      seen.put(term, count)
    }
    return true
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
