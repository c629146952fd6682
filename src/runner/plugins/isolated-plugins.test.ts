/** What the runner starts for an isolated guest that asks for a plugin. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { treeHash } from '../../plugins/index.ts'
import type { HostedPlugin, ServerProgram } from '../../protocol/index.ts'
import { openIsolatedPlugins } from './isolated-plugins.ts'

const asked: ServerProgram = {
  own: 'plugin-host',
  state: 'mine',
  command: 'sh',
  args: ['--watch-start=400', '/etc', 'evil.js'],
  env: { KEY: 'value' },
  programFolder: '/etc',
  folders: [{ path: '/shared', writable: true }],
  pass: null,
}

async function withPlugin(run: (root: string, plugin: HostedPlugin) => Promise<void>): Promise<void> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-isolated-')))
  const folder = join(root, 'package')
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.js'), 'export default {}')
  const rights = { rights: [], hosts: [], secrets: [], paths: [], config: {} }
  try {
    await run(root, {
      name: 'mine',
      version: '1.0.0',
      program: 'plugin-host',
      folder,
      tree_hash: await treeHash(folder),
      entries: ['index.js'],
      ...rights,
    })
  } finally {
    rmSync(root, { recursive: true })
  }
}

test('the guest names a plugin, and nothing else of what it says decides what is started', () =>
  withPlugin(async (root, plugin) => {
    const { program } = openIsolatedPlugins({ root }, () => [plugin], 64)
    assert.deepEqual(await program(asked), {
      own: 'plugin-host',
      command: 'node',
      args: ['--watch-start=400', '/opt/server', 'index.js'],
      env: { KEY: 'value' },
      programFolder: plugin.folder,
      folders: [],
      pass: null,
      state: join(root, 'internal/plugins/mine'),
      maxFileMb: 64,
    })
    for (const state of ['other', '', '../mine', 'constructor', undefined])
      await assert.rejects(program({ ...asked, state }), { code: 'denied' })
    writeFileSync(join(plugin.folder, 'index.js'), 'changed')
    await assert.rejects(program(asked), { code: 'denied', message: /not those that were approved/ })
  }))

test('a link where the data of plugins should be, left by a guest of before, is refused', () =>
  withPlugin(async (root, plugin) => {
    const outside = join(root, 'outside')
    mkdirSync(outside)
    mkdirSync(join(root, 'internal/plugins'), { recursive: true })
    symlinkSync(outside, join(root, 'internal/plugins/mine'))
    await assert.rejects(openIsolatedPlugins({ root }, () => [plugin], 64).program(asked), { code: 'path_refused' })
    rmSync(join(root, 'internal/plugins'), { recursive: true })
    symlinkSync(outside, join(root, 'internal/plugins'))
    assert.throws(() => openIsolatedPlugins({ root }, () => [plugin], 64), { code: 'path_refused' })
  }))
