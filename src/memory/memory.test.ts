import assert from 'node:assert/strict'
import { registerHooks } from 'node:module'
import { test } from 'node:test'
import { openMemoryStore } from '../store/index.ts'
import { systemClock, type UserId } from '../base/index.ts'
import { configSchema } from '../config/index.ts'
import { createMemory } from './memory.ts'
import { openRecallBed } from './recall/recall-fixture.ts'
import { classPart, wordPart } from './text/text-engine.ts'

test('an index that fails to load once (e.g. no free descriptor) is loaded by the next request', async () => {
  const store = await openMemoryStore({ user: 'ada' as UserId })
  const memory = createMemory({ store, config: configSchema.parse({ memory: { embedder: 'none' } }).memory, clock: systemClock })
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      if (specifier === './keep/journal-index.ts') throw new Error('EMFILE: too many open files')
      return next(specifier, context)
    },
  })
  // Nobody waits for it: a rejection that nobody handles would end the guest, and fails this test.
  memory.poke()
  await assert.rejects(memory.caughtUp(), /EMFILE/).finally(() => hooks.deregister())
  await memory.caughtUp()
  await memory.close()
  await store.close()
})

test('entries of an older version, which have no class terms, are found by their words, and after reindexing by class', async () => {
  await using bed = await openRecallBed('none')
  const { store } = bed
  await bed.keep([{ text: 'Since last Wednesday I own a theremin.', kind: 'note', stream: '' }])
  const [item] = await store.memory.items(['e0'])
  assert.ok(item !== undefined && classPart(item.passages[0]?.terms ?? '') !== '')
  const older = { ...item, passages: item.passages.map((passage) => ({ ...passage, terms: wordPart(passage.terms) })) }
  await store.memory.change([{ change: 'put', item: older }])
  const found = async (question: string): Promise<number> => (await bed.ask(question)).length
  assert.deepEqual([await found('Who owns a theremin?'), await found('Which instrument?')], [1, 0])
  const memory = createMemory({ store, config: configSchema.parse({ memory: { embedder: 'none' } }).memory, clock: systemClock })
  await memory.reindex(AbortSignal.timeout(10_000))
  await memory.close()
  assert.deepEqual([await found('Who owns a theremin?'), await found('Which instrument?')], [1, 1])
})
