/** What every Store must do, whatever is behind it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type CallId, isOxbowError, type SessionId, type TurnId } from '../base/index.ts'
import { emptyChain, type NewRecord, type Phase } from '../protocol/index.ts'
import { createHasher, parseReference, recordHash } from './chain.ts'
import { describeErasing } from './contract/erase-contract.ts'
import { describeRows } from './contract/row-contract.ts'
import { describeScanning } from './contract/scan-contract.ts'
import { describeTexts } from './contract/text-contract.ts'
import { maxBlobBytes, maxInlineBodyBytes } from './limits.ts'
import type { Append, RecordQuery, SessionRow, Store } from './store.ts'

/** An empty store for each case; `drop` closes it and removes what it left. */
interface StoreSubject {
  readonly store: Store
  drop(): PromiseLike<void>
}

export const sessionA = '0192f0a0-0000-7000-8000-00000000000a' as SessionId
const sessionB = '0192f0a0-0000-7000-8000-00000000000b' as SessionId

/** A record as the kernel makes it; `call` is any text. */
export function recordOf(call: string, phase: Phase, more: Partial<NewRecord> = {}): NewRecord {
  const body = JSON.stringify({ input: { path: '/shared/notes.txt' } })
  return {
    at: 1_795_236_000_000,
    actor: 'agent:ox',
    session: sessionA,
    turn: 't1' as TurnId,
    call: call as CallId,
    name: 'file.read',
    phase,
    body,
    ...more,
  }
}

const everything: RecordQuery = { order: 'oldest_first', limit: 10_000, hydrate: true }

type Make = () => Promise<StoreSubject>
type Case = (title: string, check: (store: Store) => Promise<void>) => void

export function describeStoreContract(name: string, make: Make): void {
  const holds: Case = (title, check) => {
    void it(title, async () => {
      const { store, drop } = await make()
      try {
        await check(store)
      } finally {
        await drop()
      }
    })
  }
  describe(`${name} keeps the contract of a store`, () => {
    describeChain(holds)
    describeGroups(holds)
    describeOnce(holds)
    describeBodies(holds)
    describeErasing(holds, recordOf)
    describeScanning(holds, recordOf)
    describeTexts(holds, recordOf)
    describeReads(holds)
    describeProjections(holds)
    describeRows(holds, recordOf)
    describeLanes(holds)
  })
}

function describeChain(holds: Case): void {
  holds('an empty journal has the empty chain as its head', async (store) => {
    assert.deepEqual(await store.head(), emptyChain)
    assert.deepEqual(await store.records(everything), [])
  })

  holds('records are numbered from 1 without gaps, each hashed over all its fields and the hash before it', async (store) => {
    const first = await store.append({ records: [recordOf('a', 'intent'), recordOf('a', 'outcome')] })
    const second = await store.append({
      records: [recordOf('b', 'refused', { at: 5, actor: 'user:ann', name: 'x.y', session: '', turn: '' })],
    })
    assert.deepEqual([first.firstSeq, second.firstSeq, first.duplicate], [1, 3, false])
    const records = await store.records(everything)
    const hash = await createHasher()
    let previous = emptyChain.hash
    for (const record of records) {
      assert.equal(record.previous, previous)
      assert.equal(record.hash, recordHash(hash, store.user, record))
      previous = record.hash
    }
    assert.deepEqual(
      records.map((r) => r.seq),
      [1, 2, 3],
    )
    assert.deepEqual(await store.head(), { seq: 3, hash: previous })
  })

  holds('what was appended is read back as it was', async (store) => {
    const text = fc.string({ unit: 'binary', maxLength: 30 }).map((s) => s.toWellFormed())
    const body = fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.stringify(value))
    const at = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
    const drawnRecord = fc.record({ at, actor: text, session: text, turn: text, call: text, name: text, body })
    const appended: NewRecord[] = []
    await fc.assert(
      fc.asyncProperty(fc.array(drawnRecord, { minLength: 1, maxLength: 5 }), async (drawn) => {
        const records = drawn.map((r) => ({ ...r, phase: 'refused' }) as NewRecord)
        appended.push(...records)
        await store.append({ records })
      }),
      { numRuns: 40 },
    )
    const read = await store.records(everything)
    assert.deepEqual(
      read.map(({ seq: _seq, previous: _previous, hash: _hash, ...record }) => record),
      appended,
    )
  })
}

