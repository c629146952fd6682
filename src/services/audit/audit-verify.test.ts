import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { test } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { createHasher, recordHash, openMemoryStore, type Store } from '../../store/index.ts'
import { recordOf } from '../../store/store-contract.ts'
import { ann, storeFolder, tamper } from '../../store/store-fixture.ts'
import type { ChainHead, HeadSeal, JournalRecord, SignedHead } from '../../protocol/index.ts'
import { emptyChain, signedHeadText } from '../../protocol/index.ts'
import { type AuditReport, verifyJournal } from './audit-verify.ts'

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
const large = JSON.stringify({ text: 'x'.repeat(6_000) })

function signed(head: ChainHead, key: KeyObject = privateKey): SignedHead {
  const stamped = { ...head, at: 1_795_236_000_000 }
  return { ...stamped, signature: sign(null, Buffer.from(signedHeadText(ann, stamped)), key).toString('base64') }
}

/** As an older version kept heads: not chained, and without a count. */
function sealOf(heads: readonly SignedHead[]): HeadSeal {
  return { lines: heads.map((head) => JSON.stringify(head)), count: null, publicKey: pem }
}

/** Twenty calls, each an intent and an outcome: seq 1 to 40. The outcomes of calls 3 and 7 (seq 8 and 16) share a blob. */
async function fill(store: Store): Promise<void> {
  for (let i = 0; i < 20; i++) {
    const outcome = recordOf(`c${i}`, 'outcome', { at: 1_000 + i, ...(i === 3 || i === 7 ? { body: large } : {}) })
    await store.append({ records: [recordOf(`c${i}`, 'intent', { at: i }), outcome] })
  }
}

interface Harmed {
  readonly report: AuditReport
  readonly headBefore: ChainHead
}

/** @returns the report on a journal of forty records after `statements` were run on its file */
async function afterHarm(...statements: string[]): Promise<Harmed> {
  await using files = storeFolder()
  const store = await files.open()
  await fill(store)
  const headBefore = await store.head()
  await store.close()
  tamper(files.path, ...statements)
  const reading = await files.open({ readOnly: true })
  return { headBefore, report: await verifyJournal(reading, { seal: sealOf([signed(headBefore)]) }) }
}

async function onSound(check: (store: Store) => Promise<void>): Promise<void> {
  const store = await openMemoryStore({ user: ann })
  await fill(store)
  await check(store)
  await store.close()
}

test('a sound journal verifies, with its signed heads, its blobs counted once, and calls under way named', () =>
  onSound(async (store) => {
    const early = await store.records({ after: 11, order: 'oldest_first', limit: 1, hydrate: false })
    await store.append({ records: [recordOf('waits', 'intent'), recordOf('waits', 'parked'), recordOf('no', 'refused')] })
    const heads = [signed(early[0] as JournalRecord), signed(await store.head())]
    const { ms, ...report } = await verifyJournal(store, { seal: sealOf(heads) })
    assert.ok(ms >= 0)
    assert.deepEqual(report, {
      ok: true,
      records: 43,
      blobs: 1,
      first_bad: null,
      open: [{ seq: 41, call: 'waits', name: 'file.read' }],
      signed_heads: { checked: 2, chained_from: null, bad: [], others: 0, restores: [] },
      repeated: { records: 0, unexplained: [] },
      projections: [],
      erased: { bodies: 0, unchecked: 0, unexplained: [] },
      config_differs: [],
    })
  }))

test('an empty journal verifies', async () => {
  const store = await openMemoryStore({ user: ann })
  const report = await verifyJournal(store, { seal: null })
  await store.close()
  assert.deepEqual([report.ok, report.records], [true, 0])
})

test('a head that was signed before the first record is valid', () =>
  onSound(async (store) => {
    const report = await verifyJournal(store, { seal: sealOf([signed(emptyChain), { ...signed(emptyChain), hash: 'f'.repeat(64) }]) })
    assert.deepEqual([report.signed_heads?.checked, report.signed_heads?.bad.length], [2, 1])
  }))

test('names and bodies that are not valid Unicode verify, and so do bodies that look like references', () =>
  onSound(async (store) => {
    const odd = { name: 'x\udc00', actor: '\u0000', body: '{"text":"\udfff"}' }
    const reference = { body: `{"blob":"${'0'.repeat(64)}","bytes":3}` }
    await store.append({ records: [recordOf('\ud800', 'refused', odd), recordOf('r', 'refused', reference)] })
    const { first_bad, records, blobs } = await verifyJournal(store, { seal: null })
    assert.deepEqual({ first_bad, records, blobs }, { first_bad: null, records: 42, blobs: 2 })
  }))

test('a journal longer than a page verifies completely', async () => {
  const store = await openMemoryStore({ user: ann })
  for (let i = 0; i < 6; i++) await store.append({ records: Array.from({ length: 2_000 }, (_, k) => recordOf(`c${i}-${k}`, 'refused')) })
  const report = await verifyJournal(store, { seal: sealOf([signed(await store.head())]) })
  await store.close()
  assert.deepEqual(
    [report.ok, report.records, report.signed_heads],
    [true, 12_000, { checked: 1, chained_from: null, bad: [], others: 0, restores: [] }],
  )
})

