import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { type CallId, OxbowError } from '../../base/index.ts'
import { createFakeSandbox } from '../../sandbox/fake/fake-sandbox.ts'
import { asks, done, inOrder, newCallId, openFixture, says, testCall } from '../kernel-fixture.ts'

const phasesOf = (fixture: Awaited<ReturnType<typeof openFixture>>, name: string): string[] =>
  fixture.events.flatMap((event) => (event.type === 'record' && event.record.name === name ? [event.record.phase] : []))

test('a message passes the gate as a call, and so does everything in its turn', async () => {
  await using fixture = await openFixture({
    play: inOrder(asks(['test_act']), says('done')),
    calls: [testCall('test.act', async () => done('acted'))],
  })
  const outcome = await fixture.turn('act')
  assert.deepEqual([outcome['status'], outcome['reply']], ['ok', 'done'])
  assert.deepEqual(phasesOf(fixture, 'turn.send'), ['intent', 'started', 'outcome'])
  assert.deepEqual(phasesOf(fixture, 'test.act'), ['intent', 'outcome'])
  assert.deepEqual(phasesOf(fixture, 'model.generate'), ['intent', 'outcome', 'intent', 'outcome'])
})

test('the intent is committed before the call runs', async () => {
  const seen: string[][] = []
  const calls = [
    testCall(
      'test.act',
      async (_, context) => {
        const records = await fixture.store.records({ call: context.id, order: 'oldest_first', limit: 10, hydrate: false })
        seen.push(records.map((record) => record.phase))
        return done('')
      },
      { effect: 'once' },
    ),
  ]
  await using fixture = await openFixture({ play: inOrder(asks(['test_act']), says('done')), calls })
  await fixture.turn('act')
  assert.deepEqual(seen, [['intent']])
})

test('a malformed call is refused with the field, what was expected and an example', async () => {
  const calls = [
    testCall('test.act', async () => done(''), { input: z.strictObject({ path: z.string() }), example: { path: '/shared/a.txt' } }),
  ]
  await using fixture = await openFixture({ play: inOrder(asks(['test_act', { path: 7 }], ['test_act', '{"path":']), says('done')), calls })
  await fixture.turn('act')
  const texts = fixture.events.flatMap((event) =>
    event.type === 'record' && event.record.phase === 'refused' ? [(event.record.body as { text: string }).text] : [],
  )
  assert.match(texts[0]!, /field `path`: .*expected string.*\{"path":"\/shared\/a\.txt"\}/)
  assert.match(texts[1]!, /not valid JSON/)
})