function describeOnce(holds: Case): void {
  holds('a call begins once: a second intent is answered with the place of the first and writes nothing', async (store) => {
    const send: Append = { records: [recordOf('send', 'intent'), recordOf('send', 'started')] }
    await store.append({ records: [recordOf('other', 'intent')] })
    const answers = await Promise.all([store.append(send), store.append(send)])
    answers.push(await store.append(send))
    assert.deepEqual(answers, [
      { firstSeq: 2, duplicate: false },
      { firstSeq: 2, duplicate: true },
      { firstSeq: 2, duplicate: true },
    ])
    assert.equal((await store.head()).seq, 3)
  })

  holds('a call ends once: a second end writes nothing, and what shares its commit is written', async (store) => {
    const refused = store.append({ records: [recordOf('a', 'refused')] })
    const begun = store.append({ records: [recordOf('a', 'intent')] })
    const ends = (['outcome', 'reconciled', 'refused', 'outcome'] as const).map((phase) =>
      store.append({ records: [recordOf('a', phase)] }),
    )
    const other = store.append({ records: [recordOf('b', 'intent'), recordOf('b', 'exchange'), recordOf('b', 'exchange')] })
    const again = store.append({ records: [recordOf('c', 'intent'), recordOf('a', 'outcome')] })
    const first = { firstSeq: 3, duplicate: true }
    assert.deepEqual(await Promise.all([refused, begun, ...ends, other, again]), [
      ...[1, 2, 3].map((firstSeq) => ({ firstSeq, duplicate: false })),
      first,
      first,
      first,
      { firstSeq: 4, duplicate: false },
      first,
    ])
    assert.deepEqual(await store.append({ records: [recordOf('a', 'outcome')] }), first)
    assert.deepEqual(
      (await store.openIntents()).map(({ call }) => call),
      ['b'],
    )
    assert.equal((await store.head()).seq, 6)
  })
}

function describeGroups(holds: Case): void {
  holds('appends asked at once all take place, in the order in which they were asked', async (store) => {
    const appends = Array.from({ length: 300 }, (_, i) =>
      store.append({ records: [recordOf(`c${i}`, 'intent'), recordOf(`c${i}`, 'outcome')] }),
    )
    assert.deepEqual(
      (await Promise.all(appends)).map((a) => a.firstSeq),
      appends.map((_, i) => i * 2 + 1),
    )
  })

  holds('an append that is refused leaves no trace and harms no neighbour', async (store) => {
    const epoch = await store.claimLane(sessionA, 'w1', 60_000)
    assert.equal(epoch, 1)
    const bad: Append = {
      records: [recordOf('spend', 'outcome')],
      projections: [{ kind: 'spend', scope: 's', spend: { microDollars: -1, tokens: 0 } }],
    }
    const unstorable: Append = { records: [recordOf('body', 'intent', { at: Number.NaN })] }
    const stale: Append = { records: [recordOf('stale', 'intent')], fence: { session: sessionA, epoch: 7 } }
    const answers = await Promise.allSettled([
      store.append({ records: [recordOf('one', 'intent')], fence: { session: sessionA, epoch: 1 } }),
      store.append(stale),
      store.append(bad),
      store.append(unstorable),
      store.append({ records: [recordOf('two', 'intent')] }),
    ])
    const codes = answers.map((a) =>
      a.status === 'fulfilled' ? a.value.firstSeq : isOxbowError(a.reason) ? a.reason.code : String(a.reason),
    )
    assert.deepEqual(codes, [1, 'stale_epoch', 'bad_input', 'bad_input', 2])
    assert.deepEqual(
      (await store.records(everything)).map((r) => r.call),
      ['one', 'two'],
    )
    assert.equal(store.fault(), null)
    assert.deepEqual(await store.spent('s'), { microDollars: 0, tokens: 0 })
  })

  holds('a read sees every append that was acknowledged before it was asked', async (store) => {
    for (let i = 1; i <= 50; i++) {
      const { firstSeq } = await store.append({ records: [recordOf(`c${i}`, 'refused')], sync: i % 10 === 0 })
      assert.equal((await store.head()).seq, firstSeq)
    }
  })

  holds('closing waits for what was asked, and refuses what comes later', async (store) => {
    const last = store.append({ records: [recordOf('last', 'intent')] })
    await store.close()
    assert.equal((await last).firstSeq, 1)
    await assert.rejects(store.append({ records: [recordOf('late', 'intent')] }), (error) => isOxbowError(error, 'store_failed'))
    await assert.rejects(store.head(), (error) => isOxbowError(error, 'store_failed'))
  })
}

