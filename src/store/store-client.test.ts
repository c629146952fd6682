import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallId } from '../base/index.ts'
import { maxBatchChars, maxBatchRecords, maxWaitingWrites } from './limits.ts'
import { createStoreClient } from './store-client.ts'
import { recordOf, sessionA } from './store-contract.ts'
import { storeFault } from './store-fault.ts'
import { ann, assertRejects } from './store-fixture.ts'
import { type DecodedWrite, decodeBatch, type EngineLink, type WriteBatch, type WriteResult } from './store-message.ts'

interface Sent {
  readonly batch: WriteBatch
  readonly writes: readonly DecodedWrite[]
  answer(results: readonly WriteResult[]): void
  fail(error: Error): void
}

/** A link whose batches are answered by the test. @param document what a read of a document finds; absent: reads find damage */
function manualLink(document?: () => string) {
  const sent: Sent[] = []
  const damaged = () => Promise.reject(storeFault('store_corrupt', 'damaged'))
  const found = () => Promise.resolve({ body: document?.(), seq: 1 } as never)
  const link: EngineLink = {
    write: (batch) => new Promise((resolve, reject) => sent.push({ batch, writes: decodeBatch(batch), answer: resolve, fail: reject })),
    read: document === undefined ? damaged : found,
    close: () => Promise.resolve(),
  }
  return { store: createStoreClient(ann, link), sent }
}

/** Lets everything that is ready run. */
const settle = async (): Promise<void> => {
  for (let round = 0; round < 3; round++) await new Promise((resolve) => setImmediate(resolve))
}
const one = (call: string) => ({ records: [recordOf(call, 'intent')] })
const calls = (sent: Sent | undefined): readonly CallId[] => (sent?.writes ?? []).flatMap((w) => w.records.map((r) => r.call))

test('all that waits travels in one batch, and one batch is under way at a time', async () => {
  const { store, sent } = manualLink()
  const first = [store.append(one('a')), store.append(one('b'))]
  await settle()
  const second = [store.append(one('c')), store.putBlob(new Uint8Array([1])), store.claimLane(sessionA, 'w', 1)]
  await settle()
  assert.deepEqual([sent.length, calls(sent[0])], [1, ['a', 'b']])
  sent[0]?.answer([1, 2])
  assert.deepEqual(
    (await Promise.all(first)).map((a) => a.firstSeq),
    [1, 2],
  )
  await settle()
  assert.deepEqual([sent.length, calls(sent[1]), sent[1]?.writes.map((w) => w.extra?.kind)], [2, ['c'], [undefined, 'blob', 'claim']])
  sent[1]?.answer([3, 'hash', 4])
  assert.deepEqual(await Promise.all(second), [{ firstSeq: 3, duplicate: false }, 'hash', 4])
})

test('what an append says arrives whole', async () => {
  const { store, sent } = manualLink()
  const records = [recordOf('a', 'intent'), recordOf('a', 'outcome', { session: '', turn: '' })]
  const projections = [{ kind: 'message', record: 1 }] as const
  void store.append({ records: [] })
  void store.append({ records, projections, fence: { session: sessionA, epoch: 3 }, sync: true })
  void store.append({ records: records.slice(0, 1) })
  await settle()
  const bare = { fence: null, extra: null }
  assert.deepEqual(sent[0]?.writes, [
    { records: [], ...bare },
    { records, fence: { session: sessionA, epoch: 3 }, extra: { at: 1, kind: 'projections', projections, memory: [] } },
    { records: records.slice(0, 1), ...bare },
  ])
  assert.equal(sent[0]?.batch.sync, true)
  sent[0]?.answer([1, 1, 3])
})

