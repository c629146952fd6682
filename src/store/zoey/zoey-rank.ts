/** Ranks rows: by the cosine of vectors, and by words where there is no vector. */
import { OxbowError } from '../../types/index.ts'

export interface Ranked<Item> {
  readonly item: Item
  readonly score: number
}

/** @returns -1 to 1; 0 when one of them has no length. @throws OxbowError `bad_input` for vectors of different sizes */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) {
    throw new OxbowError('bad_input', `An embedding has ${a.length} numbers, and what is kept has ${b.length}.`, {
      hint: 'Use one embedding model, or embed what is kept anew.',
    })
  }
  let dot = 0
  let lengthA = 0
  let lengthB = 0
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0]
    dot += x * y
    lengthA += x * x
    lengthB += y * y
  }
  const product = Math.sqrt(lengthA) * Math.sqrt(lengthB)
  return product === 0 ? 0 : Math.max(-1, Math.min(1, dot / product))
}

const k1 = 1.2
const b = 0.75

/** BM25 over the texts of `items`, best first; equal scores in their order. What shares no word with the query is left out. */
export function byWords<Item>(items: readonly Item[], textOf: (item: Item) => string, query: string): readonly Ranked<Item>[] {
  const wanted = [...new Set(wordsOf(query))]
  const documents = items.map((item) => ({ item, words: wordsOf(textOf(item)) }))
  const mean = documents.reduce((sum, { words }) => sum + words.length, 0) / Math.max(1, documents.length)
  const having = new Map(wanted.map((word) => [word, documents.filter(({ words }) => words.includes(word)).length]))
  return documents
    .map(({ item, words }) => {
      let score = 0
      for (const [word, n] of having) {
        const times = words.filter((candidate) => candidate === word).length
        const rarity = Math.log(1 + (documents.length - n + 0.5) / (n + 0.5))
        score += (rarity * times * (k1 + 1)) / (times + k1 * (1 - b + (b * words.length) / Math.max(1, mean)))
      }
      return { item, score }
    })
    .filter(({ score }) => score > 0)
    .toSorted((one, other) => other.score - one.score)
}

const segmenter = new Intl.Segmenter('en', { granularity: 'word' })

function wordsOf(text: string): readonly string[] {
  return [...segmenter.segment(text.normalize('NFKC').toLowerCase())].flatMap(({ segment, isWordLike }) =>
    isWordLike === true ? [segment] : [],
  )
}
