import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Failure } from '../../base/index.ts'
import { type Breakers, createBreakers } from './breakers.ts'
import { manualClock, type ManualClock } from './chain-fixture.ts'

const failure: Failure = { code: 'model_overloaded', message: 'Too much.', hint: 'Wait.' }
const there = 'https://there.example'

function opened(): { clock: ManualClock; breakers: Breakers } {
  const clock = manualClock()
  const breakers = createBreakers(clock)
  for (let round = 0; round < 5; round += 1) breakers.failed(there, 'ask', failure)
  return { clock, breakers }
}

void describe('a circuit breaker', () => {
  void it('opens at the fifth failure in a row, for this endpoint alone, and says for how long and why', () => {
    const breakers = createBreakers(manualClock())
    for (let round = 0; round < 5; round += 1) {
      assert.equal(breakers.enter(there), 'ask')
      breakers.failed(there, 'ask', failure)
    }
    assert.deepEqual(breakers.enter(there), { waitMs: 30_000, failures: 5, last: failure })
    assert.equal(breakers.enter('https://elsewhere.example'), 'ask')
  })

  void it('forgets its failures after one whole answer, and only after that', () => {
    const breakers = createBreakers(manualClock())
    for (let round = 0; round < 4; round += 1) breakers.failed(there, 'ask', failure)
    breakers.whole(there)
    for (let round = 0; round < 4; round += 1) breakers.failed(there, 'ask', failure)
    breakers.leave(there, 'ask', true)
    assert.equal(breakers.enter(there), 'ask')
    breakers.failed(there, 'ask', failure)
    assert.notEqual(breakers.enter(there), 'ask')
  })

  void it('lets one probe through after its time, and no second one at the same time', () => {
    const { clock, breakers } = opened()
    clock.move(29_999)
    assert.deepEqual(breakers.enter(there), { waitMs: 1, failures: 5, last: failure })
    clock.move(1)
    assert.equal(breakers.enter(there), 'probe')
    assert.deepEqual(breakers.enter(there), { waitMs: 0, failures: 5, last: failure })
  })

  void it('stays open for as long again when the probe fails', () => {
    const { clock, breakers } = opened()
    clock.move(30_000)
    breakers.enter(there)
    const other = { ...failure, message: 'Still too much.' }
    breakers.failed(there, 'probe', other)
    assert.deepEqual(breakers.enter(there), { waitMs: 30_000, failures: 6, last: other })
    clock.move(30_000)
    assert.equal(breakers.enter(there), 'probe')
  })

  void it('lets others in as soon as the probe is answered, and opens again at the next failure', () => {
    const { clock, breakers } = opened()
    clock.move(30_000)
    breakers.enter(there)
    breakers.leave(there, 'probe', true)
    assert.deepEqual([breakers.enter(there), breakers.enter(there)], ['ask', 'ask'])
    breakers.failed(there, 'ask', failure)
    assert.notEqual(breakers.enter(there), 'ask')
  })

  void it('lets the next request probe when the first was abandoned', () => {
    const { clock, breakers } = opened()
    clock.move(30_000)
    breakers.enter(there)
    breakers.leave(there, 'probe', false)
    assert.equal(breakers.enter(there), 'probe')
  })

  void it('keeps the probe alone when a try that began before ends', () => {
    const { clock, breakers } = opened()
    clock.move(30_000)
    breakers.enter(there)
    breakers.leave(there, 'ask', true)
    assert.deepEqual(breakers.enter(there), { waitMs: 0, failures: 5, last: failure })
  })

  void it('is not held open longer by tries that began before it opened', () => {
    const { clock, breakers } = opened()
    clock.move(20_000)
    breakers.failed(there, 'ask', failure)
    clock.move(10_000)
    assert.equal(breakers.enter(there), 'probe')
  })
})
