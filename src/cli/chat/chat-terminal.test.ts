/** The real program in a real pseudo-terminal, with a real guest and the offline interpreter. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { spawn } from '@lydell/node-pty'

const program = fileURLToPath(new URL('../main.ts', import.meta.url))
/** A test that waits longer has failed; on a machine that works it takes a second. */
const patienceMs = 30_000

interface Pty {
  /** Resolves when the text has appeared since the last match. */
  see(text: string): Promise<void>
  type(keys: string): void
  readonly exit: Promise<number>
}

function openPty(home: string, ...args: readonly string[]): Pty {
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, OXBOW_HOME: join(home, 'oxbow'), TERM: 'xterm' }
  const pty = spawn(process.execPath, [program, ...args], { cols: 200, rows: 50, env })
  let unseen = ''
  let wake = (): void => {}
  pty.onData((data) => {
    unseen += stripVTControlCharacters(data)
    wake()
  })
  const exit = new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)))
  return {
    exit,
    type: (keys) => pty.write(keys),
    async see(text) {
      const late = AbortSignal.timeout(patienceMs)
      while (!unseen.includes(text)) {
        await new Promise<void>((resolve, reject) => {
          wake = resolve
          late.addEventListener('abort', () => reject(new Error(`${JSON.stringify(text)} did not appear; there is: ${unseen}`)))
        })
      }
      unseen = unseen.slice(unseen.indexOf(text) + text.length)
    },
  }
}

async function withHome(check: (home: string) => Promise<void>): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-pty-'))
  try {
    await check(home)
  } finally {
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** A call that needs no sandbox, and asks. */
function askForTime(home: string): void {
  mkdirSync(join(home, 'oxbow'))
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

void test('a call that asks is answered in the chat, and its line shows the time it took', async () => {
  await withHome(async (home) => {
    askForTime(home)
    const pty = openPty(home, '--user', 'ada')
    await pty.see('› ')
    pty.type('what time is it\r')
    await pty.see('time_now asks to run with exactly this input')
    await pty.see('allow? [y/n]')
    pty.type('y\r')
    await pty.see('· time_now')
    await pty.see(' ms')
    await pty.see('› ')
    pty.type('/quit\r')
    assert.equal(await pty.exit, 0)
  })
})

void test('Ctrl+C stops the turn that waits, and the next one leaves', async () => {
  await withHome(async (home) => {
    askForTime(home)
    const pty = openPty(home)
    await pty.see('› ')
    pty.type('what time is it\r')
    await pty.see('allow? [y/n]')
    pty.type('\u0003')
    await pty.see('stopping the turn')
    await pty.see('› ')
    pty.type('\u0003')
    assert.equal(await pty.exit, 0)
  })
})
