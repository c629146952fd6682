import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { recordOf } from '../store-contract.ts'
import { ann, assertRejects } from '../store-fixture.ts'
import type { Store } from '../store.ts'
import { canonicalRecords } from './chain-fixture.ts'
import { cutLine } from './cut-fixture.ts'
import { openEngine, pgDriver } from './engine-fixture.ts'
import { openPgDriver } from './postgres-session.ts'
import { createDatabase, postgresSkip, startPostgres, usePostgres } from './postgres-fixture.ts'
import { openPostgresStore } from './postgres-store.ts'

const postgres = usePostgres()
const skip = postgresSkip()
/** What hangs is given up after this long. What answers is never so slow, on a machine that is busy with other things, too. */
const slowMs = 2_000

/** Resolves when the store writes again, which it notices by itself. */
async function mended(store: Store): Promise<void> {
  while (store.fault() !== null) await new Promise((resolve) => void setTimeout(resolve, 20))
}

test('a server that is restarted in the middle is waited for: nothing fails, and nothing is written twice', { skip }, async () => {
  await using server = await startPostgres()
  const database = await createDatabase(server)
  const { store } = await openEngine(pgDriver(database.url), { exclusive: true })
  await store.append({ records: [recordOf('c0', 'intent')] })
  for (const round of [1, 2]) {
    const appends = Array.from({ length: 50 }, (_, i) => store.append({ records: [recordOf(`c${round}-${i}`, 'intent')] }))
    await server.stop('fast')
    const during = store.append({ records: [recordOf(`d${round}`, 'intent')] })
    const reading = store.head()
    await server.start()
    await Promise.all([...appends, during, reading])
  }
  assert.equal((await canonicalRecords(store)).length, 103)
  await store.close()
})

test('kill -9 of every process of the server in the middle of commits loses nothing that was acknowledged', { skip }, async () => {
  await using server = await startPostgres({ durable: true })
  const database = await createDatabase(server)
  const acknowledged = new Set<string>()
  const { store } = await openEngine(pgDriver(database.url), { exclusive: true })
  for (let round = 0; round < 3; round++) {
    const appending = { goesOn: true }
    const clients = Array.from({ length: 4 }, async (_, client) => {
      for (let i = 0; appending.goesOn; i++) {
        const call = `r${round}-${client}-${i}`
        await store.append({ records: [recordOf(call, 'intent'), recordOf(call, 'outcome')] })
        acknowledged.add(call)
      }
    })
    const enough = acknowledged.size + 40 + round * 17
    while (acknowledged.size < enough) await new Promise((resolve) => void setImmediate(resolve))
    await server.kill()
    await server.start()
    appending.goesOn = false
    await Promise.all(clients)
  }
  const calls = (await canonicalRecords(store)).map(({ call, phase }) => `${call} ${phase}`)
  assert.equal(new Set(calls).size, calls.length, 'nothing is there twice')
  for (const call of acknowledged) assert(calls.includes(`${call} outcome`), `${call} was acknowledged and is there`)
  assert.deepEqual(await store.openIntents(), [])
  await store.close()
})

test('a server that stays away is said to be, and writing goes on by itself when it comes back', { skip }, async () => {
  await using database = await postgres.database()
  await using line = await cutLine((await postgres.server()).port)
  const { store } = await openEngine(pgDriver(line.url(database.url)), { exclusive: true, patienceMs: 300 })
  await store.append({ records: [recordOf('a', 'intent')] })
  line.close()
  await assertRejects(store.append({ records: [recordOf('b', 'intent')] }), 'store_failed', /cannot be used now/)
  assert.equal(store.fault()?.code, 'store_failed')
  // Known to be down: the next is refused at once, and reading says so as well.
  await assertRejects(store.append({ records: [recordOf('c', 'intent')] }), 'store_failed')
  await assertRejects(store.head(), 'store_failed', /cannot be used now/)
  line.open()
  await mended(store)
  await store.append({ records: [recordOf('d', 'intent')] })
  assert.deepEqual(
    (await canonicalRecords(store)).map(({ call }) => call),
    ['a', 'd'],
  )
  await store.close()
})

test('a server that is not there yet when the store opens is waited for', { skip }, async () => {
  await using server = await startPostgres()
  const database = await createDatabase(server)
  await server.stop('fast')
  const { store, engine } = await openEngine(pgDriver(database.url), { exclusive: true, startPatienceMs: 15_000 })
  const opening = engine.open()
  const first = store.append({ records: [recordOf('a', 'intent')] })
  await server.start()
  await opening
  assert.equal((await first).firstSeq, 1)
  await store.close()
})

