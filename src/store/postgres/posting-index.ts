/**
 * The word index in Postgres: one row per word and bucket of 4 096 passages, with four bytes per passage: twelve bits for its position in
 * the bucket, ten for the word's count in its terms, ten for the count in its context. So a ranking reads about fifty rows instead of
 * thousands, and computes the same scores as SQLite's.
 *
 * Passage numbers only grow, so a full bucket never changes but for removals: its rows are written once, when it is full. Passages
 * behind the last full bucket, at most 4 095, have no rows: each searching thread counts their words itself. Writing rows with each
 * passage would write ten times as many, nearly all of them longer versions of others.
 */
import type { UserId } from '../../types/index.ts'
import { queryRows, type ReadQuery } from '../memory/memory-reads.ts'
import type { PassageRow } from '../memory/memory-rows.ts'
import { unpackBody } from '../memory/passage-body.ts'
import type { TextQuery, TextRanking } from '../search/memory-search.ts'
import { createWordRanking, type Occurrences } from '../search/word-ranking.ts'
import { hexOf, memoryWrites } from './memory-statements.ts'
import { jsonRows, type PostgresSession, toStored } from './postgres-session.ts'

/** Passages in a bucket, and bits of each of the two counts. Higher counts are capped. */
export const bucketPassages = 4_096
const countBits = 10
const maxCount = (1 << countBits) - 1
const postingBytes = 4

function bucketOf(passage: number): number {
  return Math.floor(passage / bucketPassages)
}

/** @returns the first passage of a bucket */
function firstOf(bucket: number): number {
  return bucket * bucketPassages
}

/** @returns the position in the bucket and both counts as one integer below 2 ^ 32 */
function packPosting(passage: number, terms: number, context: number): number {
  const place = passage % bucketPassages
  return ((place << (2 * countBits)) | (Math.min(terms, maxCount) << countBits) | Math.min(context, maxCount)) >>> 0
}

function placeOf(posting: number): number {
  return posting >>> (2 * countBits)
}

/** @returns what the word counts for in its passage */
function weightOf(posting: number, contextWeight: number): number {
  return ((posting >>> countBits) & maxCount) + contextWeight * (posting & maxCount)
}

function packPostings(postings: readonly number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(postings.length * postingBytes)
  const view = new DataView(bytes.buffer)
  postings.forEach((posting, i) => view.setUint32(i * postingBytes, posting, true))
  return bytes
}

/** Reads all whole postings, also of a truncated row. */
function eachPosting(bytes: Uint8Array, see: (posting: number) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at + postingBytes <= bytes.byteLength; at += postingBytes) see(view.getUint32(at, true))
}

/** Adds the words of a passage to the words of its bucket. */
function addWords(words: Map<string, number[]>, passage: number, terms: string, context: string): void {
  for (const [word, counts] of countWords(terms, context)) {
    const posting = packPosting(passage, counts.terms, counts.context)
    const postings = words.get(word)
    if (postings === undefined) words.set(word, [posting])
    else postings.push(posting)
  }
}

