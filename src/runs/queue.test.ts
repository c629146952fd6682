import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createQueue, type Priority } from './queue.ts'

const soon = (): Promise<void> => new Promise(setImmediate)

/** A queue with a clock that the test sets, and the keys that have started. */
function makeQueue(limits: { max_running?: number; max_starts_per_minute?: number; ageing_s?: number } = {}) {
  let now = 0
  let over: readonly string[] = []
  const started: string[] = []
  const config = { max_running: 1, max_starts_per_minute: 60, ageing_s: 60, ...limits }
  const clock = { now: () => now, monotonicMs: () => now }
  const queue = createQueue({ config, clock, overloads: () => over, snapshot: async () => {} })
  const enter = (key: string, priority: Priority = 'normal'): void =>
    void queue.enter({ key, session: key, priority, since: now }).then((isIn) => isIn && started.push(key))
  return {
    queue,
    started,
    enter,
    pass: (ms: number) => void (now += ms),
    overload: (reasons: readonly string[]) => void (over = reasons),
  }
}

test('the highest priority starts first, and within one the oldest', async () => {
  const { queue, started, enter, pass } = makeQueue()
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
  assert.deepEqual(queue.state().queued, ['c', 'e', 'b', 'd', 'a'])
  for (const key of ['running', 'c', 'e', 'b', 'd']) {
    await soon()
    queue.leave(key)
  }
  await soon()
  assert.deepEqual(started, ['running', 'c', 'e', 'b', 'd', 'a'])
})

test('whoever waits long rises, so that a stream of critical runs starves nobody', async () => {
  const { queue, started, enter, pass } = makeQueue()
  enter('0', 'critical')
  enter('low', 'low')
  for (let i = 1; !started.includes('low'); i++) {
    assert.ok(i < 20, 'low starts within its ageing')
    pass(30_000)
    enter(String(i), 'critical')
    queue.leave(String(i - 1))
    await soon()
  }
  assert.ok(started.length >= 6)
})

test('the rate delays starts and drops none', async () => {
  const { queue, started, enter, pass } = makeQueue({ max_running: 10, max_starts_per_minute: 3 })
  for (const key of ['a', 'b', 'c', 'd', 'e']) enter(key)
  await soon()
  assert.deepEqual(started, ['a', 'b', 'c'])
  assert.equal(queue.state().starts_left, 0)
  pass(60_001)
  queue.leave('a')
  await soon()
  assert.deepEqual(started, ['a', 'b', 'c', 'd', 'e'])
  queue.stop()
})

test('an overload holds starts back, not what runs, until it is over', async () => {
  const { queue, started, enter, overload } = makeQueue({ max_running: 10 })
  enter('a')
  overload(['processor at 99 %'])
  enter('b')
  await soon()
  assert.deepEqual(started, ['a'])
  assert.deepEqual(queue.state().paused_by, ['processor at 99 %'])
  overload([])
  queue.leave('a')
  await soon()
  assert.deepEqual(started, ['a', 'b'])
  queue.stop()
})

test('a run that waits lends its place, and gets the next one before anything new', async () => {
  const { queue, started, enter } = makeQueue()
  enter('parent')
  enter('child')
  enter('other', 'critical')
  // Two waits at once are one pause.
  queue.pause('parent')
  queue.pause('parent')
  await soon()
  assert.deepEqual(started, ['parent', 'other'])
  await queue.resume('parent')
  let isBack = false
  const back = queue.resume('parent').then(() => (isBack = true))
  enter('later', 'critical')
  await Promise.resolve()
  assert.equal(isBack, false)
  queue.leave('other')
  await back
  await soon()
  assert.deepEqual(started, ['parent', 'other'])
  queue.leave('parent')
  await soon()
  assert.deepEqual(started, ['parent', 'other', 'later'])
})

test('a run that ends while it waits gives back nothing twice', async () => {
  const { queue, started, enter } = makeQueue()
  enter('a')
  queue.pause('a')
  enter('b')
  const back = queue.resume('a')
  queue.leave('a')
  await back
  assert.equal(queue.state().running, 1)
  enter('c')
  await soon()
  assert.deepEqual(started, ['a', 'b'])
  await queue.resume('nobody')
  assert.equal(queue.state().running, 1)
})

test('a kind has its own limit, which holds up no other kind', async () => {
  const { queue } = makeQueue({ max_running: 3 })
  const started: string[] = []
  const enter = (key: string, since: number, kind?: { name: string; most: number }): void =>
    void queue
      .enter({ key, session: key, priority: 'normal', since, ...(kind !== undefined && { kind }) })
      .then((isIn) => isIn && started.push(key))
  const kind = { name: 'schedule', most: 1 }
  for (const [since, key] of ['a', 'b', 'c'].entries()) enter(key, since, kind)
  enter('d', 3)
  await soon()
  assert.deepEqual(started, ['a', 'd'])
  queue.pause('a')
  await soon()
  assert.deepEqual(started, ['a', 'd', 'b'], 'one that waits lends its place in its kind, too')
  const back = queue.resume('a')
  queue.leave('b')
  await back
  await soon()
  assert.deepEqual(started, ['a', 'd', 'b'], 'one that comes back is before new ones')
  queue.leave('a')
  await soon()
  assert.deepEqual(started, ['a', 'd', 'b', 'c'])
})

test('one that gives up or leaves while it waits takes no place', async () => {
  const { queue } = makeQueue()
  const control = new AbortController()
  assert.equal(await queue.enter({ key: 'a', session: '', priority: 'normal', since: 0 }), true)
  const late = queue.enter({ key: 'b', session: '', priority: 'normal', since: 0 }, control.signal)
  const gone = queue.enter({ key: 'c', session: '', priority: 'normal', since: 0 })
  control.abort('late')
  await assert.rejects(late, (reason) => reason === 'late')
  queue.leave('c')
  assert.equal(await gone, false)
  assert.deepEqual(queue.state().queued, [])
})
