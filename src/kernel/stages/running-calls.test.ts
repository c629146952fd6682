import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallId, SessionId, TurnId, UserId } from '../../base/index.ts'
import type { Caller, Hands, Sandbox } from '../../protocol/index.ts'
import { done, testCall } from '../kernel-fixture.ts'
import { filesFor, holdFiles } from './call-files.ts'
import { createRunningCalls, startLimit, stopReason } from './running-calls.ts'

const caller: Caller = {
  user: 'ada' as UserId,
  actor: 'agent:ox',
  rights: new Set<string>(),
  audience: 'model',
  session: 's' as SessionId,
  turn: 't' as TurnId,
  process: '',
}
const call = testCall('test.act', async () => done(''), { timeoutMs: Infinity })
const fakeSandbox: Sandbox = { status: {} as Sandbox['status'], hands: () => Promise.reject(new Error('none')), close: async () => {} }
const never = new AbortController().signal

function sandboxOver(hands: Promise<Hands>, watch: ReturnType<ReturnType<typeof createRunningCalls>['enter']>): Sandbox {
  const places = { sandbox: { ...fakeSandbox, hands: () => hands }, keeper: holdFiles(undefined) }
  return filesFor(places, { caller, id: 'c' as CallId, call, watch }, (sandbox) => sandbox).sandbox
}

test('a long call sends a heartbeat every five seconds while it runs', (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
  let now = 0
  const beats: number[] = []
  const running = createRunningCalls({ now: () => now, monotonicMs: () => now }, (beat) => beats.push(beat.elapsed_ms))
  const watch = running.enter(caller, call, { id: 'c' as CallId, signal: never })
  const pass = (ms: number): void => {
    for (let left = ms; left > 0; left -= 500) {
      now += 500
      t.mock.timers.tick(500)
    }
  }
  pass(16_000)
  assert.deepEqual(beats, [5_000, 10_000, 15_000])
  watch.leave()
  pass(20_000)
  assert.equal(beats.length, 3)
})

test('a call that ignores its signal is abandoned after the grace period', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
  const controller = new AbortController()
  const running = createRunningCalls({ now: () => 0, monotonicMs: () => 0 }, () => {})
  const watch = running.enter(caller, call, { id: 'c' as CallId, signal: controller.signal })
  const raced = watch.race(new Promise(() => {}))
  controller.abort('cancelled')
  assert.equal(stopReason(watch.signal), 'cancelled')
  t.mock.timers.tick(5_000)
  await assert.rejects(raced, (reason) => reason === 'cancelled')
  watch.leave()
})

test('the start of hands does not count against the time limit of the first call that needs them', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
  let now = 0
  const pass = (ms: number): void => {
    now += ms
    t.mock.timers.tick(ms)
  }
  const running = createRunningCalls({ now: () => now, monotonicMs: () => now }, () => {})
  const watch = running.enter(caller, { ...call, timeoutMs: 10_000 }, { id: 'c' as CallId, signal: never })
  const started = Promise.withResolvers<Hands>()
  const sandbox = sandboxOver(started.promise, watch)
  pass(4_000)
  const first = sandbox.hands('work')
  const second = sandbox.hands('work')
  pass(15_000)
  assert.equal(stopReason(watch.signal), null)
  started.resolve({} as Hands)
  await Promise.all([first, second])
  pass(5_900)
  assert.equal(stopReason(watch.signal), null)
  pass(200)
  assert.equal(stopReason(watch.signal), 'timeout')
  watch.leave()
})

test('hands that start after a call has ended do not start its time limit', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
  const running = createRunningCalls({ now: () => 0, monotonicMs: () => 0 }, () => {})
  const watch = running.enter(caller, { ...call, timeoutMs: 10 }, { id: 'c' as CallId, signal: never })
  const started = Promise.withResolvers<null>()
  const waits = watch.unhurried(started.promise)
  watch.leave()
  started.resolve(null)
  await waits
  t.mock.timers.tick(100)
  assert.equal(stopReason(watch.signal), null)
})

test('a time limit of a month does not expire at once', async () => {
  const limit = startLimit({ now: () => 0, monotonicMs: () => 0 }, 31 * 24 * 3_600_000, () => assert.fail('over'))
  await new Promise((resolve) => setTimeout(resolve, 20))
  limit.end()
})
