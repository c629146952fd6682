import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anything, embedAll, put } from '../contract/memory-fixture.ts'
import { openMemoryStore } from '../open-store.ts'
import { ann } from '../store-fixture.ts'

const dims = 64

/** Numbers from -1 to 1 that belong to a text. */
function vectorFor(text: string): Float32Array<ArrayBuffer> {
  let state = Number(text) + 1
  return Float32Array.from({ length: dims }, () => {
    state = (state * 48_271) % 2_147_483_647
    return (state / 2_147_483_647) * 2 - 1
  })
}

function nearestTo(question: Float32Array, count: number): readonly string[] {
  const scores = Array.from({ length: count }, (_, i) => {
    const vector = vectorFor(String(i))
    return vector.reduce((sum, value, d) => sum + value * (question[d] ?? 0), 0) / Math.hypot(...vector)
  })
  return [...scores.keys()]
    .toSorted((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0))
    .slice(0, 10)
    .map((i) => `v${i}`)
}

test('results equal an exact comparison, also after vectors were added, and erased ones are not found', async () => {
  const store = await openMemoryStore({ user: ann })
  const { memory } = store
  const question = vectorFor('77777')
  const found = async (): Promise<readonly string[]> => {
    const { vector, passages } = await memory.search({ filter: anything, vector: { model: 'm', vector: question, limit: 10 } })
    return vector.map(({ passage }) => passages.find(({ id }) => id === passage)?.entry.id ?? '')
  }
  const fill = async (from: number, to: number): Promise<void> => {
    await memory.change(Array.from({ length: to - from }, (_, i) => put(`v${from + i}`, `${from + i}`)))
    for (let waiting = true; waiting; waiting = (await memory.withoutVector('m', 1)).length > 0) await embedAll(memory, 'm', vectorFor)
  }
  await memory.change([{ change: 'model', model: 'm', dims, state: 'active' }])
  for (const [from, to] of [
    [0, 1_000],
    [1_000, 1_300],
  ] as const) {
    await fill(from, to)
    assert.deepEqual(await found(), nearestTo(question, to))
  }
  const [first = '', second] = await found()
  await memory.change([{ change: 'erase', id: first }])
  assert.equal((await found())[0], second)
  await store.close()
})
