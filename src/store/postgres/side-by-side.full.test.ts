import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOxbowError, type UserId } from '../../base/index.ts'
import { parseErased } from '../chain.ts'
import { recordOf, sessionA } from '../store-contract.ts'
import { ann, assertRejects } from '../store-fixture.ts'
import type { OpeningStore } from '../store.ts'
import { canonicalRecords } from './chain-fixture.ts'
import { openEngine, pgDriver } from './engine-fixture.ts'
import { postgresSkip, usePostgres } from './postgres-fixture.ts'
import { openPostgresStore } from './postgres-store.ts'

const postgres = usePostgres()
const skip = postgresSkip()
const bob = 'bob' as UserId

const opened = (url: string, user: UserId, more: { exclusive?: boolean; readOnly?: boolean } = {}): Promise<OpeningStore> =>
  openPostgresStore({ url, user, pool: 3, durability: 'normal', ...more })

test('two that start at once on an empty database both work, each user with a chain of its own', { skip }, async () => {
  await using database = await postgres.database()
  const stores = await Promise.all([ann, bob].map((user) => opened(database.url, user, { exclusive: true })))
  await Promise.all(stores.map((store) => store.opened()))
  await Promise.all(
    stores.flatMap((store) => Array.from({ length: 40 }, (_, i) => store.append({ records: [recordOf(`${store.user}${i}`, 'intent')] }))),
  )
  for (const store of stores) {
    const records = await canonicalRecords(store)
    assert.equal(records.length, 40)
    assert(records.every(({ call }) => call.startsWith(store.user)))
    await store.close()
  }
})

test('two processes that append for one user at once share one chain', { skip }, async () => {
  await using database = await postgres.database()
  const stores = await Promise.all([1, 2].map(() => openEngine(pgDriver(database.url))))
  await Promise.all(
    stores.flatMap(({ store }, at) =>
      Array.from({ length: 60 }, async (_, i) => {
        await store.append({ records: [recordOf(`${at}-${i}`, 'intent'), recordOf(`${at}-${i}`, 'outcome')] })
      }),
    ),
  )
  assert.equal((await canonicalRecords(stores[0]!.store)).length, 240)
  for (const { store } of stores) await store.close()
})

test('nothing of one user is seen, changed or erased by another', { skip }, async () => {
  await using database = await postgres.database()
  const [anns, bobs] = await Promise.all([openEngine(pgDriver(database.url)), openEngine(pgDriver(database.url), { user: bob })])
  const long = JSON.stringify('secret of ann '.repeat(1_000))
  const row = { id: sessionA, title: 'of ann', createdAt: 1, activeAt: 2, turns: 1, labels: '', origins: '', scratchpad: '' }
  await anns.store.append({
    records: [recordOf('a', 'intent', { body: long }), recordOf('b', 'outcome')],
    projections: [
      { kind: 'session', session: { ...row, archived: 0, deleted: 0, parent: '', forked: 0, summary: '' } },
      { kind: 'message', record: 1 },
      { kind: 'spend', scope: 's', spend: { microDollars: 5, tokens: 5 } },
    ],
  })
  const blob = await anns.store.putBlob(new TextEncoder().encode('bytes of ann'))
  assert.equal(await anns.store.claimLane(sessionA, 'w1', 60_000), 1)

  const { store } = bobs
  assert.deepEqual(await store.head(), { seq: 0, hash: '0'.repeat(64) })
  assert.deepEqual(await store.records({ order: 'oldest_first', limit: 10, hydrate: true }), [])
  assert.deepEqual(await store.history(sessionA, null, 10), [])
  assert.deepEqual(await store.openIntents(), [])
  assert.equal(await store.blob(blob), null)
  assert.equal(await store.session(sessionA), null)
  assert.deepEqual(await store.sessions(10), [])
  assert.deepEqual(await store.spent('s'), { microDollars: 0, tokens: 0 })
  assert.deepEqual(await store.erase([1, 2], 'not mine'), { bodies: 0, blobs: 0, kept: [] })
  // The same names are other things: a lane, an intent, a blob.
  assert.equal(await store.claimLane(sessionA, 'w2', 60_000), 1)
  assert.deepEqual(await store.append({ records: [recordOf('a', 'intent', { body: long })] }), {
    firstSeq: 1,
    duplicate: false,
  })
  await store.append({ records: [recordOf('a', 'outcome')] })
  assert.equal((await store.erase([1], 'mine')).bodies, 1)
  assert.equal((await canonicalRecords(anns.store))[0]?.body, long)
  assert.equal((await anns.store.openIntents()).length, 1)
  for (const each of [anns, bobs]) await each.store.close()
})

