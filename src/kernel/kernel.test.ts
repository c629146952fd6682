import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { openMemoryStore } from '../store/index.ts'
import { type CallId, OxbowError, type TurnId } from '../base/index.ts'
import { type CallContext, type GenerateRequest, type ModelEvent, textOf } from '../protocol/index.ts'
import { asks, done, inOrder, newCallId, openFixture, says, testCall, user } from './kernel-fixture.ts'

const askFirst = { approval: { calls: { 'test.act': 'ask' } } }

test('a call that policy asks about waits for a person, and runs with exactly what was shown', async () => {
  const inputs: unknown[] = []
  const calls = [testCall('test.act', async (input) => (inputs.push(input), done('acted')))]
  await using fixture = await openFixture({ play: inOrder(asks(['test_act', { n: 1 }]), says('done')), calls, config: askFirst })
  const turn = fixture.turn('act')
  const parked = await fixture.record((record) => record.phase === 'parked')
  assert.equal((parked.body as { input: string }).input, '{"n":1}')
  assert.deepEqual(inputs, [])
  await fixture.kernel.approve(parked.call, true)
  assert.equal((await turn)['reply'], 'done')
  assert.deepEqual(inputs, [{ n: 1 }])
})

test('a refused call is reported to the model and does not run', async () => {
  const requests: GenerateRequest[] = []
  const steps = inOrder(asks(['test_act']), says('all right'))
  const play = (request: GenerateRequest, signal: AbortSignal) => (requests.push(request), steps(request, signal))
  const calls = [testCall('test.act', () => assert.fail('ran'))]
  await using fixture = await openFixture({ play, calls, config: askFirst })
  const turn = fixture.turn('act')
  await fixture.kernel.approve((await fixture.record((record) => record.phase === 'parked')).call, false)
  assert.equal((await turn)['reply'], 'all right')
  const [part] = requests[1]!.messages.at(-1)!.parts
  assert.match(part?.type === 'tool_result' ? part.text : '', /The user refused/)
})

test('a decision about a call that does not wait is an error with advice', async () => {
  await using fixture = await openFixture({})
  await assert.rejects(fixture.kernel.approve('x' as CallId, true), { code: 'not_found' })
})

test("a tier that needs approval or is denied stops the model's calls, not the turn itself", async () => {
  const look = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const read = async () => (begun.resolve(), await look.promise, done('seen'))
  const calls = [testCall('test.look', read, { tier: 'read_only', effect: 'none' }), testCall('test.act', () => assert.fail('ran'))]
  const requests: GenerateRequest[] = []
  const steps = inOrder(asks(['test_look'], ['test_act']), says('done'))
  const play = (request: GenerateRequest, signal: AbortSignal) => (requests.push(request), steps(request, signal))
  await using fixture = await openFixture({ play, calls, config: { approval: { read_only: 'ask', side_effecting: 'deny' } } })
  const turn = fixture.turn('look, then act')
  const parked = await fixture.record((record) => record.phase === 'parked')
  assert.equal(parked.name, 'test.look')
  await fixture.kernel.approve(parked.call, true)
  await begun.promise
  await fixture.kernel.sendTurn({ session: fixture.session, clientId: newCallId(), text: 'steered' })
  look.resolve()
  assert.equal((await turn)['reply'], 'done')
  const [seen, refused, steered] = requests[1]!.messages.slice(2).map((message) => JSON.stringify(message.parts))
  assert.match(seen!, /seen/)
  assert.match(refused!, /denied by the policy/)
  assert.match(steered!, /steered/)
})

