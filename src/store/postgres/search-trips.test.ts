import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entryOf, itemOf } from '../contract/memory-fixture.ts'
import { openEngine, pgDriver } from './engine-fixture.ts'
import { postgresSkip, usePostgres } from './postgres-fixture.ts'
import type { PostgresDriver, PostgresSession, Query } from './postgres-session.ts'

const postgres = usePostgres()
const skip = postgresSkip()
/** More than a page of blocks of vectors, and so many that words fill a bucket. */
const passages = 4_100

/** Notes what reading sessions are asked. */
function watched(driver: PostgresDriver, asked: string[]): PostgresDriver {
  const note = ({ text, values }: Query): number => asked.push(JSON.stringify([text, values]))
  const watch = (session: PostgresSession): PostgresSession => ({
    ...session,
    rows: (query) => (note(query), session.rows(query)),
    objects: (query) => (note(query), session.objects(query)),
  })
  return { ...driver, read: (work) => driver.read((session) => work(watch(session))) }
}

test('a search sends each question once, also those that it asks before it needs the answer', { skip }, async () => {
  await using database = await postgres.database()
  const asked: string[] = []
  const { store } = await openEngine(watched(pgDriver(database.url), asked))
  try {
    const { memory } = store
    const texts = Array.from({ length: passages }, (_, i) => `word${i % 10} part${i}`)
    await memory.change([{ change: 'put', item: itemOf(entryOf('long'), ...texts) }])
    await memory.change([{ change: 'model', model: 'm', dims: 2, state: 'active' }])
    const vectors = texts.map((_, i) => ({ passage: i + 1, vector: Float32Array.of(1, i) }))
    await memory.change([{ change: 'vectors', model: 'm', vectors }])
    const text = { terms: ['word3'], contextWeight: 0.5, limit: 5 }
    const vector = { model: 'm', vector: Float32Array.of(1, 0), limit: 5 }
    await memory.search({ filter: {}, text: { ...text, terms: ['word4'] }, vector: { ...vector, limit: 1 } })
    // A search behind a write asks what changed, too.
    await memory.change([{ change: 'cursor', cursor: { name: 'seen', seq: 1 } }])
    asked.length = 0
    const found = await memory.search({ filter: {}, text, vector })
    assert.deepEqual(
      found.vector.map(({ passage }) => passage),
      [1, 2, 3, 4, 5],
    )
    // Passages that words found, and those that vectors found, are read by the same statement.
    assert.equal(found.passages.length, 9)
    assert.deepEqual(asked.length, new Set(asked).size)
    const about = (part: string): number => asked.filter((one) => one.includes(part)).length
    assert.deepEqual([about('substring(s.bytes'), about('p.passage, p.part'), about('id >= '), about('block > ')], [1, 2, 1, 1])
  } finally {
    await store.close()
  }
})
