import assert from 'node:assert/strict'
import { test } from 'node:test'
import { put, textSearch } from '../contract/memory-fixture.ts'
import { openMemoryStore } from '../open-store.ts'
import { maxPlaces } from '../limits.ts'
import type { Hit, MemoryChange, MemoryFound, MemoryStore } from '../memory.ts'
import { ann } from '../store-fixture.ts'
import { openEngine, pgDriver } from './engine-fixture.ts'
import { postgresSkip, usePostgres } from './postgres-fixture.ts'
import type { PostgresDriver, PostgresSession } from './postgres-session.ts'
import { bucketPassages } from './posting-index.ts'

const postgres = usePostgres()
const skip = postgresSkip()
/** One full bucket, and some passages of the next. */
const count = bucketPassages + 300

const textOf = (i: number): string => `common ${i % 7 === 0 ? 'seven ' : ''}${i % 50 === 0 ? 'fifty fifty ' : ''}word${i}|before${i % 3}`
const items: readonly MemoryChange[] = Array.from({ length: count }, (_, i) => put(`e${i}`, textOf(i)))

/** @returns ids and scores, best first */
async function ranked(memory: MemoryStore, words: string): Promise<readonly unknown[]> {
  const { text, passages } = await memory.search(textSearch(words))
  return text.map(({ passage, score }) => [passages.find(({ id }) => id === passage)?.entry.id, score])
}

const questions = ['seven', 'fifty seven', 'before1 fifty', `word${count - 1} word5 common`, 'common', 'nowhere']

test('words are ranked as SQLite ranks them, in full buckets and behind them, as passages come and go', { skip }, async () => {
  await using database = await postgres.database()
  const { store } = await openEngine(pgDriver(database.url))
  const other = await openMemoryStore({ user: ann })
  const same = async (): Promise<void> => {
    for (const words of questions) assert.deepEqual(await ranked(store.memory, words), await ranked(other.memory, words), words)
  }
  const change = async (changes: readonly MemoryChange[]): Promise<void> => {
    await store.memory.change(changes)
    await other.memory.change(changes)
  }
  try {
    // The searcher knows passages before their bucket is full, then reads its rows.
    await change(items.slice(0, 100))
    await same()
    await change(items.slice(100, bucketPassages - 50))
    await same()
    assert.deepEqual(await database.sql('select 1 from memory_posting'), [])
    await change(items.slice(bucketPassages - 50))
    await same()
    const rows = await database.sql<{ bucket: number }>('select distinct bucket::int as bucket from memory_posting')
    assert.deepEqual(rows, [{ bucket: 0 }])
    // Gone from either side, replaced, and from rows too.
    await change([
      { change: 'erase', id: 'e50' },
      { change: 'erase', id: 'e4200' },
      put('e100', 'fifty other'),
      { change: 'erase', id: 'e5' },
    ])
    await same()
    assert.deepEqual(await ranked(store.memory, 'word5'), [])
    assert.deepEqual(await database.sql(`select 1 from memory_posting where term in ('word5', 'word50', 'word100')`), [])
  } finally {
    await store.close()
    await other.close()
  }
})

test('rows of a bucket that was not full, as older programs wrote them, are neither counted twice nor left', { skip }, async () => {
  await using database = await postgres.database()
  const { store } = await openEngine(pgDriver(database.url))
  try {
    await store.memory.change(items.slice(0, 60))
    const before = await ranked(store.memory, 'fifty')
    await database.sql(
      `insert into memory_posting ("user", term, bucket, postings) values ('ann', 'fifty', 0, decode('0004100000041000', 'hex'))`,
    )
    assert.deepEqual(await ranked(store.memory, 'fifty'), before)
    await store.memory.change(items.slice(60))
    const [row] = await database.sql<{ bytes: number }>(`select length(postings) as bytes from memory_posting where term = 'fifty'`)
    assert.equal(row?.bytes, 4 * Math.ceil((bucketPassages - 1) / 50))
  } finally {
    await store.close()
  }
})

test('rows of words that are not there at all, as after a copy, are made with the next change', { skip }, async () => {
  await using database = await postgres.database()
  const { store } = await openEngine(pgDriver(database.url))
  try {
    await store.memory.change(items)
    const before = await ranked(store.memory, 'fifty seven')
    await database.sql('delete from memory_posting')
    await store.memory.change([{ change: 'cursor', cursor: { name: 'x', seq: 1 } }])
    assert.deepEqual(await ranked(store.memory, 'fifty seven'), before)
  } finally {
    await store.close()
  }
})

test(
  'words of very many passages cost no reading: common ones are only counted, others are skipped when a rarer one is present',
  { skip },
  async () => {
    await using database = await postgres.database()
    const answers: (readonly unknown[])[] = []
    const { store } = await openEngine(watched(pgDriver(database.url), answers))
    const other = await openMemoryStore({ user: ann })
    const search = (memory: MemoryStore, terms: readonly string[], rare: boolean): Promise<MemoryFound> =>
      memory.search({ filter: {}, text: { terms, contextWeight: 0.5, limit: 5, ...(rare && { onlyRare: terms }) } })
    const rowsOf = (term: string): number =>
      answers.flat().filter((row) => Array.isArray(row) && row[0] === 'term' && row[1] === term).length
    try {
      for (const { memory } of [store, other]) await memory.change(items)
      for (const terms of [['common'], ['common', 'seven'], ['common', 'fifty'], ['fifty'], ['before1'], ['nowhere', 'common']]) {
        answers.length = 0
        const found = await search(store.memory, terms, true)
        assert.deepEqual(found, await search(other.memory, terms, true), terms.join())
        assert.equal(rowsOf(terms[0]!), found.common === true || terms[0] === 'nowhere' ? 0 : 1, terms.join())
      }
      // More than are read along with a rarer word, all of one passage.
      await database.sql(
        `insert into memory_posting ("user", term, bucket, postings) values ('ann', 'flood', 0, decode(repeat('00041000', ${maxPlaces}), 'hex'))`,
      )
      answers.length = 0
      const scores = async (...terms: string[]): Promise<unknown> => (await search(store.memory, terms, false)).text
      assert.deepEqual(await scores('word9', 'flood'), await scores('word9'))
      assert.equal(rowsOf('flood'), 0)
      assert.deepEqual(
        ((await scores('flood', 'nowhere')) as readonly Hit[]).map(({ passage }) => passage),
        [1],
      )
    } finally {
      await store.close()
      await other.close()
    }
  },
)

/** Notes what reading sessions answer. */
function watched(driver: PostgresDriver, answers: (readonly unknown[])[]): PostgresDriver {
  const watch = (session: PostgresSession): PostgresSession => ({
    ...session,
    async rows(query) {
      const rows = await session.rows(query)
      answers.push(rows)
      return rows
    },
  })
  return { ...driver, read: (work) => driver.read((session) => work(watch(session))) }
}
