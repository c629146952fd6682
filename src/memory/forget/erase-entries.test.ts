import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import type { MemoryStore } from '../../store/index.ts'
import { createExclusiveWriter, type KeepDeps } from '../keep/exclusive-writer.ts'
import { createVectorIndex } from '../embed/vector-index.ts'
import { openRecallBed } from '../recall/recall-fixture.ts'
import { eraseEntries } from './erase-entries.ts'

test('an erased text is not found through the next turn, by words or closeness, and that turn gets its vector again', async () => {
  await using bed = await openRecallBed('words-50k')
  const { memory } = bed.store
  await bed.keep([
    'The password of the cellar is xylophone.',
    'Thank you, I will keep it in mind.',
    'We painted the fence on a Tuesday.',
    'The soup was far too hot.',
  ])
  const behind = async () => (await bed.ask('Which xylophone is in the cellar?')).find(({ id }) => id === 'e1')
  const before = await behind()
  assert.ok(before !== undefined && before.why.textRank !== null && (before.why.closeness ?? 0) > 0.1)

  const told: string[] = []
  const changed = ({ put = [], gone = [] }: Parameters<KeepDeps['changed']>[0]): void => {
    told.push(...gone.map((id) => `${id} gone`), ...put.map(({ id }) => `${id} put`))
  }
  await eraseEntries({ writer: createExclusiveWriter(memory), changed }, await memory.items(['e0']))
  assert.deepEqual(told, ['e0 gone', 'e1 put'])
  const model = (await bed.text.embedder())?.id ?? ''
  assert.equal((await memory.withoutVector(model, 10)).length, 1)
  const vectors = createVectorIndex({ memory, text: async () => bed.text, monotonicMs: () => performance.now() })
  await vectors.caughtUp()
  await vectors.close()
  assert.equal((await memory.withoutVector(model, 10)).length, 0)

  const [item] = await memory.items(['e1'])
  assert.ok(item !== undefined && !/xylophon|cellar|password/.test(JSON.stringify(item)))
  const after = await behind()
  assert.equal(after?.why.textRank ?? null, null)
  assert.ok((after?.why.closeness ?? 0) < (before.why.closeness ?? 0))
})

test('two neighbours erased at the same time both stay erased', async () => {
  await using bed = await openRecallBed('none')
  await bed.keep(['The cellar has two doors.', 'Thank you, I will keep it in mind.'])
  const [first, second] = await bed.store.memory.items(['e0', 'e1'])
  let other: Promise<void> | undefined
  const items: MemoryStore['items'] = async (ids) => {
    const found = await bed.store.memory.items(ids)
    if (other !== undefined) return found
    other = eraseEntries(deps, [second!])
    await Promise.race([other, immediates(100)])
    return found
  }
  const memory: MemoryStore = Object.assign(Object.create(bed.store.memory), { items })
  const deps = { writer: createExclusiveWriter(memory), changed: () => {} }
  await eraseEntries(deps, [first!])
  await other
  assert.deepEqual(await bed.store.memory.list({}, 10), [])
})

/** Time enough for a change that nothing holds up. */
async function immediates(rounds: number): Promise<void> {
  for (let i = 0; i < rounds; i++) await yieldToEventLoop()
}
