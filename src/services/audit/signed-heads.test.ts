/** What an audit says of heads that were removed, of restores, and of what the store keeps besides the journal. */
import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import { openMemoryStore, plainSession, type Store } from '../../store/index.ts'
import { recordOf } from '../../store/store-contract.ts'
import { ann, storeFolder, tamper } from '../../store/store-fixture.ts'
import type { SessionId } from '../../base/index.ts'
import {
  type ChainHead,
  emptyChain,
  headCountText,
  type HeadSeal,
  type JournalRecord,
  linkHash,
  parseHead,
  restoreCall,
  type RestoreFact,
  signedHeadText,
} from '../../protocol/index.ts'
import { type AuditReport, verifyJournal } from './audit-verify.ts'

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
const hour = 3_600_000
const start = 1_795_236_000_000

const signed = (text: string): string => sign(null, Buffer.from(text), privateKey).toString('base64')

/** As a runner signs: a base of the empty journal, and then these. @param at of each */
function sealOf(heads: readonly (ChainHead & { readonly at?: number; readonly restore?: RestoreFact })[]): HeadSeal {
  const lines: string[] = []
  for (const { seq, hash, at = start, restore } of [{ ...emptyChain, at: start }, ...heads]) {
    const isBase = lines.length === 0 || restore !== undefined
    const link = isBase ? { previous: linkHash(...lines), covers: lines.length } : { previous: linkHash(lines.at(-1) ?? '') }
    const head = { n: lines.length + 1, seq, hash, at, ...link, ...(restore !== undefined && { restore }) }
    lines.push(JSON.stringify({ ...head, signature: signed(signedHeadText(ann, head)) }))
  }
  const count = { n: lines.length, last: linkHash(lines.at(-1) ?? '') }
  return { lines, count: JSON.stringify({ ...count, signature: signed(headCountText(ann, count)) }), publicKey: pem }
}

/** Records that are ten minutes apart. */
async function fill(store: Store, count: number, from = 0): Promise<readonly JournalRecord[]> {
  const at = (i: number): number => start + (from + i) * (hour / 6)
  await store.append({ records: Array.from({ length: count }, (_, i) => recordOf(`c${from + i}`, 'refused', { at: at(i) })) })
  return store.records({ order: 'oldest_first', limit: 1_000, hydrate: false })
}

async function onStore(check: (store: Store) => Promise<void>): Promise<void> {
  const store = await openMemoryStore({ user: ann })
  await check(store)
  await store.close()
}

const why = (report: AuditReport): string => (report.signed_heads?.bad ?? []).map((bad) => `${bad.seq}: ${bad.why}`).join('\n')

test('a journal without its signed heads does not verify, complete or truncated to what is signed', () =>
  onStore(async (store) => {
    const records = await fill(store, 40)
    const whole = sealOf([records[9]!, records[39]!])
    assert.equal((await verifyJournal(store, { seal: whole })).ok, true)
    const removed: readonly (readonly [HeadSeal, RegExp])[] = [
      [{ lines: [], count: null, publicKey: pem }, /no signed head of this journal/],
      [{ ...whole, lines: [], count: null }, /no signed head/],
      [{ ...whole, lines: [] }, /has signed 3 heads, and the newest here is number 0/],
      [{ ...whole, lines: whole.lines.slice(0, 2) }, /has signed 3 heads/],
      [{ ...whole, lines: whole.lines.slice(0, 2), count: null }, /count of signed heads was removed/],
      [{ ...sealOf([records[9]!]) }, /records 11 to 40 span 290 minutes without a signed head/],
      // A runner that begins anew, because everything of it was removed.
      [sealOf([]), /span/],
    ]
    for (const [seal, expected] of removed) {
      const report = await verifyJournal(store, { seal })
      assert.equal(report.ok, false)
      assert.match(why(report), expected)
    }
  }))

test('heads that were removed together with their records are detected by the count of heads', async () => {
  await using files = storeFolder()
  const store = await files.open()
  const records = await fill(store, 40)
  await store.close()
  const whole = sealOf([records[9]!, records[39]!])
  tamper(files.path, 'delete from journal where seq > 10')
  const cut = { ...whole, lines: whole.lines.slice(0, 2) }
  const report = await verifyJournal(await files.open({ readOnly: true }), { seal: cut })
  assert.equal(report.ok, false)
  assert.match(why(report), /heads were removed/)
})

test('a runner that begins to sign a journal older than its first head warns, except where machines share a database', () =>
  onStore(async (store) => {
    await store.append({ records: [recordOf('old', 'refused', { at: start - hour }), recordOf('new', 'refused', { at: start })] })
    const seal = sealOf([await store.head()])
    assert.match(why(await verifyJournal(store, { seal })), /older than the first signed head/)
    assert.equal((await verifyJournal(store, { seal, isShared: true })).ok, true)
  }))

/** What a version before the chain adds to its file: this line, under this text, without number, format and count. */
function lineOfFirstFormat({ seq, hash }: ChainHead, at = start): string {
  return JSON.stringify({ seq, hash, at, signature: signed(JSON.stringify(['oxbow-head-1', ann, seq, hash, at])) })
}

