import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { createOutputRing, createThrottle } from './session-output.ts'

describe('a ring of output', () => {
  it('keeps the newest bytes at their offsets, however the input is split', () => {
    // A byte stands for many, so that rings have to grow.
    const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 })
    fc.assert(
      fc.property(
        chunks,
        fc.integer({ min: 1, max: 64 }),
        fc.nat(400),
        fc.nat(100),
        fc.boolean(),
        fc.constantFrom(1, 300),
        (bytes, small, at, some, sealed, scale) => {
          const [room, from, most] = [small * scale, at * scale, some * scale]
          const pieces = bytes.map((piece) => Buffer.concat([...piece].map((byte) => Buffer.alloc(scale, byte))))
          const ring = createOutputRing(room)
          for (const piece of pieces) ring.push(Buffer.from(piece))
          if (sealed) ring.seal()
          const all = Buffer.concat(pieces)
          const start = Math.max(0, all.length - room)
          assert.deepEqual([ring.start(), ring.total()], [start, all.length])
          const begin = Math.max(from, start)
          assert.deepEqual(ring.slice(from, most), all.subarray(begin, begin + most))
        },
      ),
    )
  })

  it('grows as needed, and keeps a megabyte of a flood', () => {
    const room = 1024 * 1024
    const ring = createOutputRing(room)
    const chunk = Buffer.alloc(10_000, 'x')
    for (let i = 0; i < 1_000; i += 1) ring.push(chunk)
    ring.push(Buffer.from('end'))
    assert.deepEqual([ring.total() - ring.start(), ring.slice(ring.total() - 3, 9).toString()], [room, 'end'])
  })
})

/** Tells what was done to it, and when it goes on. */
function source() {
  const done: string[] = []
  const resumed = Promise.withResolvers<void>()
  return {
    done,
    resumed: resumed.promise,
    pause: () => done.push('pause'),
    resume() {
      done.push('resume')
      resumed.resolve()
    },
  }
}

describe('a throttle', () => {
  it('pauses the source when a window is full, and resumes it in the next one', async () => {
    const held = source()
    const throttle = createThrottle(held, 100, 20)
    throttle.took(99)
    assert.deepEqual(held.done, [])
    throttle.took(1)
    // What was on its way still comes.
    throttle.took(500)
    assert.deepEqual(held.done, ['pause'])
    await held.resumed
    throttle.took(99)
    assert.deepEqual(held.done, ['pause', 'resume'])
    throttle.took(1)
    throttle.release()
    assert.deepEqual(held.done, ['pause', 'resume', 'pause', 'resume'])
    throttle.took(1_000)
    assert.equal(held.done.length, 4)
  })
})
