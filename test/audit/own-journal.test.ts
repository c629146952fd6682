import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGuest } from '../support/guest-process.ts'
import { openReady } from '../support/ready.ts'
import { makeWorkspace } from '../support/workspace.ts'

test('a guest checks its own journal while it runs', async () => {
  using workspace = makeWorkspace()
  await using guest = startGuest({ workspace, config: { model: { provider: 'offline' } } })
  using terminal = await openReady(guest, workspace)
  await terminal.expect('result', 'call', { name: 'session.create', input: { title: 'A' } })
  const { result } = await terminal.expect('result', 'call', { name: 'audit.verify', input: {} })
  const { ok, first_bad: bad, records } = (result as { output: { ok: boolean; first_bad: unknown; records: number } }).output
  assert.deepEqual([ok, bad], [true, null])
  assert.ok(records >= 2)
})