/** @returns how often each word occurs in the terms and in the context of a passage */
function countWords(terms: string, context: string): Map<string, { terms: number; context: number }> {
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

export interface IndexedPassage {
  readonly id: number
  readonly terms: string
  readonly context: string
}

/** Writes the rows of buckets that became full. @param from number of the next passage before, @param to and now */
export async function indexFull(session: PostgresSession, user: UserId, from: number, to: number): Promise<void> {
  for (let bucket = bucketOf(from); bucket < bucketOf(to); bucket++) await indexBucket(session, user, bucket)
}

async function indexBucket(session: PostgresSession, user: UserId, bucket: number): Promise<void> {
  const bounds = [firstOf(bucket), firstOf(bucket + 1)]
  const passages = await session.objects<PassageRow>({ ...memoryWrites.passagesFrom, values: [user, ...bounds] })
  const words = new Map<string, number[]>()
  for (const { id, body } of passages) {
    const { terms, context } = unpackBody(body)
    addWords(words, id, terms, context)
  }
  // Older programs wrote rows of a bucket before it was full.
  await session.rows({ ...memoryWrites.dropBucket, values: [user, bucket] })
  if (words.size === 0) return
  const rows = [...words].map(([term, postings]) => ({ term, postings: hexOf(packPostings(postings)) }))
  await session.rows({ ...memoryWrites.putPostings, values: [user, bucket, jsonRows(rows)] })
}

/** @param passages with the same terms and context as when they were indexed */
export async function removePostings(session: PostgresSession, user: UserId, passages: readonly IndexedPassage[]): Promise<void> {
  const gone = new Set(passages.map(({ id }) => id))
  const pairs = [...Map.groupBy(passages, ({ id }) => bucketOf(id))].flatMap(([bucket, some]) => {
    const terms = new Set(some.flatMap((passage) => [...countWords(passage.terms, passage.context).keys()]))
    return [...terms].map((term) => ({ term, bucket }))
  })
  if (pairs.length === 0) return
  const rows = await session.objects<{ term: string; bucket: number; postings: Uint8Array }>({
    ...memoryWrites.postings,
    values: [user, jsonRows(pairs)],
  })
  const left = rows.map(({ term, bucket, postings }) => {
    const found: number[] = []
    eachPosting(postings, (posting) => {
      if (!gone.has(firstOf(bucket) + placeOf(posting))) found.push(posting)
    })
    return { term, bucket, postings: hexOf(packPostings(found)) }
  })
  const [kept, empty] = [left.filter(({ postings }) => postings !== ''), left.filter(({ postings }) => postings === '')]
  if (kept.length > 0) await session.rows({ ...memoryWrites.replacePostings, values: [user, jsonRows(kept)] })
  if (empty.length > 0) await session.rows({ ...memoryWrites.dropPostings, values: [user, jsonRows(empty)] })
}

/** Builds the index from the passages if full buckets have no rows, because the passages were copied from another database. */
export async function indexAll(session: PostgresSession, user: UserId): Promise<void> {
  const [state] = await session.objects<{ next_passage: number }>({ ...memoryWrites.state, values: [user] })
  const next = state?.next_passage ?? 0
  if (bucketOf(next) === 0) return
  if ((await session.rows({ ...memoryWrites.hasPostings, values: [user] })).length === 0) await indexFull(session, user, 0, next)
}

interface OpenWords {
  /** Number of the first passage that was not taken in yet. */
  next(): number
  /** Takes in passages in order, and drops those of full buckets. @param end number of the next passage */
  takeIn(passages: readonly { readonly id: number; readonly body: Uint8Array }[], end: number): void
  /** First passage of the bucket, and postings of a word in it. */
  first(): number
  postings(term: string): readonly number[]
}

function createOpenWords(): OpenWords {
  let bucket = -1
  let next = 0
  let words = new Map<string, number[]>()
  return {
    next: () => next,
    takeIn(passages, end) {
      // Numbers that decrease mean that the rows were replaced.
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

/** Rows of the query below; without a state row, there are none. */
type Row = readonly [what: 'end' | 'term' | 'passage', term: string, number: number, bytes: Uint8Array]

/**
 * One round trip for the next passage number, the rows of the words, and new passages after the full buckets. The lateral join makes the
 * planner look up each word by the index, whatever its statistics are.
 */
const text = `with state as materialized (select next_passage, next_passage / ${bucketPassages} as open from memory_state where "user" = :user)
  select 'end', '', next_passage, cast('' as bytea) from state
  union all
  select 'term', t.term, t.bucket, t.postings from json_array_elements_text(cast(:terms as json)) w(value) cross join lateral
    (select term, bucket, postings from memory_posting
      where "user" = :user and term = w.value and bucket < (select open from state) offset 0) t
  union all
  (select 'passage', '', id, body from memory_passage
    where "user" = :user and id >= greatest(cast(:next as bigint), (select open * ${bucketPassages} from state)) order by id)`

export interface PostingRanking {
  readonly rank: TextRanking
  /** The only query that ranking these words needs, so that a caller can send it early. */
  question(query: TextQuery): ReadQuery
}

export function createPostingRanking(user: UserId): PostingRanking {
  const open = createOpenWords()
  const rankByWords = createWordRanking()
  const question = ({ terms }: TextQuery): ReadQuery => ({
    text,
    args: { user, terms: JSON.stringify(terms.map(toStored)), next: open.next() },
    arrays: true,
  })
  return {
    question,
    *rank(slots, filter, query) {
      const { terms, contextWeight, limit } = query
      if (terms.length === 0 || limit === 0 || slots.count() === 0) return []
      const rows = yield* queryRows<Row>(question(query))
      const end = rows.find(([what]) => what === 'end')?.[2] ?? 0
      open.takeIn(
        rows.flatMap(([what, , id, body]) => (what === 'passage' ? [{ id, body }] : [])),
        end,
      )
      const byTerm = Map.groupBy(
        rows.filter(([what]) => what === 'term'),
        ([, term]) => term,
      )
      const words = terms.map<Occurrences>((term) => (seen) => {
        const see = (first: number) => (posting: number) => seen(first + placeOf(posting), weightOf(posting, contextWeight))
        for (const [, , bucket, bytes] of byTerm.get(term) ?? []) eachPosting(bytes, see(firstOf(bucket)))
        open.postings(term).forEach(see(open.first()))
      })
      return rankByWords(slots, filter, limit, words)
    },
  }
}
