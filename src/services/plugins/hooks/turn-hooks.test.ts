import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GenerateRequest, HookSource } from '../../../protocol/index.ts'
import { asks, done, inOrder, openFixture, says, testCall } from '../../../kernel/kernel-fixture.ts'
import { approve, change, hookSource, on, pass, refuse, type TestHook } from './hooks-fixture.ts'

/** Resolves with the first value of a step that is only observed. */
function observing(
  step: 'turn.evaluated' | 'event.emitted' | 'turn.ended',
  fits: (value: Record<string, unknown>) => boolean = () => true,
) {
  const seen = Promise.withResolvers<Record<string, unknown>>()
  const hook = on(step, (value) => {
    const shown = value as unknown as Record<string, unknown>
    if (fits(shown)) seen.resolve(shown)
    return pass
  })
  return { hook, seen: seen.promise }
}

async function talking(...hooks: readonly TestHook[]) {
  const requests: GenerateRequest[] = []
  const play = (request: GenerateRequest) => {
    requests.push(request)
    return says('hello')
  }
  const fixture = await openFixture({ hooks: hookSource(...hooks), play })
  return { requests, fixture, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() }
}

test('a hook decides that a message gets no answer, and no model is asked', async () => {
  await using run = await talking(on('respond.decide', ({ text }) => (text === 'psst' ? change({ respond: false }) : pass)))
  const silent = await run.fixture.turn('psst')
  assert.deepEqual([silent['status'], silent['reply'], run.requests.length], ['ok', '', 0])
  assert.equal((await run.fixture.turn('hi'))['reply'], 'hello')
})

test('a hook that refuses an answer, or the context of one, ends the turn with its reason', async () => {
  for (const step of ['respond.decide', 'context.compose'] as const) {
    await using run = await talking(on(step, () => refuse('closed on Sundays')))
    const ended = await run.fixture.turn('hi')
    assert.deepEqual([ended['status'], run.requests.length], ['failed', 0])
    assert.match(String(ended['reply']), /The plugin guard refused .*: closed on Sundays/)
  }
})

test('what hooks add to the system prompt stands between marks, and taints the session', async () => {
  await using run = await talking(
    on('context.compose', () => change({ append: 'It is raining.' }), { plugin: 'weather' }),
    on('context.compose', ({ append }) => change({ append: `(${append.length})` }), { plugin: 'count' }),
  )
  await run.fixture.turn('hi')
  assert.match(run.requests[0]!.system, /Added by plugins \(weather, count\):\n<<data (\S+)\nIt is raining\.\n\(14\)\n\1>>$/)
  const calls = await run.fixture.kernel.call('flow.show', { session: run.fixture.session }, run.fixture.session)
  assert.match(calls.text, /untrusted/)
})

test('the context of a turn waits for a person where a hook demands that', async () => {
  await using run = await talking(on('context.compose', () => approve('a new customer')))
  const turn = run.fixture.turn('hi')
  const parked = await run.fixture.record((record) => record.phase === 'parked')
  assert.equal(run.requests.length, 0)
  await run.fixture.kernel.approve(parked.call, false)
  const ended = await turn
  assert.deepEqual([ended['status'], run.requests.length], ['failed', 0])
})

test('the end of a turn, its evaluation and events are observed, and nothing waits for that', async () => {
  const evaluated = observing('turn.evaluated')
  const ended = observing('turn.ended')
  const event = observing('event.emitted', ({ kind }) => kind === 'turn_ended')
  await using run = await talking(evaluated.hook, ended.hook, event.hook)
  const body = await run.fixture.turn('hi')
  assert.equal(body['reply'], 'hello')
  const { reply, status, steps, session } = await evaluated.seen
  assert.deepEqual([reply, status, steps, session], ['hello', 'ok', 1, run.fixture.session])
  assert.equal((await ended.seen)['reply'], 'hello')
  assert.deepEqual(((await event.seen)['fields'] as Record<string, unknown>)['status'], 'ok')
})

test('an observer that fails is recorded, and its own failures are not shown to it', async () => {
  const kinds: unknown[] = []
  const seen = Promise.withResolvers<void>()
  const failing = on('event.emitted', ({ kind }) => {
    kinds.push(kind)
    if (kind === 'turn_ended') seen.resolve()
    throw new Error('no thanks')
  })
  await using run = await talking(failing)
  await run.fixture.turn('hi')
  await seen.promise
  await run.fixture.kernel.listSessions(1)
  assert.ok(kinds.length >= 3)
  assert.deepEqual(
    kinds.filter((kind) => String(kind).startsWith('hook_')),
    [],
  )
  const records = await run.fixture.store.records({ phases: ['exchange'], order: 'oldest_first', limit: 50, hydrate: true })
  assert.ok(records.some(({ name, body }) => name === 'event.hook_failed' && body.includes('no thanks')))
})

test('a step waits until it is known which plugins have hooks', async () => {
  const hooks = hookSource(on('call.before', () => refuse('no')))
  const loaded = Promise.withResolvers<void>()
  let isLoaded = false
  const source: HookSource = { ...hooks, at: (step) => (isLoaded ? hooks.at(step) : []), loading: () => (isLoaded ? null : loaded.promise) }
  let ran = 0
  const calls = [testCall('test.act', async () => (ran++, done('acted')))]
  await using fixture = await openFixture({ hooks: source, play: inOrder(asks(['test_act']), says('done')), calls })
  const turn = fixture.turn('act')
  setImmediate(() => {
    isLoaded = true
    loaded.resolve()
  })
  await turn
  assert.equal(ran, 0)
})
