/**
 * A simple baseline that reached an evidence recall of 0.709 on LoCoMo: BM25 over the stemmed words of each turn and the one before it
 * (weight 0.7), and the mean of word vectors of the turn and both neighbours (0.3), each list truncated to a hundred and scaled to 0 … 1
 * by its best and last score. It shares only stemming and vectors with the product.
 */
import type { TextEngine } from '../../src/memory/index.ts'
import type { Dialogue, Turn } from './dialogue.ts'

export const plainNames = ['BM25, plain', 'BM25 with the turn before', 'vectors, plain', 'simple means'] as const

export type PlainName = (typeof plainNames)[number]

export interface PlainRankings {
  rank(question: string): Promise<Readonly<Record<PlainName, readonly string[]>>>
}

const listLength = 100
const vectorShare = 0.3
/** Parameters of BM25 in FTS5. */
const k1 = 1.2
const b = 0.75

type Scores = readonly number[]

export async function createPlainRankings({ turns }: Dialogue, text: TextEngine): Promise<PlainRankings> {
  const said = turns.map(({ speaker, text: words }) => `${speaker}: ${words}`)
  const terms = await Promise.all(said.map(async (each) => (await text.terms(each)).split(' ')))
  const withBefore = terms.map((own, i) => [...own, ...(follows(turns, i) ? (terms[i - 1] ?? []) : [])])
  const own = createBm25(terms)
  const wide = createBm25(withBefore)
  const vectors = await text.embed(said)
  const wideVectors = await text.embed(
    said.map((each, i) => [follows(turns, i) ? said[i - 1] : '', each, follows(turns, i + 1) ? said[i + 1] : ''].join(' ')),
  )
  const order = (scores: Scores): string[] => best(scores).map((place) => turns[place]?.id ?? '')
  return {
    async rank(question) {
      // Drops short words, like a list of stop words.
      const asked = (await text.read(question)).terms
      const [vector = new Float32Array()] = await text.embed([question])
      const [plain, before] = [own(asked), wide(asked)]
      const [near, nearWide] = [vectors.map((each) => dot(each, vector)), wideVectors.map((each) => dot(each, vector))]
      return {
        'BM25, plain': order(plain),
        'BM25 with the turn before': order(before),
        'vectors, plain': order(near),
        'simple means': order(add(scaled(before), 1 - vectorShare, scaled(nearWide), vectorShare)),
      }
    },
  }
}

/** Whether the previous turn is in the same session. */
function follows(turns: readonly Turn[], place: number): boolean {
  return place > 0 && turns[place]?.sitting === turns[place - 1]?.sitting
}

function createBm25(documents: readonly (readonly string[])[]): (asked: readonly string[]) => Scores {
  const counts = documents.map((terms) => {
    const count = new Map<string, number>()
    for (const term of terms) count.set(term, (count.get(term) ?? 0) + 1)
    return count
  })
  const mean = documents.reduce((sum, { length }) => sum + length, 0) / Math.max(1, documents.length)
  return (asked) => {
    const scores = documents.map(() => 0)
    for (const term of new Set(asked)) {
      const having = counts.filter((count) => count.has(term)).length
      const weight = Math.max(1e-6, Math.log((documents.length - having + 0.5) / (having + 0.5)))
      for (const [i, count] of counts.entries()) {
        const times = count.get(term) ?? 0
        if (times === 0) continue
        const length = (documents[i]?.length ?? 0) / mean
        scores[i] = (scores[i] ?? 0) + (weight * times * (k1 + 1)) / (times + k1 * (1 - b + b * length))
      }
    }
    return scores
  }
}

function best(scores: Scores): number[] {
  return scores
    .map((score, place) => ({ score, place }))
    .filter(({ score }) => score > 0)
    .sort((one, other) => other.score - one.score || one.place - other.place)
    .slice(0, listLength)
    .map(({ place }) => place)
}

/** 0 for ids that are not in the list. */
function scaled(scores: Scores): Scores {
  const list = best(scores)
  const [most, least] = [scores[list[0] ?? 0] ?? 0, scores[list.at(-1) ?? 0] ?? 0]
  const units = scores.map(() => 0)
  for (const place of list) units[place] = most > least ? ((scores[place] ?? 0) - least) / (most - least) : 1
  return units
}

function add(one: Scores, ofOne: number, other: Scores, ofOther: number): Scores {
  return one.map((score, i) => score * ofOne + (other[i] ?? 0) * ofOther)
}

function dot(one: Float32Array, other: Float32Array): number {
  let sum = 0
  for (let i = 0; i < one.length; i++) sum += (one[i] ?? 0) * (other[i] ?? 0)
  return sum
}
