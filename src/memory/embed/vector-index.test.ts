import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { type MemoryItem, type MemoryStore, openMemoryStore, type Store } from '../../store/index.ts'
import { isOxbowError, OxbowError, type UserId } from '../../base/index.ts'
import type { TextEngine } from '../text/text-engine.ts'
import { createLocalTextEngine } from '../text/text-thread.ts'
import { createQueryEngine, createVectorIndex, type VectorIndex } from './vector-index.ts'

const user = 'ada' as UserId
const item = (id: string, text: string): MemoryItem => ({
  entry: {
    id,
    kind: 'note',
    type: 'fact',
    session: '',
    stream: 'notes',
    place: 0,
    author: 'user',
    tags: [],
    labels: [],
    createdAt: 1,
    updatedAt: 1,
    validFrom: 1,
    validTo: null,
    supersededBy: '',
    contradicts: [],
    confirmedBy: [],
    importance: 0.5,
    tier: 'warm',
    protection: 'none',
    accesses: 0,
    accessedAt: 1,
    seq: 0,
    hash: id,
    extra: '{}',
  },
  passages: [{ part: 0, start: 0, text, terms: text.toLowerCase(), context: '' }],
})
const fill = (memory: MemoryStore, count: number, from = 0): Promise<void> =>
  memory.change(
    Array.from({ length: count }, (_, place) => ({ change: 'put', item: item(`n${from + place}`, `ox number ${from + place}`) })),
  )

const open: { close(): Promise<unknown> }[] = []
const keep = <Part extends { close(): Promise<unknown> }>(part: Part): Part => {
  open.unshift(part)
  return part
}
const indexOver = (store: Store, text: TextEngine, turn?: () => Promise<void>): VectorIndex =>
  keep(
    createVectorIndex({
      memory: store.memory,
      text: async () => text,
      monotonicMs: () => performance.now(),
      ...(turn === undefined ? {} : { turn }),
    }),
  )
const engine = (embedder: string, more: Partial<TextEngine> = {}): TextEngine => keep({ ...createLocalTextEngine({ embedder }), ...more })
const modelsOf = async (store: Store): Promise<string[]> =>
  (await store.memory.stats()).models.map(({ model, state, vectors }) => `${model} ${state} ${vectors}`)
const near = async (store: Store, text: TextEngine, question: string): Promise<string | undefined> => {
  const [vector] = await text.embed([question], 'query')
  assert.ok(vector !== undefined)
  const found = await store.memory.search({ filter: {}, vector: { model: (await text.embedder())?.id ?? '', vector, limit: 3 } })
  return found.passages.find(({ id }) => id === found.vector[0]?.passage)?.entry.id
}

