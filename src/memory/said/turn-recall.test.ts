import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MemoryFilter, MemoryStore } from '../../store/index.ts'
import type { CallId, SessionId } from '../../types/index.ts'
import { createTurnRecall } from './turn-recall.ts'

const clock = { now: () => 5_000, monotonicMs: () => 0 }

/** Places of messages by their ids, and how often somebody asked. */
function placesOf(places: ReadonlyMap<string, number>): { memory: Pick<MemoryStore, 'items'>; asked: () => number } {
  let asked = 0
  const items = (ids: readonly string[]): Promise<never> => {
    asked += 1
    return Promise.resolve(ids.flatMap((id) => (places.has(id) ? [{ entry: { place: places.get(id) } }] : [])) as never)
  }
  return { memory: { items }, asked: () => asked }
}

test('what stands in the window is left out, and where the window begins is looked up once for each of its beginnings', async () => {
  const places = new Map([
    ['message:c1', 10],
    ['message:c2', 20],
  ])
  const { memory, asked } = placesOf(places)
  const filters: MemoryFilter[] = []
  const recall = async () => ({
    recall: (question: { readonly filter: MemoryFilter }) => {
      filters.push(question.filter)
      return Promise.resolve([])
    },
  })
  const turns = createTurnRecall({ memory: memory as MemoryStore, clock }, { recall, limit: 5, tokens: 100 })
  const filterOf = async (session: string, oldest: string): Promise<MemoryFilter | undefined> => {
    await turns.recall({ session: session as SessionId, text: 'what did I say?', oldest: oldest as CallId | '' })
    return filters.at(-1)
  }
  const before = (stream: string, place: number) => ({ validAt: 5_000, before: { stream, place } })
  assert.deepEqual(await filterOf('s', ''), { validAt: 5_000, notSession: 's' })
  assert.equal(asked(), 0)
  for (let i = 0; i < 3; i++) assert.deepEqual(await filterOf('s', 'c1'), before('s', 10))
  assert.equal(asked(), 1)
  assert.deepEqual(await filterOf('s', 'c2'), before('s', 20))
  assert.equal(asked(), 2)
  // Not indexed yet: nothing of the session is shown, and it is looked for again.
  assert.deepEqual(await filterOf('t', 'c3'), { validAt: 5_000, notSession: 't' })
  places.set('message:c3', 30)
  assert.deepEqual(await filterOf('t', 'c3'), before('t', 30))
})
