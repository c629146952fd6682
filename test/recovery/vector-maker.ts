/** A program that makes vectors in a file until it is killed: `node vector-maker.ts FILE`. It tells its parent after some batches. */
import { createVectorIndex } from '../../src/memory/embed/vector-index.ts'
import { createLocalTextEngine } from '../../src/memory/text/text-thread.ts'
import { type MemoryItem, openSqliteStore } from '../../src/store/index.ts'
import type { UserId } from '../../src/base/index.ts'

const path = process.argv[2] ?? ''
const store = await openSqliteStore({ path, user: 'ada' as UserId, durability: 'normal' })
const item = (place: number): MemoryItem => ({
  entry: {
    id: `n${place}`,
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
    hash: `n${place}`,
    extra: '{}',
  },
  passages: [{ part: 0, start: 0, text: `ox number ${place}`, terms: `ox number ${place}`, context: '' }],
})
await store.memory.change(Array.from({ length: 2_000 }, (_, place) => ({ change: 'put', item: item(place) })))
let batches = 0
const index = createVectorIndex({
  memory: store.memory,
  text: async () => createLocalTextEngine({ embedder: 'hash' }),
  monotonicMs: () => performance.now(),
  // Told in the middle of the work; the next batch is under way when the end comes.
  turn: async () => {
    batches += 1
    if (batches === 4) process.send?.('begun')
    if (batches > 4) await new Promise((resolve) => setTimeout(resolve, 60_000))
  },
})
await index.caughtUp()
