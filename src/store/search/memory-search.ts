/**
 * The search. It keeps the columns of each passage, the words and the vectors of a user's memory in memory, whatever the database; each search
 * first reads what any process has changed since the previous one.
 */
import { OxbowError, type UserId } from '../../base/index.ts'
import { commonShare, fewestCommon, maxListed, mostCommon } from '../limits.ts'
import type { Apart, Beside, FoundPassage, MemoryFound, MemorySearch } from '../memory.ts'
import { queryRows, type ReadQuery, prefetch, type QuerySteps, foundArgs, readTexts } from '../memory/memory-reads.ts'
import { type FoundRow, type ModelRow, rowEntry, textKey } from '../memory/memory-rows.ts'
import { unpackBody } from '../memory/passage-body.ts'
import { createHeldMemory, type HeldMemory } from './held-memory.ts'
import { compareExactly, type VectorQuery } from './vector-scan.ts'
import type { SlotTable } from './slot-table.ts'
import type { ScoredSlot } from './top-slots.ts'
import type { VectorReading } from './vector-block.ts'
import { createWordRanking } from './word-ranking.ts'
import type { WordIndex } from './word-index.ts'

/** An index of vectors that a database may have. @returns null if it cannot be used: then the vectors in memory are scanned */
export type Nearest = (model: ModelRow, slots: SlotTable, question: VectorQuery) => QuerySteps<readonly ScoredSlot[] | null>

interface SearchParts {
  readonly user: UserId
  readonly vectorReading: VectorReading
  readonly nearest?: Nearest
  /** Opened from a snapshot; absent: nothing is held yet. */
  readonly held?: HeldMemory
}

interface BesideQuery {
  readonly passages: readonly number[]
  readonly before: number
  readonly after: number
}

/** Both run one at a time, each on one snapshot. @throws OxbowError `bad_input` */
export interface Search {
  /** @returns the answer to each, in order */
  search(searches: readonly MemorySearch[]): QuerySteps<readonly MemoryFound[]>
  beside(query: BesideQuery): QuerySteps<Beside>
}

export function createMemorySearch(parts: SearchParts): Search {
  const { user, held = createHeldMemory(user) } = parts
  const rankByWords = createWordRanking()
  return {
    *search(searches) {
      yield* held.update(searches.find(({ vector }) => vector !== undefined)?.vector?.model)
      const { slots, words } = held
      const wanted = searches.map((search) => ({
        ...search,
        isCommon: search.text?.onlyRare !== undefined && areCommon(words, search.text.onlyRare),
      }))
      // Vectors first: candidates for exact comparison are read while passages found by words are.
      const nearest = yield* vectorSearches(
        parts,
        held,
        wanted.map(({ filter, vector, isCommon }) => (isCommon || vector === undefined ? null : { filter, vector })),
      )
      const byText = wanted.map(({ filter, text, isCommon }) =>
        isCommon || text === undefined ? [] : held.hits(rankByWords(held, filter, text)),
      )
      const reading = createPassageReading(user, held)
      yield* reading.want(byText.flat().map(({ passage }) => passage))
      const byVector = (yield* nearest()).map((scored) => held.hits(scored))
      yield* reading.want(byVector.flat().map(({ passage }) => passage))
      const found = yield* reading.read()
      return wanted.map(({ apart, isCommon }, i): MemoryFound => {
        if (isCommon) return { text: [], vector: [], passages: [], common: true }
        const [text = [], vector = []] = [byText[i], byVector[i]]
        const passages = [...new Set([...text, ...vector].map(({ passage }) => passage))].flatMap((id) => found.get(id) ?? [])
        return { text, vector, passages, ...(apart !== undefined && { apart: apartOf(slots, passages, apart) }) }
      })
    },
    *beside({ passages, before, after }) {
      yield* held.update(undefined)
      const { slots } = held
      const next = passages.map((passage) => {
        const slot = slots.slotOf(passage)
        return [passage, slot < 0 ? [] : slots.beside(slot, before, after)] as const
      })
      const reading = createPassageReading(user, held)
      yield* reading.want(next.flatMap(([, around]) => around))
      const found = yield* reading.read()
      return new Map(next.map(([passage, around]) => [passage, around.flatMap((id) => found.get(id) ?? [])]))
    },
  }
}

/** Whether each word is in so many passages that a search for nothing else would find whatever is newest. An empty memory has no rare word. */
function areCommon(words: WordIndex, terms: readonly string[]): boolean {
  const least = Math.min(mostCommon, Math.max(fewestCommon, Math.ceil(words.next() * commonShare)))
  return words.next() === 0 || terms.every((term) => words.find(term).count >= least)
}

function apartOf(slots: SlotTable, passages: readonly FoundPassage[], maxApart: number): readonly Apart[] {
  const byEntry = new Map(passages.map(({ id }) => [slots.entryOf(slots.slotOf(id)), id]))
  const pairs: Apart[] = []
  for (const later of byEntry.values()) {
    for (const [i, entry] of slots.earlier(slots.slotOf(later), maxApart).entries()) {
      const earlier = byEntry.get(entry)
      if (earlier !== undefined) pairs.push([earlier, later, i + 1])
    }
  }
  return pairs
}

/** Remaining queries that determine the hits of each search. */
type LaterHits = () => QuerySteps<readonly (readonly ScoredSlot[])[]>

type VectorSearch = Pick<MemorySearch, 'filter'> & { readonly vector: NonNullable<MemorySearch['vector']> }

interface ScanJob {
  /** Place of the search. */
  readonly at: number
  readonly model: ModelRow
  readonly question: VectorQuery
}

interface Candidate {
  readonly slot: number
  /** As it is stored; absent: it must be read. */
  readonly vector: Float32Array | undefined
}

