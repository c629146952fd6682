import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { it, test } from 'node:test'
import { spawn } from '@lydell/node-pty'
import { shareCompileCache } from '../../test/support/compile-cache.ts'
import { makeMasterKeys, openHome, openWorkspace } from '../runner/index.ts'
import { storedSecrets } from '../store/index.ts'
import { isOxbowError, systemClock, type UserId } from '../base/index.ts'
import { configSchema } from '../services/index.ts'
import { openPty, withHome } from './chat/pty-fixture.ts'
import { readPiped } from './input.ts'
import { program } from '../../test/support/built.ts'

function piped(...chunks: readonly (string | Buffer)[]): NodeJS.ReadStream {
  const stream = new PassThrough()
  for (const chunk of chunks) stream.write(chunk)
  stream.end()
  return stream as unknown as NodeJS.ReadStream
}

void test('piped text is read to its end', async () => {
  assert.equal(await readPiped(piped('one\n', 'two\n'), false), 'one\ntwo')
  assert.equal(await readPiped(piped(), true), '')
})

void test('a terminal is not read', async () => {
  assert.equal(await readPiped({ isTTY: true } as NodeJS.ReadStream, false), '')
})

void test('a silent inherited pipe does not delay a prompt', async () => {
  assert.equal(await readPiped(new PassThrough() as unknown as NodeJS.ReadStream, true, 1), '')
})

void test('text that is not UTF-8 or exceeds a message is refused', async () => {
  await assert.rejects(readPiped(piped(Buffer.from([0xff, 0xfe, 0xff])), true), (error) => isOxbowError(error, 'bad_input'))
  await assert.rejects(readPiped(piped(Buffer.alloc(1024 * 1024 + 1, 97)), true), (error) => isOxbowError(error, 'limit_reached'))
})

/** The real program in a real pseudo-terminal. */

it('input typed before a question is not an answer to it', async () => {
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

/** A secret that is typed at a real pseudo-terminal: never shown, kept as it was typed, and the terminal is as it was before. */

const patienceMs = 60_000
const typed = 'sekret-ü-4711'

test('a typed secret is not shown, deleted characters are not stored, and Ctrl+C stores nothing and restores the terminal', async () => {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-typing-'))
  shareCompileCache(home)
  // What the terminal does with typed keys is asked of it after each program.
  const line = (name: string): string =>
    `"$NODE" "$PROGRAM" secret set ${name}; echo "left $?"; stty -a | tr ' ;' '\\n\\n' | grep -x -e echo -e -echo`
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, OXBOW_HOME: home, TERM: 'xterm', NODE: process.execPath, PROGRAM: program }
  const pty = spawn('/bin/sh', ['-c', `"$NODE" "$PROGRAM" run help > /dev/null; ${line('TOKEN')}; ${line('OTHER')}`], {
    cols: 200,
    rows: 50,
    env,
  })
  let shown = ''
  let wake = (): void => {}
  pty.onData((data) => {
    shown += data
    wake()
  })
  const exit = new Promise<void>((resolve) => pty.onExit(() => resolve()))
  const see = async (text: string): Promise<void> => {
    const late = AbortSignal.timeout(patienceMs)
    while (!shown.includes(text)) {
      await new Promise<void>((resolve, reject) => {
        wake = resolve
        late.addEventListener('abort', () => reject(new Error(`${text} did not appear; there is: ${shown}`)))
      })
    }
  }
  try {
    await see('Value of TOKEN (not shown)')
    // In two pieces, with a letter too many.
    pty.write(typed.slice(0, 4))
    pty.write(`${typed.slice(4)}x\u007f`)
    pty.write('\r')
    await see('Value of OTHER (not shown)')
    pty.write(`${typed}\u0003`)
    await exit
    assert.ok(!shown.includes('sekret') && !shown.includes('4711'), shown)
    assert.match(shown, /Stored TOKEN/)
    assert.match(shown, /left 0\r\necho\r\n[^]*nothing was stored[^]*left [1-9]\d*\r\necho\r\n/)
    assert.deepEqual(await secretsOf(home), { TOKEN: typed })
  } finally {
    pty.kill('SIGKILL')
    await exit
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
})

/** As a guest reads them. */
async function secretsOf(home: string): Promise<Readonly<Record<string, string>>> {
  const place = openHome({ OXBOW_HOME: home })
  const user = 'default' as UserId
  const masters = makeMasterKeys({ home: place, user, config: configSchema.parse({}), env: {} })
  const file = join(openWorkspace(place, user).root, 'internal', 'oxbow.db')
  return storedSecrets(['TOKEN', 'OTHER'], { place: { user, url: '', file }, masters, clock: systemClock })
}
