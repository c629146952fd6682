/**
 * The index of words in Postgres as passages come and go. Numbers of passages only grow, so a bucket whose last number is given
 * never gets a passage more: its rows are written then, each once. What stands behind the last full bucket has no rows; whoever
 * searches reads those few thousand passages and counts their words itself (`open-words.ts`). To write rows with each passage
 * would write ten times as many, nearly all of them longer versions of others.
 */
import type { UserId } from '../../../types/index.ts'
import type { PassageRow } from '../../memory/memory-rows.ts'
import { unpackBody } from '../../memory/passage-body.ts'
import { jsonRows, type PostgresSession } from '../postgres-session.ts'
import { hexOf, memoryWrites } from './memory-writes.ts'
import { addWords, bucketOf, countWords, eachPosting, firstOf, packPostings, placeOf } from './posting.ts'

export interface IndexedPassage {
  readonly id: number
  readonly terms: string
  readonly context: string
}

/** Writes the rows of buckets that became full. @param from number of the next passage as it was, and @param to as it is now */
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

/** `passages` as they were indexed. */
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

/** Where full buckets have no words at all in the index, their passages were copied here from elsewhere: it is made from them. */
export async function indexAll(session: PostgresSession, user: UserId): Promise<void> {
  const [state] = await session.objects<{ next_passage: number }>({ ...memoryWrites.state, values: [user] })
  const next = state?.next_passage ?? 0
  if (bucketOf(next) === 0) return
  if ((await session.rows({ ...memoryWrites.hasPostings, values: [user] })).length === 0) await indexFull(session, user, 0, next)
}
