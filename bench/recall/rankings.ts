/** The rankings that are compared: the parts of recall, and the whole of it. Each gives ids of entries, best first. */
import type { TextEngine } from '../../src/memory/index.ts'
import { createRecall } from '../../src/memory/recall/create-recall.ts'
import { askedDays } from '../../src/memory/recall/day-terms.ts'
import type { MemoryFound, MemoryStore } from '../../src/store/index.ts'
import { depths } from './recall-score.ts'

export const rankingNames = ['text only', 'vector only', 'weights', 'reciprocal rank', 'full recall'] as const

export type RankingName = (typeof rankingNames)[number]

/** Ranks one question in every way. */
export interface Rankings {
  rank(question: string): Promise<Readonly<Record<RankingName, readonly string[]>>>
}

const deepest = Math.max(...depths)
/** The two lists as recall asks for them. */
const listLength = 100
const contextWeight = 0.5
/** Enough that no result is left out for its length. */
const tokens = 100_000

/** @param now when the questions are asked */
export function createRankings(store: MemoryStore, text: TextEngine, now: number): Rankings {
  const recall = createRecall({ store, text, now: () => now })
  return {
    async rank(question) {
      const embedder = await text.embedder()
      const read = await text.read(question)
      const terms = [...new Set([...read.terms, ...askedDays(question, now)])]
      const [vector] = embedder === null ? [] : await text.embed([question], 'query')
      const near = embedder === null || vector === undefined ? {} : { vector: { model: embedder.id, vector, limit: listLength } }
      const found = await store.search({ filter: {}, text: { terms, contextWeight, limit: listLength }, ...near })
      const byId = new Map(found.passages.map(({ id, entry }) => [id, entry.id]))
      const ids = (passages: readonly number[]): string[] => passages.flatMap((passage) => byId.get(passage) ?? []).slice(0, deepest)
      const full = await recall.recall({ text: question, filter: {}, limit: deepest, tokens })
      return {
        'text only': ids(found.text.map(({ passage }) => passage)),
        'vector only': ids(found.vector.map(({ passage }) => passage)),
        weights: ids(fuseMinMax(found, embedder?.weights.vector ?? 0)),
        'reciprocal rank': ids(fuseRanks(found)),
        'full recall': full.map(({ id }) => id),
      }
    },
  }
}

/** The plain form of both fusions, as the reference systems have them: nothing but the two lists. */
function fuseMinMax({ text, vector }: MemoryFound, weight: number): number[] {
  const scores = new Map<number, number>()
  const parts = [
    [text, 1 - weight],
    [vector, weight],
  ] as const
  for (const [hits, share] of parts) {
    const most = hits[0]?.score ?? 0
    const least = hits.at(-1)?.score ?? 0
    for (const { passage, score } of hits) {
      const unit = most > least ? (score - least) / (most - least) : 1
      scores.set(passage, (scores.get(passage) ?? 0) + share * unit)
    }
  }
  return sorted(scores)
}

function fuseRanks({ text, vector }: MemoryFound): number[] {
  const scores = new Map<number, number>()
  for (const hits of [text, vector])
    for (const [i, { passage }] of hits.entries()) scores.set(passage, (scores.get(passage) ?? 0) + 1 / (61 + i))
  return sorted(scores)
}

function sorted(scores: ReadonlyMap<number, number>): number[] {
  return [...scores].sort((a, b) => b[1] - a[1] || b[0] - a[0]).map(([passage]) => passage)
}
