/** Ranking by words: BM25 as in FTS5. Words, lengths of passages and filters are held in memory. */
import { bm25, heldPlaces, maxPlaces } from '../limits.ts'
import type { MemoryFilter, MemorySearch } from '../memory.ts'
import type { SlotTable } from './slot-table.ts'
import { createTop, type ScoredSlot } from './top-slots.ts'
import { oneTerm, type WordIndex, type WordPlaces } from './word-index.ts'

type TextQuery = NonNullable<MemorySearch['text']>

/** @returns the best passages that pass the filter and have one of the words, best first */
export type WordRanking = (held: RankedWords, filter: MemoryFilter, query: TextQuery) => readonly ScoredSlot[]

/** All of one version. */
interface RankedWords {
  readonly slots: SlotTable
  readonly words: WordIndex
  version(): number
}

const { k1, b } = bm25
/** Minimum weight, for a word that occurs almost everywhere. */
const leastIdf = 1e-6

/** Passages whose scores are added up at once: they stay in the cache of a processor. */
const windowPassages = 2_048

export function createWordRanking(): WordRanking {
  const weighed = createWeighedWords()
  /** Of the passages of one window; all 0 between windows. */
  const scores = new Float64Array(windowPassages)
  return ({ slots, words, version }, filter, { terms, contextWeight, limit }) => {
    if (limit === 0) return []
    const found = terms.map((term) => ({ term, places: words.find(term) })).filter(({ places }) => places.count > 0)
    // Words with very many passages weigh least and cost most; without a rarer word they are all there is.
    const rarer = found.filter(({ places }) => places.count < maxPlaces)
    const asked = weighed.all(slots, rarer.length > 0 ? rarer : found, { version: version(), contextWeight })
    const passes = slots.passing(filter)
    const top = createTop(limit, slots.goesFirst)
    let least = Number.MIN_VALUE
    for (let first = nextWindow(asked); first < Infinity; first = nextWindow(asked)) {
      for (const word of asked) addWord(scores, word, first)
      for (let i = nextAbove(scores, 0, least); i < windowPassages; i = nextAbove(scores, i + 1, least)) {
        const slot = slots.slotOf(first + i)
        if (!passes(slot)) continue
        top.add(slot, roundScore(scores[i] as number))
        // Before rounding, which is slow and changes less than this.
        least = Math.max(least, top.least() * (1 - 1e-8))
      }
      scores.fill(0)
    }
    return top.taken()
  }
}

/** Where a word occurs, in order, and its share of the score there. */
interface WeighedWord {
  readonly passages: Uint32Array
  readonly weights: Float64Array
}

/** As it is being read. */
interface AskedWord extends WeighedWord {
  next: number
}

/** @returns the first passage of the next window in which any of the words occurs; Infinity at the end */
function nextWindow(asked: readonly AskedWord[]): number {
  let first = Infinity
  for (const { passages, next } of asked) if (next < passages.length) first = Math.min(first, passages[next] as number)
  return first
}

function addWord(scores: Float64Array, word: AskedWord, first: number): void {
  const { passages, weights } = word
  let { next } = word
  for (; next < passages.length; next++) {
    const place = (passages[next] as number) - first
    if (place >= windowPassages) break
    scores[place] = (scores[place] as number) + (weights[next] as number)
  }
  word.next = next
}

/** @returns the first place from `from` on with such a score; the length if no place has one */
function nextAbove(scores: Float64Array, from: number, least: number): number {
  for (let i = from; i < scores.length; i++) if ((scores[i] as number) >= least) return i
  return scores.length
}

interface Version {
  readonly version: number
  readonly contextWeight: number
}

interface WeighedWords {
  all(table: SlotTable, words: readonly FoundWord[], of: Version): readonly AskedWord[]
}

interface FoundWord {
  readonly term: string
  readonly places: WordPlaces
}

interface HeldWord extends WeighedWord {
  /** How often it was asked for lately. */
  asked: number
}

/**
 * Words as they were weighed last, since the parts of a question have its words and most questions have some common words: until memory
 * changes. When there is no room for more, those stay that were asked for most often.
 */
