/** How often a plugin works for a user, and what a turn's state may hold. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRateLimits } from '../../src/plugins/parts/rate-limits.ts'
import { createTurnStates } from '../../src/plugins/parts/turn-states.ts'

void test('a window of a minute slides, by user and plugin, beside a burst and a number at once', () => {
  let now = 0
  const limits = createRateLimits((plugin) => (plugin === 'free' ? 'free' : 'unlimited'), { monotonicMs: () => now })
  const over = { code: 'limit_reached' }
  limits.enter('ada', 'free')()
  limits.enter('ada', 'free')()
  assert.throws(() => limits.enter('ada', 'free'), over, 'two within a second')
  limits.enter('bob', 'free')()
  for (let i = 0; i < 8; i++) {
    now += 1_001
    limits.enter('ada', 'free')()
  }
  now += 1_001
  assert.throws(() => limits.enter('ada', 'free'), over, 'ten within a minute')
  now = 60_001
  const [first, second] = [limits.enter('ada', 'free'), limits.enter('ada', 'free')]
  now += 2_000
  assert.throws(() => limits.enter('ada', 'free'), over, 'two at once')
  first()
  second()
  limits.enter('ada', 'free')()
  limits.spend('ada', 'free', 5_000)
  now += 2_000
  assert.throws(() => limits.enter('ada', 'free'), over, 'tokens of a minute')
  for (let i = 0; i < 5_000; i++) limits.enter('ada', 'other')
})

void test('each message has its own state, until it is too old or the cache too full', () => {
  let now = 0
  const states = createTurnStates({ monotonicMs: () => now }, 1_000)
  states.merge('one', { values: { name: 'Ada' } })
  states.merge('two', { values: { name: 'Bob' } })
  states.merge('one', { values: { city: 'Bonn' } })
  assert.deepEqual(states.find('one')?.values, { name: 'Ada', city: 'Bonn' })
  assert.deepEqual(states.find('two')?.values, { name: 'Bob' })
  assert.equal(states.find('three'), null)
  const { hits, misses, entries } = states.counts()
  assert.deepEqual([hits, misses, entries], [2, 1, 2])
  states.merge('big', { values: { text: 'x'.repeat(980) } })
  assert.equal(states.find('one'), null, 'the least recently used left')
  states.merge('big', { values: { huge: 'x'.repeat(300_000) } })
  assert.equal(states.find('big')?.values['huge'], undefined, 'what is too large for one message is left out')
  now += 3_600_001
  assert.equal(states.find('big'), null)
})