void describe('the index of vectors', () => {
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close()
  })

  void it('gives every passage its vector, so that meaning finds what was put', async () => {
    const store = keep(await openMemoryStore({ user }))
    const text = engine('words-50k')
    const index = indexOver(store, text)
    await store.memory.change([
      { change: 'put', item: item('doctor', 'She saw a physician about her knee.') },
      { change: 'put', item: item('music', 'He plays the violin in an orchestra.') },
    ])
    await index.caughtUp()
    assert.equal(index.fault(), null)
    assert.equal(await near(store, text, 'doctor'), 'doctor')
    assert.equal(await near(store, text, 'musical instruments'), 'music')
    await fill(store.memory, 700)
    await index.caughtUp()
    assert.deepEqual(await modelsOf(store), ['words-50k-v1 active 702'])
  })

  void it('begins by itself after it was poked', async () => {
    const store = keep(await openMemoryStore({ user }))
    const done = Promise.withResolvers<void>()
    const change = store.memory.change.bind(store.memory)
    const memory: MemoryStore = {
      ...store.memory,
      change: (changes) => change(changes).then(() => void (changes[0]?.change === 'vectors' && done.resolve())),
    }
    const index = indexOver({ ...store, memory }, engine('hash'))
    await fill(store.memory, 3)
    index.poke()
    await done.promise
    await index.close()
    assert.deepEqual(await modelsOf(store), ['hash-64-v2 active 3'])
  })

  void it('does nothing without an embedder', async () => {
    const store = keep(await openMemoryStore({ user }))
    await fill(store.memory, 3)
    const index = indexOver(store, engine('none'))
    await index.caughtUp()
    assert.deepEqual([await modelsOf(store), index.fault()], [[], null])
  })

  void it('builds another model while one is active, and switches to it when it is complete', async () => {
    const store = keep(await openMemoryStore({ user }))
    await fill(store.memory, 40)
    const old = engine('hash')
    await indexOver(store, old).caughtUp()
    const seen: string[][] = []
    const found: (string | undefined)[] = []
    const text = engine('words-50k')
    await indexOver(store, text, async () => {
      seen.push(await modelsOf(store))
      found.push(await near(store, old, 'ox number 7').catch(() => 'gone'))
    }).caughtUp()
    assert.ok(seen.length >= 3)
    for (const models of seen)
      assert.ok(models.includes('hash-64-v2 active 40') && models.some((each) => each.startsWith('words-50k-v1 building')))
    assert.deepEqual(new Set(found), new Set(['n7']))
    assert.deepEqual(await modelsOf(store), ['words-50k-v1 active 40'])
  })

  void it('answers questions from the complete model while another is made, and from that one after it', async () => {
    const store = keep(await openMemoryStore({ user }))
    await fill(store.memory, 40)
    await indexOver(store, engine('hash')).caughtUp()
    const text = engine('words-50k')
    let index: VectorIndex | null = null
    const asked = createQueryEngine(text, {
      meanwhile: () => index?.meanwhile() ?? null,
      monotonicMs: () => performance.now(),
      patienceMs: 60_000,
    })
    const seen: (string | undefined)[] = []
    index = indexOver(store, text, async () => {
      seen.push((await asked.embedder())?.id, await near(store, asked, 'ox number 7'))
    })
    await index.caughtUp()
    assert.deepEqual(new Set(seen), new Set(['hash-64-v2', 'n7']))
    assert.equal((await asked.embedder())?.id, 'words-50k-v1')
    assert.ok((await near(store, asked, 'ox number')) !== undefined)
    assert.equal(await text.embedderOf('acme/embed@8'), null)
  })

  void it('does not mix vectors of another size under the same name, it makes them again', async () => {
    const store = keep(await openMemoryStore({ user }))
    await fill(store.memory, 3)
    await store.memory.change([{ change: 'model', model: 'hash-64-v2', dims: 8, state: 'active' }])
    const index = indexOver(store, engine('hash'))
    await index.caughtUp()
    assert.deepEqual([index.fault(), (await store.memory.stats()).models[0]?.dims], [null, 64])
    assert.deepEqual(await modelsOf(store), ['hash-64-v2 active 3'])
  })

  void it('keeps its work for later when the embedder fails, and says why it stands still', async () => {
    const store = keep(await openMemoryStore({ user }))
    await fill(store.memory, 30)
    const local = createLocalTextEngine({ embedder: 'hash' })
    const busy = new OxbowError('model_rate_limited', 'Too many questions.', { hint: 'Wait.' })
    let asked = 0
    const embed: TextEngine['embed'] = (texts) => ((asked += 1) === 2 ? Promise.reject(busy) : local.embed(texts))
    const index = indexOver(store, engine('hash', { embed }))
    await index.caughtUp()
    assert.equal(index.fault(), busy)
    assert.deepEqual(await modelsOf(store), ['hash-64-v2 active 16'])
    await index.caughtUp()
    assert.deepEqual([index.fault(), await modelsOf(store)], [null, ['hash-64-v2 active 30']])
  })

  void it('makes all vectors again when it is told to', async () => {
    const store = keep(await openMemoryStore({ user }))
    await fill(store.memory, 20)
    const index = indexOver(store, engine('hash'))
    await index.caughtUp()
    await index.rebuild()
    assert.deepEqual(await modelsOf(store), ['hash-64-v2 active 20'])
  })
})

const vector = Float32Array.of(1, 0)
const embed = (answer: () => Promise<readonly Float32Array<ArrayBuffer>[]>): TextEngine =>
  ({ embed: answer }) as Partial<TextEngine> as TextEngine

void describe('the text engine as recall uses it', () => {
  void it('goes without a vector that does not come in time, waits for no other meanwhile, and asks again when it has come', async () => {
    const slow = Promise.withResolvers<readonly Float32Array<ArrayBuffer>[]>()
    let asked = 0
    const answers = [() => slow.promise, async () => [vector]]
    const questions = createQueryEngine(
      embed(() => answers[asked++]!()),
      { meanwhile: () => null, monotonicMs: () => 0, patienceMs: 5 },
    )
    assert.equal((await questions.embed(['one'], 'query'))[0]?.length, 0)
    assert.ok(isOxbowError(questions.fault(), 'model_stalled'))
    assert.equal((await questions.embed(['two'], 'query'))[0]?.length, 0)
    assert.equal(asked, 1)
    slow.resolve([vector])
    await slow.promise
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(await questions.embed(['three'], 'query'), [vector])
    assert.equal(questions.fault(), null)
  })

  void it('asks no service in vain for half a minute after a failure', async () => {
    let now = 0
    let asked = 0
    const questions = createQueryEngine(
      embed(async () => {
        asked += 1
        throw new OxbowError('model_overloaded', 'busy', { hint: '' })
      }),
      { meanwhile: () => null, monotonicMs: () => now },
    )
    for (const at of [0, 1, 29_999, 30_000]) {
      now = at
      assert.equal((await questions.embed(['one'], 'query'))[0]?.length, 0)
    }
    assert.equal(asked, 2)
    assert.ok(isOxbowError(questions.fault(), 'model_overloaded'))
  })

  void it('says a mistake of the configuration instead of hiding it', async () => {
    const questions = createQueryEngine(
      embed(async () => {
        throw new OxbowError('bad_config', 'no such embedder', { hint: '' })
      }),
      { meanwhile: () => null, monotonicMs: () => 0 },
    )
    await assert.rejects(questions.embed(['one'], 'query'), (error) => isOxbowError(error, 'bad_config'))
  })
})
