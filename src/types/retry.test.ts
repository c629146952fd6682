import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { retryDelayMs } from './retry.ts'

const bounds = { firstMs: 250, mostMs: 5_000 }

const chance = (bits: number) => ({ bytes: () => new Uint8Array(new Uint32Array([bits]).buffer) })

void test('the delay is anywhere between nothing and a bound that doubles up to five seconds', () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.nat(0xffffffff), (attempt, bits) => {
      const delay = retryDelayMs(attempt, chance(bits), bounds)
      assert.ok(delay >= 0 && delay < Math.min(5_000, 250 * 2 ** Math.min(attempt, 20)))
    }),
  )
})

void test('the extremes of chance give the extremes of the delay', () => {
  assert.equal(retryDelayMs(0, chance(0), bounds), 0)
  assert.equal(retryDelayMs(0, chance(0xffffffff), bounds), 249)
  assert.equal(retryDelayMs(99, chance(0xffffffff), bounds), 4_999)
})