const harms: readonly { what: string; statements: readonly string[]; seq: number; sound?: number; why: RegExp }[] = [
  { what: 'a changed body', statements: [`update journal set body = '{}' where seq = 21`], seq: 21, why: /content was changed/ },
  // Judged by its hash before anything takes it for text.
  {
    what: 'a body that became bytes',
    statements: [`update journal set body = x'7b7d' where seq = 21`],
    seq: 21,
    why: /content was changed/,
  },
  { what: 'a changed time', statements: ['update journal set at = at + 1 where seq = 21'], seq: 21, why: /content was changed/ },
  {
    what: 'a changed hash',
    statements: [`update journal set hash = replace(hash, 'a', 'b') where seq = 5`],
    seq: 5,
    why: /content was changed/,
  },
  { what: 'a removed record', statements: ['delete from journal where seq = 17'], seq: 18, sound: 16, why: /record 17 is missing/ },
  {
    what: 'several removed records',
    statements: ['delete from journal where seq between 17 and 19'],
    seq: 20,
    sound: 16,
    why: /17 to 19 are missing/,
  },
  { what: 'a removed first record', statements: ['delete from journal where seq = 1'], seq: 2, sound: 0, why: /record 1 is missing/ },
  {
    what: 'a removed record whose gap was closed',
    statements: ['delete from journal where seq = 17', 'update journal set seq = seq - 1 where seq > 17'],
    seq: 17,
    why: /does not follow record 16/,
  },
  {
    what: 'two exchanged records',
    statements: [
      'update journal set seq = 999 where seq = 30',
      'update journal set seq = 30 where seq = 31',
      'update journal set seq = 31 where seq = 999',
    ],
    seq: 30,
    why: /does not follow record 29/,
  },
  { what: 'a changed blob', statements: [`update blob set bytes = x'00'`], seq: 8, why: /blob [0-9a-f]{64} that it names was changed/ },
  { what: 'a removed blob', statements: ['delete from blob'], seq: 8, why: /blob [0-9a-f]{64} that it names is missing/ },
]

for (const { what, statements, seq, sound = seq - 1, why } of harms) {
  test(`${what} is found, with its place and the reason`, async () => {
    const { report } = await afterHarm(...statements)
    assert.equal(report.ok, false)
    assert.equal(report.first_bad?.seq, seq)
    assert.match(report.first_bad.why, why)
    assert.equal(report.records, sound)
  })
}

test('heads after the first bad record are not judged, because the original records are unknown', async () => {
  const { report } = await afterHarm(`update journal set body = '{}' where seq = 21`)
  assert.deepEqual(report.signed_heads, { checked: 0, chained_from: null, bad: [], others: 0, restores: [] })
})

test('records moved to another user do not verify there', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await fill(store)
  await store.close()
  tamper(files.path, `update journal set user = 'eve'`)
  const report = await verifyJournal(await files.open({ readOnly: true, user: 'eve' as typeof ann }), { seal: null })
  assert.equal(report.first_bad?.seq, 1)
})

test('a truncated journal is detected by a signed head, and by nothing else', async () => {
  const { report, headBefore } = await afterHarm('delete from journal where seq > 38')
  assert.deepEqual([report.ok, report.first_bad, report.records], [false, null, 38])
  assert.equal(report.signed_heads?.bad[0]?.seq, headBefore.seq)
  assert.match(report.signed_heads?.bad[0]?.why ?? '', /end was cut off/)
})

test('a journal rewritten with a valid chain is detected by a signed head', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await fill(store)
  const head = await store.head()
  await store.close()
  await rewriteFrom(files.path, 21)
  const reading = await files.open({ readOnly: true })
  assert.equal((await verifyJournal(reading, { seal: null })).ok, true)
  const report = await verifyJournal(reading, { seal: sealOf([signed(head)]) })
  assert.deepEqual([report.ok, report.first_bad, report.signed_heads?.bad.length], [false, null, 1])
  assert.match(report.signed_heads?.bad[0]?.why ?? '', /another record here/)
})

/** Changes a body and makes every hash after it right again: what only a signature can show. */
async function rewriteFrom(path: string, seq: number): Promise<void> {
  const hash = await createHasher()
  const raw = new Sqlite(path)
  raw.prepare(`update journal set body = '{"forged":true}' where seq = ?`).run(seq)
  const rows = raw.prepare('select * from journal where seq >= ? order by seq').all(seq) as JournalRecord[]
  let previous = rows[0]?.previous ?? ''
  for (const row of rows) {
    const next = recordHash(hash, ann, { ...row, previous })
    raw.prepare('update journal set previous = ?, hash = ? where seq = ?').run(previous, next, row.seq)
    previous = next
  }
  raw.close()
}

test('a head whose signature is not the runner’s is bad, whatever the journal holds', () =>
  onSound(async (store) => {
    const head = await store.head()
    const stranger = generateKeyPairSync('ed25519').privateKey
    const forged = [signed(head, stranger), { ...signed(head), at: 1 }, { ...signed(head), signature: '' }]
    const report = await verifyJournal(store, { seal: sealOf([...forged, signed(head)]) })
    assert.equal(report.ok, false)
    assert.deepEqual([report.signed_heads?.checked, report.signed_heads?.bad.length], [4, 3])
  }))

test('an outcome of a call that never began is found', async () => {
  for (const records of [[recordOf('ghost', 'outcome')], [recordOf('ghost', 'reconciled')]]) {
    await onSound(async (store) => {
      await store.append({ records })
      const report = await verifyJournal(store, { seal: null })
      assert.equal(report.first_bad?.seq, 41)
      assert.match(report.first_bad.why, /never begun/)
    })
  }
})

test('a call may be reconciled, and one that was refused may begin and be refused again', () =>
  onSound(async (store) => {
    await store.append({ records: [recordOf('lost', 'intent'), recordOf('lost', 'reconciled')] })
    await store.append({ records: (['refused', 'intent', 'parked', 'refused'] as const).map((phase) => recordOf('late', phase)) })
    const report = await verifyJournal(store, { seal: null })
    assert.deepEqual([report.first_bad, report.open], [null, []])
  }))
