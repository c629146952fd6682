/** The index of words in Postgres as passages come and go. */
import type { UserId } from '../../../types/index.ts'
import { unpackBody } from '../../memory/passage-body.ts'
import type { PassageRow } from '../../memory/memory-rows.ts'
import type { PostgresSession } from '../postgres-session.ts'
import { hexOf, jsonRows, memoryWrites } from './memory-writes.ts'
import { bucketOf, countWords, openPostings, packPostings, type Posting } from './posting.ts'

export interface IndexedPassage {
  readonly id: number
  readonly terms: string
  readonly context: string
}

/** Passages of which the words are held at once. */
const indexedAtOnce = 1_000

/** Numbers of new passages are higher than all before, so rows stay in order. */
export async function addPostings(session: PostgresSession, user: UserId, passages: readonly IndexedPassage[]): Promise<void> {
  const rows = new Map<string, { readonly term: string; readonly bucket: number; readonly found: Posting[] }>()
  for (const { id, terms, context } of passages) {
    const bucket = bucketOf(id)
    for (const [term, counts] of countWords(terms, context)) {
      const key = `${bucket} ${term}`
      const row = rows.get(key) ?? { term, bucket, found: [] }
      rows.set(key, row)
      row.found.push({ passage: id, ...counts })
    }
  }
  if (rows.size === 0) return
  const packed = [...rows.values()].map(({ term, bucket, found }) => ({ term, bucket, postings: hexOf(packPostings(found)) }))
  await session.rows({ ...memoryWrites.addPostings, values: [user, jsonRows(packed)] })
}

/** `passages` as they were indexed. */
export async function removePostings(session: PostgresSession, user: UserId, passages: readonly IndexedPassage[]): Promise<void> {
  const terms = new Set(passages.flatMap((passage) => [...countWords(passage.terms, passage.context).keys()]))
  if (terms.size === 0) return
  const gone = new Set(passages.map(({ id }) => id))
  const buckets = new Set(passages.map(({ id }) => bucketOf(id)))
  const rows = await session.objects<{ term: string; bucket: number; postings: Uint8Array }>({
    ...memoryWrites.postings,
    values: [user, jsonRows([...terms]), jsonRows([...buckets])],
  })
  const left = rows.map(({ term, bucket, postings }) => {
    const found = [...openPostings(bucket, postings)].filter(({ passage }) => !gone.has(passage))
    return { term, bucket, postings: hexOf(packPostings(found)) }
  })
  const [kept, empty] = [left.filter(({ postings }) => postings !== ''), left.filter(({ postings }) => postings === '')]
  if (kept.length > 0) await session.rows({ ...memoryWrites.replacePostings, values: [user, jsonRows(kept)] })
  if (empty.length > 0) await session.rows({ ...memoryWrites.dropPostings, values: [user, jsonRows(empty)] })
}

/** Where passages have no words at all in the index, they were copied here from elsewhere: it is made from them. */
export async function indexAll(session: PostgresSession, user: UserId): Promise<void> {
  if ((await session.rows({ ...memoryWrites.hasPostings, values: [user] })).length > 0) return
  for (let after = 0; ;) {
    const rows = await session.objects<PassageRow>({ ...memoryWrites.passagesAfter, values: [user, after, indexedAtOnce] })
    await addPostings(
      session,
      user,
      rows.map(({ id, body }) => ({ id, ...unpackBody(body) })),
    )
    after = rows.at(-1)?.id ?? after
    if (rows.length < indexedAtOnce) return
  }
}
