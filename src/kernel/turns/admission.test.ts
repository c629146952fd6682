import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAdmission, type Priority } from './admission.ts'

/** An admission with a clock that the test sets, and the keys that have started. */
function makeAdmission(limits: { max_running?: number; max_starts_per_minute?: number; ageing_s?: number } = {}) {
  let now = 0
  let over: readonly string[] = []
  const started: string[] = []
  const config = { max_running: 1, max_starts_per_minute: 60, ageing_s: 60, ...limits }
  const clock = { now: () => now, monotonicMs: () => now }
  const admission = createAdmission({ config, clock, overloads: () => over, snapshot: async () => {} })
  const enter = (key: string, priority: Priority = 'normal'): void =>
    admission.enter({ key, priority, since: now }, () => void started.push(key))
  return {
    admission,
    started,
    enter,
    pass: (ms: number) => void (now += ms),
    overload: (reasons: readonly string[]) => void (over = reasons),
  }
}

test('the highest priority starts first, and within one the oldest', () => {
  const { admission, started, enter, pass } = makeAdmission()
  enter('running')
  for (const [key, priority] of [
    ['a', 'low'],
    ['b', 'normal'],
    ['c', 'critical'],
    ['d', 'normal'],
    ['e', 'high'],
  ] as const) {
    pass(1)
    enter(key, priority)
  }
  assert.deepEqual(admission.state().queued, ['c', 'e', 'b', 'd', 'a'])
  for (const key of ['running', 'c', 'e', 'b', 'd']) admission.leave(key)
  assert.deepEqual(started, ['running', 'c', 'e', 'b', 'd', 'a'])
})

test('whoever waits long rises, so that a stream of critical runs starves nobody', () => {
  const { admission, started, enter, pass } = makeAdmission()
  enter('0', 'critical')
  enter('low', 'low')
  for (let i = 1; !started.includes('low'); i++) {
    assert.ok(i < 20, 'low starts within its ageing')
    pass(30_000)
    enter(String(i), 'critical')
    admission.leave(String(i - 1))
  }
  assert.ok(started.length >= 6)
})

test('the rate delays starts and drops none', async () => {
  const { admission, started, enter, pass } = makeAdmission({ max_running: 10, max_starts_per_minute: 3 })
  for (const key of ['a', 'b', 'c', 'd', 'e']) enter(key)
  assert.deepEqual(started, ['a', 'b', 'c'])
  assert.equal(admission.state().starts_left, 0)
  pass(60_001)
  admission.leave('a')
  assert.deepEqual(started, ['a', 'b', 'c', 'd', 'e'])
  admission.stop()
})

test('an overload holds starts back, not what runs, until it is over', () => {
  const { admission, started, enter, overload } = makeAdmission({ max_running: 10 })
  enter('a')
  overload(['processor at 99 %'])
  enter('b')
  assert.deepEqual(started, ['a'])
  assert.deepEqual(admission.state().paused_by, ['processor at 99 %'])
  overload([])
  admission.leave('a')
  assert.deepEqual(started, ['a', 'b'])
  admission.stop()
})

test('a run that waits lends its place, and gets the next one before anything new', async () => {
  const { admission, started, enter } = makeAdmission()
  enter('parent')
  enter('child')
  enter('other', 'critical')
  // Two waits at once are one pause.
  admission.pause('parent')
  admission.pause('parent')
  assert.deepEqual(started, ['parent', 'other'])
  await admission.resume('parent')
  let isBack = false
  const back = admission.resume('parent').then(() => (isBack = true))
  enter('later', 'critical')
  await Promise.resolve()
  assert.equal(isBack, false)
  admission.leave('other')
  await back
  assert.deepEqual(started, ['parent', 'other'])
  admission.leave('parent')
  assert.deepEqual(started, ['parent', 'other', 'later'])
})

test('a run that ends while it waits gives back nothing twice', async () => {
  const { admission, started, enter } = makeAdmission()
  enter('a')
  admission.pause('a')
  enter('b')
  const back = admission.resume('a')
  admission.leave('a')
  await back
  assert.equal(admission.state().running, 1)
  enter('c')
  assert.deepEqual(started, ['a', 'b'])
  await admission.resume('nobody')
  assert.equal(admission.state().running, 1)
})
