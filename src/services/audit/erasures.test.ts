import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxReasonChars } from '../../store/limits.ts'
import { openMemoryStore, type Store } from '../../store/index.ts'
import { recordOf } from '../../store/store-contract.ts'
import { ann, storeFolder, tamper } from '../../store/store-fixture.ts'
import { type CallId, type SessionId, systemClock, type TurnId } from '../../base/index.ts'
import { erasedText, isErased } from '../../protocol/index.ts'
import { createJournal, type Journal } from '../../kernel/records/journal.ts'
import { asks, done, inOrder, openFixture, says, testCall, user as ada } from '../../kernel/kernel-fixture.ts'
import { verifyJournal } from './audit-verify.ts'

const forget = { caller: { actor: 'user:ann', session: '' as SessionId, turn: '' as TurnId }, call: 'f1' as CallId, name: 'memory.forget' }

function journalOf(store: Store): Journal {
  return createJournal({
    store,
    clock: systemClock,
    project: () => [],
  })
}

test('an audit counts the bodies that a record says were erased, and the journal verifies', async () => {
  const store = await openMemoryStore({ user: ann })
  await store.append({ records: Array.from({ length: 450 }, (_, i) => recordOf(`c${i}`, 'refused')) })
  const seqs = Array.from({ length: 410 }, (_, i) => i + 1)
  assert.deepEqual(await journalOf(store).erase(forget, seqs, 'asked by ann'), { bodies: 410, blobs: 0, kept: [] })
  const report = await verifyJournal(store, { seal: null })
  assert.deepEqual([report.ok, report.erased], [true, { bodies: 410, unchecked: 0, unexplained: [] }])
  await store.close()
})

test('a body that is missing without a record of its erasure is named, and the journal does not verify', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await store.append({ records: ['a', 'b', 'c'].map((call) => recordOf(call, 'refused')) })
  await journalOf(store).erase(forget, [1], '')
  await store.erase([3], 'nobody says so')
  const report = await verifyJournal(store, { seal: null })
  assert.deepEqual([report.ok, report.first_bad, report.erased.unexplained], [false, null, [3]])
})

test('a changed record cannot pass for an erased one', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await store.append({ records: ['a', 'b'].map((call) => recordOf(call, 'refused')) })
  await store.close()
  tamper(files.path, `update journal set body = '{"erased":"${'0'.repeat(64)}","bytes":2,"reason":""}' where seq = 2`)
  const report = await verifyJournal(await files.open({ readOnly: true }), { seal: null })
  assert.equal(report.first_bad?.seq, 2)
  assert.match(report.first_bad.why, /content was changed/)
})

test('a rewritten record cannot pass for one erased in an older format', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await store.append({ records: ['a', 'b', 'c'].map((call) => recordOf(call, 'refused')) })
  await journalOf(store).erase(forget, [1, 2], 'asked by ann')
  await store.close()
  const forged = `{"erased":"${'0'.repeat(64)}","bytes":2,"reason":"asked by ann"}`
  tamper(files.path, `update journal set body = '${forged}', actor = 'user:eve', at = 5 where seq <= 2`)
  const report = await verifyJournal(await files.open({ readOnly: true }), { seal: null })
  assert.deepEqual([report.ok, report.erased.unexplained], [false, [1, 2]])
})

test('the reason in place of an erased body is the recorded one', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await store.append({ records: ['a', 'b'].map((call) => recordOf(call, 'refused')) })
  // Cut in the middle of a character: what is left is still the reason.
  await journalOf(store).erase(forget, [1], `${'x'.repeat(maxReasonChars - 1)}\u{1f600}`)
  await journalOf(store).erase(forget, [2], 'asked by ann')
  assert.equal((await verifyJournal(store, { seal: null })).ok, true)
  await store.close()
  tamper(files.path, `update journal set body = replace(body, 'asked by ann', 'asked by eve') where seq = 2`)
  const report = await verifyJournal(await files.open({ readOnly: true }), { seal: null })
  assert.deepEqual([report.ok, report.erased.unexplained], [false, [2]])
})

test('records with valid hashes and nonsense bodies are detected, and do not end the audit', async () => {
  const nonsense = [
    '{"erases":[',
    '{"erases":[1],',
    '{"pieces"',
    'null "pieces"',
    '{"media":{"pieces":7}}',
    '{"input":{"attachments":{"a":"pieces"}}}',
    '[{"pieces":["x"]}]',
  ]
  for (const body of nonsense) {
    for (const [name, phase] of [
      ['memory.forget', 'exchange'],
      ['media.send', 'outcome'],
      ['turn.send', 'intent'],
    ] as const) {
      const store = await openMemoryStore({ user: ann })
      const begun = phase === 'outcome' ? [recordOf('a', 'intent', { name })] : []
      await store.append({ records: [...begun, recordOf('a', phase, { name, body })] })
      const report = await verifyJournal(store, { seal: null })
      assert.ok(report.first_bad === null || /is no|nobody can read/.test(report.first_bad.why), report.first_bad?.why)
      await store.close()
    }
  }
})

test('a session continues after its messages, calls and results were erased; its model sees only that they were', async () => {
  await using files = storeFolder()
  const seen: string[] = []
  const steps = inOrder(
    asks(['test.tell', { about: 's3cret' }]),
    says('it is s3cret'),
    asks(['test.tell']),
    says('so it is'),
    says('later'),
  )
  const play: typeof steps = (request, signal) => {
    seen.push(JSON.stringify(request.messages))
    return steps(request, signal)
  }
  const calls = [testCall('test.tell', async () => done('the result is s3cret'))]
  const first = await openFixture({ store: await files.open({ user: ada }), play, calls })
  await first.turn('what is s3cret?')
  await first.turn('and now?')
  await first.kernel.close()

  const store = await files.open({ user: ada })
  const journal = await everything(store)
  // The generation of the second question stays, so that its result has a place; the first one goes with its results.
  const touched = journal.filter(({ body }) => body.includes('s3cret')).map(({ seq }) => seq)
  const { bodies, kept } = await journalOf(store).erase(forget, touched, 'asked')
  assert.deepEqual([kept, bodies], [[], touched.length])
  const second = await openFixture({ store, play, calls, session: first.session })
  const { status } = await second.turn('what did I ask?')
  assert.equal(status, 'ok')
  assert.match(seen[3] ?? '', /s3cret/)
  assert.doesNotMatch(seen[4] ?? '', /s3cret/)
  const said = (JSON.parse(seen[4] ?? '[]') as { role: string; parts: { text?: string; type: string }[] }[]).map(
    ({ role, parts }) => `${role} ${parts.map((part) => part.text ?? part.type).join()}`,
  )
  assert.deepEqual(said, [
    `user ${erasedText}`,
    `assistant ${erasedText}`,
    `assistant ${erasedText}`,
    'user and now?',
    'assistant tool_call',
    `tool ${erasedText}`,
    'assistant so it is',
    'user what did I ask?',
  ])
  const told = second.events.filter((event) => event.type === 'record').map(({ record }) => record.body)
  assert(told.some(isErased), 'followers are told that it was erased')
  assert.equal((await verifyJournal(store, { seal: null })).ok, true)
  await second.kernel.close()
})

function everything(store: Store) {
  return store.records({ order: 'oldest_first', limit: 1_000, hydrate: true })
}
