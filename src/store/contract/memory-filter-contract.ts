/** Filters: each alone and all together say the same in every way of asking, and never leave a search short. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { SessionId } from '../../base/index.ts'
import type { Label } from '../../protocol/index.ts'
import type { MemoryEntry, MemoryFilter, MemoryKind, MemoryStore, MemoryTier, MemoryType } from '../memory.ts'
import {
  anything,
  embedAll,
  entryOf,
  firstDay,
  foundByText,
  foundByVector,
  passes,
  put,
  vectorOf,
  type MemoryCase,
} from './memory-fixture.ts'

const kinds: readonly MemoryKind[] = ['message', 'note', 'fact', 'document', 'summary']
const types: readonly MemoryType[] = ['fact', 'preference', 'skill']
const tiers: readonly MemoryTier[] = ['hot', 'warm', 'cold']
const sessions = ['', 's-1', 's-2', 'S 3'] as SessionId[]
const tags = ['red', 'two words', 'a "b"', 'x:y,z', "o'h", '計']
const personas = ['persona:a', 'persona:ab', 'PERSONA:a']
const labels: readonly Label[] = ['untrusted', 'private']

const day = fc.integer({ min: 0, max: 9 }).map((n) => firstDay + n)
const drawnEntry: fc.Arbitrary<Partial<MemoryEntry>> = fc.record({
  kind: fc.constantFrom(...kinds),
  type: fc.constantFrom(...types),
  tier: fc.constantFrom(...tiers),
  session: fc.constantFrom(...sessions),
  tags: fc.uniqueArray(fc.constantFrom(...tags), { maxLength: 3 }).map((list) => list.toSorted()),
  author: fc.constantFrom('user', ...personas),
  labels: fc.uniqueArray(fc.constantFrom(...labels), { maxLength: 2 }).map((list) => list.toSorted()),
  createdAt: day,
  validFrom: day,
  validTo: fc.option(day, { nil: null }),
  stream: fc.constantFrom('s', 't'),
  place: fc.integer({ min: 0, max: 6 }),
})

const filterParts: { readonly [Name in keyof MemoryFilter]-?: fc.Arbitrary<NonNullable<MemoryFilter[Name]>> } = {
  kinds: fc.uniqueArray(fc.constantFrom(...kinds), { maxLength: 3 }),
  types: fc.uniqueArray(fc.constantFrom(...types), { minLength: 1, maxLength: 2 }),
  tiers: fc.uniqueArray(fc.constantFrom(...tiers), { minLength: 1, maxLength: 2 }),
  sessions: fc.uniqueArray(fc.constantFrom(...sessions), { minLength: 1, maxLength: 2 }),
  notSession: fc.constantFrom(...sessions),
  tags: fc.uniqueArray(fc.constantFrom(...tags), { minLength: 1, maxLength: 2 }),
  createdAfter: day,
  createdBefore: day,
  validAt: day,
  withoutLabels: fc.uniqueArray(fc.constantFrom(...labels), { minLength: 1, maxLength: 2 }),
  persona: fc.constantFrom('', ...personas),
  before: fc.record({ stream: fc.constantFrom('s', 't', 'none'), place: fc.integer({ min: 0, max: 6 }) }),
}

const names = Object.keys(filterParts) as (keyof MemoryFilter)[]

/** Each part alone, and each pair of them. */
function drawnFilters(): fc.Arbitrary<MemoryFilter>[] {
  const pairs = names.flatMap((a, i) => names.slice(i).map((b) => [a, b] as const))
  return pairs.map(([a, b]) =>
    fc.record(Object.fromEntries([a, b].map((name) => [name, filterParts[name] as fc.Arbitrary<unknown>])) as never),
  )
}

