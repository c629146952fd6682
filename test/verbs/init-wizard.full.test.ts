/** The questions of `oxbow init` in a real terminal. They try the sandboxes of the machine, which takes seconds. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openPty, withHome } from '../../src/cli/chat/pty-fixture.ts'
import { errorTable } from '../../src/types/index.ts'

const secret = 'sk-of-a-test-4711'

/** Whether any file of the home has the text. */
function isAnywhere(folder: string, text: string): boolean {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .some((entry) => readFileSync(join(entry.parentPath, entry.name)).includes(text))
}

test('a terminal asks for everything, shows no key, and changes nothing when it is left', async () => {
  await withHome(async (folder) => {
    const left = openPty(folder, ['init'])
    await left.see('Which model shall Oxbow use?')
    left.type('\u0003')
    assert.equal(await left.exit, errorTable.cancelled.exit)
    const terminal = openPty(folder, ['init'], { ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' })
    await terminal.see('Which model shall Oxbow use?')
    await terminal.see('Anthropic')
    terminal.type('\r')
    await terminal.see('Which of its models?')
    terminal.type('\r')
    await terminal.see('Its key')
    terminal.type(`${secret}\r`)
    await terminal.see('how many dollars a day?')
    terminal.type('3\r')
    await terminal.see('be isolated?')
    terminal.type('\r')
    await terminal.see('Do that?')
    terminal.type('\r')
    await terminal.see('stored as ANTHROPIC_API_KEY')
    assert.equal(await terminal.exit, 0)
    assert.equal(isAnywhere(folder, secret), false)
    assert.match(readFileSync(join(folder, 'oxbow/users/default/config.toml'), 'utf8'), /provider = "anthropic"/)
  })
})
