/**
 * The word index in Postgres: one row per word and bucket of 4 096 passages, with four bytes per passage: twelve bits for its position in
 * the bucket, ten for the word's count in its terms, ten for the count in its context. So a ranking reads about fifty rows instead of
 * thousands, and computes the same scores as SQLite's.
 *
 * Passage numbers only grow, so a full bucket never changes but for removals: its rows are written once, when it is full. Passages
 * behind the last full bucket, at most 4 095, have no rows: each searching thread counts their words itself. Writing rows with each
 * passage would write ten times as many, nearly all of them longer versions of others.
 */
import type { UserId } from '../../base/index.ts'
import { commonShare, fewestCommon, maxPlaces, mostCommon } from '../limits.ts'
import { queryRows, type QuerySteps, type ReadQuery } from '../memory/memory-reads.ts'
import type { PassageRow } from '../memory/memory-rows.ts'
import { unpackBody } from '../memory/passage-body.ts'
import type { CommonTerms, TextQuery, TextRanking } from '../search/memory-search.ts'
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
  /** Takes in passages in order, and drops full buckets' passages. @param end number of the next passage */
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

/** Rows of the query below; without a state row, only counts. */
type Row = readonly [what: 'end' | 'count' | 'term' | 'passage', term: string, number: number, bytes: Uint8Array]

const fewestPassages = `least(${mostCommon}, greatest(${fewestCommon}, ceil(next_passage * ${commonShare})))`

/**
 * One round trip for the next passage number, how many passages have each word, the rows of the words, and new passages after the full
 * buckets. No row is read, only counted, of words with very many passages, and of all words where each of `rare` is common by the rows
 * alone: the size of a row tells its count. The lateral joins make the planner look up each word by the index, whatever its statistics are.
 */
const text = `with state as materialized (select next_passage, next_passage / ${bucketPassages} as open from memory_state where "user" = :user),
  asked as materialized (select w.value as term, c.count from json_array_elements_text(cast(:terms as json)) w(value) cross join lateral
    (select coalesce(sum(length(postings)), 0) / ${postingBytes} as count from memory_posting
      where "user" = :user and term = w.value and bucket < (select open from state) offset 0) c),
  wanted as materialized (select asked.term from asked where asked.count < cast(:most as bigint)
    and (json_array_length(cast(:rare as json)) = 0 or exists (
      select 1 from asked a where a.count < (select ${fewestPassages} from state)
        and a.term in (select value from json_array_elements_text(cast(:rare as json))))))
  select 'end', '', next_passage, cast('' as bytea) from state
  union all
  select 'count', term, count, cast('' as bytea) from asked
  union all
  select 'term', t.term, t.bucket, t.postings from wanted w cross join lateral
    (select term, bucket, postings from memory_posting
      where "user" = :user and term = w.term and bucket < (select open from state) offset 0) t
  union all
  (select 'passage', '', id, body from memory_passage
    where "user" = :user and id >= greatest(cast(:next as bigint), (select open * ${bucketPassages} from state)) order by id)`

export interface PostingRanking {
  readonly rank: TextRanking
  /** Reads all that ranking these words needs; `rank` of the same query then reads nothing. */
  readonly common: CommonTerms
  /** The only query that ranking these words usually needs, so that a caller can send it early. */
  question(query: TextQuery): ReadQuery
}

/** Where the words of a query occur. */
interface AskedWords {
  /** Number of passages that have the word. */
  count(term: string): number
  /** Reports nothing for a word whose rows were not read. */
  occurrences(term: string, contextWeight: number): Occurrences
}

export function createPostingRanking(user: UserId): PostingRanking {
  const open = createOpenWords()
  const rankByWords = createWordRanking()
  const ask = (terms: readonly string[], rare: readonly string[], most: number): ReadQuery => ({
    text,
    args: { user, terms: JSON.stringify(terms.map(toStored)), rare: JSON.stringify(rare.map(toStored)), most, next: open.next() },
    arrays: true,
  })
  const question = ({ terms, onlyRare = [] }: TextQuery): ReadQuery => ask([...new Set([...terms, ...onlyRare])], onlyRare, maxPlaces)
  function* read(query: ReadQuery): QuerySteps<AskedWords> {
    const rows = yield* queryRows<Row>(query)
    const end = rows.find(([what]) => what === 'end')?.[2] ?? 0
    open.takeIn(
      rows.flatMap(([what, , id, body]) => (what === 'passage' ? [{ id, body }] : [])),
      end,
    )
    const counts = new Map(rows.flatMap(([what, term, count]) => (what === 'count' ? [[term, count] as const] : [])))
    const byTerm = Map.groupBy(
      rows.filter(([what]) => what === 'term'),
      ([, term]) => term,
    )
    return {
      count: (term) => (counts.get(term) ?? 0) + open.postings(term).length,
      occurrences: (term, contextWeight) => (seen) => {
        const see = (first: number) => (posting: number) => seen(first + placeOf(posting), weightOf(posting, contextWeight))
        for (const [, , bucket, bytes] of byTerm.get(term) ?? []) eachPosting(bytes, see(firstOf(bucket)))
        open.postings(term).forEach(see(open.first()))
      },
    }
  }
  /** What `common` has read, for `rank` of the same query. */
  let ahead: { readonly query: TextQuery; readonly words: AskedWords } | null = null
  return {
    question,
    *common(query, least) {
      const words = yield* read(question(query))
      const isCommon = (query.onlyRare ?? []).every((term) => words.count(term) >= least)
      ahead = isCommon ? null : { query, words }
      return isCommon
    },
    *rank(slots, filter, query) {
      const { terms, contextWeight, limit } = query
      const before = ahead?.query === query ? ahead.words : null
      ahead = null
      if (terms.length === 0 || limit === 0 || slots.count() === 0) return []
      let words = before ?? (yield* read(question(query)))
      let ranked = terms.filter((term) => words.count(term) > 0 && words.count(term) < maxPlaces)
      if (ranked.length === 0) {
        // Without a rarer word, those with very many passages are all there is.
        ranked = terms.filter((term) => words.count(term) > 0)
        if (ranked.length > 0) words = yield* read(ask(ranked, [], Number.MAX_SAFE_INTEGER))
      }
      return rankByWords(
        slots,
        filter,
        limit,
        ranked.map((term) => words.occurrences(term, contextWeight)),
      )
    },
  }
}
