/**
 * Where a word occurs, as Postgres keeps it: a row for each word and bucket of 4 096 passages, with four bytes a passage. So a
 * new passage is appended to a row without reading it, a ranking reads some fifty rows and not thousands, and the ranking is
 * done by our own words, the same as SQLite's to the last digit that counts.
 */

/** Passages in a row: twelve bits of the four bytes. */
const bucketBits = 12
/** Bits of each count. What stands more often in one passage counts as this often. */
const countBits = 10
const mostCounted = (1 << countBits) - 1
const postingBytes = 4

export interface Posting {
  readonly passage: number
  /** How often the word stands in the terms, and in the context. */
  readonly terms: number
  readonly context: number
}

export function bucketOf(passage: number): number {
  return Math.floor(passage / (1 << bucketBits))
}

export function packPostings(postings: readonly Posting[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(postings.length * postingBytes)
  const view = new DataView(bytes.buffer)
  postings.forEach(({ passage, terms, context }, i) => {
    const counts = (Math.min(terms, mostCounted) << countBits) | Math.min(context, mostCounted)
    const place = passage % (1 << bucketBits)
    view.setUint32(i * postingBytes, ((place << (2 * countBits)) | counts) >>> 0, true)
  })
  return bytes
}

export function* openPostings(bucket: number, bytes: Uint8Array): Generator<Posting> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at + postingBytes <= bytes.byteLength; at += postingBytes) {
    const packed = view.getUint32(at, true)
    yield {
      passage: bucket * (1 << bucketBits) + (packed >>> (2 * countBits)),
      terms: (packed >>> countBits) & mostCounted,
      context: packed & mostCounted,
    }
  }
}

/** @returns how often each word of a passage stands in its terms and its context */
export function countWords(terms: string, context: string): Map<string, { terms: number; context: number }> {
  const counts = new Map<string, { terms: number; context: number }>()
  for (const [list, side] of [
    [terms, 'terms'],
    [context, 'context'],
  ] as const) {
    if (list === '') continue
    for (const word of list.split(' ')) {
      const count = counts.get(word) ?? { terms: 0, context: 0 }
      count[side]++
      counts.set(word, count)
    }
  }
  return counts
}