function describeBodies(holds: Case): void {
  const bodyOf = async (store: Store, hydrate: boolean): Promise<string> =>
    (await store.records({ order: 'newest_first', limit: 1, hydrate }))[0]?.body ?? ''

  holds('a body over 4 KiB of UTF-8 is kept as a blob and stands in the record by hash and size', async (store) => {
    const inline = JSON.stringify('x'.repeat(maxInlineBodyBytes - 2))
    await store.append({ records: [recordOf('small', 'refused', { body: inline })] })
    assert.equal(await bodyOf(store, false), inline)
    // 2 100 units, but over 4 KiB in UTF-8.
    const large = JSON.stringify('é'.repeat(2_100))
    await store.append({ records: [recordOf('large', 'refused', { body: large })] })
    const reference = parseReference(await bodyOf(store, false))
    assert.equal(reference?.bytes, Buffer.byteLength(large))
    assert.equal(Buffer.from((await store.blob(reference?.blob ?? '')) ?? []).toString(), large)
    assert.equal(await bodyOf(store, true), large)
  })

  holds('a body that looks like a reference to a blob is not taken for one', async (store) => {
    const body = `{"blob":"${'0'.repeat(64)}","bytes":3}`
    await store.append({ records: [recordOf('forged', 'refused', { body })] })
    assert.equal(await bodyOf(store, true), body)
    assert.notEqual(await bodyOf(store, false), body)
  })

  holds('a lone surrogate in a body keeps its meaning, and the record verifies as stored', async (store) => {
    await store.append({ records: [recordOf('lone', 'refused', { name: 'a\uDFFF', body: '{"text":"a\uD800b\uDC00"}' })] })
    const [record] = await store.records(everything)
    assert.deepEqual([record?.name, JSON.parse(record?.body ?? '')], ['a\uFFFD', { text: 'a\uD800b\uDC00' }])
    const hash = await createHasher()
    assert.equal(record?.hash, recordHash(hash, store.user, record as never))
  })

  holds('a blob is kept once under the hash of its bytes, also a part of a larger buffer', async (store) => {
    const bytes = new Uint8Array([9, 0, 255, 1, 9]).subarray(1, 4)
    const hash = await store.putBlob(bytes)
    assert.equal(await store.putBlob(new Uint8Array([0, 255, 1])), hash)
    assert.deepEqual(new Uint8Array((await store.blob(hash)) ?? []), new Uint8Array([0, 255, 1]))
    assert.equal(hash, (await createHasher())(bytes))
    assert.equal(await store.blob('f'.repeat(64)), null)
    await assert.rejects(store.putBlob(new Uint8Array(maxBlobBytes + 1)), (error) => isOxbowError(error, 'limit_reached'))
  })
}

function describeReads(holds: Case): void {
  holds('records are found by bounds, session, call and phase, in both orders', async (store) => {
    const phases: readonly Phase[] = ['intent', 'parked', 'outcome']
    const records = Array.from({ length: 12 }, (_, i) =>
      recordOf(`c${i % 4}`, phases[i % 3] as Phase, { session: i % 2 === 0 ? sessionA : sessionB }),
    )
    await store.append({ records })
    const seqs = async (query: Partial<RecordQuery>) => (await store.records({ ...everything, ...query })).map((r) => r.seq)
    assert.deepEqual(await seqs({ after: 3, before: 7 }), [4, 5, 6])
    assert.deepEqual(await seqs({ session: sessionB, order: 'newest_first', limit: 2 }), [12, 10])
    assert.deepEqual(await seqs({ session: sessionA, after: 5 }), [7, 9, 11])
    assert.deepEqual(await seqs({ call: 'c1' as CallId }), [2, 6, 10])
    assert.deepEqual(await seqs({ phases: ['parked', 'outcome'], before: 7 }), [2, 3, 5, 6])
    assert.deepEqual(await seqs({ call: 'c2' as CallId, phases: ['outcome'], session: sessionA }), [3])
    assert.deepEqual(await seqs({ phases: [] }), [])
    assert.deepEqual(await seqs({ limit: 0 }), [])
    assert.equal((await seqs({ limit: Infinity })).length, 12)
  })

  holds('history gives what was marked as a message of a session, newest first and hydrated', async (store) => {
    const long = JSON.stringify({ message: 'm'.repeat(5_000) })
    const message = (record: number) => ({ kind: 'message', record }) as const
    await store.append({ records: [recordOf('a', 'intent'), recordOf('a', 'outcome', { body: long })], projections: [message(1)] })
    await store.append({ records: [recordOf('x', 'outcome', { session: sessionB })], projections: [message(0)] })
    await store.append({ records: [recordOf('b', 'started'), recordOf('b', 'outcome')], projections: [message(0), message(1)] })
    const rows = await store.history(sessionA, null, 10)
    assert.deepEqual(
      rows.map((r) => [r.seq, r.call, r.phase]),
      [
        [5, 'b', 'outcome'],
        [4, 'b', 'started'],
        [2, 'a', 'outcome'],
      ],
    )
    assert.equal(rows[2]?.body, long)
    assert.deepEqual(
      (await store.history(sessionA, 5, 1)).map((r) => r.seq),
      [4],
    )
    assert.deepEqual(await store.history(sessionA, 2, 10), [])
  })

  holds('its database contains what Oxbow makes, and nothing else', async (store) => {
    await store.append({ records: [recordOf('a', 'intent')] })
    await store.memory.change([{ change: 'cursor', cursor: { name: 'journal', seq: 1 } }])
    assert.deepEqual(await store.structure(), [])
  })

  holds('an intent is open until its outcome, refusal or reconciliation, and no longer', async (store) => {
    const long = JSON.stringify('z'.repeat(5_000))
    await store.append({ records: ['a', 'b', 'c', 'd', 'e'].map((call) => recordOf(call, 'intent', call === 'e' ? { body: long } : {})) })
    await store.append({
      records: [recordOf('a', 'outcome'), recordOf('b', 'refused'), recordOf('c', 'reconciled'), recordOf('d', 'parked')],
    })
    await store.append({ records: [recordOf('f', 'intent'), recordOf('f', 'outcome'), recordOf('g', 'refused')] })
    const open = await store.openIntents()
    assert.deepEqual(
      open.map((r) => [r.seq, r.call, r.phase]),
      [
        [4, 'd', 'intent'],
        [5, 'e', 'intent'],
      ],
    )
    assert.equal(open[1]?.body, long)
  })
}

