import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { anything, embedAll, put, textSearch, vectorOf } from '../contract/memory-fixture.ts'
import { snapshotChanges } from '../limits.ts'
import type { MemorySource, MemoryStore } from '../memory.ts'
import { attachMemory } from '../memory/memory-source.ts'
import { openEngine, pgDriver } from '../postgres/engine-fixture.ts'
import { postgresSkip, usePostgres } from '../postgres/postgres-fixture.ts'
import type { PostgresSession, Query } from '../postgres/postgres-session.ts'
import { ann } from '../store-fixture.ts'
import { readSnapshot } from './snapshot-file.ts'

const postgres = usePostgres()
const skip = postgresSkip()
const many = snapshotChanges + 100
const key = '11'.repeat(32)

interface Place extends Disposable {
  readonly url: string
  readonly path: string
  readonly source: MemorySource
  /** The snapshots that are there. */
  files(): readonly string[]
}

function placeOf(url: string, masters: readonly string[] | null = null): Place {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-kept-'))
  const path = join(folder, 'oxbow.db')
  return {
    url,
    path,
    source: { kind: 'postgres', rowRole: '', user: ann, url, shown: 'postgres://test', snapshot: { path, masters } },
    files: () => readdirSync(folder).map((name) => join(folder, name)),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** A store whose writer knows the place of the snapshot. */
async function storeAt({ url, path }: Place, masters: readonly string[] | null = null) {
  return (await openEngine(pgDriver(url), { snapshot: { path, masters } })).store
}

async function fill(memory: MemoryStore, from = 0): Promise<void> {
  const words = (i: number): string => `common word${i} ${i % 7 === 0 ? 'seventh' : 'other'}|before${i % 5}`
  await memory.change([
    { change: 'model', model: 'm', dims: 2, state: 'active' },
    ...Array.from({ length: many }, (_, i) => put(`e${from + i}`, words(from + i))),
  ])
  await embedAll(memory, 'm', (text) => vectorOf(1, text.length % 5))
}

/** What several searches find, as a process finds it that has just started. */
async function found(source: MemorySource): Promise<readonly unknown[]> {
  const { memory, keep, close } = await attachMemory(source)
  const results: unknown[] = []
  for (const words of ['seventh', 'word5 before3', 'word105', 'common']) {
    const search = { ...textSearch(words), vector: { model: 'm', vector: vectorOf(1, 2), limit: 5 }, apart: 2 }
    results.push(await memory.search(search))
  }
  results.push(await memory.search({ ...textSearch('other'), filter: { ...anything, validAt: 1_900_000_000_000 } }))
  keep()
  await close()
  return results
}

test('a search of a server opens the snapshot on this machine, and finds what one finds that reads everything', { skip }, async () => {
  await using database = await postgres.database()
  using place = placeOf(database.url)
  const store = await storeAt(place)
  try {
    await fill(store.memory)
    const { snapshot, ...plain } = place.source as MemorySource & { kind: 'postgres' }
    assert(snapshot !== undefined)
    const whole = await found(plain)
    assert.deepEqual(place.files(), [])
    assert.deepEqual(await found(place.source), whole)
    const [file = ''] = place.files()
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const written = readFileSync(file)
    assert.deepEqual(await found(place.source), whole)
    await store.memory.change([
      { change: 'patch', id: 'e7', patch: { tags: ['x'], validTo: 5 } },
      put('new', 'seventh new', { stream: 'u' }),
    ])
    const after = await found(place.source)
    assert.notDeepEqual(after, whole)
    assert.deepEqual(await found(plain), after)
    assert.deepEqual(readFileSync(file), written, 'few changes are not worth a file')
    for (const bytes of [Buffer.alloc(0), written.subarray(0, written.length / 2), Buffer.from(written).fill(1, 40, 41)]) {
      writeFileSync(file, bytes)
      assert.deepEqual(await found(place.source), after)
    }
  } finally {
    await store.close()
  }
})

/** @returns where a new process begins to read words, and whether it reads any vector: what it has is not read again */
async function readFrom({ url, path }: Place): Promise<{ readonly words: readonly unknown[]; readonly blocks: number }> {
  const asked: Query[] = []
  const driver = pgDriver(url)
  const watch = (session: PostgresSession): PostgresSession => ({
    ...session,
    rows: (query) => (asked.push(query), session.rows(query)),
    objects: (query) => (asked.push(query), session.objects(query)),
  })
  const watched = { ...driver, read: <Result>(work: (session: PostgresSession) => Promise<Result>) => driver.read((s) => work(watch(s))) }
  const { store } = await openEngine(watched, { readOnly: true, snapshot: { path, masters: null } })
  await store.memory.search({ ...textSearch('word105'), vector: { model: 'm', vector: vectorOf(1, 2), limit: 5 } })
  await store.close()
  const about = (part: string): Query[] => asked.filter(({ text }) => text.includes(part))
  return { words: about('id >= ').map(({ values }) => values[1]), blocks: about('block > ').length }
}

test('a search reads only what is not in the snapshot', { skip }, async () => {
  await using database = await postgres.database()
  using place = placeOf(database.url)
  const store = await storeAt(place)
  try {
    await fill(store.memory)
    assert.deepEqual((await readFrom(place)).words, [0])
    await found(place.source)
    assert.deepEqual(await readFrom(place), { words: [], blocks: 0 })
    await store.memory.change([put('new', 'seventh new')])
    assert.deepEqual(await readFrom(place), { words: [many + 1], blocks: 1 })
  } finally {
    await store.close()
  }
})

test('a snapshot of another database, or of one that was restored since, is not used', { skip }, async () => {
  await using database = await postgres.database()
  await using others = await postgres.database()
  using place = placeOf(database.url)
  using other = placeOf(others.url)
  const [store, foreign] = [await storeAt(place), await storeAt(other)]
  try {
    await fill(store.memory)
    await fill(foreign.memory)
    // Equal versions, equal passages: nothing but the server tells them apart.
    await found(other.source)
    copyFileSync(other.files()[0] ?? '', `${place.path}.recall-${Buffer.from(ann).toString('hex')}`)
    assert.deepEqual((await readFrom(place)).words, [0])
    rmSync(place.files()[0] ?? '')
    await found(place.source)
    assert.deepEqual((await readFrom(place)).words, [])
    // As a restored dump: the same rows in tables that were made anew.
    await database.sql('alter table memory_state rename to old_state; create table memory_state (like old_state including all)')
    await database.sql('insert into memory_state select * from old_state; drop table old_state; grant all on memory_state to oxbow')
    assert.deepEqual((await readFrom(place)).words, [0])
  } finally {
    await store.close()
    await foreign.close()
  }
})

test('what was erased is in no snapshot, also of a machine that did not erase it', { skip }, async () => {
  await using database = await postgres.database()
  using place = placeOf(database.url)
  using elsewhere = placeOf(database.url)
  const store = await storeAt(place)
  try {
    await fill(store.memory)
    await store.memory.change([put('secret', 'zanzibarix plain')])
    await found(place.source)
    await found(elsewhere.source)
    const holds = ({ files }: Place): boolean => files().some((file) => readFileSync(file).includes('zanzibarix'))
    assert(holds(place) && holds(elsewhere), 'the word is not in the snapshot, so this proves nothing')
    copyFileSync(place.files()[0] ?? '', `${place.files()[0] ?? ''}.killed.new`)
    const { memory, keep, close } = await attachMemory(place.source)
    await memory.search(textSearch('zanzibarix'))
    await store.memory.change([{ change: 'erase', id: 'secret' }])
    assert.deepEqual(place.files(), [])
    // It holds the old version: what it writes is not left behind.
    keep()
    await close()
    assert.deepEqual(place.files(), [])
    const whole = await found(place.source)
    assert(place.files().length === 1 && !holds(place))
    assert.deepEqual(await found(elsewhere.source), whole)
    assert(elsewhere.files().length === 1 && !holds(elsewhere))
  } finally {
    await store.close()
  }
})

test('where the installation has keys the snapshot is sealed, and without a required key it is not kept', { skip }, async () => {
  await using database = await postgres.database()
  using place = placeOf(database.url, [key])
  using without = placeOf(database.url, [])
  const store = await storeAt(place)
  try {
    await fill(store.memory)
    await store.memory.change([put('secret', 'zanzibarix plain')])
    const whole = await found(place.source)
    const [file = ''] = place.files()
    assert(!readFileSync(file).includes('zanzibarix') && !readFileSync(file).includes('OXRECALL'))
    const at = (masters: readonly string[]) => readSnapshot({ path: place.path, user: ann, masters: () => masters })
    assert.notEqual(at([key]), null)
    assert.equal(at(['22'.repeat(32)]), null)
    assert.deepEqual(await found(place.source), whole)
    assert.deepEqual(await found(without.source), whole)
    assert(!existsSync(without.path) && without.files().length === 0)
  } finally {
    await store.close()
  }
})
