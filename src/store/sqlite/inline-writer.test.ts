import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { test } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { asidePerSlow, maxInlineChars, maxInlineRecords, slowCommitMs } from '../limits.ts'
import { recordOf } from '../store-contract.ts'
import { ann, assertRejects, storeFolder, type StoreFolder } from '../store-fixture.ts'
import { encodeBatch, type Write } from '../store-message.ts'
import { type CallId, type Clock, type SessionId, systemClock } from '../../base/index.ts'
import type { Phase } from '../../protocol/index.ts'
import type { Append } from '../store.ts'
import { openInlineWriter, type InlineWriter } from './inline-writer.ts'
import { openSqliteStore } from './sqlite-store.ts'

const appendOf = (...calls: readonly string[]): Append => ({ records: calls.map((call) => recordOf(call, 'refused')) })
const batchOf = (...appends: readonly Append[]) => encodeBatch(appends.map((append): Write => ({ kind: 'append', append })))

async function made(files: StoreFolder, clock: Pick<Clock, 'now' | 'monotonicMs'> = systemClock): Promise<InlineWriter> {
  const store = await files.open()
  await store.append(appendOf('first'))
  await store.close()
  return openInlineWriter({ path: files.path, user: ann, durability: 'normal', clock })
}

test('small appends are committed at once and follow the chain of the file', async () => {
  await using files = storeFolder()
  const writer = await made(files)
  const writing = writer.write(batchOf(appendOf('a'), appendOf('b', 'c')))
  const raw = new Sqlite(files.path, { readonly: true })
  assert.deepEqual(raw.prepare('select "call" from journal order by seq').pluck().all(), ['first', 'a', 'b', 'c'])
  assert.deepEqual(await writing, [2, 3])
  const links = raw.prepare('select previous, hash from journal order by seq').all() as { previous: string; hash: string }[]
  assert.equal(
    links.every(({ previous }, i) => i === 0 || previous === links[i - 1]?.hash),
    true,
  )
  raw.close()
  writer.close()
})

test('what may take long is left to the thread: many records, long texts, blobs, erasures and memory', async () => {
  await using files = storeFolder()
  const writer = await made(files)
  const many = Array.from({ length: maxInlineRecords + 1 }, (_, i) => appendOf(`c${i}`))
  assert.equal(writer.write(batchOf(...many)), null)
  assert.equal(
    writer.write(batchOf({ records: [recordOf('long', 'refused', { body: JSON.stringify('x'.repeat(maxInlineChars)) })] })),
    null,
  )
  const others: readonly Write[] = [
    { kind: 'blob', bytes: new Uint8Array(3) },
    { kind: 'erase', seqs: [1], reason: 'r' },
    { kind: 'memory', changes: [] },
  ]
  for (const write of others) assert.equal(writer.write(encodeBatch([write])), null, write.kind)
  assert.ok((await writer.write(batchOf(...many.slice(1)))) !== null)
  writer.close()
})

test('of a batch with a write that cannot be stored nothing is written here; the thread refuses that write alone', async () => {
  await using files = storeFolder()
  const writer = await made(files)
  const unstorable: Append = { records: [recordOf('bad', 'refused', { at: Number.NaN })] }
  assert.equal(writer.write(batchOf(appendOf('a'), unstorable, appendOf('b'))), null)
  assert.deepEqual(await writer.write(batchOf(appendOf('c'))), [2])
  writer.close()
})

test('while another process holds the file, the event loop runs on and the thread waits for the lock', async () => {
  await using files = storeFolder()
  const store = await openSqliteStore({ path: files.path, user: ann, durability: 'normal' })
  // After the first appends the calling thread has a connection of its own.
  for (const call of ['a', 'b', 'c']) await store.append(appendOf(call))
  const other = new Sqlite(files.path)
  other.exec('begin immediate')
  const writing = store.append(appendOf('d'))
  // A timer of this thread ends the lock: a thread that waited for it would never run the timer.
  setTimeout(() => other.exec('commit'), 50)
  assert.deepEqual(await writing, { firstSeq: 4, duplicate: false })
  assert.deepEqual(await store.append(appendOf('e')), { firstSeq: 5, duplicate: false })
  other.close()
  await store.close()
})

