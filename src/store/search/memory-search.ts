/**
 * The search, in its own thread. It keeps the columns of each passage and its vector, in eight bits a number, in memory; each search first reads what
 * any process has changed since the previous one.
 */
import { OxbowError, type RecentMap, type UserId } from '../../base/index.ts'
import { commonShare, fewestCommon, maxListed, mostCommon } from '../limits.ts'
import type { Apart, FoundPassage, Hit, MemorySearch } from '../memory.ts'
import { sentCommon, type SentFound, sentFound } from '../memory/memory-client.ts'
import { queryRows, type ReadQuery, prefetch, type QuerySteps, foundArgs, readTexts } from '../memory/memory-reads.ts'
import { type FoundRow, type ModelRow, rowEntry, type StateRow, textKey } from '../memory/memory-rows.ts'
import { unpackBody } from '../memory/passage-body.ts'
import { createHeldMemory, type HeldMemory } from './held-memory.ts'
import { compareExactly, type VectorQuery } from './vector-scan.ts'
import type { SlotRow, SlotTable } from './slot-table.ts'
import type { ScoredSlot } from './top-slots.ts'
import type { VectorReading } from './vector-block.ts'

export type TextQuery = NonNullable<MemorySearch['text']>

/** Ranks by words; each database has its own index of them. */
export type TextRanking = (slots: SlotTable, filter: MemorySearch['filter'], query: TextQuery) => QuerySteps<readonly ScoredSlot[]>

/** @returns whether each term of `onlyRare` is in at least so many passages; a lower bound of the count is enough */
export type CommonTerms = (query: TextQuery, least: number) => QuerySteps<boolean>

/** An index of vectors that a database may have. @returns null if it cannot be used: then the vectors in memory are scanned */
export type Nearest = (model: ModelRow, slots: SlotTable, question: VectorQuery) => QuerySteps<readonly ScoredSlot[] | null>

interface SearchParts {
  readonly user: UserId
  readonly textRanking: TextRanking
  readonly vectorReading: VectorReading
  readonly nearest?: Nearest
  readonly common: CommonTerms
}

/** Runs one search at a time, on one snapshot. @throws OxbowError `bad_input` */
export function createMemorySearch(parts: SearchParts): (read: { readonly search: MemorySearch }) => QuerySteps<SentFound> {
  const { user, textRanking } = parts
  const held = createHeldMemory()
  return function* ({ search: { filter, text, vector, beside, apart } }) {
    if (text?.onlyRare !== undefined && (yield* areCommon(parts, text))) return sentCommon
    yield* update(user, held, vector?.model)
    // Vectors first: candidates for exact comparison are read while words are ranked, and passages found by words while those are compared.
    const nearest = vector === undefined ? [] : yield* vectorSearch(parts, held, filter, vector)
    const byText = text === undefined ? [] : held.hits(yield* textRanking(held.slots, filter, text))
    const besideText = besideOf(held.slots, byText, beside)
    const reading = createPassageReading(user, held.passages)
    yield* reading.want(wantedOf(byText, besideText))
    const byVector = typeof nearest === 'function' ? yield* nearest() : nearest
    const besideVector = besideOf(held.slots, byVector, beside)
    yield* reading.want(wantedOf(byVector, besideVector))
    const found = yield* reading.read()
    const ids = new Set([...byText, ...byVector].map((hit) => hit.passage))
    const next = beside === undefined ? undefined : new Map([...besideText, ...besideVector])
    const pairs = apart === undefined ? undefined : apartOf(held.slots, ids, apart)
    return sentFound({ text: byText, vector: byVector, ids, beside: next, apart: pairs }, found)
  }
}

/** Asked before anything is read into memory: a search for common words needs neither slots nor vectors. */
function* areCommon({ user, common }: SearchParts, query: TextQuery): QuerySteps<boolean> {
  const [state] = yield* queryRows<StateRow>({ text: readTexts.state, args: { user } })
  // An empty memory has no rare word.
  if (state === undefined) return true
  const least = Math.min(mostCommon, Math.max(fewestCommon, Math.ceil(state.next_passage * commonShare)))
  return yield* common(query, least)
}