test('of two decisions on one call the first counts; the other, or one on a cancelled call, gets an error', async () => {
  let runs = 0
  const calls = [testCall('test.act', async () => done(`run ${++runs}`))]
  const play = inOrder(asks(['test_act']), says('done'), asks(['test_act']))
  await using fixture = await openFixture({ play, calls, config: askFirst })
  const { kernel, session } = fixture
  const turn = fixture.turn('act')
  const { call, seq } = await fixture.record((record) => record.phase === 'parked')
  const [first, second] = await Promise.allSettled([kernel.approve(call, true), kernel.approve(call, false)])
  assert.equal(first.status, 'fulfilled')
  assert.equal(second.status === 'rejected' && (second.reason as { code: string }).code, 'not_found')
  assert.equal((await turn)['reply'], 'done')

  const cancelled = fixture.turn('act again')
  const again = await fixture.record((record) => record.phase === 'parked' && record.seq > seq)
  const [, late] = await Promise.allSettled([kernel.cancelTurn(session), kernel.approve(again.call, true)])
  assert.equal(late.status, 'rejected')
  assert.equal((await cancelled)['status'], 'cancelled')
  assert.equal(runs, 1)
})

test('a parked call survives a restart, is shown again, and runs when it is approved', async () => {
  const store = await openMemoryStore({ user })
  const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
  let runs = 0
  const calls = [testCall('test.act', async () => done(`run ${++runs}`), { effect: 'once' })]
  const first = await openFixture({ play: inOrder(asks(['test_act'])), calls, config: askFirst, store: keepOpen })
  void first.turn('act')
  const parked = await first.record((record) => record.phase === 'parked')
  await first.kernel.close()

  await using second = await openFixture({ play: () => says('done'), calls, config: askFirst, store, session: first.session })
  const again = await second.record((record) => record.phase === 'parked' && record.seq > parked.seq)
  assert.deepEqual([again.call, again.body], [parked.call, parked.body])
  const listed = await second.kernel.call('approval.list', {})
  assert.ok(listed.status === 'ok')
  assert.deepEqual(
    listed.output.map(({ at }) => at),
    [parked.at],
    'it has waited since the first time',
  )
  await second.kernel.approve(parked.call, true)
  const outcome = await second.record((record) => record.name === 'turn.send' && record.phase === 'outcome')
  assert.equal((outcome.body as { reply: string }).reply, 'done')
  assert.equal(runs, 1)
})

test('a parked call can be decided in the instant after a restart, before it waits again', async () => {
  const store = await openMemoryStore({ user })
  const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
  let runs = 0
  const calls = [testCall('test.act', async () => done(`run ${++runs}`), { effect: 'once' })]
  const first = await openFixture({ play: inOrder(asks(['test_act'])), calls, config: askFirst, store: keepOpen })
  void first.turn('act')
  const parked = await first.record((record) => record.phase === 'parked')
  await first.kernel.close()

  await using second = await openFixture({ play: () => says('done'), calls, config: askFirst, store, session: first.session })
  await second.kernel.approve(parked.call, true)
  await second.record((record) => record.name === 'turn.send' && record.phase === 'outcome')
  assert.equal(runs, 1)
  await assert.rejects(second.kernel.approve(parked.call, true), { code: 'not_found' })
})

test('a decision made while the guest stops is acknowledged, because it applies at the next start', async () => {
  const store = await openMemoryStore({ user })
  const goOn = Promise.withResolvers<void>()
  const append: typeof store.append = async (given) => {
    if (given.records[0]?.phase === 'decided') await goOn.promise
    return store.append(given)
  }
  const slow = Object.assign(Object.create(store), { append, close: async () => {} }) as typeof store
  const calls = [testCall('test.act', async () => done('ran'), { effect: 'once' })]
  const first = await openFixture({ play: inOrder(asks(['test_act'])), calls, config: askFirst, store: slow })
  void first.turn('act')
  const parked = await first.record((record) => record.phase === 'parked')
  const decided = first.kernel.approve(parked.call, true)
  await new Promise((resolve) => setImmediate(resolve))
  const closed = first.kernel.close()
  await new Promise((resolve) => setImmediate(resolve))
  goOn.resolve()
  await decided
  await closed

  await using second = await openFixture({ play: () => says('done'), calls, config: askFirst, store, session: first.session })
  const outcome = await second.record((record) => record.name === 'turn.send' && record.phase === 'outcome')
  assert.equal((outcome.body as { reply: string }).reply, 'done')
})

