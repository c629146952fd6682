/** What `npm start` does on a machine where the sandbox's programs are missing. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))

/** @returns the script that the program `npm` of this machine is, or null. */
function findNpm(): string | null {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    try {
      return realpathSync(join(folder, 'npm'))
    } catch {
      // Not in this folder.
    }
  }
  return null
}

void test('no script depends on pre- and post-scripts, which npm skips with ignore-scripts', () => {
  assert.match(readFileSync(join(root, '.npmrc'), 'utf8'), /^ignore-scripts=true$/m)
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  const names = Object.keys(scripts)
  const passedOver = names.filter((name) => names.some((other) => name === `pre${other}` || name === `post${other}`))
  assert.deepEqual(passedOver, [])
})

void test('npm start says what the sandbox needs before it begins', async (t) => {
  const npm = findNpm()
  if (npm === null) return t.skip('npm is not on the PATH: install it with Node')
  // The search for programs ends in these folders, whatever the PATH.
  const isThere = ['/usr/sbin', '/sbin'].some((path) => existsSync(join(path, 'bwrap')) || existsSync(join(path, 'apt-get')))
  if (isThere) return t.skip('/usr/sbin is /usr/bin here, so bubblewrap is never missing')
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-bare-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, target] of [
    ['node', process.execPath],
    ['sh', '/bin/sh'],
  ] as const)
    symlinkSync(target, join(folder, name))
  const env = { PATH: folder, HOME: folder, npm_config_update_notifier: 'false' }
  const { stderr } = await promisify(execFile)(process.execPath, [npm, 'start', '--', '--help'], { cwd: root, env })
  assert.match(stderr, /^notice: the sandbox needs bubblewrap/m)
})
