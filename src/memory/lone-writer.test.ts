import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setImmediate as nextRound } from 'node:timers/promises'
import fc from 'fast-check'
import type { MemoryStore } from '../store/index.ts'
import { createLoneWriter } from './lone-writer.ts'

it('no two work alone at once, no change comes between, and all of them are done', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ alone: fc.boolean(), rounds: fc.nat(3) }), { maxLength: 12 }),
      fc.scheduler(),
      async (work, s) => {
        let [busy, done] = [0, 0]
        const act = async (rounds: number): Promise<void> => {
          for (let i = 0; i < rounds; i++) await s.schedule(Promise.resolve())
          done += 1
        }
        const raw = { change: (changes: readonly unknown[]) => (assert.equal(busy, 0), act(changes.length)) } as unknown as MemoryStore
        const { memory, alone } = createLoneWriter(raw)
        const all = work.map((each) =>
          each.alone
            ? alone(async () => {
                busy += 1
                assert.equal(busy, 1)
                await act(each.rounds)
                busy -= 1
              })
            : memory.change(Array.from({ length: each.rounds }) as never),
        )
        const ended = Promise.all(all)
        await s.waitFor(ended)
        assert.equal(done, work.length)
      },
    ),
  )
})

it('a change that fails is told to who asked, and work that fails lets the next go on', async () => {
  const { memory, alone } = createLoneWriter({ change: () => Promise.reject(new Error('full')) } as unknown as MemoryStore)
  const failing = memory.change([])
  const working = alone(async () => {
    await nextRound()
    throw new Error('planted')
  })
  await assert.rejects(failing, /full/)
  await assert.rejects(working, /planted/)
  assert.equal(await alone(async () => 'next'), 'next')
})
