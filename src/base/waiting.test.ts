import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createSlots } from './waiting.ts'

const never = new AbortController().signal
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('slots', () => {
  it('run so many at once, the others in order, also after a failure', async () => {
    const inSlot = createSlots(2)
    const begun: number[] = []
    const gates = [0, 1, 2, 3].map(() => Promise.withResolvers<number>())
    const all = gates.map((gate, i) =>
      inSlot(never, () => {
        begun.push(i)
        return gate.promise
      }),
    )
    await turn()
    assert.deepEqual(begun, [0, 1])
    gates[1]!.reject(new Error('broken'))
    await assert.rejects(all[1]!, { message: 'broken' })
    await turn()
    assert.deepEqual(begun, [0, 1, 2])
    for (const [i, gate] of gates.entries()) gate.resolve(i)
    assert.deepEqual([await all[0], await all[2], await all[3]], [0, 2, 3])
    assert.deepEqual(begun, [0, 1, 2, 3])
  })

  it('are not lost when a waiting caller leaves', async () => {
    const inSlot = createSlots(1)
    const gate = Promise.withResolvers<void>()
    const cancel = new AbortController()
    const first = inSlot(never, () => gate.promise)
    const unwanted = inSlot(cancel.signal, () => assert.fail('it was not wanted'))
    const next = inSlot(never, () => Promise.resolve('next'))
    cancel.abort(new Error('left'))
    await assert.rejects(unwanted, { message: 'left' })
    await assert.rejects(
      inSlot(cancel.signal, () => assert.fail('it was not wanted')),
      { message: 'left' },
    )
    gate.resolve()
    await first
    assert.equal(await next, 'next')
    assert.equal(await inSlot(never, () => Promise.resolve('free again')), 'free again')
  })

  it('never run more than there are, and run all that stay', async () => {
    const job = fc.record({ leaves: fc.boolean(), fails: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(job, { maxLength: 30 }), fc.integer({ min: 1, max: 4 }), async (jobs, max) => {
        const inSlot = createSlots(max)
        let running = 0
        let ran = 0
        const ends = jobs.map(({ leaves, fails }) => {
          const cancel = new AbortController()
          const end = inSlot(cancel.signal, async () => {
            running += 1
            assert.ok(running <= max)
            await turn()
            running -= 1
            ran += 1
            if (fails) throw new Error('broken')
          })
          if (leaves) cancel.abort(new Error('left'))
          return end
        })
        const settled = await Promise.allSettled(ends)
        assert.ok(settled.every((end) => end.status === 'fulfilled' || ['left', 'broken'].includes((end.reason as Error).message)))
        assert.equal(ran, settled.filter((end) => end.status === 'fulfilled' || (end.reason as Error).message === 'broken').length)
      }),
    )
  })
})
