import assert from 'node:assert/strict'
import { test } from 'node:test'
import { done, testCall } from './kernel-fixture.ts'
import { createRegistry } from './registry.ts'

test('calls that fail to load once are loaded on the next request', async () => {
  let times = 0
  const registry = createRegistry(async () => {
    if ((times += 1) === 1) throw new Error('EMFILE: too many open files')
    return [testCall('a.b', async () => done(''))]
  })
  await assert.rejects(registry.parse('a.b', {}), /EMFILE/)
  assert.equal((await registry.parse('a.b', {})).ok, true)
})
