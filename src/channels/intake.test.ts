import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '../base/index.ts'
import { createIntake } from './intake.ts'
import { maxTakenAtOnce } from './limits.ts'

const never = new AbortController().signal
const afterAll = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('different chats are taken side by side, up to the limit, and what is said in one in its order', async () => {
  const intake = createIntake(systemRandom, never)
  const open: { readonly key: string; readonly done: () => void }[] = []
  const order: string[] = []
  const take = (key: string, name: string): Promise<boolean> =>
    intake.take(key, async () => {
      order.push(name)
      const held = Promise.withResolvers<void>()
      open.push({ key, done: held.resolve })
      await held.promise
    })
  const all: Promise<boolean>[] = []
  for (let chat = 0; chat <= maxTakenAtOnce; chat += 1) for (const nth of [1, 2]) all.push(take(`chat ${chat}`, `${chat}.${nth}`))
  await afterAll()
  assert.equal(open.length, maxTakenAtOnce)
  assert.equal(new Set(open.map(({ key }) => key)).size, maxTakenAtOnce)
  while (open.length > 0) {
    open.shift()!.done()
    await afterAll()
  }
  assert.deepEqual(
    await Promise.all(all),
    all.map(() => true),
  )
  await intake.settled()
  for (let chat = 0; chat <= maxTakenAtOnce; chat += 1) assert.ok(order.indexOf(`${chat}.1`) < order.indexOf(`${chat}.2`))
})

test('what fails is tried again before what is behind it, and the end of the channel ends it', async () => {
  const ending = new AbortController()
  const intake = createIntake(systemRandom, ending.signal)
  const seen: string[] = []
  const first = intake.take('a', async () => {
    seen.push('first')
    if (seen.length === 1) throw new Error('not now')
  })
  const second = intake.take('a', async () => void seen.push('second'))
  assert.deepEqual(await Promise.all([first, second]), [true, true])
  assert.deepEqual(seen, ['first', 'first', 'second'])
  const refused = intake.take('a', async () => {
    throw new Error('never')
  })
  await afterAll()
  ending.abort()
  assert.equal(await refused, false)
  assert.equal(await intake.take('a', async () => {}), false)
})
