/** The units that `oxbow service` writes, as systemd itself reads them, and odd paths in all of them. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { withoutProgram } from '../../../test/support/needed-program.ts'
import { type Manager, unitOf } from './service-units.ts'

const options = (manager: Manager, isSystem: boolean, more: object = {}) => ({
  manager,
  isSystem,
  node: process.execPath,
  program: '/bin/true',
  home: '/home/ada',
  oxbowHome: '/home/ada/.oxbow',
  configHome: '',
  ...more,
})

test('each goes where its manager looks for it', () => {
  assert.equal(unitOf(options('systemd', false)).path, '/home/ada/.config/systemd/user/oxbow.service')
  assert.equal(unitOf(options('systemd', false, { configHome: '/c' })).path, '/c/systemd/user/oxbow.service')
  assert.equal(unitOf(options('systemd', true)).path, '/etc/systemd/system/oxbow.service')
  assert.equal(unitOf(options('launchd', false)).path, '/home/ada/Library/LaunchAgents/ai.oxbow.daemon.plist')
  assert.equal(unitOf(options('launchd', true)).path, '/Library/LaunchDaemons/ai.oxbow.daemon.plist')
  for (const manager of ['systemd', 'launchd', 'windows'] as const)
    assert.equal(unitOf(options(manager, true)).text.includes('--system'), true, manager)
})

const odd = '/home/a "b" %h $HOME \\ <x> & é/true'

test('paths with quotes, blanks, percents and dollars stay what they are', () => {
  assert.ok(unitOf(options('systemd', false, { program: odd })).text.includes('"/home/a \\"b\\" %%h $$HOME \\\\ <x> & é/true"'))
  assert.ok(unitOf(options('launchd', false, { program: odd })).text.includes('/home/a &quot;b&quot; %h $HOME \\ &lt;x&gt; &amp; é/true'))
  assert.ok(unitOf(options('windows', false, { program: 'C:\\a b\\' })).text.includes('&quot;C:\\a b\\\\&quot;'))
})

test(
  'systemd takes them, with odd paths too, and finds the daemon of the machine well enclosed',
  { skip: withoutProgram('systemd-analyze', 'systemd') },
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'oxbow-units-'))
    try {
      for (const isSystem of [true, false]) {
        for (const [name, more] of [
          ['oxbow', {}],
          ['odd', { oxbowHome: odd }],
        ] as const) {
          const file = join(folder, `${name}-${isSystem}.service`)
          writeFileSync(file, unitOf(options('systemd', isSystem, more)).text)
          const env = { ...process.env, XDG_RUNTIME_DIR: folder }
          const { status, stderr } = spawnSync('systemd-analyze', [...(isSystem ? [] : ['--user']), 'verify', file], {
            env,
            encoding: 'utf8',
          })
          assert.deepEqual([status, stderr.split('\n').filter((line) => line.includes(name))], [0, []], stderr)
        }
      }
      const said = execFileSync('systemd-analyze', ['security', '--offline=true', join(folder, 'oxbow-true.service')], { encoding: 'utf8' })
      const [, exposure] = /exposure level for \S+: ([\d.]+)/.exec(said) ?? []
      // A service that becomes others, and lets them make namespaces, cannot be at 3; without any protection it is at 9.6.
      assert.ok(Number(exposure) <= 7, said)
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)
