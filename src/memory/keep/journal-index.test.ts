import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CallId, systemClock, type UserId } from '../../base/index.ts'
import { openMemoryStore } from '../../store/index.ts'
import { createExclusiveWriter } from './exclusive-writer.ts'
import { createJournalIndex } from './journal-index.ts'
import { indexEveryMs, indexLingerMs } from './keep-limits.ts'

test('what is said after a rest is indexed soon, and what follows at once together with it, every two seconds', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const store = await openMemoryStore({ user: 'ada' as UserId })
  let now = 1_000_000
  let read = Promise.withResolvers<void>()
  const records: typeof store.records = async (query) => {
    const found = await store.records(query)
    read.resolve()
    return found
  }
  const writer = createExclusiveWriter(store.memory)
  const index = createJournalIndex({
    memory: writer.memory,
    writer,
    store: { ...store, records },
    keeps: false,
    changed: () => {},
    settle: async () => null,
    text: () => Promise.reject(new Error('no text')),
    hash: () => Promise.reject(new Error('no hash')),
    clock: { ...systemClock, monotonicMs: () => now },
  })
  const cursor = (): Promise<number> => store.memory.cursor('forgets')
  let calls = 0
  const say = async (): Promise<void> => {
    const call = `call${++calls}` as CallId
    const fields = { at: 0, actor: 'user:ada', session: '', turn: '', name: 'turn.send', phase: 'intent', body: '{}' } as const
    await store.append({ records: [{ ...fields, call }] })
    index.poke()
  }
  const pass = async (ms: number): Promise<void> => {
    now += ms
    t.mock.timers.tick(ms)
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  await say()
  await pass(indexLingerMs)
  await read.promise
  assert.equal(await cursor(), 1, 'soon')

  read = Promise.withResolvers()
  await pass(100)
  for (let i = 0; i < 5; i++) {
    await say()
    await pass(indexLingerMs)
  }
  assert.equal(await cursor(), 1, 'together')
  await pass(indexEveryMs - 100 - 5 * indexLingerMs)
  await read.promise
  assert.equal(await cursor(), 6, 'after two seconds')

  await pass(indexEveryMs)
  await say()
  await pass(indexLingerMs)
  assert.equal(await cursor(), 7, 'after a rest')

  await say()
  await index.caughtUp()
  assert.equal(await cursor(), 8, 'a search waits for no linger')
  await index.close()
  await store.close()
})
