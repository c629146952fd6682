import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { project } from './memory-map.ts'

test('vectors of two groups stand in two groups, the same each time', async () => {
  const near = (side: number): Float32Array => Float32Array.from({ length: 16 }, (_, d) => (d === 0 ? side : Math.sin(d * side) / 20))
  const vectors = [...Array.from({ length: 5 }, (_, i) => near(1 + i / 50)), ...Array.from({ length: 5 }, (_, i) => near(-1 - i / 50))]
  const places = await project(vectors)
  const xs = places.map(([x]) => x)
  const [a, b] = [xs.slice(0, 5), xs.slice(5)].toSorted((one, other) => one[0]! - other[0]!) as [number[], number[]]
  assert.ok(Math.max(...a) < Math.min(...b), JSON.stringify([a, b]))
  assert.deepEqual(await project(vectors), places)
})

test('every place is inside of the map, whatever the vectors are', async () => {
  const vector = fc
    .array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 })
    .map((values) => Float32Array.from(values))
  await fc.assert(
    fc.asyncProperty(fc.array(vector, { maxLength: 12 }), async (vectors) => {
      for (const place of await project(vectors)) for (const at of place) assert.ok(at >= 0 && at <= 1)
    }),
    { numRuns: 30 },
  )
})