function createWeighedWords(): WeighedWords {
  let [passages, weights, uses] = [new Uint32Array(0), new Float64Array(0), new Uint32Array(0)]
  const held = new Map<string, HeldWord>()
  let used = 0
  let last: unknown
  let [version, contextWeight] = [-1, 0]
  const clear = (): void => {
    held.clear()
    used = 0
  }
  /** Moves those that stay to the front. */
  const keep = (most: number): void => {
    let left = most
    const often = [...held].filter(([, { asked }]) => asked > 1).sort(([, one], [, other]) => other.asked - one.asked)
    const staying = often.filter(([, word]) => word.passages.length <= left && ((left -= word.passages.length), true))
    clear()
    for (const [term, word] of staying.sort(([, one], [, other]) => one.passages.byteOffset - other.passages.byteOffset)) {
      const from = word.passages.byteOffset / passages.BYTES_PER_ELEMENT
      const end = from + word.passages.length
      const to = used + word.passages.length
      passages.copyWithin(used, from, end)
      weights.copyWithin(used, from, end)
      held.set(term, { passages: passages.subarray(used, to), weights: weights.subarray(used, to), asked: word.asked / 2 })
      used = to
    }
  }
  /** Makes room for all words of a question at once, since they are read together. */
  const makeRoom = (table: SlotTable, words: readonly FoundWord[]): void => {
    const missing = (): number => words.reduce((all, { term, places: { count } }) => all + (held.has(term) ? 0 : count), 0)
    const isEnough = (): boolean => used + missing() <= passages.length && passages.length <= heldPlaces
    if (isEnough()) return
    keep(passages.length <= heldPlaces ? passages.length / 2 : 0)
    if (isEnough()) return
    clear()
    const room = Math.max(missing(), Math.min(heldPlaces, 4 * table.high()))
    // What a rare question took is given back by the next one.
    if (room > passages.length || passages.length > heldPlaces) [passages, weights] = [new Uint32Array(room), new Float64Array(room)]
  }
  const read = (table: SlotTable, { term, places }: FoundWord): HeldWord => {
    if (places.count > uses.length) uses = new Uint32Array(places.count * 2)
    const into = { passages: passages.subarray(used), weights: weights.subarray(used) }
    const count = weigh(table, into, { uses, count: places.read(into.passages, uses), contextWeight })
    const made = { passages: into.passages.subarray(0, count), weights: into.weights.subarray(0, count), asked: 0 }
    used += count
    held.set(term, made)
    return made
  }
  return {
    all(table, words, of) {
      if (table !== last || version !== of.version || contextWeight !== of.contextWeight) clear()
      ;[last, version, contextWeight] = [table, of.version, of.contextWeight]
      makeRoom(table, words)
      return words.map((word) => {
        const found = held.get(word.term) ?? read(table, word)
        found.asked++
        return { passages: found.passages, weights: found.weights, next: 0 }
      })
    },
  }
}

interface Occurrences {
  readonly uses: Uint32Array
  readonly count: number
  readonly contextWeight: number
}

/** Turns uses into weights, and drops passages that were removed. @returns how many are left */
function weigh(table: SlotTable, { passages, weights }: WeighedWord, { uses, count, contextWeight }: Occurrences): number {
  let having = 0
  let left = 0
  const { lengthOf } = table
  const average = table.averageLength()
  for (let i = 0; i < count; i++) {
    const passage = passages[i] as number
    const length = lengthOf(passage)
    if (length < 0) continue
    having++
    const use = uses[i] as number
    const context = use % oneTerm
    const weight = (use - context) / oneTerm + contextWeight * context
    if (weight === 0) continue
    passages[left] = passage
    weights[left++] = (weight * (k1 + 1)) / (weight + k1 * (1 - b) + ((k1 * b) / average) * length)
  }
  const idf = Math.max(leastIdf, Math.log((table.count() - having + 0.5) / (having + 0.5)))
  for (let i = 0; i < left; i++) weights[i] = (weights[i] as number) * idf
  return left
}

/** Rounds, because sums of the same numbers in another order differ in their last digits, and such scores must be equal. */
function roundScore(score: number): number {
  return Number(score.toPrecision(9))
}
