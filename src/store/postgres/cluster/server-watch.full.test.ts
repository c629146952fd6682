/** A server whose machine is gone without a word is given up within seconds, and one that is only slow never is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GuestLease } from '../../../config/index.ts'
import { maxStatementMs } from '../../limits.ts'
import { recordOf } from '../../store-contract.ts'
import { canonicalRecords } from '../chain-fixture.ts'
import { type CutLine, cutLine } from '../cut-fixture.ts'
import { openEngine } from '../engine-fixture.ts'
import { postgresSkip, usePostgres } from '../postgres-fixture.ts'
import { openPgDriver } from '../postgres-session.ts'

const skip = postgresSkip()
const postgres = usePostgres()
const lease: GuestLease = { term: 1, epoch: 1, node: 'a' }
/** Twice what it takes here, for a machine that is busy; without the watch it is `maxStatementMs` and more. */
const soonMs = 20_000
assert(soonMs < maxStatementMs)

/** @returns an address with a server that can vanish, and behind it, as if it had taken over, one that stays */
async function twoServers(url: string): Promise<{ readonly line: CutLine; readonly both: string; readonly one: string }> {
  const { port } = await postgres.server()
  const line = await cutLine(port)
  const one = line.url(url)
  return { line, one, both: one.replace(/@([^/]+)\//, `@$1,127.0.0.1:${port}/`) }
}

const elapsed = async (work: Promise<unknown>): Promise<number> => {
  const began = performance.now()
  await work
  return performance.now() - began
}

test('a write that is under way when its server vanishes is made on the one that has taken over', { skip }, async (t) => {
  await using database = await postgres.database()
  const { line, both } = await twoServers(database.url)
  await using _ = line
  const { store, engine } = await openEngine(openPgDriver({ url: both, connections: 3, name: 'oxbow test' }), { exclusive: true, lease })
  await engine.open()
  await store.append({ records: [recordOf('c1', 'intent')] })
  line.silence()
  const tookMs = await elapsed(store.append({ records: [recordOf('c2', 'intent')] }))
  t.diagnostic(`${Math.round(tookMs)} ms`)
  assert(tookMs < soonMs, `${tookMs} ms`)
  assert.deepEqual(
    (await canonicalRecords(store)).map((record) => JSON.stringify(record).includes('c2')),
    [false, true],
  )
  await store.close()
})

test('with one server in the address, whoever holds a lease is told', { skip }, async () => {
  await using database = await postgres.database()
  const { line, one } = await twoServers(database.url)
  await using _ = line
  const driver = openPgDriver({ url: one, connections: 2, name: 'oxbow test', isWatched: true })
  const session = await driver.connect()
  assert.deepEqual(await session.rows({ text: 'select 1', values: [] }), [[1]])
  const slow = { text: 'select 1 from pg_sleep(60)', values: [] }
  await driver.read((lent) => lent.rows({ text: 'select 1', values: [] }))
  const reading = assert.rejects(
    driver.read((lent) => lent.rows(slow)),
    /the server does not answer/,
  )
  line.silence()
  const writing = assert.rejects(session.rows({ text: 'select 2', values: [] }), /the server does not answer/)
  const tookMs = await elapsed(Promise.all([reading, writing]))
  assert(tookMs < soonMs, `${tookMs} ms`)
  assert.equal(session.isLost(), true)
  assert((await elapsed(Promise.all([session.close(), driver.close()]))) < soonMs)
})

test('a statement that takes long on a server that is there is left alone', { skip }, async () => {
  await using database = await postgres.database()
  const driver = openPgDriver({ url: database.url, connections: 2, name: 'oxbow test', isWatched: true })
  const session = await driver.connect()
  assert.deepEqual(await session.rows({ text: 'select 1 from pg_sleep(13)', values: [] }), [[1]])
  await session.close()
  await driver.close()
})
