import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createThrottle } from './throttle.ts'

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
  it('holds the source when a window is full, and lets it go on in the next one', async () => {
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
