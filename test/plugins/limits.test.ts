/** How often a plugin works for a user, and what a turn's state may hold. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createRateLimits } from '../../src/plugins/parts/rate-limits.ts'
import { createTurnStates } from '../../src/plugins/parts/turn-states.ts'

void test('a window of a minute slides, by user and plugin, along with limits on bursts and calls at once', () => {
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

interface Kept {
  readonly values: Readonly<Record<string, string>>
  readonly until: number
}

const step = fc.oneof(
  fc.record({ message: fc.constantFrom('a', 'b', 'c', 'd', 'e'), key: fc.constantFrom('x', 'y'), text: fc.string({ maxLength: 300 }) }),
  fc.record({ find: fc.constantFrom('a', 'b', 'c', 'd', 'e') }),
  fc.record({ passMs: fc.constantFrom(1, 1_800_000, 3_600_000) }),
)

void test('the state of messages matches a plain map without the least recently used, within its bytes and time', () => {
  const maxBytes = 700
  const ttlMs = 3_600_000
  const bytesOf = ({ values }: Kept): number => Buffer.byteLength(JSON.stringify([values, {}, []]))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      let now = 0
      const states = createTurnStates({ monotonicMs: () => now }, maxBytes)
      /** Least recently used first. */
      const kept = new Map<string, Kept>()
      let [hits, misses] = [0, 0]
      const fresh = (message: string): Kept | undefined => {
        const found = kept.get(message)
        kept.delete(message)
        if (found === undefined || found.until <= now) return undefined
        kept.set(message, found)
        return found
      }
      for (const each of steps) {
        if ('passMs' in each) now += each.passMs
        else if ('find' in each) {
          const wanted = fresh(each.find)
          if (wanted === undefined) misses++
          else hits++
          assert.deepEqual(states.find(each.find)?.values, wanted?.values)
        } else {
          const { message, key, text } = each
          // Each message has its own: what is found names the message that it was said in.
          const values = { ...fresh(message)?.values, [key]: `${message} ${text}` }
          kept.delete(message)
          kept.set(message, { values, until: now + ttlMs })
          for (const oldest of [...kept.keys()].slice(0, -1))
            if ([...kept.values()].reduce((sum, one) => sum + bytesOf(one), 0) > maxBytes) kept.delete(oldest)
          assert.deepEqual(states.merge(message, { values: { [key]: `${message} ${text}` } }).values, values)
        }
        const counts = states.counts()
        const ratio = hits === 0 ? 0 : hits / (hits + misses)
        assert.deepEqual([counts.hits, counts.misses, counts.hit_ratio], [hits, misses, ratio])
        assert.deepEqual(
          counts.bytes,
          [...kept.values()].reduce((sum, one) => sum + bytesOf(one), 0),
        )
        assert.ok(counts.bytes <= maxBytes || counts.entries === 1)
      }
    }),
  )
})
