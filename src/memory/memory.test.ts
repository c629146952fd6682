import assert from 'node:assert/strict'
import { registerHooks } from 'node:module'
import { test } from 'node:test'
import { openMemoryStore } from '../store/index.ts'
import { configSchema, systemClock, type UserId } from '../types/index.ts'
import { createMemory } from './memory.ts'

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
