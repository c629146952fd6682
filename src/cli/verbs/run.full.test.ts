/** What `oxbow run` does with the keys that answer a question, in a real terminal. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openPty, withHome } from '../chat/pty-fixture.ts'

test('ending the input at a question means no, and the turn continues', async () => {
  await withHome(async (home) => {
    mkdirSync(join(home, 'oxbow'), { recursive: true })
    writeFileSync(join(home, 'oxbow/config.toml'), '[approval.calls]\n"time.now" = "ask"\n')
    for (const key of ['\u0004', '\u0003']) {
      const pty = openPty(home, ['run', 'what time is it'])
      await pty.see('allow? [y/N] ')
      pty.type(key)
      await pty.see('refused')
      assert.equal(await pty.exit, 0)
    }
  })
})