test('a batch is cut at its limits of records and of text', async () => {
  const { store, sent } = manualLink()
  for (let i = 0; i < maxBatchRecords + 1; i++) void store.append(one(`c${i}`))
  const large = 'x'.repeat(maxBatchChars / 2)
  for (let i = 0; i < 3; i++) void store.append({ records: [recordOf(`l${i}`, 'intent', { body: large })] })
  await settle()
  assert.equal(sent[0]?.writes.length, maxBatchRecords)
  sent[0]?.answer(sent[0].writes.map((_, i) => i + 1))
  await settle()
  assert.deepEqual(calls(sent[1]), [`c${maxBatchRecords}`, 'l0', 'l1'])
  sent[1]?.answer([1, 2, 3])
  await settle()
  assert.deepEqual(calls(sent[2]), ['l2'])
  sent[2]?.answer([4])
})

test('more than can wait is refused at once, and what waits is not harmed', async () => {
  const { store, sent } = manualLink()
  const first = store.append(one('first'))
  const rest = Array.from({ length: maxWaitingWrites }, () => store.append({ records: [] }))
  const last = rest.at(-1) as Promise<unknown>
  await assertRejects(last, 'limit_reached')
  await settle()
  while (sent.length > 0) {
    const next = sent.shift() as Sent
    next.answer(next.writes.map(() => 1))
    await settle()
  }
  assert.equal((await first).firstSeq, 1)
  assert.equal((await Promise.allSettled(rest)).filter((r) => r.status === 'rejected').length, 1)
})

test('after a write fault everything that waits and everything later is refused with the first reason, and nothing is sent', async () => {
  const { store, sent } = manualLink()
  const under = store.append(one('a'))
  await settle()
  const waiting = store.append(one('b'))
  sent[0]?.fail(storeFault('store_full', 'The disk is full.'))
  await assertRejects(under, 'store_full')
  await assertRejects(waiting, 'store_full')
  await assertRejects(store.append(one('c')), 'store_full')
  await assertRejects(store.claimLane(sessionA, 'w', 1), 'store_full')
  await assertRejects(store.head(), 'store_corrupt')
  assert.equal(store.fault()?.code, 'store_full')
  assert.equal(sent.length, 1)
})

test('a fault that only a part of a batch met refuses that part and everything later; the rest is acknowledged', async () => {
  const { store, sent } = manualLink()
  const [kept, lost] = [store.append(one('a')), store.append(one('b'))]
  await settle()
  const waiting = store.append(one('c'))
  sent[0]?.answer([1, { code: 'store_full', message: 'The disk is full.', hint: 'Free some space.' }])
  assert.equal((await kept).firstSeq, 1)
  await assertRejects(lost, 'store_full')
  await assertRejects(waiting, 'store_full')
  assert.deepEqual([store.fault()?.code, sent.length], ['store_full', 1])
})

test('damage that a read finds stops the writing', async () => {
  const { store, sent } = manualLink()
  await assertRejects(store.head(), 'store_corrupt')
  await assertRejects(store.append(one('a')), 'store_corrupt')
  assert.equal(sent.length, 0)
})

test('a document is read once, but each time by one whose write has failed, as another may write now', async () => {
  let reads = 0
  const { store, sent } = manualLink(() => `read ${(reads += 1)}`)
  const body = async () => (await store.document('plan', 'a'))?.body
  assert.deepEqual([await body(), await body()], ['read 1', 'read 1'])
  const lost = store.append(one('a'))
  await settle()
  sent[0]?.fail(storeFault('store_failed', 'The connection was lost.'))
  await assertRejects(lost, 'store_failed')
  assert.deepEqual([await body(), await body()], ['read 2', 'read 3'])
})

test('closing waits for the batch under way and for those that wait', async () => {
  const { store, sent } = manualLink()
  const first = store.append(one('a'))
  await settle()
  const second = store.append(one('b'))
  let closed = false
  const closing = store.close().then(() => (closed = true))
  sent[0]?.answer([1])
  await settle()
  assert.equal(closed, false)
  sent[1]?.answer([2])
  await closing
  assert.deepEqual([(await first).firstSeq, (await second).firstSeq], [1, 2])
})