test('a file that is damaged under it is reported, and the store writes no more', async () => {
  await using files = storeFolder()
  const writer = await made(files)
  const raw = new Sqlite(files.path)
  raw.exec('drop table journal')
  raw.close()
  await assertRejects(Promise.resolve(writer.write(batchOf(appendOf('a')))), 'store_failed')
  writer.close()
})

test('after a slow commit the thread has all batches for many times as long, so that the event loop runs on', async () => {
  await using files = storeFolder()
  let at = 0
  let slowMs = 0
  // The commit takes as long as the clock moves between its two readings.
  const clock = { now: Date.now, monotonicMs: () => (at += slowMs / 2) }
  const writer = await made(files, clock)
  assert.deepEqual(await writer.write(batchOf(appendOf('fast'))), [2])
  slowMs = 2 * (slowCommitMs + 1)
  assert.deepEqual(await writer.write(batchOf(appendOf('slow'))), [3])
  slowMs = 0
  assert.equal(writer.write(batchOf(appendOf('aside'))), null)
  at += slowCommitMs * asidePerSlow - slowCommitMs
  assert.equal(writer.write(batchOf(appendOf('still aside'))), null)
  at += 3 * slowCommitMs
  assert.deepEqual(await writer.write(batchOf(appendOf('again'))), [4])
  writer.close()
})

test('the message of a turn writes fewer than five pages, and the rest of a plain turn fewer than thirteen', async () => {
  await using files = storeFolder()
  // However slow the disk is, each batch is committed here.
  const writer = await made(files, { now: Date.now, monotonicMs: () => 0 })
  const pages = (): number => statSync(`${files.path}-wal`).size / (4_096 + 24)
  const turns = 100
  const written = [0, 0]
  for (let turn = 0; turn < 2 * turns; turn++) {
    for (const [i, append] of plainTurn(turn).entries()) {
      const before = pages()
      assert.ok((await writer.write(batchOf(append))) !== null)
      // The first half fills the file, until indexes have more than one page.
      if (turn >= turns) written[i]! += (pages() - before) / turns
    }
  }
  const [message, rest] = written
  assert.ok(message !== undefined && message < 5, `the message: ${message} pages`)
  assert.ok(rest !== undefined && rest < 13, `the rest: ${rest} pages`)
  writer.close()
})

/** What a turn without tools appends: its message, then everything else. */
function plainTurn(turn: number): readonly [Append, Append] {
  const idOf = (name: string): string => `0192f0a0-${String(turn).padStart(4, '0')}-7000-8000-${name.padEnd(12, '0')}`
  const session = `0192f0a0-${String(Math.floor(turn / 10)).padStart(4, '0')}-7000-8000-sessionsessi` as SessionId
  const step = (name: string, phase: Phase, chars: number) =>
    recordOf(idOf(name), phase, { session, body: JSON.stringify('x'.repeat(chars)) })
  const message: Append = { records: [step('turn', 'intent', 60)] }
  const row = { id: session, title: 'T', createdAt: 1, activeAt: turn, turns: turn, labels: '', origins: '', scratchpad: '' as CallId }
  const rest: Append = {
    records: [
      step('turn', 'started', 300),
      step('recall', 'intent', 80),
      step('recall', 'outcome', 80),
      step('model', 'intent', 180),
      step('model', 'exchange', 1_400),
      step('model', 'outcome', 260),
      step('turn', 'outcome', 200),
    ],
    projections: [
      { kind: 'message', record: 0 },
      { kind: 'message', record: 5 },
      { kind: 'session', session: { ...row, archived: 0, deleted: 0, parent: '', forked: 0, summary: '' } },
      ...['user', session].map((scope) => ({ kind: 'spend', scope, spend: { microDollars: 1, tokens: 9 } }) as const),
    ],
  }
  return [message, rest]
}
