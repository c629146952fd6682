/**
 * Where a word occurs, as Postgres keeps it: a row for each word and bucket of 4 096 passages, with four bytes a passage: twelve
 * bits of its place in the bucket, ten of how often the word stands in its terms, ten of how often in its context. So a ranking
 * reads some fifty rows and not thousands, and is done by our own words, the same as SQLite's to the last digit that counts.
 */

/** Passages of a bucket, and bits of each of the two counts. What stands more often in one passage counts as this often. */
export const bucketPassages = 4_096
const countBits = 10
const mostCounted = (1 << countBits) - 1
const postingBytes = 4

export function bucketOf(passage: number): number {
  return Math.floor(passage / bucketPassages)
}

/** @returns the first passage of a bucket */
export function firstOf(bucket: number): number {
  return bucket * bucketPassages
}

/** A passage of its bucket and two counts, as one whole number below 2 ^ 32. */
function packPosting(passage: number, terms: number, context: number): number {
  const place = passage % bucketPassages
  return ((place << (2 * countBits)) | (Math.min(terms, mostCounted) << countBits) | Math.min(context, mostCounted)) >>> 0
}

export function placeOf(posting: number): number {
  return posting >>> (2 * countBits)
}

/** @returns what the word counts for in its passage */
export function weightOf(posting: number, contextWeight: number): number {
  return ((posting >>> countBits) & mostCounted) + contextWeight * (posting & mostCounted)
}

export function packPostings(postings: readonly number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(postings.length * postingBytes)
  const view = new DataView(bytes.buffer)
  postings.forEach((posting, i) => view.setUint32(i * postingBytes, posting, true))
  return bytes
}

/** What is left of a row that was cut short is read as far as it goes. */
export function eachPosting(bytes: Uint8Array, see: (posting: number) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at + postingBytes <= bytes.byteLength; at += postingBytes) see(view.getUint32(at, true))
}

/** Adds the words of a passage to what is known of their bucket. */
export function addWords(words: Map<string, number[]>, passage: number, terms: string, context: string): void {
  for (const [word, counts] of countWords(terms, context)) {
    const posting = packPosting(passage, counts.terms, counts.context)
    const known = words.get(word)
    if (known === undefined) words.set(word, [posting])
    else known.push(posting)
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
