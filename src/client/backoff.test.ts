import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { retryDelayMs } from './backoff.ts'
import { clientLimits } from './limits.ts'

const chance = (bits: number) => ({ bytes: () => new Uint8Array(new Uint32Array([bits]).buffer) })

void test('the delay is anywhere between nothing and a bound that doubles up to five seconds', () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.nat(0xffffffff), (attempt, bits) => {
      const delay = retryDelayMs(attempt, chance(bits), clientLimits)
      assert.ok(delay >= 0 && delay < Math.min(5_000, 250 * 2 ** Math.min(attempt, 20)))
    }),
  )
})

void test('the extremes of chance give the extremes of the delay', () => {
  assert.equal(retryDelayMs(0, chance(0), clientLimits), 0)
  assert.equal(retryDelayMs(0, chance(0xffffffff), clientLimits), 249)
  assert.equal(retryDelayMs(99, chance(0xffffffff), clientLimits), 4_999)
})
