import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { comparedBeyond } from '../limits.ts'
import { assembleDotProgram } from './assemble-fixture.ts'
import program from './dot-program.json' with { type: 'json' }
import { createDotProgram, createPlainDot } from './dot-program.ts'
import { createTop } from './top-slots.ts'
import { compareExactly, createVectorScan, type VectorQuery, type VectorScan } from './vector-scan.ts'
import { scaled } from '../../../test/support/scale.ts'

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

/** Vectors in forty clusters with a common part in all of them, like the vectors of texts. */
function clustered(count: number): readonly Float32Array[] {
  const next = chance(7)
  const centres = Array.from({ length: 40 }, () => Float32Array.from({ length: dims }, () => 0.8 + next()))
  return Array.from({ length: count }, (_, i) => Float32Array.from({ length: dims }, (_v, d) => (centres[i % 40]?.[d] ?? 0) + 0.5 * next()))
}

type Asked = Omit<VectorQuery, 'goesFirst' | 'high'>

/** As a search does: candidates, and then those compared exactly. */
function nearest(scan: VectorScan, vectors: readonly Float32Array[], question: Asked): readonly number[] {
  const asked = { ...question, high: vectors.length, goesFirst }
  const pairs = scan.search([asked])[0]!.map(({ slot }) => [slot, vectors[slot] as Float32Array] as const)
  return compareExactly(asked, scan.dims, pairs).map(({ slot }) => slot)
}

/** All that pass, compared exactly. */
function exactly(size: number, vectors: readonly Float32Array[], question: Asked): readonly number[] {
  const pairs = vectors.map((vector, slot) => [slot, vector] as const).filter(([slot]) => question.passes(slot))
  return compareExactly({ ...question, high: vectors.length, goesFirst }, size, pairs).map(({ slot }) => slot)
}

/** Slots that score alike may stand for each other. */
function scoresOf(size: number, question: VectorQuery, vectors: readonly Float32Array[], slots: readonly number[]): readonly string[] {
  const pairs = slots.map((slot) => [slot, vectors[slot] as Float32Array] as const)
  return compareExactly(question, size, pairs).map(({ score }) => score.toFixed(6))
}

function scanOf(vectors: readonly Float32Array[], size = dims): VectorScan {
  const scan = createVectorScan(size)
  vectors.forEach((vector, slot) => scan.set(slot, vector))
  return scan
}

test('the scan finds the same as an exact comparison, for similar vectors, with filters and without', () => {
  const vectors = clustered(6_000)
  const scan = scanOf(vectors)
  for (const passes of [() => true, (slot: number) => slot % 100 === 3, (slot: number) => slot < 600]) {
    for (let i = 0; i < 50; i++) {
      const vector = (vectors[i * 97] as Float32Array).map((value, d) => value + 0.2 * Math.sin(d + i))
      const question = { vector, limit: 10, passes }
      assert.deepEqual(nearest(scan, vectors, question), exactly(dims, vectors, question))
    }
  }
})

test('passages that do not pass the filter are never compared and take no place in the results', () => {
  const vectors = clustered(3_000)
  const few = new Set([5, 1_999, 2_500])
  const got = nearest(scanOf(vectors), vectors, { vector: vectors[0] as Float32Array, limit: 10, passes: (slot) => few.has(slot) })
  assert.deepEqual(
    got.toSorted((a, b) => a - b),
    [5, 1_999, 2_500],
  )
})

test('small numbers order as an exact comparison does whatever the sizes, zeros and dimensions are', () => {
  const sized = fc.integer({ min: 1, max: 70 }).chain((size) => {
    const vector = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: size, maxLength: size }).map((list) => Float32Array.from(list))
    return fc.tuple(fc.constant(size), fc.array(vector, { minLength: 1, maxLength: 30 }), vector, fc.constantFrom(1, 1e-20, 1e20))
  })
  fc.assert(
    fc.property(sized, ([size, vectors, question, factor]) => {
      const asked = { vector: question.map((value) => value * factor), limit: 30, passes: () => true }
      assert.deepEqual(new Set(nearest(scanOf(vectors, size), vectors, asked)), new Set(exactly(size, vectors, asked)))
    }),
  )
})

