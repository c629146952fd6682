/** Users of a cluster who sleep: whoever asks finds those who are due, each once, and a guest that starts takes its alarm away. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GuestLease } from '../../../config/index.ts'
import { recordOf } from '../../store-contract.ts'
import { ann } from '../../store-fixture.ts'
import { openAlarms } from './cluster-alarms.ts'
import { openEngine, pgDriver } from '../engine-fixture.ts'
import { postgresSkip, usePostgres } from '../postgres-fixture.ts'

const postgres = usePostgres()
const skip = postgresSkip()

/** A guest with this lease has written once, and has ended. */
async function ranWith(url: string, epoch: number): Promise<void> {
  const { store } = await openEngine(pgDriver(url), { exclusive: true, lease: lease(epoch) })
  await store.append({ records: [recordOf(`c${epoch}`, 'intent')] })
  await store.close()
}

const lease = (epoch: number): GuestLease => ({ term: 1, epoch, node: 'a' })

test('an alarm is set by the newest lease alone, is due in time, and goes when a guest starts', { skip }, async () => {
  await using database = await postgres.database()
  const alarms = openAlarms(database.url)
  try {
    assert.deepEqual(await alarms.due(), [], 'no guest has had a lease yet')
    await ranWith(database.url, 7)
    await alarms.set(ann, lease(6), Date.now())
    assert.deepEqual(await alarms.due(), [], 'an older lease says nothing')
    await alarms.set(ann, lease(7), Date.now() + 60_000)
    assert.deepEqual(await alarms.due(), [], 'it is not due yet')
    await alarms.set(ann, lease(7), Date.now())
    assert.deepEqual(await alarms.due(), [ann])
    assert.deepEqual(await alarms.due(), [], 'whoever was told has some time')
    await alarms.set(ann, lease(7), null)
    assert.deepEqual(await database.sql('select * from cluster_alarm'), [])
    await alarms.set(ann, lease(7), Date.now())
    await ranWith(database.url, 9)
    assert.deepEqual(await database.sql('select * from cluster_alarm'), [], 'who runs is not woken')
  } finally {
    await alarms.close()
  }
})

test('of many nodes that ask at once each user is told to one, and all are told', { skip }, async () => {
  await using database = await postgres.database()
  await ranWith(database.url, 1)
  await database.sql(`insert into cluster_alarm select 'user-' || n, now() from generate_series(1, 450) n`)
  const nodes = Array.from({ length: 6 }, () => openAlarms(database.url))
  try {
    const found: string[] = []
    for (let round = 0; round < 3; round += 1) found.push(...(await Promise.all(nodes.map((node) => node.due()))).flat())
    assert.deepEqual([found.length, new Set(found).size], [450, 450])
  } finally {
    await Promise.all(nodes.map((node) => node.close()))
  }
})