export function describeFilters(holds: MemoryCase): void {
  holds('every filter alone and with every other lets through what it says, in text, in vectors and in lists', async (memory) => {
    const entries = await fill(memory, 90)
    for (const filters of drawnFilters()) {
      await fc.assert(
        fc.asyncProperty(filters, async (filter) => {
          const expected = entries.filter((entry) => passes(entry, filter)).map(({ id }) => id)
          const all = [
            (await memory.list(filter, 1_000)).map(({ id }) => id),
            await foundByText(memory, 'shared', filter, 1_000),
            await foundByVector(memory, vectorOf(1, 1), filter, 1_000),
          ]
          for (const ids of all) assert.deepEqual(ids.toSorted(), expected.toSorted(), JSON.stringify(filter))
        }),
        { numRuns: 2 },
      )
    }
  })

  holds('a filter that few pass leaves no search short: as many are found as there are', async (memory) => {
    const many = Array.from({ length: 600 }, (_, i) =>
      put(`m${i}`, `shared near word${i}`, { kind: 'message', tier: i % 200 === 0 ? 'hot' : 'warm' }),
    )
    await memory.change([{ change: 'model', model: 'm', dims: 2, state: 'active' }, ...many, put('far', 'shared', { tags: ['rare'] })])
    await embedAll(memory, 'm', (text) => (text === 'shared' ? vectorOf(-1, 0) : vectorOf(1, 0.01)))
    assert.deepEqual(await foundByText(memory, 'near shared', { tags: ['rare'] }, 5), ['far'])
    assert.deepEqual(await foundByVector(memory, vectorOf(1, 0), { tags: ['rare'] }, 5), ['far'])
    assert.deepEqual((await foundByText(memory, 'near shared', { tiers: ['hot'] }, 5)).toSorted(), ['m0', 'm200', 'm400'])
    assert.deepEqual((await foundByVector(memory, vectorOf(1, 0), { tiers: ['hot'] }, 5)).toSorted(), ['m0', 'm200', 'm400'])
  })

  holds('as of a time only what held then is found, and its successor later', async (memory) => {
    await memory.change([
      put('old', 'lives in paris', { validFrom: 10, validTo: 20, supersededBy: 'new' }),
      put('new', 'lives in rome', { validFrom: 20 }),
    ])
    assert.deepEqual(await foundByText(memory, 'lives', { validAt: 15 }), ['old'])
    assert.deepEqual(await foundByText(memory, 'lives', { validAt: 20 }), ['new'])
    assert.deepEqual(await foundByText(memory, 'lives', { validAt: 5 }), [])
    assert.deepEqual((await foundByText(memory, 'lives')).toSorted(), ['new', 'old'])
  })

  holds('what a patch changes is what filters see at once', async (memory) => {
    await memory.change([put('a', 'apples', { tags: ['old'] })])
    assert.deepEqual(await foundByText(memory, 'apples', { tags: ['old'], tiers: ['warm'] }), ['a'])
    await memory.change([{ change: 'patch', id: 'a', patch: { tags: ['new'], tier: 'cold', labels: ['untrusted'] } }])
    assert.deepEqual(await foundByText(memory, 'apples', { tags: ['old'] }), [])
    assert.deepEqual(await foundByText(memory, 'apples', { tags: ['new'], tiers: ['cold'] }), ['a'])
    assert.deepEqual(await foundByText(memory, 'apples', { withoutLabels: ['untrusted'] }), [])
  })
}

async function fill(memory: MemoryStore, count: number): Promise<readonly MemoryEntry[]> {
  const entries = fc.sample(drawnEntry, { numRuns: count, seed: 7 }).map((drawn, i) => entryOf(`e${i}`, drawn))
  await memory.change([
    { change: 'model', model: 'm', dims: 2, state: 'active' },
    ...entries.map((entry, i) => put(entry.id, `shared w${i % 7}`, entry)),
  ])
  await embedAll(memory, 'm', () => vectorOf(1, 0.5))
  assert.equal((await memory.list(anything, 1_000)).length, count)
  return entries
}
