/**
 * Words of the passages behind the last full bucket, which have no rows in the index: a searching thread counts them once and
 * holds them until their bucket is full. They are at most 4 095 passages.
 */
import { unpackBody } from '../../memory/passage-body.ts'
import { addWords, bucketOf, firstOf } from './posting.ts'

export interface OpenWords {
  /** The first passage that is not known yet. */
  next(): number
  /** Takes in passages in order, and forgets what stands in full buckets. @param end number of the next passage that will come */
  takeIn(passages: readonly { readonly id: number; readonly body: Uint8Array }[], end: number): void
  /** First passage of the bucket, and postings of a word in it. */
  first(): number
  postings(term: string): readonly number[]
}

export function createOpenWords(): OpenWords {
  let bucket = -1
  let next = 0
  let words = new Map<string, number[]>()
  return {
    next: () => next,
    takeIn(passages, end) {
      // Where numbers went back the rows were replaced by others.
      if (bucketOf(end) !== bucket || end < next) {
        bucket = bucketOf(end)
        words = new Map()
        next = firstOf(bucket)
      }
      for (const { id, body } of passages) {
        if (id < next) continue
        const { terms, context } = unpackBody(body)
        addWords(words, id, terms, context)
      }
      next = Math.max(next, end)
    },
    first: () => firstOf(bucket),
    postings: (term) => words.get(term) ?? [],
  }
}
