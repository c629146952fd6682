/** Two guests of one user with leases of a cluster: only the newest writes, whatever the older one believes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GuestLease } from '../../config/index.ts'
import { recordOf } from '../store-contract.ts'
import { ann, assertRejects } from '../store-fixture.ts'
import { chainLockKey } from './batch-statements.ts'
import { canonicalRecords } from './chain-fixture.ts'
import { openEngine, pgDriver } from './engine-fixture.ts'
import { postgresSkip, usePostgres } from './postgres-fixture.ts'

const postgres = usePostgres()
const skip = postgresSkip()

const lease = (epoch: number, node: string, term = 1): GuestLease => ({ term, epoch, node })

test('a newer lease takes the store at once, and every write of the older one is refused', { skip }, async () => {
  await using database = await postgres.database()
  const older = await openEngine(pgDriver(database.url), { exclusive: true, lease: lease(7, 'a') })
  await older.store.append({ records: [recordOf('c1', 'intent')] })
  const newer = await openEngine(pgDriver(database.url), { exclusive: true, lease: lease(9, 'b') })
  await newer.store.append({ records: [recordOf('c2', 'intent')] })
  await assertRejects(older.store.append({ records: [recordOf('c3', 'intent')] }), 'stale_epoch')
  await assertRejects(older.store.putBlob(new Uint8Array([1])), 'stale_epoch')
  await assertRejects(older.store.claimLane('s1' as never, 'worker', 1_000), 'stale_epoch')
  assert.equal(older.store.fault()?.code, 'stale_epoch')
  await newer.store.append({ records: [recordOf('c4', 'intent')] })
  assert.equal((await canonicalRecords(newer.store)).length, 3)
  await older.store.close()
  await newer.store.close()
})

test('the check is in the transaction: a session that was never cut off is refused, too', { skip }, async () => {
  await using database = await postgres.database()
  // Not exclusive: nobody ends its session, so that only the epoch keeps it from writing.
  const older = await openEngine(pgDriver(database.url), { lease: lease(7, 'a') })
  await older.store.append({ records: [recordOf('c1', 'intent')] })
  const newer = await openEngine(pgDriver(database.url), { lease: lease(8, 'b') })
  await newer.engine.open()
  await assertRejects(older.store.append({ records: [recordOf('c2', 'intent')] }), 'stale_epoch')
  assert.equal((await canonicalRecords(newer.store)).length, 1)
  await older.store.close()
  await newer.store.close()
})

test('an older lease cannot come back, and one from before a loss of all leases neither', { skip }, async () => {
  await using database = await postgres.database()
  const first = await openEngine(pgDriver(database.url), { exclusive: true, lease: lease(40, 'a') })
  await first.engine.open()
  const anew = await openEngine(pgDriver(database.url), { exclusive: true, lease: lease(1, 'b', 2) })
  await anew.store.append({ records: [recordOf('c1', 'intent')] })
  for (const late of [lease(40, 'a'), lease(41, 'a')]) {
    const again = await openEngine(pgDriver(database.url), { exclusive: true, lease: late })
    await assertRejects(again.engine.open(), 'stale_epoch')
    await again.store.close()
  }
  await anew.store.append({ records: [recordOf('c2', 'intent')] })
  assert.equal(anew.store.fault(), null)
  await first.store.close()
  await anew.store.close()
})

test('a guest that hangs in a transaction is ended by the newer one, and nothing of it is written', { skip }, async () => {
  await using database = await postgres.database()
  const hanging = await pgDriver(database.url).connect()
  const older = await openEngine(pgDriver(database.url), { exclusive: true, lease: lease(1, 'a') })
  await older.store.append({ records: [recordOf('c1', 'intent')] })
  await hanging.exec('begin')
  await hanging.rows({ text: 'select pg_advisory_xact_lock(hashtextextended($1, 0))', values: [chainLockKey(ann)] })
  await hanging.exec(`delete from "journal"`)
  const newer = await openEngine(pgDriver(database.url), { exclusive: true, lease: lease(2, 'b') })
  await newer.store.append({ records: [recordOf('c2', 'intent')] })
  assert.equal(hanging.isLost(), true)
  assert.equal((await canonicalRecords(newer.store)).length, 2)
  await older.store.close()
  await newer.store.close()
})

test('a guest whose session is cut goes on under its own lease', { skip }, async () => {
  await using database = await postgres.database()
  const guest = await openEngine(pgDriver(database.url), { exclusive: true, lease: lease(3, 'a') })
  await guest.store.append({ records: [recordOf('c1', 'intent')] })
  await database.sql(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
  )
  await guest.store.append({ records: [recordOf('c2', 'intent')] })
  assert.equal((await canonicalRecords(guest.store)).length, 2)
  await guest.store.close()
})
