import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHostLink } from './host-link.ts'

test('a change of the configuration that comes before anybody listens is told to the first who does', () => {
  const link = createHostLink(() => {})
  link.receive(JSON.stringify({ type: 'config_changed' }))
  let told = 0
  link.onConfigChange(() => (told += 1))
  assert.equal(told, 1)
  link.onConfigChange(() => (told += 10))
  assert.equal(told, 1, 'and to nobody again')
  link.receive(JSON.stringify({ type: 'config_changed' }))
  assert.equal(told, 11)
})
