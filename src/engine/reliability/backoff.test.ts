import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { modelLimits } from '../limits.ts'
import { retryWaitMs } from './reliable-model.ts'

const chance = (byte: number) => ({ bytes: (count: number) => new Uint8Array(count).fill(byte) })
const wait = (waitMs: number | null, tries = 1, byte = 0) => retryWaitMs({ waitMs }, tries, modelLimits, chance(byte))

void describe('the wait before the next try', () => {
  void it('is null when trying again cannot help, or was tried often enough', () => {
    assert.deepEqual([retryWaitMs(undefined, 1, modelLimits, chance(0)), wait(null, 3), wait(0, 3)], [null, null, null])
  })

  void it('is what the endpoint asks for, up to a cap', () => {
    assert.deepEqual([wait(0), wait(2_500), wait(30_000), wait(30_001)], [0, 2_500, 30_000, null])
  })

  void it('is drawn from a range that begins at nothing and doubles with each try', () => {
    assert.deepEqual(
      [wait(null, 1, 0), wait(null, 1, 128), wait(null, 2, 128)].map((ms) => Math.round(ms ?? -1)),
      [0, 125, 250],
    )
  })

  void it('never passes the cap, however many tries there are', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_000 }), fc.uint8Array({ minLength: 4, maxLength: 4 }), (tries, bytes) => {
        const ms = retryWaitMs({ waitMs: null }, tries, { ...modelLimits, maxTries: Infinity }, { bytes: () => bytes })
        assert.ok(ms !== null && ms >= 0 && ms < Math.min(modelLimits.backoffCapMs, modelLimits.backoffBaseMs * 2 ** (tries - 1)))
      }),
    )
  })
})
