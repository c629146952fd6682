import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { describeMemoryContract } from '../contract/memory-contract.ts'
import { buildStatements } from '../sql/statements.ts'
import { recordsShape } from '../sql/read-statements.ts'
import { maxInlineRecords } from '../limits.ts'
import { createStoreClient } from '../store-client.ts'
import { listQuery, readTexts, statementMaker } from '../memory/memory-reads.ts'
import { bind } from '../sql/template.ts'
import { describeStoreContract, recordOf, sessionA } from '../store-contract.ts'
import { ann, assertRejects, storeFolder } from '../store-fixture.ts'
import type { RecordQuery, Store } from '../store.ts'
import { createSqliteLink } from './sqlite-store.ts'

describeStoreContract('the SQLite store', async () => {
  const files = storeFolder()
  const store = await files.open({ exclusive: true })
  return { store, drop: () => files[Symbol.asyncDispose]() }
})

describeMemoryContract('the SQLite store', async () => {
  const files = storeFolder()
  const store = await files.open()
  // A file holds one user.
  return { store, drop: () => files[Symbol.asyncDispose]() }
})

const all: RecordQuery = { order: 'oldest_first', limit: 10_000, hydrate: true }

async function fill(store: Store, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => store.append({ records: [recordOf(`c${i}`, 'refused')] })))
}

test('what was acknowledged is there after the store was closed and opened again, and the chain goes on', async () => {
  await using files = storeFolder()
  const first = await files.open()
  await first.append({ records: [recordOf('a', 'intent')], projections: [{ kind: 'message', record: 0 }] })
  const head = await first.head()
  await first.close()
  const second = await files.open()
  await second.append({ records: [recordOf('a', 'outcome')] })
  const records = await second.records(all)
  assert.deepEqual([records[0]?.hash, records[1]?.previous], [head.hash, head.hash])
  assert.deepEqual(
    (await second.history(sessionA, null, 5)).map((r) => r.seq),
    [1],
  )
})

test('the file and its log can be read by their owner only', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await store.append({ records: [recordOf('a', 'intent')] })
  for (const suffix of ['', '-wal', '-shm']) assert.equal(statSync(files.path + suffix).mode & 0o077, 0, suffix)
})

test('a reader of its own sees the journal of a running store and cannot write', async () => {
  await using files = storeFolder()
  const store = await files.open({ exclusive: true })
  await fill(store, 20)
  const looker = await files.open({ readOnly: true })
  await looker.opened()
  assert.equal((await looker.records(all)).length, 20)
  await store.append({ records: [recordOf('more', 'refused')] })
  assert.equal((await looker.head()).seq, 21)
  await assertRejects(looker.append({ records: [recordOf('x', 'intent')] }), 'store_failed', /reading only/)
})

test('two stores of one file share one chain', async () => {
  await using files = storeFolder()
  const stores = [await files.open(), await files.open()]
  await stores[0]?.append({ records: [recordOf('first', 'refused')] })
  await Promise.all(stores.map((store) => fill(store, 50)))
  const records = await (stores[0] as Store).records(all)
  assert.deepEqual(
    records.map((r) => r.seq),
    records.map((_, i) => i + 1),
  )
  assert.equal(
    records.every((r, i) => i === 0 || r.previous === records[i - 1]?.hash),
    true,
  )
  assert.equal(records.length, 101)
})

test('looking at a journal that is not there says so and makes no file', async () => {
  await using files = storeFolder()
  const store = await files.open({ readOnly: true })
  await assertRejects(store.opened(), 'not_found')
  await store.close()
  assert.throws(() => statSync(files.path))
})

test('a writer thread that dies refuses what was under way and all that follows; reading goes on', async () => {
  await using files = storeFolder()
  const link = createSqliteLink({ path: files.path, user: ann, durability: 'normal' })
  await using store = { ...createStoreClient(ann, link), [Symbol.asyncDispose]: () => link.close() }
  await fill(store, 5)
  const large = Array.from({ length: maxInlineRecords + 1 }, (_, i) => recordOf(`p${i}`, 'intent'))
  const pending = Promise.allSettled([1, 2, 3].map(() => store.append({ records: large })))
  await link.threads().writer?.kill()
  for (const result of await pending) assert.equal(result.status === 'rejected' ? result.reason.code : 'kept', 'store_failed')
  await assertRejects(store.append({ records: [recordOf('x', 'intent')] }), 'store_failed', /writer thread ended/)
  assert.equal(store.fault()?.code, 'store_failed')
  // What is asked at the start, and answered by the writer as long as nobody else reads, too.
  assert.ok((await store.head()).seq >= 5)
  assert.ok((await store.records(all)).length >= 5)
})

test('a reader thread that dies is followed by another; writing goes on', async () => {
  await using files = storeFolder()
  const link = createSqliteLink({ path: files.path, user: ann, durability: 'normal' })
  await using store = { ...createStoreClient(ann, link), [Symbol.asyncDispose]: () => link.close() }
  await fill(store, 5)
  assert.deepEqual(await store.sessions(10), [])
  const { reader } = link.threads()
  assert.ok(reader !== null)
  await reader.kill()
  await fill(store, 5)
  assert.deepEqual(await store.sessions(10), [])
  assert.equal((await store.head()).seq, 10)
  assert.equal(store.fault(), null)
})

