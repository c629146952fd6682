import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { headOf, type UserId } from '../base/index.ts'
import type { JournalRecord, NewRecord } from '../protocol/index.ts'
import {
  blobReference,
  bodyHashOf,
  createHasher,
  erasedBody,
  firstFormatHash,
  parseErased,
  parseReference,
  recordHash,
  recordHolds,
  recordText,
  storableRecord,
} from './chain.ts'
import { recordOf } from './store-contract.ts'

/** Any UTF-16 units: lone surrogates, quotes, separators and NUL among them. */
const text = fc.oneof(
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 }).map((units) => String.fromCharCode(...units)),
  fc.constantFrom('', '"', '","', '\\', '\uD800', '\uDC00', '\uFFFD', '\\ud800', '\u0000'),
)
const count = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const anyRecord = fc.record({
  seq: count,
  at: count,
  actor: text,
  session: text,
  turn: text,
  call: text,
  name: text,
  phase: text,
  body: text,
  previous: text,
})

const bytesOf = (user: string, r: object): Uint8Array =>
  new TextEncoder().encode(recordText(user as UserId, r as JournalRecord, (r as JournalRecord).body))

test('no two different records share canonical bytes: the bytes give the record back', () => {
  fc.assert(
    fc.property(text, anyRecord, (user, drawn) => {
      const [, owner, seq, at, actor, session, turn, call, name, phase, body, previous] = JSON.parse(
        new TextDecoder().decode(bytesOf(user, drawn)),
      )
      assert.deepEqual({ owner, seq, at, actor, session, turn, call, name, phase, body, previous }, { owner: user, ...drawn })
    }),
  )
})

test('a lone surrogate and the replacement character hash differently, and fields do not run into each other', async () => {
  const hash = await createHasher()
  const hashOf = (more: object) => recordHash(hash, 'u' as UserId, { ...recordOf('c', 'intent'), seq: 1, previous: '', ...more })
  assert.notEqual(hashOf({ name: '\uD800' }), hashOf({ name: '\uFFFD' }))
  assert.notEqual(hashOf({ session: 'ab', turn: 'c' }), hashOf({ session: 'a', turn: 'bc' }))
  assert.notEqual(hashOf({ session: 'a","b', turn: '' }), hashOf({ session: 'a', turn: 'b' }))
})

test('the hash is BLAKE3-256, of texts by their UTF-8', async () => {
  const hash = await createHasher()
  // From the test vectors of the BLAKE3 reference implementation: no input, and the bytes 0, 1, 2.
  assert.equal(hash(new Uint8Array()), 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262')
  assert.equal(hash(new Uint8Array([0, 1, 2])), 'e1be4d7a8ab5560aa4199eea339849ba8e293d55ca0a81006726d184519e647f')
  assert.equal(hash('é\u{1F402}'), hash(new TextEncoder().encode('é\u{1F402}')))
})

test('a stored record is one that UTF-8 can hold, and its body means what it meant', () => {
  fc.assert(
    fc.property(fc.record({ actor: text, session: text, turn: text, call: text, name: text, value: text }), ({ value, ...fields }) => {
      // As somebody writes JSON who escapes no more than must be.
      const escaped = value.replace(/[^\ud800-\udfff]/g, (unit) => JSON.stringify(unit).slice(1, -1))
      const raw = `{"value":"${escaped}"}`
      const appended = { ...recordOf('c', 'intent'), ...fields, body: raw } as NewRecord
      const stored = storableRecord(appended)
      assert.equal(
        Object.values(stored).every((field) => typeof field !== 'string' || field.isWellFormed()),
        true,
      )
      assert.deepEqual(JSON.parse(stored.body), JSON.parse(raw))
      if (Object.values(appended).every((field) => typeof field !== 'string' || field.isWellFormed())) assert.equal(stored, appended)
    }),
  )
})

test('a reference is what this code writes and nothing that only begins like one', () => {
  const hash = 'a'.repeat(64)
  assert.deepEqual(parseReference(blobReference(hash, 5_000)), { blob: hash, bytes: 5_000 })
  for (const body of [
    '{}',
    `{"blob":"${hash}"}`,
    `{"blob":"${hash}","bytes":1,"x":2}`,
    '{"blob":"zz","bytes":1}',
    ` {"blob":"${hash}","bytes":1}`,
  ]) {
    assert.equal(parseReference(body), null)
  }
})

test('what is left of an erased body is what this code writes and nothing that only begins like it', () => {
  const hash = 'b'.repeat(64)
  for (const reason of ['', 'asked for by "ann" \\', '\uD800', 'é'.repeat(300)]) {
    const left = parseErased(erasedBody(hash, 12, reason))
    assert.deepEqual([left?.erased, left?.bytes, left?.reason], [hash, 12, headOf(reason, 200).toWellFormed()])
  }
  for (const body of [
    '{}',
    `{"erased":"${hash}"}`,
    `{"erased":"${hash}","bytes":1,"reason":"a","x":1}`,
    `{"erased":"zz","bytes":1,"reason":""}`,
  ]) {
    assert.equal(parseErased(body), null)
  }
})

test('a body, the reference to it and what is left of it have one hash, so a record holds whichever of them it has', async () => {
  const hash = await createHasher()
  const body = '{"text":"a secret"}'
  const user = 'ann' as UserId
  const whole = { ...recordOf('c', 'intent', { body }), seq: 1, previous: '0'.repeat(64) }
  const record = { ...whole, hash: recordHash(hash, user, whole) }
  for (const stored of [body, blobReference(hash(body), 19), erasedBody(hash(body), 19, 'asked')]) {
    assert.equal(bodyHashOf(hash, stored), hash(body))
    assert.equal(recordHolds(hash, user, { ...record, body: stored }), true)
    assert.notEqual(recordHolds(hash, user, { ...record, body: stored, at: 1 }), true)
  }
  for (const other of ['{}', blobReference(hash('{}'), 2)]) assert.equal(recordHolds(hash, user, { ...record, body: other }), false)
  assert.equal(recordHolds(hash, user, { ...record, body: erasedBody(hash('{}'), 2, '') }), 'unknown')
})

test('a record of the first format holds as it was written', async () => {
  const hash = await createHasher()
  const user = 'ann' as UserId
  const whole = { ...recordOf('c', 'intent'), seq: 1, previous: '0'.repeat(64) }
  const record = { ...whole, hash: firstFormatHash(hash, user, whole) }
  assert.equal(recordHolds(hash, user, record), 'first_format')
  assert.equal(recordHolds(hash, user, { ...record, body: '{}' }), false)
  assert.equal(recordHolds(hash, user, { ...record, body: erasedBody(hash(whole.body), 1, '') }), 'unknown')
})