test('a token budget refuses a generation before it runs, and the turn reports why', async () => {
  let asked = 0
  const config = { budget: { session: { tokens: 500 } }, model: { max_output_tokens: 400 } }
  await using fixture = await openFixture({ play: () => (asked++, says('hi')), config })
  const outcome = await fixture.turn('hello '.repeat(500))
  assert.deepEqual([outcome['status'], asked], ['limit', 0])
  assert.match(outcome['reply'] as string, /session's budget does not cover this/)
})

test('a bound that does not fit is counted exactly before the call is refused', async () => {
  let counted = 0
  const config = { budget: { session: { tokens: 9_000 } }, model: { max_output_tokens: 400 } }
  const countTokens = async (texts: readonly string[]) => (counted++, texts.map((text) => Math.ceil(text.length / 4)))
  await using fixture = await openFixture({ play: () => says('hi'), config, countTokens })
  assert.equal((await fixture.turn('word '.repeat(2_000)))['status'], 'ok')
  assert.equal(counted, 1)
})

test('a tokenizer that fails once is tried again by the next turn', async () => {
  let asked = 0
  const countTokens = async (texts: readonly string[]) => {
    if ((asked += 1) === 1) throw new OxbowError('limit_reached', 'The tokenizer stopped before it had counted.', { hint: 'Try again.' })
    return texts.map((text) => Math.ceil(text.length / 4))
  }
  await using fixture = await openFixture({ config: { model: { context_tokens: 6_000, max_output_tokens: 400 } }, countTokens })
  assert.equal((await fixture.turn('hi'))['status'], 'failed')
  assert.equal((await fixture.turn('hi'))['status'], 'ok')
})

test('a money budget needs to know the price', async () => {
  await using fixture = await openFixture({ config: { budget: { user: { micro_dollars: 1_000_000 } } } })
  assert.match((await fixture.turn('hi'))['reply'] as string, /The price of .* is unknown/)
})

test('what a turn cost is counted for session and user, in the journal and in the accounts alike', async () => {
  const config = { model: { input_price: 1_000_000, output_price: 2_000_000 } }
  await using fixture = await openFixture({ play: () => says('hi'), config })
  await fixture.turn('one')
  await fixture.turn('two')
  const spent = { microDollars: 2 * (100 + 2 * 20), tokens: 240 }
  assert.deepEqual(await fixture.store.spent(`session:${fixture.session}`), spent)
  assert.deepEqual(await fixture.store.spent(`user:${user}`), spent)
  const shown = await fixture.kernel.call('budget.show', {}, fixture.session)
  assert.deepEqual(shown.status === 'ok' && (shown.output as { session: { spent: unknown } }).session.spent, spent)
})

test('turns of one session run one at a time in order; a message sent meanwhile steers the running one', async () => {
  const requests: string[][] = []
  const calls = [
    testCall('test.act', async () => {
      await fixture.kernel.sendTurn({ session: fixture.session, clientId: newCallId(), text: 'and this' })
      return done('acted')
    }),
  ]
  const steps = inOrder(asks(['test_act']), says('both'), says('third'))
  const play = (request: GenerateRequest, signal: AbortSignal) => {
    requests.push(request.messages.map((message) => `${message.role}:${textOf(message)}`))
    return steps(request, signal)
  }
  await using fixture = await openFixture({ play, calls })
  assert.equal((await fixture.turn('do this'))['reply'], 'both')
  const merged = await fixture.record((record) => record.name === 'turn.send' && (record.body as { status?: string }).status === 'merged')
  assert.equal((merged.body as { into: TurnId }).into, merged.turn === ('' as never) ? '' : (merged.body as { into: TurnId }).into)
  assert.deepEqual(requests[1], ['user:do this', 'assistant:', 'tool:', 'user:and this'])
  await fixture.turn('next')
  assert.deepEqual(requests[2], ['user:do this', 'assistant:', 'tool:', 'user:and this', 'assistant:both', 'user:next'])
})

test('cancel stops the running tool and the turn at once, and the next turn knows', async () => {
  const started = Promise.withResolvers<void>()
  const calls = [
    testCall('test.act', (_, { signal }) => {
      started.resolve()
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }),
  ]
  const requests: GenerateRequest[] = []
  const steps = inOrder(asks(['test_act']), says('next'))
  const play = (request: GenerateRequest, signal: AbortSignal) => (requests.push(request), steps(request, signal))
  await using fixture = await openFixture({ play, calls })
  const turn = fixture.turn('act')
  await started.promise
  assert.equal(await fixture.kernel.cancelTurn(fixture.session), true)
  assert.equal((await turn)['status'], 'cancelled')
  assert.equal(await fixture.kernel.cancelTurn(fixture.session), false)
  await fixture.turn('go on')
  assert.deepEqual(
    requests[1]!.messages.map((message) => message.role),
    ['user', 'assistant', 'tool', 'assistant', 'user'],
  )
})

test('a message that waits while a turn is cancelled is answered by a turn of its own', async () => {
  const begun = Promise.withResolvers<void>()
  const act = (_: unknown, { signal }: CallContext) => (begun.resolve(), once(signal, 'abort').then(() => done('stopped')))
  await using fixture = await openFixture({ play: inOrder(asks(['test_act']), says('next')), calls: [testCall('test.act', act)] })
  const first = fixture.turn('one')
  await begun.promise
  const clientId = newCallId()
  await fixture.kernel.sendTurn({ session: fixture.session, clientId, text: 'two' })
  await fixture.kernel.cancelTurn(fixture.session)
  assert.equal((await first)['status'], 'cancelled')
  const { body } = await fixture.record(({ call, phase }) => call === clientId && phase === 'outcome')
  assert.equal((body as { reply: string }).reply, 'next')
})

test('a message that a turn is about to merge when it is cancelled is answered by a turn of its own', async () => {
  const memory = await openMemoryStore({ user })
  const append: typeof memory.append = async (given) => {
    if (given.records[0]?.name === 'turn.inbox' && given.records[0].phase === 'intent') await fixture.kernel.cancelTurn(fixture.session)
    return memory.append(given)
  }
  const store = Object.assign(Object.create(memory), { append }) as typeof memory
  const clientId = newCallId()
  const act = async () => (await fixture.kernel.sendTurn({ session: fixture.session, clientId, text: 'two' }), done('acted'))
  const play = inOrder(asks(['test_act']), says('too late'), says('next'))
  await using fixture = await openFixture({ play, calls: [testCall('test.act', act)], store })
  assert.equal((await fixture.turn('one'))['status'], 'cancelled')
  const { body } = await fixture.record(({ call, phase }) => call === clientId && phase === 'outcome')
  assert.equal((body as { reply: string }).reply, 'next')
})

test('a follower gets the past by cursor, the running reply as a snapshot, and what comes after, each once', async () => {
  const go = Promise.withResolvers<void>()
  async function* slow(): AsyncGenerator<readonly ModelEvent[]> {
    yield [{ type: 'text', text: 'first ' }]
    await go.promise
    yield [{ type: 'text', text: 'second' }]
    yield [{ type: 'finish', reason: 'stop', usage: { inputTokens: 1, outputTokens: 1, estimated: false } }]
  }
  await using fixture = await openFixture({ play: slow })
  const turn = fixture.turn('hi')
  await fixture.event('delta')
  const late: string[] = []
  let text = ''
  await fixture.kernel.follow(fixture.session, 0, (event) => {
    if (event.type === 'record') late.push(`${event.record.name}/${event.record.phase}`)
    else if (event.type === 'snapshot') text = event.text
    else if (event.type === 'delta') {
      assert.equal(event.offset, text.length)
      text += event.text
    }
  })
  assert.equal(text, 'first ')
  go.resolve()
  await turn
  assert.equal(text, 'first second')
  const seen = fixture.events.flatMap((event) => (event.type === 'record' ? [`${event.record.name}/${event.record.phase}`] : []))
  assert.deepEqual(late, seen)
})

test('a conversation reread from the store equals the live one', async () => {
  const store = await openMemoryStore({ user })
  const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
  const calls = [testCall('test.read', async (input) => done(`read ${JSON.stringify(input)}`), { tier: 'read_only', effect: 'none' })]
  const first = await openFixture({
    play: inOrder(asks(['test_read', { n: 1 }], ['test_read', { n: 2 }], ['nope']), says('ok')),
    calls,
    store: keepOpen,
  })
  await first.turn('start')
  await first.kernel.close()

  const requests: GenerateRequest[] = []
  const play = (request: GenerateRequest) => (requests.push(request), says('again'))
  await using second = await openFixture({ play, calls, store, session: first.session })
  await second.turn('more')
  const told = requests[0]!.messages.map((message) =>
    message.parts.map((part) => (part.type === 'tool_result' ? part.text.slice(0, 20) : part.type === 'text' ? part.text : part.type)),
  )
  assert.deepEqual(told, [
    ['start'],
    ['tool_call', 'tool_call', 'tool_call'],
    ['read {"n":1}'],
    ['read {"n":2}'],
    ['Error (unknown_call)'],
    ['ok'],
    ['more'],
  ])
})

test('a model that fails midway keeps its text, and the person sees the failure', async () => {
  async function* breaks(): AsyncGenerator<readonly ModelEvent[]> {
    yield [{ type: 'text', text: 'half of' }]
    const failure = { code: 'model_unreachable', message: 'dropped', hint: 'again' } as const
    yield [{ type: 'error', failure, usage: { inputTokens: 10, outputTokens: 2, estimated: true } }]
  }
  await using fixture = await openFixture({ play: () => breaks() })
  const outcome = await fixture.turn('hi')
  assert.equal(outcome['status'], 'failed')
  assert.deepEqual(await fixture.store.spent(`user:${user}`), { microDollars: 0, tokens: 12 })
})

test('the id of a message in another session is refused, because it would count as a duplicate', async () => {
  await using fixture = await openFixture()
  const clientId = newCallId()
  const send = async (session: typeof fixture.session) => fixture.kernel.sendTurn({ session, clientId, text: 'hi' })
  const { id } = await fixture.kernel.createSession('other')
  assert.equal((await send(fixture.session)).duplicate, false)
  await assert.rejects(send(id), { code: 'bad_input', message: /client_id/ })
  assert.equal((await send(fixture.session)).duplicate, true)
})

test('a lane accepts no more messages than its limit', async () => {
  const never = new Promise<never>(() => {})
  // eslint-disable-next-line require-yield -- a model that never says anything
  async function* silent(_: GenerateRequest, signal: AbortSignal): AsyncGenerator<readonly ModelEvent[]> {
    await Promise.race([never, new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))])
  }
  await using fixture = await openFixture({ play: silent })
  const send = () => fixture.kernel.sendTurn({ session: fixture.session, clientId: newCallId(), text: 'x' })
  for (let i = 0; i < 1_000; i++) await send()
  await assert.rejects(Promise.all(Array.from({ length: 100 }, send)), { code: 'limit_reached' })
})

test("a message needs its own frame: as a plain call it would bypass the lane's limit and the check of its files", async () => {
  await using fixture = await openFixture({ play: () => says('never') })
  const files = [{ name: '../\u001b[2J', media_type: 'image/png', bytes: 1, pieces: ['0'.repeat(64)] }]
  for (const name of ['turn.send', 'turn_send']) {
    const outcome = await fixture.kernel.call(name, { text: 'x', attachments: files }, fixture.session)
    assert.deepEqual([outcome.status, outcome.status !== 'ok' && outcome.failure.code], ['refused', 'denied'])
  }
  const names = (await fixture.store.records({ session: fixture.session, order: 'oldest_first', limit: 10, hydrate: false })).map(
    (one) => one.phase,
  )
  assert.ok(!names.includes('intent'))
})

test('a turn records its sandbox as it begins: configured and actual tier, limits in force and missing', async () => {
  await using fixture = await openFixture({ play: inOrder(says('done')) })
  await fixture.turn('hello')
  const { body } = await fixture.record((record) => record.name === 'turn.send' && record.phase === 'started')
  assert.deepEqual((body as { sandbox: object }).sandbox, {
    asked: 'process',
    tier: 'process',
    provider: 'memory',
    limits: [],
    missing: [],
  })
})
