/** A guest with a plugin: its action is a tool of the model, in a host of its own, and its calls pass the gate. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { treeHash } from '../plugins/index.ts'
import { type GuestEnvelope, type HostedPlugin, parseConfig, type UserId } from '../types/index.ts'
import { startGuest } from './guest.ts'

const source = `export default { name: 'notes', actions: [{
  name: 'copy', description: 'Copies a note.', parameters: [{ name: 'path', type: 'string', required: true }],
  handler: async (runtime, message, state, { parameters }) => {
    const read = await runtime.call('file.read', { path: parameters.path })
    const run = await runtime.call('file.write', { path: '/shared/x', text: 'x' })
    return { success: read.ok, text: read.text + ' / ' + run.text + ' ' + run.failure?.hint }
  } }] }`

void it('an action of a plugin reads what its manifest names, and is refused the rest by name', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-plugin-guest-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  for (const folder of ['shared', 'tmp', 'vault', 'internal', 'ipc', 'logs', 'package']) mkdirSync(join(root, folder))
  writeFileSync(join(root, 'shared/note.txt'), 'remember the milk')
  writeFileSync(join(root, 'package/index.mjs'), source)
  const folder = join(root, 'package')
  const plugin: HostedPlugin = {
    name: 'notes',
    version: '1.0.0',
    program: 'plugin-host',
    folder,
    tree_hash: await treeHash(folder),
    entries: ['index.mjs'],
    rights: ['file.read:/shared/note.txt'],
    hosts: [],
    secrets: [],
    paths: [],
    config: {},
  }
  const envelope: GuestEnvelope = {
    user: 'ada' as UserId,
    workspaceRoot: root,
    config: parseConfig({ memory: { index_messages: false } }, 'this test'),
    insecure: false,
    version: '0.0.0',
    keys: {},
    plugins: [plugin],
  }
  const guest = await startGuest(envelope)
  t.after(() => guest.close())
  const first = await guest.kernel.call('notes.copy', { path: '/shared/note.txt' })
  const answer = first.status === 'ok' ? first : await untilKnown(() => guest.kernel.call('notes.copy', { path: '/shared/note.txt' }))
  assert.equal(answer.status, 'ok')
  assert.match(answer.text, /remember the milk/)
  assert.match(answer.text, /file\.write needs the right file\.write.*Its manifest allows it with "file\.write"/)
})

/** What a plugin has is learned in the background the first time. */
async function untilKnown<Outcome extends { readonly status: string }>(call: () => Promise<Outcome>): Promise<Outcome> {
  for (;;) {
    const outcome = await call()
    if (outcome.status === 'ok') return outcome
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