test('a server that is down when the store opens is named in seconds, whether it refuses connections or never answers', async () => {
  const silent = createServer(() => {})
  const closed = createServer()
  const ports = await Promise.all([silent, closed].map(listening))
  await once(closed.close(), 'close')
  const stores = await Promise.all(
    ports.flatMap((port) =>
      [false, true].map((readOnly) => {
        const url = `postgres://oxbow@127.0.0.1:${port}/oxbow`
        return openPostgresStore({ url, user: ann, pool: 2, durability: 'normal', readOnly })
      }),
    ),
  )
  const refusals = stores.map((store) => assertRejects(store.opened(), 'store_failed', /cannot be used now \(postgres:\/\/oxbow@127/))
  try {
    // Two seconds and the start of a thread; with what a busy machine adds still less than the fifteen that a running store waits.
    await Promise.race([Promise.all(refusals), rejectAfter(10_000)])
    await Promise.all(stores.map((store) => assertRejects(store.openIntents(), 'store_failed')))
  } finally {
    silent.close()
    await Promise.all(stores.map((store) => store.close()))
  }
})

function listening(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
}

function rejectAfter(ms: number): Promise<never> {
  return new Promise((_, reject) => void setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms).unref())
}

test('a standby is read, refuses to write with advice, and is written once it is the primary', { skip }, async () => {
  await using server = await startPostgres({ durable: true })
  const database = await createDatabase(server)
  const before = await openEngine(pgDriver(database.url))
  await before.store.append({ records: [recordOf('a', 'intent')] })
  await server.stop('fast')
  writeFileSync(join(server.folder, 'data', 'standby.signal'), '')
  await server.start()
  const patient = before.store.append({ records: [recordOf('b', 'intent')] })
  const { store } = await openEngine(pgDriver(database.url), { patienceMs: 300 })
  await assertRejects(store.append({ records: [recordOf('x', 'intent')] }), 'store_failed', /is read-only now/)
  assert.equal((await store.head()).seq, 1)
  await server.sql('select pg_promote()')
  await mended(store)
  await patient
  await store.append({ records: [recordOf('c', 'intent')] })
  assert.equal((await canonicalRecords(store)).length, 3)
  await before.store.close()
  await store.close()
})

test('a server without a free connection is waited for, and then named as the reason', { skip }, async () => {
  await using server = await startPostgres({ settings: ['max_connections = 6', 'superuser_reserved_connections = 2'] })
  const database = await createDatabase(server)
  const holders = await Promise.all([1, 2, 3, 4].map(() => pgDriver(database.url).connect()))
  const hurried = await openEngine(pgDriver(database.url), { patienceMs: 200 })
  await assert.rejects(hurried.engine.open(), (error) => {
    assert(error instanceof Error && 'hint' in error)
    assert.match(error.message, /53300/)
    assert.match(String(error.hint), /max_connections/)
    return true
  })
  await hurried.store.close()
  const patient = await openEngine(pgDriver(database.url))
  const waiting = patient.store.append({ records: [recordOf('a', 'intent')] })
  for (const holder of holders) await holder.close()
  assert.equal((await waiting).firstSeq, 1)
  assert.equal((await patient.store.head()).seq, 1)
  await patient.store.close()
})

test('a server that hangs is given up after its time, and used again when it goes on', { skip }, async () => {
  await using server = await startPostgres()
  const database = await createDatabase(server)
  const driver = openPgDriver({ url: database.url, connections: 3, name: 'oxbow test', statementMs: slowMs, connectMs: slowMs })
  const { store } = await openEngine(driver, { exclusive: true, patienceMs: 2 * slowMs })
  await store.append({ records: [recordOf('a', 'intent')] })
  await store.head()
  server.signal('SIGSTOP')
  try {
    await assertRejects(store.head(), 'store_failed')
    await assertRejects(store.append({ records: [recordOf('b', 'intent')] }), 'store_failed')
  } finally {
    server.signal('SIGCONT')
  }
  await mended(store)
  await store.append({ records: [recordOf('c', 'intent')] })
  const calls = (await canonicalRecords(store)).map(({ call }) => call)
  assert.deepEqual([calls[0], calls.at(-1)], ['a', 'c'])
  await store.close()
})

test('a transaction of another that holds the chain is waited for, and then named', { skip }, async () => {
  await using database = await postgres.database()
  const { store } = await openEngine(openPgDriver({ url: database.url, connections: 3, name: 'oxbow test', statementMs: slowMs }), {
    exclusive: true,
  })
  await store.append({ records: [recordOf('a', 'intent')] })
  const other = await pgDriver(database.url).connect()
  await other.exec('begin; lock table journal in exclusive mode')
  await assertRejects(store.append({ records: [recordOf('b', 'intent')] }), 'store_failed', /took too long/)
  await other.exec('rollback')
  await other.close()
  await mended(store)
  assert.equal((await store.append({ records: [recordOf('c', 'intent')] })).firstSeq, 2)
  await store.close()
})
