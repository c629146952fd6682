import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import fc from 'fast-check'
import type { MemoryStore } from '../../store/index.ts'
import { createExclusiveWriter } from './exclusive-writer.ts'

it('exclusive work runs one piece at a time, with no change in between, and everything completes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ exclusive: fc.boolean(), rounds: fc.nat(3) }), { maxLength: 12 }),
      fc.scheduler(),
      async (work, s) => {
        let [busy, done] = [0, 0]
        const act = async (rounds: number): Promise<void> => {
          for (let i = 0; i < rounds; i++) await s.schedule(Promise.resolve())
          done += 1
        }
        const raw = { change: (changes: readonly unknown[]) => (assert.equal(busy, 0), act(changes.length)) } as unknown as MemoryStore
        const { memory, run } = createExclusiveWriter(raw)
        const all = work.map((each) =>
          each.exclusive
            ? run(async () => {
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

it('a failing change rejects for its caller, and failing work lets the next one run', async () => {
  const { memory, run } = createExclusiveWriter({ change: () => Promise.reject(new Error('full')) } as unknown as MemoryStore)
  const failing = memory.change([])
  const working = run(async () => {
    await yieldToEventLoop()
    throw new Error('planted')
  })
  await assert.rejects(failing, /full/)
  await assert.rejects(working, /planted/)
  assert.equal(await run(async () => 'next'), 'next')
})
