/** What every Store must do when bodies are erased. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { isOxbowError, type TurnId } from '../../base/index.ts'
import { isErased, type JournalRecord, type NewRecord, type Phase } from '../../protocol/index.ts'
import { createHasher, parseErased, parseReference, recordHolds } from '../chain.ts'
import type { RecordQuery, Store } from '../store.ts'

type Case = (title: string, check: (store: Store) => Promise<void>) => void
type MakeRecord = (call: string, phase: Phase, more?: Partial<NewRecord>) => NewRecord

const everything: RecordQuery = { order: 'oldest_first', limit: 10_000, hydrate: true }
const asStored: RecordQuery = { ...everything, hydrate: false }
const none = { bodies: 0, blobs: 0, kept: [] }

async function assertChain(store: Store): Promise<readonly JournalRecord[]> {
  const hash = await createHasher()
  const records = await store.records(asStored)
  records.forEach((record, i) => {
    assert.equal(record.previous, records[i - 1]?.hash ?? '0'.repeat(64))
    assert.equal(recordHolds(hash, store.user, record), true, `record ${record.seq} holds`)
  })
  return records
}

export function describeErasing(holds: Case, recordOf: MakeRecord): void {
  describeBodies(holds, recordOf)
  describeBlobs(holds, recordOf)
  describeLimits(holds, recordOf)
  describeArchiving(holds, recordOf)
}

function describeArchiving(holds: Case, recordOf: MakeRecord): void {
  const long = JSON.stringify({ text: 'kept elsewhere '.repeat(1_000) })
  holds('archived bodies come back as they were, where they were, and nothing else does', async (store) => {
    const piece = await store.putBlob(Buffer.from('a piece of a photo'))
    const named = JSON.stringify({ input: { attachments: [{ pieces: [piece] }] } })
    await store.append({
      records: [
        recordOf('a', 'refused', { body: long }),
        recordOf('b', 'refused', { body: '{"short":true}' }),
        recordOf('c', 'intent', { name: 'turn.send', body: named }),
        recordOf('c', 'outcome', { name: 'turn.send', body: '{}' }),
      ],
    })
    const [before, head] = [await store.records(asStored), await store.head()]
    assert.deepEqual(await store.archive([1, 2, 3], 'archived in x'), { bodies: 3, blobs: 1, kept: [] })
    assert.notEqual(await store.blob(piece), null, 'what a body names stays')
    await assertChain(store)
    const bodies = [long, '{"short":true}', named].map((body, i) => ({ seq: i + 1, body }))
    assert.equal(
      await store.restoreBodies([
        { seq: 1, body: '{"forged":true}' },
        { seq: 9, body: long },
      ]),
      0,
    )
    assert.equal(await store.restoreBodies(bodies.slice(1)), 2)
    assert.equal(await store.restoreBodies(bodies), 1, 'what is there is passed over')
    assert.deepEqual(await store.records(asStored), before)
    assert.equal((await store.records(everything))[0]?.body, long)
    assert.deepEqual(await store.head(), head)
    await assertChain(store)
  })

  holds('a body that two records have stays with the second, and too many at once are refused', async (store) => {
    await store.append({ records: ['a', 'b'].map((call) => recordOf(call, 'refused', { body: long })) })
    assert.deepEqual(await store.archive([1], ''), { bodies: 1, blobs: 0, kept: [] })
    assert.deepEqual(await store.archive([2], ''), { bodies: 1, blobs: 1, kept: [] })
    assert.equal(await store.restoreBodies([{ seq: 2, body: long }]), 1)
    const many = Array.from({ length: 1_001 }, (_, seq) => ({ seq, body: '' }))
    await assert.rejects(store.restoreBodies(many), (error) => isOxbowError(error, 'limit_reached'))
    await assert.rejects(
      store.archive(
        many.map(({ seq }) => seq),
        '',
      ),
      (error) => isOxbowError(error, 'limit_reached'),
    )
  })
}

function describeBodies(holds: Case, recordOf: MakeRecord): void {
  holds('an erased body leaves its hash, its size and the reason, everywhere, and the chain holds', async (store) => {
    const long = JSON.stringify({ text: 's3cret '.repeat(1_000) })
    await store.append({
      records: [
        recordOf('a', 'intent', { body: '{"text":"s3cret"}' }),
        recordOf('a', 'outcome', { body: long }),
        recordOf('b', 'refused', { body: '{"kept":true}' }),
      ],
      projections: [
        { kind: 'message', record: 0 },
        { kind: 'message', record: 1 },
      ],
    })
    const before = await store.head()
    assert.deepEqual(await store.erase([1, 2], 'asked by ann'), { bodies: 2, blobs: 1, kept: [] })
    assert.deepEqual(await store.head(), before)
    await assertChain(store)
    const hash = await createHasher()
    const records = await store.records(everything)
    assert.deepEqual(
      records.map(({ body }) => parseErased(body)),
      [
        { erased: hash('{"text":"s3cret"}'), bytes: 17, reason: 'asked by ann' },
        { erased: hash(long), bytes: long.length, reason: 'asked by ann' },
        null,
      ],
    )
    const history = await store.history(records[0]?.session as never, null, 10)
    assert.deepEqual(
      history.map(({ body }) => isErased(JSON.parse(body))),
      [true, true],
    )
    assert.equal(await store.blob(hash(long)), null)
  })

  holds('what was erased, or never was, is not erased again', async (store) => {
    await store.append({ records: [recordOf('a', 'refused')] })
    assert.deepEqual(await store.erase([1, 1, 7, 0, -1], 'x'), { ...none, bodies: 1 })
    assert.deepEqual(await store.erase([1, 7], 'y'), none)
    assert.deepEqual(await store.erase([], 'y'), none)
    assert.equal(parseErased((await store.records(everything))[0]?.body ?? '')?.reason, 'x')
  })

  holds('a body that looks like an erased one is not taken for it', async (store) => {
    const body = `{"erased":"${'0'.repeat(64)}","bytes":3,"reason":"forged"}`
    await store.append({ records: [recordOf('forged', 'refused', { body })] })
    const [record] = await assertChain(store)
    assert.equal(parseErased(record?.body ?? ''), null)
    assert.equal((await store.records(everything))[0]?.body, body)
    assert.deepEqual(await store.erase([1], ''), { bodies: 1, blobs: 1, kept: [] })
    await assertChain(store)
  })
}

function describeBlobs(holds: Case, recordOf: MakeRecord): void {
  const long = JSON.stringify({ text: 'z'.repeat(5_000) })

  holds('a blob stays as long as another record has it for its body, and goes with the last one', async (store) => {
    await store.append({ records: ['a', 'b'].map((call) => recordOf(call, 'refused', { body: long })) })
    const { blob } = parseReference((await store.records(asStored))[0]?.body ?? '') ?? { blob: '' }
    assert.deepEqual(await store.erase([1], ''), { ...none, bodies: 1 })
    assert.equal((await store.records(everything))[1]?.body, long)
    assert.deepEqual(await store.erase([2], ''), { ...none, bodies: 1, blobs: 1 })
    assert.equal(await store.blob(blob), null)
    await assertChain(store)
  })

  holds('both records of one blob, erased together, take it with them', async (store) => {
    await store.append({ records: ['a', 'b'].map((call) => recordOf(call, 'refused', { body: long })) })
    assert.deepEqual(await store.erase([2, 1], ''), { ...none, bodies: 2, blobs: 1 })
  })

  holds('blobs that a message or an outcome names go with the last record that holds them', async (store) => {
    const piece = await store.putBlob(Buffer.from('a piece of a photo'))
    const whole = await store.putBlob(Buffer.from('the whole of a long result'))
    const sent = (call: string, more = '') => [
      recordOf(call, 'intent', { name: 'turn.send', body: JSON.stringify({ input: { attachments: [{ pieces: [piece] }], more } }) }),
      recordOf(call, 'outcome', { name: 'turn.send', body: '{}' }),
    ]
    const note = { text: `cut here: output_read {"id":"${whole}"}` }
    await store.append({
      records: [
        recordOf('put', 'intent', { name: 'attachment.put' }),
        recordOf('put', 'outcome', { name: 'attachment.put', body: JSON.stringify({ piece, bytes: 18 }) }),
        ...sent('first'),
        ...sent('second', 'm'.repeat(5_000)),
        recordOf('run', 'intent', { name: 'shell.exec' }),
        recordOf('run', 'outcome', { name: 'shell.exec', body: JSON.stringify(note) }),
      ],
    })
    assert.equal((await store.erase([3], '')).blobs, 0)
    assert.notEqual(await store.blob(piece), null)
    // The body of the second message and the piece that it named.
    assert.equal((await store.erase([5], '')).blobs, 2)
    assert.equal(await store.blob(piece), null)
    assert.equal((await store.erase([8], '')).blobs, 1)
    assert.equal(await store.blob(whole), null)
  })

  holds('the same bytes can be kept again after they were erased', async (store) => {
    await store.append({ records: [recordOf('a', 'refused', { body: long })] })
    await store.erase([1], '')
    await store.append({ records: [recordOf('b', 'refused', { body: long })] })
    const [erased, kept] = await store.records(everything)
    assert.deepEqual([parseErased(erased?.body ?? '') === null, kept?.body], [false, long])
  })
}

function describeLimits(holds: Case, recordOf: MakeRecord): void {
  holds('bodies of open calls and running turns stay, and go when these have ended', async (store) => {
    const turn = 't9' as TurnId
    await store.append({
      records: [
        recordOf('t9', 'intent', { turn, name: 'turn.send' }),
        recordOf('g', 'intent', { turn }),
        recordOf('g', 'outcome', { turn }),
        recordOf('other', 'intent'),
        recordOf('done', 'refused'),
      ],
    })
    assert.deepEqual(await store.erase([1, 2, 3, 4, 5], ''), { bodies: 1, blobs: 0, kept: [1, 2, 3, 4] })
    assert.equal((await store.openIntents()).length, 2)
    await store.append({ records: [recordOf('t9', 'outcome', { turn }), recordOf('other', 'reconciled')] })
    assert.deepEqual(await store.erase([1, 2, 3, 4], ''), { bodies: 4, blobs: 0, kept: [] })
    await assertChain(store)
  })

  holds('too many at once are refused, and reasons are cut', async (store) => {
    await store.append({ records: [recordOf('a', 'refused')] })
    const many = Array.from({ length: 1_001 }, (_, i) => i)
    await assert.rejects(store.erase(many, ''), (error) => isOxbowError(error, 'limit_reached'))
    await store.erase([1], `"${'\uD800'.repeat(500)}`)
    assert.equal(parseErased((await store.records(everything))[0]?.body ?? '')?.reason.length, 199, 'no half of a pair is left at the end')
    await assertChain(store)
  })

  holds('what is appended and erased at once holds in the order of asking', async (store) => {
    const [, erased, , late] = await Promise.all([
      store.append({ records: [recordOf('a', 'refused')] }),
      store.erase([1], 'early'),
      store.append({ records: [recordOf('b', 'refused')] }),
      store.erase([1, 2], 'late'),
    ])
    assert.deepEqual([erased.bodies, late.bodies], [1, 1])
    assert.equal((await assertChain(store)).length, 2)
  })
}