/** @returns the passages next to the first hits */
function besideOf(slots: SlotTable, hits: readonly Hit[], wanted: MemorySearch['beside']): ReadonlyMap<number, readonly number[]> {
  if (wanted === undefined) return new Map()
  const { first, before, after } = wanted
  return new Map(hits.slice(0, first).map(({ passage }) => [passage, slots.beside(slots.slotOf(passage), before, after)]))
}

function apartOf(slots: SlotTable, hits: ReadonlySet<number>, maxApart: number): readonly Apart[] {
  const byEntry = new Map([...hits].map((passage) => [slots.entryOf(slots.slotOf(passage)), passage]))
  return [...byEntry.values()].flatMap((later) =>
    slots.earlier(slots.slotOf(later), maxApart).flatMap((entry, i): Apart[] => {
      const earlier = byEntry.get(entry)
      return earlier === undefined ? [] : [[earlier, later, i + 1]]
    }),
  )
}

function wantedOf(hits: readonly Hit[], beside: ReadonlyMap<number, readonly number[]>): readonly number[] {
  return [...hits.map(({ passage }) => passage), ...[...beside.values()].flat()]
}

/** @param model of the vectors that will be compared */
function* update(user: UserId, held: HeldMemory, model: string | undefined): QuerySteps<void> {
  const [state] = yield* queryRows<StateRow>({ text: readTexts.state, args: { user } })
  if (state === undefined || !held.isBehind(state.version)) return
  const version = held.since(state)
  const changed: ReadQuery = { text: readTexts.slotsSince, args: { user, version }, arrays: true }
  yield* prefetch(changed)
  const vectors = model === undefined || version === 0 ? null : held.question(user, model)
  if (vectors !== null) yield* prefetch(vectors)
  const removed = yield* queryRows<readonly [number]>({ text: readTexts.removedSince, args: { user, version }, arrays: true })
  const rows = yield* queryRows<SlotRow>(changed)
  // Applied after all reads: if one fails, the next search starts from the same version.
  held.apply(
    state,
    removed.map(([passage]) => passage),
    rows,
  )
}

/** Remaining queries that determine the hits. */
type LaterHits = () => QuerySteps<readonly Hit[]>

function* vectorSearch(
  { user, vectorReading, nearest }: SearchParts,
  held: HeldMemory,
  filter: MemorySearch['filter'],
  wanted: NonNullable<MemorySearch['vector']>,
): QuerySteps<readonly Hit[] | LaterHits> {
  const models = yield* queryRows<ModelRow>({ text: readTexts.models, args: { user } })
  const model = models.find((one) => one.model === wanted.model)
  if (model === undefined || model.dims !== wanted.vector.length) throw wrongModel(wanted.model, wanted.vector.length, model?.dims)
  const { slots } = held
  const question = { ...wanted, high: slots.high(), passes: slots.passing(filter), goesFirst: slots.goesFirst }
  const near = nearest === undefined ? null : yield* nearest(model, slots, question)
  if (near !== null) return held.hits(near)
  const scan = yield* held.scan(user, model)
  const first = scan.search(question)
  const passages = first.map(({ slot }) => slots.passageOf(slot))
  if (vectorReading.question !== undefined) yield* prefetch(vectorReading.question(model, passages))
  return function* () {
    const vectors = yield* vectorReading.read(model, passages)
    const bySlot = [...vectors].map(([passage, vector]) => [slots.slotOf(passage), vector] as const)
    return held.hits(compareExactly(question, model.dims, bySlot))
  }
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
  /** @returns all requested passages that exist, as JSON */
  read(): QuerySteps<ReadonlyMap<number, string>>
}

/** @param cache also receives the passages that are read */
function createPassageReading(user: UserId, cache: Pick<RecentMap<number, string>, 'get' | 'put'>): PassageReading {
  const wanted = new Set<number>()
  const found = new Map<number, string>()
  const questions: ReadQuery[] = []
  return {
    *want(ids) {
      const missing: number[] = []
      for (const id of ids) {
        if (wanted.has(id)) continue
        wanted.add(id)
        const text = cache.get(id)
        if (text === undefined) missing.push(id)
        else found.set(id, text)
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
          const text = JSON.stringify(foundPassage(row))
          cache.put(row.passage, text)
          found.set(row.passage, text)
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
