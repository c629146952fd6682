/** A guest that dies while it copies out of the vault: no half file, and nobody is told that it worked. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, truncateSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import { emptied, makeWorkspace } from '../support/workspace.ts'

/** Long enough that a kill comes in its middle; it has no content, so it takes no room in the vault. */
const vaultBytes = 300_000_000

test('a copy interrupted by a crash leaves no file, is not repeated, and its outcome is reported as unknown', async () => {
  using workspace = makeWorkspace()
  const source = join(workspace.root, 'vault/large.bin')
  writeFileSync(source, '')
  truncateSync(source, vaultBytes)
  const copy = { source_path: '/vault/large.bin', destination_path: '/shared/large.bin' }
  const steps = [{ events: [{ tool_call: { name: 'vault_copy_to', arguments: copy } }] }, { events: [{ text: 'I do not know.' }] }]
  await using model = await startModel(steps)
  const config = { model: model.config, approval: { calls: { 'vault.copy_to': 'allow' } } }
  let session = ''
  {
    await using guest = startGuest({ workspace, config })
    using terminal = await openReady(guest, workspace)
    // Hands gather the pieces in a hidden file next to the target.
    const begun = new Promise<void>((resolve) => {
      const watcher = watch(workspace.shared, (_, name) => {
        if (name?.startsWith('.oxbow-') !== true) return
        watcher.close()
        resolve()
      })
    })
    const conversation = await openConversation(terminal)
    session = conversation.session
    await conversation.send('Copy it.')
    await begun
    await guest.kill()
  }
  await emptied(workspace)
  assert.ok(!existsSync(join(workspace.shared, 'large.bin')), 'there is no half file')

  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
  const { body } = await terminal.record(({ name, phase }) => name === 'turn.send' && phase === 'outcome')
  assert.equal((body as { reply: string }).reply, 'I do not know.')
  assert.match(model.results()[0] ?? '', /outcome_unknown.*vault\.copy_to.*not repeated/)
  assert.deepEqual(
    readdirSync(workspace.shared).filter((name) => !name.startsWith('.')),
    [],
  )
  await guest.stop()
})
