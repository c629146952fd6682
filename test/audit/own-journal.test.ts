import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifyJournal } from '../../src/services/audit/audit-verify.ts'
import { openFixture } from '../../src/kernel/kernel-fixture.ts'
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

test('what is written while the documents are compared is caught up with', async () => {
  await using fixture = await openFixture({})
  const { kernel, store } = fixture
  await kernel.call('key.create', { name: 'one', rights: ['turn.send'] })
  let compared = 0
  const documentCategories: typeof store.documentCategories = async () => {
    compared += 1
    if (compared === 1) await kernel.call('key.create', { name: 'two', rights: ['turn.send'] })
    return store.documentCategories()
  }
  const busy = Object.assign(Object.create(store) as typeof store, { documentCategories })
  const report = await verifyJournal(busy, { seal: null })
  assert.deepEqual([report.ok, report.projections], [true, []])
  assert.equal(compared, 2, 'the first comparison met the document that was written meanwhile')
})
