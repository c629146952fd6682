import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configSchema } from '../services/index.ts'
import { startBucket } from '../store/files/bucket-fixture.ts'
import { checkBlobs, hostsOf } from './store-checks.ts'

test('a bucket is tried with its keys, and what does not work is said without them', async () => {
  await using server = await startBucket()
  const { bucket, endpoint, region, key, secret } = server.place
  const { cluster } = configSchema.parse({ cluster: { blobs: { bucket, endpoint, region } } })
  assert.equal(await checkBlobs(configSchema.parse({}).cluster, {}), null)
  assert.match((await checkBlobs(cluster, {}))!.detail, /needs the variables OXBOW_BLOBS_KEY and OXBOW_BLOBS_SECRET/)
  const environment = { OXBOW_BLOBS_KEY: key, OXBOW_BLOBS_SECRET: secret }
  const well = await checkBlobs(cluster, environment)
  assert.ok(well!.ok, well!.detail)
  assert.equal(server.objects.size, 0)
  const wrong = await checkBlobs(cluster, { ...environment, OXBOW_BLOBS_SECRET: 'wrong' })
  assert.equal(wrong!.ok, false)
  assert.ok(!JSON.stringify([well, wrong]).includes(secret))
})

test('an address of several servers is named with all of them, and without its password', () => {
  assert.equal(hostsOf('postgres://oxbow:p%40ss@one:5432,two/oxbow?sslmode=require'), 'one:5432,two')
  assert.equal(hostsOf('postgres://db/oxbow'), 'db')
})
