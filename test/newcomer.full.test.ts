/** The walk of a newcomer: a bare home, the command of the README, the first answer. How long it takes is printed. */
import assert from 'node:assert/strict'
import { mkdirSync, realpathSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openPty, withHome } from '../src/cli/chat/pty-fixture.ts'

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

void test('a newcomer gets a first answer from npm start', async (t) => {
  const npm = findNpm()
  if (npm === null) return t.skip('npm is not on the PATH: install it with Node')
  await withHome(async (home) => {
    mkdirSync(home, { recursive: true })
    const began = performance.now()
    const env = { CI: '', npm_config_update_notifier: 'false' }
    const terminal = openPty(home, [], env, { file: [process.execPath, npm, 'start'], cwd: root })
    // npm prints the command, and then the command begins.
    await terminal.see('node src/cli/main.ts')
    const oursBegan = performance.now()
    await terminal.see('Set one up now?')
    terminal.type('n')
    await terminal.see('Type a message')
    terminal.type('help\r')
    await terminal.see('You can say')
    const [ours, all] = [performance.now() - oursBegan, performance.now() - began]
    terminal.type('/quit\r')
    assert.equal(await terminal.exit, 0)
    t.diagnostic(`first answer after ${Math.round(all)} ms, ${Math.round(ours)} ms of it ours; goal: less than 2000 ms`)
  })
})