test('none of the best is missing from the exact comparison, even for vectors dominated by one number', () => {
  const sized = fc.integer({ min: 1, max: 40 }).chain((size) => {
    const number = fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constantFrom(-400, 400), fc.double({ min: -1, max: 1, noNaN: true }))
    const vector = fc.array(number, { minLength: size, maxLength: size }).map((list) => Float32Array.from(list))
    // Half of them nearly alike. No more than are compared in any case: so only those count that are left out.
    const half = { minLength: 3, maxLength: comparedBeyond / 2 }
    const vectors = fc.tuple(vector, fc.array(vector, half), fc.array(vector, half)).map(([one, others, changes]) => {
      return [...others, ...changes.map((change) => one.map((value, d) => value + (change[d] ?? 0) / 2_000))]
    })
    return fc.tuple(fc.constant(size), vectors, vector, fc.integer({ min: 1, max: 5 }))
  })
  let leftOut = 0
  fc.assert(
    fc.property(sized, ([size, vectors, question, limit]) => {
      const small = scanOf(vectors, size)
      const asked = { vector: question, limit, passes: () => true }
      const best = small.search([{ ...asked, high: vectors.length, goesFirst }])[0]!
      leftOut += vectors.length - best.length
      const wanted = new Set(exactly(size, vectors, asked))
      const whole = { ...asked, limit: wanted.size, high: vectors.length, goesFirst }
      assert.deepEqual(scoresOf(size, whole, vectors, nearest(small, vectors, asked)), scoresOf(size, whole, vectors, [...wanted]))
    }),
    { numRuns: scaled(400) },
  )
  assert(leftOut > scaled(400), `${leftOut} were left out in all`)
})

test('a slot far beyond the others is allocated, and existing vectors stay', () => {
  const small = createVectorScan(dims)
  const vectors = clustered(12_000)
  for (const slot of [0, 11_999, 5_000]) small.set(slot, vectors[slot] as Float32Array)
  const got = nearest(small, vectors, { vector: vectors[0] as Float32Array, limit: 3, passes: () => true })
  assert.deepEqual(
    got.toSorted((a, b) => a - b),
    [0, 5_000, 11_999],
  )
})

test('the program equals its assembled source', async () => {
  assert.equal(program.wasm, await assembleDotProgram(), 'run: node scripts/make-dot-program.ts')
})

test('the program computes the same sums as plain JavaScript, even at the limits', () => {
  const stride = 48
  const dot = createDotProgram(stride * 2 + stride * 9 + 40)
  const plain = createPlainDot(dot.memory)
  assert.match(String(dot.run), /native code/, 'the processor lacks the instructions, or they are wrong')
  const [codesAt, sumsAt] = [stride * 2, stride * 11]
  const codes = fc.array(fc.integer({ min: -127, max: 127 }), { minLength: stride * 9, maxLength: stride * 9 })
  const asked = fc.array(fc.constantFrom(-32_767, -5, 0, 1, 32_767), { minLength: stride, maxLength: stride })
  fc.assert(
    fc.property(codes, asked, (held, question) => {
      new Int8Array(dot.memory.buffer).set(held, codesAt)
      new Int16Array(dot.memory.buffer).set(question)
      const sums = [dot.run, plain].map((run) => {
        run(codesAt, stride, 0, 9, sumsAt)
        return [...new Int32Array(dot.memory.buffer, sumsAt, 9)]
      })
      assert.deepEqual(sums[0], sums[1])
    }),
  )
})

test('a dropped slot is not found until it has another vector', () => {
  const vectors = [Float32Array.of(1, 0), Float32Array.of(0, 1)]
  const scan = scanOf(vectors, 2)
  scan.drop(0)
  const question = { vector: Float32Array.of(1, 0), limit: 5, passes: () => true }
  assert.deepEqual(nearest(scan, vectors, question), [1])
  scan.set(0, Float32Array.of(1, 1))
  assert.deepEqual(nearest(scan, [Float32Array.of(1, 1), vectors[1] as Float32Array], question), [0, 1])
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

test('several questions of one walk find what each of them finds alone', () => {
  const vectors = clustered(2_500)
  const scan = scanOf(vectors)
  const asked = Array.from({ length: 6 }, (_, i) => ({
    vector: i === 2 ? new Float32Array(dims) : (vectors[i * 400] as Float32Array),
    limit: i === 4 ? 0 : 5 + i,
    high: i === 1 ? 900 : vectors.length,
    passes: (slot: number): boolean => slot % (i + 1) === 0,
    goesFirst,
  }))
  const alone = asked.map((each) => scan.search([each])[0])
  assert.deepEqual(scan.search(asked), alone)
  assert.deepEqual(scan.search([]), [])
  // One that looks at fewer slots than the others gets nothing from behind them.
  assert(alone[1]!.every(({ slot }) => slot < 900) && alone[2]!.length === 0 && alone[4]!.length === 0)
})
