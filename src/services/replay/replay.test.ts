import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../../base/index.ts'
import type { CallOutcome, OutputOf } from '../../protocol/index.ts'
import type { Service } from '../../kernel/index.ts'
import { openMemoryStore } from '../../store/index.ts'
import { services } from '../index.ts'
import { asks, done, type Fixture, inOrder, newCallId, openFixture, says, testCall, user } from '../../kernel/kernel-fixture.ts'

type Replayed = OutputOf<'session.replay'>

async function ok<Output>(guest: Fixture, name: string, input: Json = {}): Promise<Output> {
  const outcome = (await guest.kernel.call(name, input)) as CallOutcome<Output>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Output> & { status: 'ok' }).output
}

const replayed = (guest: Fixture, input: object = {}): Promise<Replayed> =>
  ok(guest, 'session.replay', { session: guest.session, ...input })

test('a session runs again from its records: nothing is run, and everything is as it was', async () => {
  let runs = 0
  const look = testCall('look.up', async () => done(`found ${(runs += 1)}`), { tier: 'read_only', effect: 'none' })
  const change = testCall('change.it', async () => done(`changed ${(runs += 1)}`))
  await using guest = await openFixture({
    play: inOrder(
      asks(['look_up', { a: 1 }], ['look_up', { a: 2 }]),
      asks(['change_it']),
      says('first'),
      says('second'),
      asks(['no_such']),
      says('third'),
    ),
    calls: [look, change],
  })
  for (const text of ['one', 'two', 'three']) await guest.turn(text)
  assert.equal(runs, 3)
  const found = await replayed(guest)
  assert.equal(found.divergence, null)
  assert.deepEqual([found.turns, found.steps, found.calls], [3, 6, 4])
  assert.equal(runs, 3)
  assert.deepEqual([(await replayed(guest, { turn: 1 })).steps, (await replayed(guest, { turn: 1, step: 2 })).steps], [3, 2])
  const beyond = await guest.kernel.call('session.replay', { session: guest.session, turn: 1, step: 4 })
  assert.ok(beyond.status === 'failed' && beyond.failure.message === 'Message 1 has 3 answers of the model.')
  const missing = await guest.kernel.call('session.replay', { session: guest.session, turn: 9 })
  assert.ok(missing.status === 'failed' && missing.failure.code === 'not_found')
})

test('another prompt, model or tool of now is the first divergence, with what was then', async () => {
  const store = { ...(await openMemoryStore({ user })), close: async () => {} }
  const play = () => inOrder(asks(['look_up', { a: 1 }]), says('first'))
  const look = testCall('look.up', async () => done('found'), { tier: 'read_only', effect: 'none' })
  const before = await openFixture({ store, play: play(), calls: [look] })
  await before.turn('one')
  await before.kernel.close()
  // The tool is gone: what it said then is still the result.
  await using gone = await openFixture({ store, play: play(), calls: [], session: before.session })
  const { divergence } = await replayed(gone)
  assert.deepEqual(
    [divergence?.what, divergence?.step, divergence?.was, divergence?.now],
    ['call', 1, 'look.up {"a":1}', 'look_up {"a":1}'],
  )
  await gone.kernel.close()
  // The limit of requests ends the turn sooner.
  await using shorter = await openFixture({ store, calls: [look], session: before.session, config: { turn: { max_turns: 1 } } })
  const found = (await replayed(shorter)).divergence
  assert.deepEqual([found?.what, found?.step, found?.was], ['end', 1, 'ok'])
  assert.match(found!.now, /limit/)
})

test('messages that joined a turn and requests that failed run again as they were', async () => {
  const entered = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const slow = testCall('slow.work', async () => {
    entered.resolve()
    await release.promise
    return done('ok')
  })
  let broken = 0
  const script = inOrder(asks(['slow_work']), says('both'), says('later'))
  await using guest = await openFixture({
    calls: [slow],
    play: async function* (request, signal) {
      if (JSON.stringify(request.messages.at(-1)).includes('break')) {
        broken += 1
        yield [
          {
            type: 'error',
            failure: { code: 'model_refused', message: 'No.', hint: 'Say something else.' },
            usage: { inputTokens: 1, outputTokens: 0, estimated: false },
          },
        ]
        return
      }
      yield* script(request, signal)
    },
  })
  const first = guest.turn('begin')
  await entered.promise
  await guest.kernel.sendTurn({ session: guest.session, clientId: newCallId(), text: 'and this' })
  release.resolve()
  await first
  await guest.turn('break')
  await guest.turn('go on')
  assert.equal(broken, 1)
  const found = await replayed(guest)
  assert.equal(found.divergence, null, JSON.stringify(found.divergence))
  assert.deepEqual([found.turns, found.steps], [3, 4])
  // The second message joined the first turn.
  assert.equal((await replayed(guest, { turn: 2 })).turns, 1)
})

test('a fork replays its own turns, numbered as its history is', async () => {
  await using guest = await openFixture({ play: () => says('fine') })
  await guest.turn('one')
  await guest.turn('two')
  const { session } = await ok<{ session: string }>(guest, 'session.fork', { session: guest.session, message: 1 })
  await guest.kernel.sendTurn({ session: session as never, clientId: newCallId(), text: 'another' })
  await guest.turn('three')
  for (let tries = 0; tries < 100; tries += 1) {
    const outcome = await guest.kernel.call('session.replay', { session, turn: 2 })
    if (outcome.status === 'ok') break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const found = await ok<Replayed>(guest, 'session.replay', { session, turn: 2 })
  assert.deepEqual([found.turns, found.steps, found.divergence], [1, 1, null])
  const shared = await guest.kernel.call('session.replay', { session, turn: 1 })
  assert.ok(shared.status === 'failed' && /shares with the session it was forked from/.test(shared.failure.message))
})

test('what a window had room for is what a replay has room for, with all that services add to the prompt', async () => {
  const long = 'words of a service '.repeat(200)
  const talkative: Service = { name: 'talkative', section: async () => async () => long }
  const window = { model: { context_tokens: 9_000, max_output_tokens: 500 }, memory: { summary: { enabled: false } } }
  await using guest = await openFixture({ config: window, services: [...services, talkative], play: () => says('an answer. '.repeat(100)) })
  for (let i = 0; i < 25; i += 1) await guest.turn(`question ${i} `.repeat(60))
  const { divergence, steps } = await replayed(guest)
  assert.deepEqual([divergence, steps], [null, 25])
})
