/** A program for tests: indexes the journal of the database that it is given, says each entry count it has reached, and waits to be killed. */
import { createLocalTextEngine, createMemory } from '../../src/memory/index.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { systemClock, type UserId } from '../../src/base/index.ts'
import { configSchema } from '../../src/services/index.ts'

const store = await openSqliteStore({ path: process.argv[2]!, user: 'ada' as UserId, durability: 'normal' })
await store.opened()
const text = createLocalTextEngine({ embedder: 'none' })
const memory = createMemory({ store, config: configSchema.parse({}).memory, clock: systemClock, text: async () => text })
memory.poke()
for (;;) {
  const { entries } = await memory.stats()
  process.stdout.write(`${entries}\n`)
  // Asking all the time would be most of the work.
  await new Promise((resolve) => setTimeout(resolve, 10))
}
