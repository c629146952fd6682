import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalRecords } from './chain-fixture.ts'
import { cutLine } from './cut-fixture.ts'
import { openEngine, pgDriver } from './engine-fixture.ts'
import { postgresSkip, usePostgres } from './postgres-fixture.ts'
import { recordOf, sessionA } from '../store-contract.ts'

const postgres = usePostgres()
const skip = postgresSkip()
/** As it travels, with its end: other statements have the word in them. */
const commit = 'commit\0'

for (const when of ['unheard', 'heard'] as const) {
  test(`an append whose commit is cut off ${when} is written once and answered as written`, { skip }, async () => {
    await using database = await postgres.database()
    await using line = await cutLine((await postgres.server()).port)
    const { store } = await openEngine(pgDriver(line.url(database.url)), { exclusive: true })
    await store.append({ records: [recordOf('before', 'intent')] })
    line.cutAt(commit, when)
    const appended = await Promise.all([1, 2, 3].map((n) => store.append({ records: [recordOf(`cut${n}`, 'intent')] })))
    assert.equal(line.cuts(), 1)
    assert.deepEqual(
      appended.map(({ firstSeq }) => firstSeq),
      [2, 3, 4],
    )
    await store.append({ records: [recordOf('after', 'intent')] })
    assert.deepEqual(
      (await canonicalRecords(store)).map(({ call }) => call),
      ['before', 'cut1', 'cut2', 'cut3', 'after'],
    )
    assert.equal(store.fault(), null)
    await store.close()
  })

  test(`what adds up adds up once when its commit is cut off ${when}, though no record tells of it`, { skip }, async () => {
    await using database = await postgres.database()
    await using line = await cutLine((await postgres.server()).port)
    const { store } = await openEngine(pgDriver(line.url(database.url)))
    await store.append({ records: [recordOf('before', 'intent')] })
    line.cutAt(commit, when)
    await store.append({ records: [], projections: [{ kind: 'spend', scope: 's', spend: { microDollars: 7, tokens: 1 } }] })
    assert.equal(line.cuts(), 1)
    assert.deepEqual(await store.spent('s'), { microDollars: 7, tokens: 1 })
    line.cutAt(commit, when)
    assert.equal(await store.claimLane(sessionA, 'w1', 60_000), 1)
    assert.equal(line.cuts(), 2)
    await store.close()
  })
}

test('a connection that is lost before the commit loses nothing, and reads that it carried are asked again', { skip }, async () => {
  await using database = await postgres.database()
  await using line = await cutLine((await postgres.server()).port)
  const { store } = await openEngine(pgDriver(line.url(database.url)))
  await store.append({ records: [recordOf('a', 'intent')] })
  for (const statement of ['begin', 'journal', 'pg_advisory']) {
    line.cutAt(statement, 'unheard')
    await store.append({ records: [recordOf(statement, 'intent')] })
  }
  line.cutAt('open_call', 'unheard')
  assert.equal((await store.openIntents()).length, 4)
  assert.equal(line.cuts(), 4)
  assert.equal((await canonicalRecords(store)).length, 4)
  await store.close()
})