test('the error of a malformed call is short, however long the names of its fields are', async () => {
  const calls = [testCall('test.act', async () => done(''), { input: z.strictObject({ path: z.string() }), example: { path: '/shared' } })]
  const args = { path: 'a', [`${'x'.repeat(500_000)}🐂`]: 1 }
  await using fixture = await openFixture({ play: inOrder(asks(['test_act', args]), says('done')), calls })
  await fixture.turn('act')
  const refused = await fixture.record((record) => record.phase === 'refused')
  const { text } = refused.body as { text: string }
  assert.match(text, /Unrecognized key: "x+…\. .*\{"path":"\/shared"\}/)
  assert.ok(text.length < 2_000, `${text.length}`)
})

test('an unknown call is refused with the nearest name, and the refusal is recorded', async () => {
  await using fixture = await openFixture({
    play: inOrder(asks(['test_akt']), says('done')),
    calls: [testCall('test.act', async () => done(''))],
  })
  await fixture.turn('act')
  const refused = await fixture.record((record) => record.phase === 'refused')
  assert.match((refused.body as { text: string }).text, /Did you mean test_act\?/)
  // A person types the name of the call.
  const misspelt: string = 'test.akt'
  const typed = await fixture.kernel.call(misspelt, {})
  assert.match(typed.status === 'ok' ? '' : typed.failure.hint, /Did you mean test\.act\?/)
})

test('arguments over 1 MiB are refused before they are parsed', async () => {
  const calls = [testCall('test.act', async () => done(''))]
  await using fixture = await openFixture({ play: inOrder(asks(['test_act', `{"a":"${'x'.repeat(1 << 20)}"}`]), says('done')), calls })
  await fixture.turn('act')
  const refused = await fixture.record((record) => record.phase === 'refused')
  assert.equal((refused.body as { code: string }).code, 'limit_reached')
})

test('two tool calls with one id in one answer both run and both get their result', async () => {
  async function* twins() {
    for (const _ of [0, 1])
      yield [{ type: 'tool_call', call: { type: 'tool_call', id: 'same', name: 'test_act', arguments: '{}' } } as const]
    yield [{ type: 'finish', reason: 'tool_calls', usage: { inputTokens: 1, outputTokens: 1, estimated: false } } as const]
  }
  let runs = 0
  await using fixture = await openFixture({
    play: inOrder(twins(), says('done')),
    calls: [testCall('test.act', async () => done(`run ${++runs}`))],
  })
  assert.equal((await fixture.turn('act'))['status'], 'ok')
  assert.equal(runs, 2)
})

test('an agent without the right is denied, and a policy that denies wins over any right', async () => {
  const calls = [testCall('test.act', async () => done('ran'), { right: 'never.granted' }), testCall('test.other', async () => done('ran'))]
  const config = { approval: { calls: { 'test.other': 'deny' } } }
  await using fixture = await openFixture({ play: inOrder(asks(['test_act'], ['test_other']), says('done')), calls, config })
  await fixture.turn('act')
  const codes = fixture.events.flatMap((event) =>
    event.type === 'record' && event.record.phase === 'refused' ? [(event.record.body as { code: string }).code] : [],
  )
  assert.deepEqual(codes, ['denied', 'denied'])
})

test('a person cannot make the runtime’s calls, and an agent cannot make a person’s', async () => {
  await using fixture = await openFixture({ play: inOrder(asks(['call_decide', { call: 'x', allow: true }]), says('done')) })
  const outcome = await fixture.kernel.call('model.generate', { model: 'm', system: '', messages: [], maxOutputTokens: 1, inputTokens: 1 })
  assert.equal(outcome.status === 'refused' && outcome.failure.code, 'denied')
  await fixture.turn('act')
  const refused = await fixture.record((record) => record.name === 'call.decide' && record.phase === 'refused')
  assert.equal((refused.body as { code: string }).code, 'denied')
})

test('a model cannot make the runtime’s own calls, whatever rights its process holds', async () => {
  const forged = { model: 'm', system: 'evil', messages: [], maxOutputTokens: 10, inputTokens: 1 }
  await using fixture = await openFixture({
    play: inOrder(asks(['model_generate', forged], ['turn_inbox']), says('done')),
  })
  await fixture.turn('act')
  const refused = fixture.events.flatMap((event) =>
    event.type === 'record' && event.record.phase === 'refused' ? [event.record.name] : [],
  )
  assert.deepEqual(refused, ['model.generate', 'turn.inbox'])
})

test('a call that takes too long is stopped and says so', async () => {
  const calls = [
    testCall(
      'test.act',
      (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      { timeoutMs: 10 },
    ),
  ]
  await using fixture = await openFixture({ play: inOrder(asks(['test_act']), says('done')), calls })
  await fixture.turn('act')
  const outcome = await fixture.record((record) => record.name === 'test.act' && record.phase === 'outcome')
  assert.deepEqual([(outcome.body as { status: string }).status, (outcome.body as { code: string }).code], ['failed', 'timeout'])
})

test('a long result is truncated in the middle, and its id gives access to the rest', async () => {
  const long = Array.from({ length: 5_000 }, (_, i) => `line ${i}`).join('\n')
  await using fixture = await openFixture({
    play: inOrder(asks(['test_act']), says('done')),
    calls: [testCall('test.act', async () => done(long))],
  })
  await fixture.turn('act')
  const { text } = (await fixture.record((record) => record.name === 'test.act' && record.phase === 'outcome')).body as { text: string }
  assert.ok(Buffer.byteLength(text) <= 16 * 1024)
  assert.match(text, /^line 0\n[^]*cut here: \d+ bytes in all[^]*line 4999$/)
  const id = /"id":"([0-9a-f]{64})"/.exec(text)![1]!
  const part = await fixture.kernel.call('output.read', { id, from_byte: 20_000, max_bytes: 100 })
  assert.equal(part.status === 'ok' && part.text.split('\n').slice(1).join('\n'), long.slice(20_000, 20_100))
})

test('a model reads the output of a call that has no text, also where the record keeps fields of it', async () => {
  const calls = [
    testCall('test.count', async () => ({ output: { count: 3, list: ['a'] } }), {
      output: z.strictObject({ count: z.int(), list: z.array(z.string()) }),
      recordOutput: ({ count }) => ({ count }),
    }),
  ]
  await using fixture = await openFixture({ play: inOrder(asks(['test_count']), says('done')), calls })
  await fixture.turn('count')
  const { body } = await fixture.record((record) => record.name === 'test.count' && record.phase === 'outcome')
  const { text, count } = body as { readonly text?: string; readonly count: number }
  assert.deepEqual([text, count], ['{"count":3,"list":["a"]}', 3])
})

test('host paths never reach the model in the error of a sandbox that does not start', async () => {
  const asked: string[] = []
  const problem = { code: 'sandbox_missing', message: 'No sandbox: bwrap cannot bind /home/ada/ws/vault.', hint: '' } as const
  const fake = createFakeSandbox()
  await using fixture = await openFixture({
    sandbox: { ...fake, status: { ...fake.status, problem } },
    play: ({ system }) => (asked.push(system), says('done')),
  })
  await fixture.turn('go')
  assert.match(asked[0] ?? '', /bwrap cannot bind \/vault\./)
})

test('host paths and secrets never reach the model', async () => {
  const calls = [testCall('test.act', async () => done('wrote /home/ada/ws/shared/a.txt with sk-very-secret'))]
  const secrets = new Map([['OPENAI_API_KEY', 'sk-very-secret']])
  await using fixture = await openFixture({ play: inOrder(asks(['test_act']), says('done')), calls, secrets })
  await fixture.turn('act')
  const { text } = (await fixture.record((record) => record.name === 'test.act' && record.phase === 'outcome')).body as { text: string }
  assert.equal(text, 'wrote /shared/a.txt with [secret:OPENAI_API_KEY]')
})

test('labels are added to the session and to every later intent', async () => {
  const calls = [testCall('test.read', async () => done('from the web'), { labels: { adds: ['untrusted'], sink: false } })]
  await using fixture = await openFixture({ play: inOrder(asks(['test_read']), says('done')), calls })
  await fixture.turn('read')
  const intents = fixture.events.flatMap((event) =>
    event.type === 'record' && event.record.phase === 'intent' && event.record.name === 'model.generate' ? [event.record.body] : [],
  )
  assert.deepEqual(
    intents.map((body) => (body as { labels?: string[] }).labels),
    [undefined, ['untrusted']],
  )
  assert.equal((await fixture.store.session(fixture.session))?.labels, 'untrusted')
})

test('a bug in a call is a failed outcome, not the end of the turn', async () => {
  const calls = [testCall('test.act', () => Promise.reject(new TypeError('x is undefined')))]
  await using fixture = await openFixture({ play: inOrder(asks(['test_act']), says('went on')), calls })
  assert.equal((await fixture.turn('act'))['reply'], 'went on')
})

test('sending a message twice is one turn', async () => {
  let generations = 0
  await using fixture = await openFixture({ play: () => (generations++, says('once')) })
  const send = { session: fixture.session, clientId: newCallId(), text: 'hi' }
  const [first, second] = await Promise.all([fixture.kernel.sendTurn(send), fixture.kernel.sendTurn(send)])
  await fixture.record((record) => record.name === 'turn.send' && record.phase === 'outcome')
  const third = await fixture.kernel.sendTurn(send)
  assert.deepEqual([first.duplicate, second.duplicate, third.duplicate], [false, true, true])
  assert.equal(third.cursor, first.cursor)
  assert.equal(generations, 1)
})

test('a store that fails turns the kernel read-only with its advice, and nothing more happens', async () => {
  await using fixture = await openFixture({})
  const failure = new OxbowError('store_full', 'The disk is full.', { hint: 'Free some space.' })
  Object.assign(fixture.store, { append: () => Promise.reject(failure) })
  const send = { session: fixture.session, clientId: 'a' as CallId, text: 'hi' }
  await assert.rejects(fixture.kernel.sendTurn(send), { code: 'store_full', hint: 'Free some space.' })
  assert.equal(fixture.kernel.status().read_only?.code, 'store_full')
  assert.equal((await fixture.kernel.listSessions(10)).length, 1)
})

test('a running call may grow its reservation while the budget covers it, and releases all of it', async () => {
  const tokens = (count: number) => ({ microDollars: 0, tokens: count })
  const wider: boolean[] = []
  const calls = [
    testCall(
      'test.grow',
      async (_, context) => {
        for (const count of [40, 20, 10]) wider.push(context.reserveMore(tokens(count)))
        return { ...done('grown'), spent: tokens(30) }
      },
      { reserve: () => tokens(50) },
    ),
    testCall('test.rest', async () => done('rested'), { reserve: () => tokens(70) }),
    testCall('test.more', async () => done('too much'), { reserve: () => tokens(71) }),
  ]
  await using fixture = await openFixture({ calls, config: { budget: { user: { tokens: 100 } } } })
  const outcomes = []
  for (const { name } of calls) outcomes.push(await fixture.kernel.call(name, {}))
  assert.deepEqual(wider, [true, false, true], 'what is refused reserves nothing')
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['ok', 'ok', 'refused'],
    'of 100, 30 were spent and none is held',
  )
})

test('records of a call are between its intent and its outcome, and are not sent to followers', async () => {
  const calls = [testCall('test.act', async (_, context) => (context.record({ bytes: 'x'.repeat(10_000) }), done('acted')))]
  await using fixture = await openFixture({ play: inOrder(asks(['test_act']), says('done')), calls })
  await fixture.turn('act')
  const { session, store } = fixture
  const records = await store.records({ session, order: 'oldest_first', limit: 100, hydrate: true })
  const own = records.filter(({ name }) => name === 'test.act')
  assert.deepEqual(
    own.map(({ phase }) => phase),
    ['intent', 'exchange', 'outcome'],
  )
  assert.equal(new Set(own.map(({ call }) => call)).size, 1)
  assert.deepEqual(JSON.parse(own[1]?.body ?? ''), { bytes: 'x'.repeat(10_000) })
  assert.ok(fixture.events.every((event) => event.type !== 'record' || event.record.phase !== 'exchange'))
  // Nor one that comes later and is told the past.
  const told: string[] = []
  const stop = await fixture.kernel.follow(session, 0, (event) => told.push(event.type === 'record' ? event.record.phase : event.type))
  stop()
  assert.ok(told.length > 5 && !told.includes('exchange'))
})
