/** A program for tests: reads the memory of the store that it is given again (a file, or an address), says how far it is, and is killed. */
import { createLocalTextEngine, createMemory, type TextEngine } from '../../src/memory/index.ts'
import { openStore } from '../../src/store/index.ts'
import { systemClock, type UserId } from '../../src/base/index.ts'
import { configSchema } from '../../src/config/index.ts'

const place = process.argv[2]!
const isServer = place.startsWith('postgres:')
const config = configSchema.parse({ store: { url: isServer ? place : '' }, memory: { embedder: 'hash' } })
const store = await openStore({ config: config.store, environment: {}, path: place, user: 'ada' as UserId })
await store.opened()
const inner = createLocalTextEngine({ embedder: 'hash' })
let read = 0
let embedded = 0
const tell = (): boolean => process.stdout.write(`${read} ${embedded}\n`)
const text: TextEngine = {
  ...inner,
  cut: async (texts) => ((read += texts.length), tell(), inner.cut(texts)),
  terms: async (words) => ((read += 1), tell(), inner.terms(words)),
  storedTerms: async (words) => ((read += 1), tell(), inner.storedTerms(words)),
  async embed(texts, as) {
    const made = await inner.embed(texts, as)
    embedded += texts.length
    tell()
    // What is told is kept only after this: a moment for the end to come in the middle of it.
    await new Promise((resolve) => setTimeout(resolve, 5))
    return made
  },
}
const memory = createMemory({ store, config: config.memory, clock: systemClock, text: async () => text })
await memory.reindex(new AbortController().signal)
// Vectors follow. Whoever kills it is patient for much less than this.
setTimeout(() => process.exit(1), 240_000)