test('a version without the chain that was run once on an upgraded home leaves a journal that verifies, and hides nothing', () =>
  onStore(async (store) => {
    const records = await fill(store, 40)
    const upgraded = sealOf([records[9]!, records[19]!])
    const seal = { ...upgraded, lines: [...upgraded.lines, lineOfFirstFormat(records[39]!)] }
    const report = await verifyJournal(store, { seal })
    assert.equal(why(report), '')
    assert.equal(report.ok, true)
    assert.equal(report.signed_heads?.others, 1)
    const other = { ...records[39]!, hash: records[38]!.hash }
    const faults: readonly (readonly [HeadSeal, RegExp])[] = [
      [{ ...seal, lines: [...upgraded.lines, lineOfFirstFormat(other)] }, /another record here/],
      [{ ...seal, lines: [...upgraded.lines, lineOfFirstFormat({ ...other, seq: 41 })] }, /its end was cut off/],
      [{ ...seal, lines: seal.lines.map((line) => line.replace('"seq":40', '"seq":39')) }, /signature is not the runner’s/],
      [{ ...seal, lines: seal.lines.toSpliced(2, 1) }, /has signed 3 heads/],
    ]
    for (const [wrong, expected] of faults) assert.match(why(await verifyJournal(store, { seal: wrong })), expected)
  }))

/** Appends what a restored journal says of itself. */
async function tellRestore(store: Store, call: string): Promise<void> {
  const body = { name: restoreCall, at: start }
  await store.append({ records: [recordOf(call, 'intent', body), recordOf(call, 'outcome', body)] })
}

test('a journal whose restore was signed verifies and reports it; without the record of the restore it counts as truncated', () =>
  onStore(async (store) => {
    const records = await fill(store, 10)
    const backup = records[9]!
    const lost = { seq: 60, hash: 'd'.repeat(64) }
    const restore = { call: 'r1', from: lost, by: 'ada', fault: '' }
    const before = sealOf([records[4]!, lost, { ...backup, restore }])
    const cut = await verifyJournal(store, { seal: before })
    assert.equal(cut.ok, false)
    assert.match(why(cut), /60: the journal ends before this signed record/)

    await tellRestore(store, 'r1')
    const report = await verifyJournal(store, { seal: before })
    assert.equal(report.ok, true, why(report))
    assert.deepEqual(report.signed_heads?.restores, [{ at: backup.at, by: 'ada', from: 60, to: 10, fault: '' }])

    const later = await fill(store, 10, 20)
    const after = sealOf([records[4]!, lost, { ...backup, restore }, later.at(-1)!])
    assert.equal((await verifyJournal(store, { seal: after })).ok, true)
    // Heads behind the restore hold as all others do.
    const forged = sealOf([records[4]!, { ...backup, restore }, { seq: later.length, hash: 'e'.repeat(64) }])
    assert.match(why(await verifyJournal(store, { seal: forged })), /another record here/)
    assert.equal((await verifyJournal(store, { seal: sealOf([records[4]!, later.at(-1)!]) })).ok, false, 'a restore that nobody signed')
  }))

test('the record of a restore counts only directly after the signed backup', () =>
  onStore(async (store) => {
    const records = await fill(store, 10)
    const lost = { seq: 60, hash: 'd'.repeat(64) }
    await tellRestore(store, 'r1')
    const restore = { call: 'r1', from: lost, by: 'ada', fault: '' }
    for (const to of [records[4]!, { seq: 10, hash: 'f'.repeat(64) }]) {
      const report = await verifyJournal(store, { seal: sealOf([lost, { seq: to.seq, hash: to.hash, restore }]) })
      assert.match(why(report), /60: the journal ends before/)
    }
  }))

test('spending and titles in tables are compared with the journal, except for erased bodies', async () => {
  await using files = storeFolder()
  const id = '0192f0a0-0000-7000-8000-0000000000c1' as SessionId
  const store = await files.open()
  const spend = { microDollars: 5, tokens: 7 }
  const outcome = (call: string, body: object, session: SessionId | '' = '', name = 'x.y') => ({
    ...recordOf(call, 'outcome', { name, body: JSON.stringify(body) }),
    session,
  })
  const row = { ...plainSession, id, title: 'Taxes', createdAt: 1, activeAt: 1 }
  await store.append({
    records: [recordOf('s', 'intent'), outcome('s', { status: 'ok', id, title: 'Taxes' }, '', 'session.create')],
    projections: [{ kind: 'session', session: row }],
  })
  await store.append({
    // Longer than what the journal itself contains.
    records: [{ ...recordOf('m', 'intent'), session: id }, outcome('m', { status: 'ok', spent: spend, text: 'x'.repeat(6_000) }, id)],
    projections: [`user:${ann}`, `session:${id}`].map((scope) => ({ kind: 'spend', scope, spend })),
  })
  assert.deepEqual((await verifyJournal(store, { seal: null })).projections, [])
  await store.close()
  const harms: readonly (readonly [string, RegExp])[] = [
    [`update account set micro_dollars = 1 where scope like 'user:%'`, /account user:ann has 1 micro-dollars and 7 tokens/],
    [
      `update account set micro_dollars = 5, tokens = 9 where scope like 'user:%'`,
      /has 5 micro-dollars and 9 tokens, and the journal says 5 micro/,
    ],
    [`update account set tokens = 7; update session set title = 'Fun'`, /another title/],
    [`delete from session`, /session .* is missing/],
  ]
  for (const [statement, expected] of harms) {
    tamper(files.path, statement)
    const reading = await files.open({ readOnly: true })
    const report = await verifyJournal(reading, { seal: null })
    await reading.close()
    assert.deepEqual([report.ok, report.first_bad], [false, null])
    assert.match(report.projections.join('\n'), expected)
  }
})

test('invalid lines among the signed heads are detected and ignored', () => {
  for (const line of ['', 'null', '[]', '{"seq":1}', '{"seq":"1","at":1,"hash":"a","signature":"b"}']) assert.equal(parseHead(line), null)
})
