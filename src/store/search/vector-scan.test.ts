import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createExactScan, createSignScan, type ScanQuestion, type VectorScan } from './vector-scan.ts'
import { createTop } from './top-slots.ts'
import fc from 'fast-check'

const dims = 64
const goesFirst = (a: number, b: number): boolean => a < b

/** Numbers from -1 to 1, the same in every run. */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return (state / 2_147_483_647) * 2 - 1
  }
}

/** Vectors in forty clusters with a common part in all of them, as those of texts have. */
function clustered(count: number): readonly Float32Array[] {
  const next = chance(7)
  const centres = Array.from({ length: 40 }, () => Float32Array.from({ length: dims }, () => 0.8 + next()))
  return Array.from({ length: count }, (_, i) => Float32Array.from({ length: dims }, (_v, d) => (centres[i % 40]?.[d] ?? 0) + 0.5 * next()))
}

function nearest(
  scan: VectorScan,
  vectors: readonly Float32Array[],
  question: Omit<ScanQuestion, 'goesFirst' | 'high'>,
): readonly number[] {
  const asked = { ...question, high: vectors.length, goesFirst }
  const first = scan.search(asked)
  const last = scan.exact
    ? first
    : scan.compare(
        asked,
        first.map(({ slot }) => [slot, vectors[slot] as Float32Array] as const),
      )
  return last.map(({ slot }) => slot)
}

test('signs find what an exact comparison finds, in vectors that have much in common', () => {
  const vectors = clustered(6_000)
  const mean = Float32Array.from(
    { length: dims },
    (_, d) => vectors.reduce((sum, vector) => sum + (vector[d] as number) / Math.hypot(...vector), 0) / vectors.length,
  )
  const exact = createExactScan(dims)
  const signs = createSignScan(dims, mean)
  vectors.forEach((vector, slot) => {
    exact.set(slot, vector)
    signs.set(slot, vector)
  })
  let found = 0
  for (let i = 0; i < 50; i++) {
    const question = {
      vector: (vectors[i * 97] as Float32Array).map((value, d) => value + 0.2 * Math.sin(d + i)),
      limit: 10,
      passes: () => true,
    }
    const wanted = nearest(exact, vectors, question)
    const got = nearest(signs, vectors, question)
    found += wanted.filter((slot) => got.includes(slot)).length
  }
  assert(found >= 0.99 * 500, `${found} of 500`)
})

test('what does not pass is never compared, so that no place is lost to it', () => {
  const vectors = clustered(3_000)
  const signs = createSignScan(dims, new Float32Array(dims))
  vectors.forEach((vector, slot) => signs.set(slot, vector))
  const few = new Set([5, 1_999, 2_500])
  const got = nearest(signs, vectors, { vector: vectors[0] as Float32Array, limit: 10, passes: (slot) => few.has(slot) })
  assert.deepEqual(
    got.toSorted((a, b) => a - b),
    [5, 1_999, 2_500],
  )
})

test('a slot that was dropped is not found until it has another vector', () => {
  for (const scan of [createExactScan(2), createSignScan(2, new Float32Array(2))]) {
    const vectors = [Float32Array.of(1, 0), Float32Array.of(0, 1)]
    vectors.forEach((vector, slot) => scan.set(slot, vector))
    scan.drop(0)
    const question = { vector: Float32Array.of(1, 0), limit: 5, passes: () => true }
    assert.deepEqual(nearest(scan, vectors, question), [1])
    scan.set(0, Float32Array.of(1, 1))
    assert.deepEqual(nearest(scan, [Float32Array.of(1, 1), vectors[1] as Float32Array], question), [0, 1])
  }
})

test('the best of many are those that sorting would put first', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 }), fc.integer({ min: 0, max: 12 }), (scores, limit) => {
      const top = createTop(limit, goesFirst)
      scores.forEach((score, slot) => top.add(slot, score))
      const sorted = scores.map((score, slot) => ({ slot, score })).toSorted((a, b) => b.score - a.score || a.slot - b.slot)
      assert.deepEqual(top.taken(), sorted.slice(0, limit))
    }),
  )
})