test('a second guest of the user is refused, another user and whoever only looks are not', { skip }, async () => {
  await using database = await postgres.database()
  const first = await opened(database.url, ann, { exclusive: true })
  await first.append({ records: [recordOf('a', 'intent')] })
  const second = await opened(database.url, ann, { exclusive: true })
  await assertRejects(second.opened(), 'workspace_busy', /already runs Oxbow/)
  await assertRejects(second.append({ records: [recordOf('b', 'intent')] }), 'workspace_busy')
  await assertRejects(second.head(), 'workspace_busy')
  const other = await opened(database.url, bob, { exclusive: true })
  await other.opened()
  const looker = await opened(database.url, ann, { readOnly: true })
  assert.equal((await looker.head()).seq, 1)
  await assertRejects(looker.append({ records: [recordOf('x', 'intent')] }), 'store_failed', /reading only/)
  for (const store of [first, second, other, looker]) await store.close()
  const third = await opened(database.url, ann, { exclusive: true })
  await third.opened()
  await third.close()
})

test('a guest that lost its lock to another writes nothing more', { skip }, async () => {
  await using database = await postgres.database()
  const first = await openEngine(pgDriver(database.url), { exclusive: true, patienceMs: 1_000 })
  await first.store.append({ records: [recordOf('a', 'intent')] })
  // The other takes the lock in the moment in which the first one's connection is gone.
  const other = await pgDriver(database.url).connect()
  const taking = other.rows({ text: `select pg_advisory_lock(hashtextextended($1, 0))`, values: ['oxbow.guest:ann'] })
  while ((await database.sql(`select 1 from pg_locks where locktype = 'advisory' and not granted`)).length === 0);
  await database.sql(`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted`)
  await taking
  const late = await first.store.append({ records: [recordOf('late', 'intent')] }).catch((error: unknown) => error)
  assert(isOxbowError(late, 'workspace_busy'), String(late))
  assert.equal((await canonicalRecords(first.store)).length, 1)
  await other.close()
  await assertRejects(first.store.append({ records: [recordOf('later', 'intent')] }), 'workspace_busy')
  await first.store.close()
})

test('a body that is erased while it is read is told as erased, and is no damage', { skip }, async () => {
  await using database = await postgres.database()
  const [eraser, driver] = [await openEngine(pgDriver(database.url)), pgDriver(database.url)]
  let erasing = 0
  const { store } = await openEngine({
    ...driver,
    read: (work) =>
      driver.read((session) =>
        work({
          ...session,
          async rows(query) {
            // Between the rows and the blobs that they name.
            if (query.name === 'read_blobs') await eraser.store.erase([(erasing += 1)], 'asked by ann')
            return session.rows(query)
          },
        }),
      ),
  })
  const body = (n: number): string => JSON.stringify({ text: `${n} s3cret `.repeat(1_000) })
  await store.append({
    records: [1, 2].map((n) => recordOf(`a${n}`, 'refused', { body: body(n) })),
    projections: [0, 1].map((record) => ({ kind: 'message', record })),
  })
  const records = await store.records({ order: 'oldest_first', limit: 10, hydrate: true })
  assert.deepEqual(
    records.map((record) => parseErased(record.body) !== null),
    [true, false],
  )
  const history = await store.history(sessionA, null, 10)
  assert(history.every((each) => parseErased(each.body) !== null))
  assert.equal(store.fault(), null)
  await Promise.all([store.close(), eraser.store.close()])
})
