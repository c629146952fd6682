/** What is kept is found by its meaning once its vector is there, which comes by itself: the built-in table, in its real thread. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createMemory } from '../../src/memory/index.ts'
import { openMemoryStore } from '../../src/store/index.ts'
import { type CallId, systemClock, type UserId } from '../../src/base/index.ts'
import type { CallContext } from '../../src/protocol/index.ts'
import { configSchema } from '../../src/services/index.ts'
import { patienceMs } from '../support/patience.ts'
import { watched } from './watched-store.ts'

type Asking = Pick<CallContext, 'id' | 'caller'>

const asking = {
  id: 'note',
  caller: { user: 'ada', actor: 'user:ada', rights: new Set<string>(), audience: 'terminal', session: '', turn: '', process: '' },
} as unknown as Asking

void it('a note is found by its meaning as soon as its vector is stored, which happens by itself', async () => {
  const { store, vectorsMade } = watched(await openMemoryStore({ user: 'ada' as UserId }))
  const memory = createMemory({ store, config: configSchema.parse({}).memory, clock: systemClock, questionMs: patienceMs })
  try {
    const notes = await memory.notes()
    await notes.save({ content: 'The thunder was near the harbour.', tags: [] }, asking)
    await vectorsMade(1)
    const found = await (await memory.recall()).recall({ text: 'lightning hail gust', filter: {}, limit: 5, tokens: 500 })
    assert.equal(found.length, 1)
    assert.deepEqual([found[0]?.why.textRank, found[0]?.why.vectorRank], [null, 1])
  } finally {
    await memory.close()
    await store.close()
  }
})

void it('among guests of single verbs, the one that adds a note makes its vector, or the next one that searches', async () => {
  const store = await openMemoryStore({ user: 'ada' as UserId })
  const one = () => createMemory({ store, config: configSchema.parse({}).memory, clock: systemClock, lastVectorsMs: patienceMs })
  const vectors = async () => (await store.memory.stats()).models.map((model) => model.vectors)
  try {
    const adding = one()
    await (await adding.notes()).save({ content: 'The physician lives near the harbour.', tags: [] }, asking)
    await adding.close()
    assert.deepEqual(await vectors(), [1])

    const killed = one()
    await (await killed.notes()).save({ content: 'The violin belongs to the neighbour.', tags: [] }, { ...asking, id: 'other' as CallId })
    const looking = one()
    const question = { filter: {}, limit: 5, tokens: 500 }
    await (await looking.recall()).recall({ text: 'harbour', ...question })
    await looking.close()
    assert.deepEqual(await vectors(), [2])
    await killed.close()
  } finally {
    await store.close()
  }
})