test('short reads start no thread while the writer is free', async () => {
  await using files = storeFolder()
  const link = createSqliteLink({ path: files.path, user: ann, durability: 'normal' })
  await using store = { ...createStoreClient(ann, link), [Symbol.asyncDispose]: () => link.close() }
  await fill(store, 5)
  assert.equal((await store.records(all)).length, 5)
  assert.equal((await store.head()).seq, 5)
  assert.deepEqual(await store.documents({ category: 'system/agents', limit: 1 }), [])
  assert.equal(link.threads().reader, null)
})

test('short reads that wait for the writer start the reader thread', async () => {
  await using files = storeFolder()
  const link = createSqliteLink({ path: files.path, user: ann, durability: 'normal' })
  await using store = { ...createStoreClient(ann, link), [Symbol.asyncDispose]: () => link.close() }
  await fill(store, 5)
  const other = new Sqlite(files.path)
  // The writer waits for this lock until the test releases it, or reports after its timeout that it could not write.
  other.exec('begin immediate')
  const writer = { waits: true }
  const blob = store.putBlob(Buffer.alloc(1_000_000)).finally(() => (writer.waits = false))
  blob.catch(() => {})
  const reads: Promise<unknown>[] = []
  while (writer.waits && link.threads().reader === null) {
    reads.push(store.records(all))
    await sleep(5)
  }
  const { reader } = link.threads()
  assert.ok(reader !== null)
  const answers: number[] = []
  while (writer.waits && answers.length === 0) {
    reads.push(store.records(all).then(({ length }) => answers.push(length)))
    await sleep(5)
  }
  assert.equal(writer.waits, true, 'the reader answers while the writer waits')
  assert.equal(answers[0], 5)
  other.exec('rollback')
  other.close()
  await Promise.all([blob, ...reads])
  await reader.kill()
  assert.equal((await store.records(all)).length, 5)
})

test('threads that only read end when idle, and the next read starts them again', async () => {
  await using files = storeFolder()
  const link = createSqliteLink({ path: files.path, user: ann, durability: 'normal', idleMs: 1 })
  await using store = { ...createStoreClient(ann, link), [Symbol.asyncDispose]: () => link.close() }
  await fill(store, 5)
  for (let i = 0; i < 2; i++) {
    assert.equal((await store.sessions(10)).length, 0)
    await store.memory.stats()
    while (link.threads().reader !== null) await new Promise(setImmediate)
  }
})

test('hot entries are found by an index of their own, not among all entries', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await store.memory.stats()
  await store.close()
  const raw = new Sqlite(files.path)
  const { text, args } = listQuery('sqlite', { tiers: ['hot'], validAt: 1 }, null)
  const { sql, parameters } = statementMaker('sqlite')(text)
  const steps = raw.prepare(`explain query plan ${sql}`).all(...bind(parameters, { ...args, user: 'ann', limit: 50 }))
  assert.match(JSON.stringify(steps), /SEARCH memory_entry USING INDEX memory_entry_hot \(tier=\?\)/)
  raw.close()
})

test('what a search reads of memory is found by index, never by a scan of all entries or passages', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await store.memory.stats()
  await store.close()
  const raw = new Sqlite(files.path)
  for (const [name, text] of Object.entries(readTexts)) {
    // Both count everything.
    if (name === 'kinds' || name === 'passageBytes') continue
    const { sql, parameters } = statementMaker('sqlite')(text)
    const steps = raw.prepare<unknown[], { detail: string }>(`explain query plan ${sql}`).all(...parameters.map(() => 1))
    assert.deepEqual(
      steps.filter(({ detail }) => detail.startsWith('SCAN')),
      [],
      name,
    )
  }
  raw.close()
})

test('history and open intents are found by index, never by a scan of the journal', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await store.append({ records: [recordOf('a', 'intent')] })
  await store.close()
  const raw = new Sqlite(files.path)
  const { read, records } = buildStatements('sqlite')
  const bySession = records[recordsShape({ ...all, session: sessionA })]!
  const byCall = records[recordsShape({ ...all, call: 'a' as never, phases: ['intent'] })]!
  /** What the planner says it does, in one line. */
  const planOf = ({ sql, parameters }: { readonly sql: string; readonly parameters: readonly unknown[] }): string => {
    const steps = raw.prepare(`explain query plan ${sql}`).all(...parameters.map(() => 1)) as { detail: string }[]
    return steps.map((step) => step.detail).join('; ')
  }
  for (const [name, template] of Object.entries(read)) {
    // The head is the last row of the table, which is in the order of appending. Open calls are few and put in the order of their place;
    // sessions are sorted when they are listed.
    if (name === 'head') assert.equal(planOf(template), 'SCAN journal')
    else if (name === 'sessions') assert.match(planOf(template), /^SEARCH session USING PRIMARY KEY \(user=\?\); USE TEMP B-TREE/)
    else if (name !== 'openIntents') assert.doesNotMatch(planOf(template), /\bSCAN\b|TEMP B-TREE/, name)
    if (name !== 'head') assert.doesNotMatch(planOf(template), /SCAN j/, name)
  }
  assert.match(planOf(bySession), /^SEARCH journal USING INDEX journal_session \(session=\?\)$/)
  // Records of one call are few.
  assert.match(planOf(byCall), /^SEARCH journal USING INDEX journal_call \(call=\?\); USE TEMP B-TREE FOR ORDER BY$/)
  const later = records[recordsShape({ ...all, session: sessionA, after: 1, before: 9 })]!
  assert.match(planOf(later), /^SEARCH journal USING INDEX journal_session \(session=\? AND rowid>\? AND rowid<\?\)$/)
  raw.close()
})
