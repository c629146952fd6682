/** Vectors: of one model each, exact by cosine, never of the wrong size. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { anything, embedAll, entryOf, foundByVector, itemOf, put, vectorOf, type MemoryCase } from './memory-fixture.ts'
import type { MemoryChange, MemoryStore } from '../memory.ts'

const active: MemoryChange = { change: 'model', model: 'm', dims: 2, state: 'active' }

export function describeVectors(holds: MemoryCase): void {
  describeCosines(holds)
  describePutWith(holds)
  describeModels(holds)
  describeLacking(holds)
  describeLong(holds)
}

function describeCosines(holds: MemoryCase): void {
  holds('the nearest by cosine go first, whatever their lengths', async (memory) => {
    await memory.change([active, put('east', 'e'), put('north', 'n'), put('west', 'w'), put('northeast', 'ne')])
    const directions = new Map([
      ['e', vectorOf(5, 0)],
      ['n', vectorOf(0, 0.1)],
      ['w', vectorOf(-1, 0)],
      ['ne', vectorOf(3, 3)],
    ])
    await embedAll(memory, 'm', (text) => directions.get(text) ?? vectorOf(0, 0))
    const { vector } = await memory.search({ filter: anything, vector: { model: 'm', vector: vectorOf(2, 0), limit: 9 } })
    assert.deepEqual(
      vector.map(({ score }) => score.toFixed(4)),
      ['1.0000', '0.7071', '0.0000', '-1.0000'],
    )
    assert.deepEqual(await foundByVector(memory, vectorOf(2, 0)), ['east', 'northeast', 'north', 'west'])
  })

  holds('the scores are the cosines of what was given, in float32', async (memory) => {
    await memory.change([{ change: 'model', model: 'm', dims: 9, state: 'active' }])
    const number = fc.float({ min: -100, max: 100, noNaN: true, noDefaultInfinity: true })
    const drawn = fc.array(number, { minLength: 9, maxLength: 9 }).filter((list) => Math.hypot(...list) > 0.01)
    const vectors = fc.sample(drawn, { numRuns: 30, seed: 11 }).map((list) => Float32Array.from(list))
    await memory.change(vectors.map((_, i) => put(`v${i}`, `${i}`)))
    await embedAll(memory, 'm', (text) => vectors[Number(text)] ?? assert.fail())
    const question = vectors[3] ?? assert.fail()
    const { vector, passages } = await memory.search({ filter: anything, vector: { model: 'm', vector: question, limit: 30 } })
    assert.equal(vector.length, 30)
    for (const { passage, score } of vector) {
      const other = vectors[Number(passages.find(({ id }) => id === passage)?.text)] ?? assert.fail()
      const dot = other.reduce((sum, value, i) => sum + value * (question[i] ?? 0), 0)
      assert.ok(Math.abs(score - dot / (Math.hypot(...other) * Math.hypot(...question))) < 1e-5)
    }
  })

  holds('a vector of zeros finds nothing and is not found', async (memory) => {
    await memory.change([active, put('zero', 'z'), put('one', 'o')])
    await embedAll(memory, 'm', (text) => (text === 'z' ? vectorOf(0, 0) : vectorOf(1, 0)))
    assert.deepEqual(await foundByVector(memory, vectorOf(0, 0)), [])
    assert.deepEqual(await foundByVector(memory, vectorOf(-1, 0)), ['one'])
    assert.deepEqual(await memory.withoutVector('m', 9), [])
  })

  holds('a vector of the wrong size, of an unknown model or with no number in it is refused, and nothing is written', async (memory) => {
    await memory.change([active, put('a', 'apples'), put('b', 'bread')])
    const one = (passage: number, ...numbers: number[]) => ({ passage, vector: vectorOf(...numbers) })
    const bad: readonly MemoryChange[] = [
      { change: 'vectors', model: 'm', vectors: [one(1, 1, 0), one(2, 1, 0, 0)] },
      { change: 'vectors', model: 'm', vectors: [one(1, 1, 0), one(2, Number.NaN, 0)] },
      { change: 'vectors', model: 'm', vectors: [one(1, 1, 0), one(2, Infinity, 0)] },
      { change: 'vectors', model: 'other', vectors: [one(1, 1, 0)] },
      { change: 'model', model: 'm', dims: 3, state: 'active' },
      { change: 'model', model: 'n', dims: 0, state: 'active' },
    ]
    for (const change of bad) await assert.rejects(memory.change([change]), { code: 'bad_input' })
    assert.equal((await memory.withoutVector('m', 9)).length, 2)
    for (const vector of [vectorOf(1, 0, 0), vectorOf(Number.NaN, 1)]) {
      await assert.rejects(memory.search({ filter: anything, vector: { model: 'm', vector, limit: 3 } }), { code: 'bad_input' })
    }
  })
}

function describePutWith(holds: MemoryCase): void {
  holds('what is put with its vectors is found by them at once, and vectors that memory cannot keep are left out', async (memory) => {
    const item = (id: string, model: string, ...vectors: readonly Float32Array<ArrayBuffer>[]): MemoryChange => ({
      change: 'put',
      item: { ...itemOf(entryOf(id), ...vectors.map((_, i) => `${id}${i}`)), vectors: { model, vectors } },
    })
    await memory.change([item('early', 'm', vectorOf(1, 1))])
    assert.equal((await memory.stats()).models.length, 0)
    await memory.change([active])
    await memory.change([
      item('east', 'm', vectorOf(1, 0)),
      item('two', 'm', vectorOf(0, 1), vectorOf(-1, 0)),
      item('other', 'n', vectorOf(1, 0)),
    ])
    await memory.change([item('long', 'm', vectorOf(1, 0, 0))])
    assert.deepEqual(await foundByVector(memory, vectorOf(1, 0)), ['east', 'two', 'two'])
    assert.deepEqual(
      (await memory.withoutVector('m', 9)).map(({ text }) => text),
      ['early0', 'other0', 'long0'],
    )
    // The last of the same id counts, and what is erased in the same call has no vector.
    await memory.change([item('east', 'm', vectorOf(1, 0)), item('east', 'm', vectorOf(-1, 0)), item('gone', 'm', vectorOf(1, 0))])
    await memory.change([item('brief', 'm', vectorOf(1, 0)), { change: 'erase', id: 'brief' }, { change: 'erase', id: 'gone' }])
    const { vector } = await memory.search({ filter: anything, vector: { model: 'm', vector: vectorOf(1, 0), limit: 9 } })
    assert.deepEqual(
      vector.map(({ score }) => score.toFixed(1)),
      ['0.0', '-1.0', '-1.0'],
    )
    assert.equal((await memory.stats()).models[0]?.vectors, 3)
    await assert.rejects(memory.change([item('bad', 'm', vectorOf(Number.NaN, 1))]), { code: 'bad_input' })
  })
}

function describeModels(holds: MemoryCase): void {
  holds('vectors of two models never mix: one is built while the other is in use, then replaces it at once', async (memory) => {
    await memory.change([active, put('a', 'a'), put('b', 'b')])
    await embedAll(memory, 'm', (text) => (text === 'a' ? vectorOf(1, 0) : vectorOf(0, 1)))
    await memory.change([{ change: 'model', model: 'next', dims: 3, state: 'building' }])
    assert.deepEqual(await states(memory), [
      ['m', 2, 'active', 2],
      ['next', 3, 'building', 0],
    ])
    await embedAll(memory, 'next', (text) => (text === 'a' ? vectorOf(0, 0, 1) : vectorOf(0, 1, 0)))
    assert.deepEqual(await foundByVector(memory, vectorOf(1, 0)), ['a', 'b'])
    await memory.change([
      { change: 'model', model: 'next', dims: 3, state: 'active' },
      { change: 'model', model: 'm', dims: 2, state: 'dropped' },
    ])
    assert.deepEqual(await states(memory), [['next', 3, 'active', 2]])
    assert.deepEqual(await foundByVector(memory, vectorOf(0, 1, 0), anything, 9, 'next'), ['b', 'a'])
    await assert.rejects(foundByVector(memory, vectorOf(1, 0)), { code: 'bad_input' })
  })

  holds('a model that is dropped and added again starts without its old vectors, whatever its size', async (memory) => {
    await memory.change([active, put('a', 'a')])
    await embedAll(memory, 'm', () => vectorOf(1, 0))
    assert.deepEqual(await foundByVector(memory, vectorOf(1, 0)), ['a'])
    await memory.change([
      { change: 'model', model: 'm', dims: 2, state: 'dropped' },
      { change: 'model', model: 'm', dims: 3, state: 'active' },
    ])
    assert.deepEqual(await foundByVector(memory, vectorOf(1, 0, 0)), [])
    assert.equal((await memory.withoutVector('m', 5)).length, 1)
  })

  holds('only one model is active: the last that was said to be', async (memory) => {
    await memory.change([active, { change: 'model', model: 'n', dims: 2, state: 'active' }])
    assert.deepEqual(await states(memory), [
      ['m', 2, 'building', 0],
      ['n', 2, 'active', 0],
    ])
  })
}

function describeLacking(holds: MemoryCase): void {
  holds('passages without a vector are named oldest first, and one that is gone meanwhile is passed over', async (memory) => {
    await memory.change([active, ...Array.from({ length: 40 }, (_, i) => put(`e${i}`, `t${i}`))])
    const lacking = await memory.withoutVector('m', 1_000)
    assert.deepEqual(
      lacking.map(({ text }) => text),
      Array.from({ length: 40 }, (_, i) => `t${i}`),
    )
    await memory.change([{ change: 'erase', id: 'e5' }])
    const some = lacking.filter((_, i) => i % 2 === 1 || i > 30)
    await memory.change([{ change: 'vectors', model: 'm', vectors: some.map(({ id }) => ({ passage: id, vector: vectorOf(1, 0) })) }])
    assert.deepEqual(
      (await memory.withoutVector('m', 5)).map(({ text }) => text),
      ['t0', 't2', 't4', 't6', 't8'],
    )
    assert.equal((await memory.stats()).models[0]?.vectors, some.length - 1)
    await memory.change([put('late', 'late')])
    await embedAll(memory, 'm', () => vectorOf(0, 1))
    assert.deepEqual(await memory.withoutVector('m', 5), [])
    await memory.change([put('e7', 'again')])
    assert.deepEqual(
      (await memory.withoutVector('m', 5)).map(({ text }) => text),
      ['again'],
    )
  })

  holds('vectors can be given anew, and the newest holds', async (memory) => {
    await memory.change([active, put('a', 'a'), put('b', 'b')])
    await embedAll(memory, 'm', () => vectorOf(1, 0))
    const { passages } = await memory.search({ filter: anything, vector: { model: 'm', vector: vectorOf(1, 0), limit: 9 } })
    const b = passages.find(({ entry }) => entry.id === 'b')?.id ?? assert.fail()
    await memory.change([{ change: 'vectors', model: 'm', vectors: [{ passage: b, vector: vectorOf(0, 1) }] }])
    assert.deepEqual(await foundByVector(memory, vectorOf(0, 1)), ['b', 'a'])
    assert.equal((await memory.stats()).models[0]?.vectors, 2)
  })
}

function describeLong(holds: MemoryCase): void {
  holds('vectors of more dimensions than an index of Postgres takes work exactly', async (memory) => {
    const dims = 3_072
    await memory.change([{ change: 'model', model: 'big', dims, state: 'active' }, put('a', 'a'), put('b', 'b')])
    const unit = (at: number) => new Float32Array(dims).fill(0.001).with(at, 1)
    await embedAll(memory, 'big', (text) => unit(text === 'a' ? 3 : 3_000))
    assert.deepEqual(await foundByVector(memory, unit(3_000), anything, 9, 'big'), ['b', 'a'])
  })

  holds('long vectors keep their cosines to some millionths, also when others of their row come and go', async (memory) => {
    const dims = 384
    await memory.change([{ change: 'model', model: 'long', dims, state: 'active' }])
    const number = fc.float({ min: -1, max: 1, noNaN: true, noDefaultInfinity: true })
    const vectors = fc
      .sample(fc.array(number, { minLength: dims, maxLength: dims }), { numRuns: 20, seed: 5 })
      .map((l) => Float32Array.from(l))
    await memory.change(vectors.map((_, i) => put(`v${i}`, `${i}`)))
    for (let i = 0; i < vectors.length; i++) {
      const [next] = await memory.withoutVector('long', 1)
      const vector = vectors[Number(next?.text)] ?? assert.fail()
      await memory.change([{ change: 'vectors', model: 'long', vectors: [{ passage: next?.id ?? 0, vector }] }])
    }
    await memory.change([{ change: 'erase', id: 'v7' }])
    const question = vectors[3] ?? assert.fail()
    const { vector, passages } = await memory.search({ filter: anything, vector: { model: 'long', vector: question, limit: 30 } })
    assert.equal(vector.length, 19)
    for (const { passage, score } of vector) {
      const other = vectors[Number(passages.find(({ id }) => id === passage)?.text)] ?? assert.fail()
      const dot = other.reduce((sum, value, i) => sum + value * (question[i] ?? 0), 0)
      assert.ok(Math.abs(score - dot / (Math.hypot(...other) * Math.hypot(...question))) < 1e-5)
    }
  })

  holds('an entry without passages is kept, listed and patched, and no search fails over it', async (memory) => {
    await memory.change([active, { change: 'put', item: itemOf(entryOf('bare')) }])
    await memory.change([{ change: 'patch', id: 'bare', patch: { tags: ['t'] } }])
    assert.deepEqual(
      (await memory.list({ tags: ['t'] }, 5)).map(({ id }) => id),
      ['bare'],
    )
    assert.deepEqual(await foundByVector(memory, vectorOf(1, 0)), [])
  })
}

async function states(memory: MemoryStore): Promise<readonly unknown[]> {
  return (await memory.stats()).models.map(({ model, dims, state, vectors }) => [model, dims, state, vectors])
}
