/** The real program in a real pseudo-terminal. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { openPty, withHome } from './chat/pty-fixture.ts'

it('what was typed before a call asked is no answer to it', async () => {
  await withHome(async (home) => {
    mkdirSync(join(home, 'oxbow'), { recursive: true })
    writeFileSync(join(home, 'oxbow', 'config.toml'), '[approval.calls]\n"time.now" = "ask"\n')
    const pty = openPty(home, ['run', 'what time is it'])
    pty.type('y\r')
    await pty.see('allow? [y/N]')
    pty.type('n\r')
    await pty.see('refused')
    assert.equal(typeof (await pty.exit), 'number')
  })
})