function describeProjections(holds: Case): void {
  const row = (id: SessionId, activeAt: number): SessionRow => ({
    id,
    title: `T ${id}`,
    createdAt: 1,
    activeAt,
    turns: 2,
    labels: 'private',
    origins: '{"base":[]}',
    scratchpad: 'a-call',
    archived: 7,
    deleted: 0,
    parent: sessionB,
    forked: 12,
    summary: 'a-call' as CallId,
  })

  holds('sessions are kept with the records that change them, and listed by newest activity', async (store) => {
    const put = (session: SessionRow) => store.append({ records: [], projections: [{ kind: 'session', session }] })
    await put(row(sessionA, 10))
    await put(row(sessionB, 20))
    await put({ ...row(sessionA, 30), title: 'renamed', labels: 'private,untrusted' })
    assert.deepEqual(await store.session(sessionA), { ...row(sessionA, 30), title: 'renamed', labels: 'private,untrusted' })
    assert.deepEqual(
      (await store.sessions(10)).map((s) => s.id),
      [sessionA, sessionB],
    )
    assert.deepEqual(
      (await store.sessions(1)).map((s) => s.id),
      [sessionA],
    )
    assert.equal(await store.session('none' as SessionId), null)
    assert.equal((await store.head()).seq, 0)
  })

  holds('what a scope has spent adds up', async (store) => {
    const spend = (microDollars: number, tokens: number) => ({ kind: 'spend', scope: 'user', spend: { microDollars, tokens } }) as const
    await store.append({ records: [], projections: [spend(5, 10), spend(0, 1)] })
    await Promise.all([1, 2, 3].map((n) => store.append({ records: [], projections: [spend(n, 0)] })))
    assert.deepEqual(await store.spent('user'), { microDollars: 11, tokens: 11 })
    assert.deepEqual(await store.spent('other'), { microDollars: 0, tokens: 0 })
  })
}

function describeLanes(holds: Case): void {
  holds('a lane is held by one owner until its lease is over, and each claim starts a new epoch', async (store) => {
    assert.equal(await store.claimLane(sessionA, 'w1', 60_000), 1)
    assert.equal(await store.claimLane(sessionA, 'w2', 60_000), null)
    assert.equal(await store.claimLane(sessionB, 'w2', 60_000), 1)
    assert.equal(await store.claimLane(sessionA, 'w1', 0), 2)
    assert.equal(await store.claimLane(sessionA, 'w2', 60_000), 3)
  })

  holds('an append of an older epoch is refused, also when the claim was asked only just before', async (store) => {
    await store.claimLane(sessionA, 'w1', 0)
    const fence = { session: sessionA, epoch: 1 }
    const [epoch, late] = await Promise.allSettled([
      store.claimLane(sessionA, 'w2', 60_000),
      store.append({ records: [recordOf('a', 'intent')], fence }),
    ])
    assert.deepEqual(epoch, { status: 'fulfilled', value: 2 })
    assert(late.status === 'rejected' && isOxbowError(late.reason, 'stale_epoch'))
    await assert.rejects(store.append({ records: [recordOf('a', 'intent')], fence: { session: sessionB, epoch: 1 } }), (error) =>
      isOxbowError(error, 'stale_epoch'),
    )
    assert.equal((await store.head()).seq, 0)
  })
}
