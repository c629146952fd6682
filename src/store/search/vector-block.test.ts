import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { minScaledDims } from '../limits.ts'
import { isOxbowError } from '../../base/index.ts'
import { closeBlock, openBlock } from './vector-block.ts'

const number = fc.oneof(
  fc.float({ min: -2, max: 2, noNaN: true }),
  fc.float({ min: Math.fround(-3e38), max: Math.fround(3e38), noNaN: true }),
)
const places = fc.uniqueArray(fc.integer({ min: 32, max: 47 }), { minLength: 1, maxLength: 16 })

function vectorsOf(dims: number): fc.Arbitrary<Map<number, Float32Array>> {
  const vector = fc.array(number, { minLength: dims, maxLength: dims }).map((list) => Float32Array.from(list))
  return places.chain((list) =>
    fc.tuple(...list.map(() => vector)).map((all) => new Map(list.map((place, i) => [place, all[i] as Float32Array]))),
  )
}

test('short vectors are read back unchanged', () => {
  fc.assert(
    fc.property(vectorsOf(3), (vectors) => {
      const block = closeBlock(2, vectors, 3)
      assert.ok(block)
      assert.deepEqual(openBlock(block, 3), new Map([...vectors].toSorted(([a], [b]) => a - b)))
    }),
  )
})

test('longer ones take half the space, with each number exact to 1/65 000 of the largest', () => {
  fc.assert(
    fc.property(vectorsOf(minScaledDims), (vectors) => {
      const block = closeBlock(2, vectors, minScaledDims)
      assert.ok(block)
      assert.equal(block.bytes.length, 1 + vectors.size * (4 + 2 * minScaledDims))
      const opened = openBlock(block, minScaledDims)
      assert.equal(opened.size, vectors.size)
      for (const [place, vector] of vectors) {
        const largest = Math.max(...vector.map(Math.abs))
        const got = opened.get(place) ?? assert.fail()
        // A vector of the smallest numbers there are is one of zeros.
        if (largest > 1e-30) vector.forEach((value, i) => assert.ok(Math.abs(value - (got[i] as number)) <= largest / 65_000))
      }
    }),
  )
})

test('repeated writes do not change a vector further', () => {
  fc.assert(
    fc.property(vectorsOf(minScaledDims), (vectors) => {
      const once = closeBlock(2, vectors, minScaledDims) ?? assert.fail()
      let block = once
      for (let i = 0; i < 5; i++) block = closeBlock(2, openBlock(block, minScaledDims), minScaledDims) ?? assert.fail()
      const [first, last] = [openBlock(once, minScaledDims), openBlock(block, minScaledDims)]
      for (const [place, vector] of first) {
        const largest = Math.max(...vector.map(Math.abs))
        // A vector of the smallest numbers there are is one of zeros.
        if (largest > 1e-30) vector.forEach((value, i) => assert.ok(Math.abs(value - (last.get(place)?.[i] ?? NaN)) <= largest / 1e6))
      }
    }),
  )
})

test('an older row in four bytes a number is read unchanged', () => {
  const dims = 100
  const given = Float32Array.from({ length: dims }, (_, i) => Math.sin(i))
  const bytes = new Uint8Array(given.slice().buffer)
  assert.deepEqual(openBlock({ block: 2, mask: 4, bytes }, dims).get(34), given)
})

test('a row that is too short for its mask is damage, in both forms', () => {
  for (const dims of [3, minScaledDims]) {
    const block = closeBlock(2, new Map([[32, new Float32Array(dims).fill(1)]]), dims) ?? assert.fail()
    assert.throws(() => openBlock({ ...block, mask: 3 }, dims), isDamage)
    const bytes = block.bytes.subarray(0, block.bytes.length - 2)
    assert.throws(() => openBlock({ ...block, bytes }, dims), isDamage)
  }
})

const isDamage = (error: unknown): boolean => isOxbowError(error, 'store_corrupt')
