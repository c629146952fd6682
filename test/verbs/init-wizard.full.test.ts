/** The questions of `oxbow init` in a real terminal. They try the sandboxes of the machine, which takes seconds. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openPty, withHome } from '../../src/cli/chat/pty-fixture.ts'
import { errorTable } from '../../src/base/index.ts'
import { startModel } from '../support/model.ts'

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
    await left.see('Which model should Oxbow use?')
    left.type('\u0003')
    assert.equal(await left.exit, errorTable.cancelled.exit)
    const terminal = openPty(folder, ['init'], { ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' })
    await terminal.see('Which model should Oxbow use?')
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

test('an address without /v1 is answered with the one that works, and a window in which no turn fits with the reason', async () => {
  await using model = await startModel({ models: ['mine'], turns: [{ steps: [{ events: [{ text: 'Hello.' }] }] }] })
  const { base_url: baseUrl } = model.config
  await withHome(async (folder) => {
    const terminal = openPty(folder, ['init'])
    await terminal.see('Which model should Oxbow use?')
    await terminal.see('None for now')
    // The last but one, from the first.
    terminal.type('\u001B[A\u001B[A\r')
    await terminal.see('Its address')
    terminal.type(`${new URL(baseUrl).origin}\r`)
    await terminal.see(`and ${baseUrl} does. Use that?`)
    terminal.type('\r')
    await terminal.see('Which of its models?')
    terminal.type('\r')
    await terminal.see('Its context window in tokens')
    terminal.type('4096\r')
    await terminal.see('at least 6000 tokens')
    terminal.type(`${'\u007F'.repeat(4)}8192\r`)
    await terminal.see('Its key')
    terminal.type('\r')
    await terminal.see('how many dollars a day?')
    terminal.type('0\r')
    await terminal.see('be isolated?')
    terminal.type('\r')
    await terminal.see('Do that?')
    terminal.type('\r')
    await terminal.see('answers.')
    assert.equal(await terminal.exit, 0)
    const config = readFileSync(join(folder, 'oxbow/users/default/config.toml'), 'utf8')
    assert.ok(config.includes(`base_url = "${baseUrl}"`), config)
    assert.match(config, /context_tokens = 8192/)
  })
})
