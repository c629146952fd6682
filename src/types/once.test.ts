import assert from 'node:assert/strict'
import { test } from 'node:test'
import { once } from './once.ts'

test('what all need is made once, however many ask meanwhile', async () => {
  let times = 0
  const thing = once(async () => ({ number: (times += 1) }))
  assert.equal(thing.made(), null)
  const [first, second] = await Promise.all([thing(), thing()])
  assert.equal(first, second)
  assert.equal(await thing.made(), first)
  assert.equal(times, 1)
})

test('what could not be made is made by the next one who asks', async () => {
  let times = 0
  const thing = once(async () => {
    if ((times += 1) === 1) throw new Error('too many open files')
    return times
  })
  const both = await Promise.allSettled([thing(), thing()])
  assert.deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  assert.equal(thing.made(), null)
  assert.equal(await thing(), 2)
})