/** Vectors of one model are walked over once for all searches. */
function* vectorSearches(parts: SearchParts, held: HeldMemory, searches: readonly (VectorSearch | null)[]): QuerySteps<LaterHits> {
  const { user, vectorReading, nearest } = parts
  const hits: (readonly ScoredSlot[])[] = searches.map(() => [])
  const hasAny = searches.some((search) => search !== null)
  const models = hasAny ? yield* queryRows<ModelRow>({ text: readTexts.models, args: { user } }) : []
  const { slots } = held
  const jobs: ScanJob[] = []
  for (const [at, search] of searches.entries()) {
    if (search === null) continue
    const { filter, vector: wanted } = search
    const model = models.find((one) => one.model === wanted.model)
    if (model === undefined || model.dims !== wanted.vector.length) throw wrongModel(wanted.model, wanted.vector.length, model?.dims)
    const question = { ...wanted, high: slots.high(), passes: slots.passing(filter), goesFirst: slots.goesFirst }
    const near = nearest === undefined ? null : yield* nearest(model, slots, question)
    if (near === null) jobs.push({ at, model, question })
    else hits[at] = near
  }
  const later: QuerySteps<void>[] = []
  for (const [model, own] of Map.groupBy(jobs, (job) => job.model)) later.push(yield* scanAll({ vectorReading, held, hits }, model, own))
  return function* () {
    for (const rest of later) yield* rest
    return hits
  }
}

interface ScanParts {
  readonly vectorReading: VectorReading
  readonly held: HeldMemory
  readonly hits: (readonly ScoredSlot[])[]
}

/** @returns what compares the candidates with their vectors as they are stored: each is read once for all searches */
function* scanAll({ vectorReading, held, hits }: ScanParts, model: ModelRow, jobs: readonly ScanJob[]): QuerySteps<QuerySteps<void>> {
  const { slots } = held
  const { scan, exact } = yield* held.vectors.scan(model, slots, held.version())
  const found = scan
    .search(jobs.map(({ question }) => question))
    .map((scored) => scored.map(({ slot }): Candidate => ({ slot, vector: exact.get(slots.passageOf(slot)) })))
  const missing = new Set(found.flat().flatMap(({ slot, vector }) => (vector === undefined ? slots.passageOf(slot) : [])))
  const passages = [...missing]
  if (passages.length > 0 && vectorReading.question !== undefined) yield* prefetch(vectorReading.question(model, passages))
  return (function* () {
    const read = passages.length === 0 ? new Map<number, Float32Array>() : yield* vectorReading.read(model, passages)
    for (const [passage, vector] of read) exact.put(passage, vector)
    for (const [i, { at, question }] of jobs.entries()) {
      const known = found[i]!.flatMap(({ slot, vector = read.get(slots.passageOf(slot)) }) =>
        vector === undefined ? [] : [[slot, vector] as const],
      )
      hits[at] = compareExactly(question, model.dims, known)
    }
  })()
}

function wrongModel(model: string, dims: number, stored: number | undefined): OxbowError {
  const what =
    stored === undefined ? `Memory has no vectors of the model ${model}.` : `Vectors of ${model} have ${stored} numbers, not ${dims}.`
  return new OxbowError('bad_input', what, { hint: 'Search with the active model, or rebuild: `oxbow memory reindex`.' })
}

interface AroundPlace {
  readonly stream: string
  readonly place: number
  /** Numbers of entries before and after it. */
  readonly before: number
  readonly after: number
}

/** @throws OxbowError `store_corrupt` */
function foundPassage(row: FoundRow): FoundPassage {
  return { id: row.passage, part: row.part, start: row.start, ...unpackBody(row.body), entry: rowEntry(row) }
}

/** Reads passages in parts: queries are sent as soon as some ids are known. */
interface PassageReading {
  want(ids: Iterable<number>): QuerySteps<void>
  /** @returns all requested passages that exist */
  read(): QuerySteps<ReadonlyMap<number, FoundPassage>>
}

/** @param held also keeps the passages that are read */
function createPassageReading(user: UserId, { passages: cache }: HeldMemory): PassageReading {
  const wanted = new Set<number>()
  const found = new Map<number, FoundPassage>()
  const questions: ReadQuery[] = []
  return {
    *want(ids) {
      const missing: number[] = []
      for (const id of ids) {
        if (wanted.has(id)) continue
        wanted.add(id)
        const passage = cache.get(id)
        if (passage === undefined) missing.push(id)
        else found.set(id, passage)
      }
      for (const some of foundArgs(missing)) {
        const question = { text: readTexts.found, args: { user, ...some } }
        questions.push(question)
        yield* prefetch(question)
      }
    },
    *read() {
      for (const question of questions) {
        for (const row of yield* queryRows<FoundRow>(question)) {
          const passage = foundPassage(row)
          cache.put(row.passage, passage)
          found.set(row.passage, passage)
        }
      }
      return found
    },
  }
}

export function* readAround(user: UserId, { stream, place, before, after }: AroundPlace): QuerySteps<readonly FoundPassage[]> {
  const entries = (text: string, limit: number) =>
    queryRows<{ key: number }>({ text, args: { user, stream, stream_key: textKey(stream), place, limit: listLimit(limit) } })
  const earlier = yield* entries(readTexts.entriesBefore, before)
  const later = yield* entries(readTexts.entriesAfter, after)
  const found: FoundPassage[] = []
  for (const { key } of [...earlier.toReversed(), ...later]) {
    const rows = yield* queryRows<FoundRow>({ text: readTexts.foundOf, args: { user, entry: key } })
    found.push(...rows.map(foundPassage))
  }
  return found
}

export function listLimit(limit: number): number {
  return limit >= 0 ? Math.min(Math.floor(limit), maxListed) : 0
}
