/** The real program in a real pseudo-terminal, with a real guest and the offline interpreter. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openPty, withHome } from './pty-fixture.ts'

/** A call that needs no sandbox, and asks. */
function askForTime(home: string): void {
  mkdirSync(join(home, 'oxbow'), { recursive: true })
  writeFileSync(join(home, 'oxbow', 'config.toml'), '[approval.calls]\n"time.now" = "ask"\n')
}

void test('a person opens the chat, asks, gets an answer, and leaves with Ctrl+D', async () => {
  await withHome(async (home) => {
    const pty = openPty(home)
    await pty.see('model offline')
    await pty.see('› ')
    pty.type('help\r')
    await pty.see('You can say')
    await pty.see('› ')
    pty.type('/sessions\r')
    await pty.see('1 turn  help')
    pty.type('/cost\r')
    await pty.see('altogether: $0.00')
    await pty.see('› ')
    pty.type('\u0004')
    assert.equal(await pty.exit, 0)
  })
})

void test('a call that needs approval is approved in the chat, and its line shows the time it took', async () => {
  await withHome(async (home) => {
    askForTime(home)
    const pty = openPty(home, ['chat', '--user', 'ada'])
    await pty.see('› ')
    pty.type('what time is it\r')
    await pty.see('time_now asks to run with exactly this input')
    await pty.see('allow? [y/n/a]')
    pty.type('y\r')
    await pty.see('· time_now')
    await pty.see(' ms')
    await pty.see('› ')
    pty.type('/quit\r')
    assert.equal(await pty.exit, 0)
  })
})

void test('Ctrl+C stops a waiting turn', async () => {
  await withHome(async (home) => {
    askForTime(home)
    const pty = openPty(home)
    await pty.see('› ')
    pty.type('what time is it\r')
    await pty.see('allow? [y/n/a]')
    pty.type('\u0003')
    await pty.see('Stopping the turn')
    await pty.see('› ')
    pty.type('/quit\r')
    assert.equal(await pty.exit, 0)
  })
})

void test('Ctrl+C on an empty line asks for a second one', async () => {
  await withHome(async (home) => {
    const pty = openPty(home)
    await pty.see('› ')
    pty.type('\u0003')
    await pty.see('Press Ctrl+C again to leave.')
    await pty.see('› ')
    pty.type('\u0003')
    assert.equal(await pty.exit, 0)
  })
})

void test('pasted text of several lines is one message, and is not sent by itself', async () => {
  await withHome(async (home) => {
    const pty = openPty(home)
    await pty.see('› ')
    pty.type('\u001b[200~one\r/quit\r\u001b[201~')
    await pty.see('/quit')
    pty.type('\r')
    await pty.see('I did not understand that')
    await pty.see('› ')
    pty.type('/sessions\r')
    await pty.see('1 turn  one')
    pty.type('/quit\r')
    assert.equal(await pty.exit, 0)
  })
})

void test('a chat in the guest of another terminal continues when that terminal leaves', async () => {
  await withHome(async (home) => {
    const first = openPty(home)
    await first.see('› ')
    const second = openPty(home)
    await second.see('› ')
    second.type('help\r')
    await second.see('You can say')
    await second.see('› ')
    first.type('/quit\r')
    assert.equal(await first.exit, 0)
    await second.see('starting another guest')
    await second.see('› help')
    await second.see('› ')
    second.type('/sessions\r')
    await second.see('1 turn  help')
    second.type('/quit\r')
    assert.equal(await second.exit, 0)
  })
})

void test('on a dumb terminal a person erases, asks and stops as anywhere, and no sequence reaches it', async () => {
  await withHome(async (home) => {
    const pty = openPty(home, ['chat'], { TERM: 'dumb' })
    await pty.see('› ')
    pty.type('helx\u007fp\r')
    await pty.see('You can say')
    await pty.see('› ')
    pty.type('\u0003')
    await pty.see('Press Ctrl+C again to leave.')
    pty.type('/quit\r')
    assert.equal(await pty.exit, 0)
    assert.ok(!pty.raw().includes('\u001b'))
  })
})
