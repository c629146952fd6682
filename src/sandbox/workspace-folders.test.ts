import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createGiver } from './workspace-folders.ts'

describe('folders that sandboxes share', () => {
  it('are given to the first one in, and anew when all have left: never while somebody lives there', async () => {
    let given = 0
    const enter = createGiver(() => {
      given += 1
      return Promise.resolve()
    })
    const [first, second] = [await enter(), await enter()]
    assert.equal(given, 1)
    first()
    // Leaving twice is leaving once.
    first()
    const third = await enter()
    assert.equal(given, 1)
    second()
    third()
    await enter()
    assert.equal(given, 2)
  })

  it('let nobody in before they are given', async () => {
    const giving = Promise.withResolvers<void>()
    const enter = createGiver(() => giving.promise)
    let inside = 0
    const both = [enter(), enter()].map((one) => one.then(() => (inside += 1)))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(inside, 0)
    giving.resolve()
    await Promise.all(both)
    assert.equal(inside, 2)
  })

  it('are tried again after they could not be given', async () => {
    let given = 0
    const enter = createGiver(() => {
      given += 1
      return given === 1 ? Promise.reject(new Error('no')) : Promise.resolve()
    })
    await assert.rejects(enter())
    await enter()
    assert.equal(given, 2)
  })
})
