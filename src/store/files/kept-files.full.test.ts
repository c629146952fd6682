/** Contents of files in the database and in a bucket: what is named is there, and what a crash has left goes. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { GuestLease } from '../../config/index.ts'
import { openEngine, pgDriver } from '../postgres/engine-fixture.ts'
import { postgresSkip, usePostgres } from '../postgres/postgres-fixture.ts'
import { ann } from '../store-fixture.ts'
import type { BucketPlace } from './files-place.ts'
import { startBucket } from './bucket-fixture.ts'
import { type KeptFiles, type NewPack, openKeptFiles } from './kept-files.ts'

const postgres = usePostgres()
const skip = postgresSkip()

const leaseOf = (epoch: number): GuestLease => ({ term: 1, epoch, node: `node-${epoch}` })
const packOf = (name: string, content: Buffer): NewPack => ({
  name,
  kind: 'large',
  bytes: content.length,
  read: (offset, length) => content.subarray(offset, offset + length),
})

/** Claims a lease, and opens the files under it. */
async function holding(url: string, epoch: number, bucket: BucketPlace | null = null): Promise<KeptFiles> {
  const claimed = await openEngine(pgDriver(url), { exclusive: true, lease: leaseOf(epoch) })
  await claimed.engine.open()
  await claimed.store.close()
  return openKeptFiles({ address: url, user: ann, role: '', lease: leaseOf(epoch), bucket })
}

async function contentsOf(files: KeptFiles, since = 0): Promise<ReadonlyMap<string, Buffer>> {
  const found = new Map<string, Buffer[]>()
  await files.read(
    await files.packs(since),
    ({ name }, { content }) => void found.set(name, [...(found.get(name) ?? []), Buffer.from(content)]),
  )
  return new Map([...found].map(([name, pieces]) => [name, Buffer.concat(pieces)]))
}

for (const where of ['database', 'bucket'] as const)
  test(`contents of all sizes come back from the ${where}, and only the newest lease adds some`, { skip }, async () => {
    await using database = await postgres.database()
    await using bucket = await startBucket()
    const place = where === 'bucket' ? bucket.place : null
    const older = await holding(database.url, 7, place)
    assert.equal(await older.newest(), null)
    const sizes = [0, 1, 4_000, 1_048_577, 4 * 1024 * 1024, 9_000_001]
    const contents = new Map(sizes.map((size) => [`of-${size}`, randomBytes(size)]))
    const packs = [...contents].map(([name, content]) => packOf(name, content))
    assert.equal(await older.push(packs, { head: 'h1', refs: { 'refs/tags/t': 'h0' } }, { after: [''] }), 6)
    // An answer that was lost.
    await older.push(packs, { head: 'h1', refs: {} }, { after: [''] })
    assert.equal(bucket.objects.size, where === 'bucket' ? 5 : 0)
    const newer = await holding(database.url, 9, place)
    assert.deepEqual(await contentsOf(newer), contents)
    await assert.rejects(older.push([packOf('late', randomBytes(5_000_000))], { head: 'late', refs: {} }, { after: ['h1'] }), {
      code: 'stale_epoch',
    })
    await assert.rejects(older.collect(), { code: 'stale_epoch' })
    await assert.rejects(
      newer.push([packOf('unseen', Buffer.from('x'))], { head: 'h2', refs: {} }, { after: ['h0'] }),
      /newer files than node-9 knew/,
    )
    const seq = await newer.push([packOf('next', Buffer.from('next'))], { head: 'h2', refs: {} }, { after: ['h1'] })
    assert.deepEqual(await newer.newest(), { head: 'h2', refs: {}, seq, node: 'node-9' })
    assert.deepEqual([...(await contentsOf(newer, seq - 1)).keys()], ['next'])
    // What the older one has left is named by nobody.
    assert.equal(await newer.collect(), 2)
    assert.equal(await newer.collect(), 0)
    assert.deepEqual(await contentsOf(newer), new Map([...contents, ['next', Buffer.from('next')]]))
    assert.deepEqual(bucket.refused, [])
    await older.close()
    await newer.close()
  })

test('what was changed in the bucket is nobody’s content, and one user’s object is not another’s', { skip }, async () => {
  await using database = await postgres.database()
  await using bucket = await startBucket()
  const files = await holding(database.url, 1, bucket.place)
  const content = randomBytes(6_000_000)
  await files.push([packOf('big', content)], { head: 'h1', refs: {} }, { after: [''] })
  const keys = [...bucket.objects.keys()].toSorted()
  assert.deepEqual(keys, ['oxbow/ann/1-1/big/0', 'oxbow/ann/1-1/big/1'])
  const good = keys.map((key) => bucket.objects.get(key)!)
  const swapped = [good[1]!, good[0]!]
  const flipped = good.map((part, at) => (at === 0 ? Buffer.concat([Buffer.from([part[0]! ^ 1]), part.subarray(1)]) : part))
  const longer = [good[0]!, Buffer.concat([good[1]!, Buffer.from('x')])]
  for (const parts of [swapped, flipped, longer, [Buffer.alloc(0), Buffer.alloc(0)]]) {
    for (const [at, key] of keys.entries()) bucket.objects.set(key, parts[at]!)
    await assert.rejects(contentsOf(files), { code: 'store_corrupt', message: /not the ones that were put there/ })
  }
  bucket.objects.set(keys[0]!, Buffer.alloc(5 * 1024 * 1024))
  await assert.rejects(contentsOf(files), { code: 'store_failed', message: /larger than what was put there/ })
  for (const [at, key] of keys.entries()) bucket.objects.set(key, good[at]!)
  assert.deepEqual((await contentsOf(files)).get('big'), content)
  assert.equal(await files.collect(), 0)
  await files.close()
})

test('a bucket that does not answer keeps a version from being named, and its secret stays out of the error', { skip }, async () => {
  await using database = await postgres.database()
  await using bucket = await startBucket()
  const files = await holding(database.url, 1, bucket.place)
  const content = randomBytes(6_000_000)
  let puts = 0
  bucket.fails = (method) => method === 'PUT' && (puts += 1) > 1
  await assert.rejects(files.push([packOf('big', content)], { head: 'h1', refs: {} }, { after: [''] }), (error: Error) => {
    assert.match(error.message, /The bucket files does not take a content/)
    assert.ok(!`${error.message} ${(error as { hint?: string }).hint}`.includes(bucket.place.secret))
    return true
  })
  assert.equal(await files.newest(), null)
  bucket.fails = null
  assert.equal(await files.collect(), 1, 'the first part')
  await files.push([packOf('big', content)], { head: 'h1', refs: {} }, { after: [''] })
  assert.deepEqual((await contentsOf(files)).get('big'), content)
  const wrong = await holding(database.url, 2, { ...bucket.place, secret: 'another' })
  await assert.rejects(
    wrong.push([packOf('more', content)], { head: 'h2', refs: {} }, { after: ['h1'] }),
    /The bucket files does not take a content/,
  )
  assert.equal((await wrong.newest())?.head, 'h1')
  assert.ok(bucket.refused.every((why) => why.endsWith('its signature does not fit')))
  const none = await holding(database.url, 3)
  await assert.rejects(contentsOf(none), /this node has none/)
  for (const each of [files, wrong, none]) await each.close()
})
