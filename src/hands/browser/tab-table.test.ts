import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Launched } from './chromium-launch.ts'
import { createTabTable } from './tab-table.ts'

it('a browser closes with its last tab, unless another conversation is opening one in it', async () => {
  let isClosed = false
  const reached = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<void>()
  const page = () => ({ on: () => undefined, close: () => Promise.resolve() })
  let sessions = 0
  const context = {
    on: () => undefined,
    pages: () => [],
    newPage: () => Promise.resolve(page()),
    async newCDPSession() {
      if ((sessions += 1) === 1) return {}
      reached.resolve()
      await answered.promise
      return {}
    },
    close: () => Promise.resolve((isClosed = true)),
  }
  const launched = { context, downloads: '' } as unknown as Launched
  const table = createTabTable(
    () => Promise.resolve(launched),
    () => undefined,
  )
  const first = await table.open(await table.owner({ profile: 'ox', owner: 'one', tab: '' }))
  const opening = table.open(await table.owner({ profile: 'ox', owner: 'two', tab: '' }))
  await reached.promise
  await table.close(first)
  assert.equal(isClosed, false)
  answered.resolve()
  await table.close(await opening)
  assert.equal(isClosed, true)
})
