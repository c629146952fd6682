import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createPlaces } from './slot-table.ts'

test('a passage keeps its slot until it is removed, no two share one, and free ones are reused', () => {
  const passage = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 240, max: 270 }), fc.constantFrom(2 ** 40, 2 ** 40 + 255))
  const step = fc.record({ passage, goes: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const places = createPlaces()
      const known = new Map<number, number>()
      let most = 0
      for (const { passage: one, goes } of steps) {
        const before = known.get(one)
        assert.equal(places.slotOf(one), before ?? -1)
        if (goes && before !== undefined) {
          places.free(one, before)
          known.delete(one)
          assert.equal(places.passageOf(before), -1)
        } else if (!goes) {
          const slot = places.take(one)
          assert.equal(slot, before ?? slot)
          known.set(one, slot)
        }
        most = Math.max(most, known.size)
        for (const [each, slot] of known) assert.deepEqual([places.slotOf(each), places.passageOf(slot)], [slot, each])
        assert.equal(new Set(known.values()).size, known.size)
        assert.deepEqual([places.count(), places.high()], [known.size, most])
      }
    }),
  )
})
