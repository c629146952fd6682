/** The compared rankings: the parts of recall, both fusions alone, and full recall. Each returns ids of entries, best first. */
import type { TextEngine } from '../../src/memory/index.ts'
import { fuseLists, inOrder } from '../../src/memory/recall/fuse-lists.ts'
import { createRecall } from '../../src/memory/recall/create-recall.ts'
import { askedDays } from '../../src/memory/recall/day-terms.ts'
import { contextWeight } from '../../src/memory/recall/recall-limits.ts'
import type { MemoryStore } from '../../src/store/index.ts'
import { depths } from './recall-score.ts'

export const rankingNames = ['text only', 'vector only', 'weights', 'reciprocal rank', 'full recall'] as const

export type RankingName = (typeof rankingNames)[number]

/** Ranks one question with every method. */
export interface Rankings {
  rank(question: string): Promise<Readonly<Record<RankingName, readonly string[]>>>
}

const deepest = Math.max(...depths)
/** Lengths of the two lists, as in recall. */
const listLength = 100
/** Large enough that no result is dropped for its length. */
const tokens = 100_000

/** @param now time of the questions */
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
      const weights = embedder?.weights ?? { text: 1, vector: 0 }
      const fused = (fusion: 'weights' | 'reciprocal_rank'): readonly string[] =>
        ids(inOrder(fuseLists(found, { fusion, weights, terms, full: listLength })).map(({ passage }) => passage.id))
      const full = await recall.recall({ text: question, filter: {}, limit: deepest, tokens })
      return {
        'text only': ids(found.text.map(({ passage }) => passage)),
        'vector only': ids(found.vector.map(({ passage }) => passage)),
        weights: fused('weights'),
        'reciprocal rank': fused('reciprocal_rank'),
        'full recall': full.map(({ id }) => id),
      }
    },
  }
}
