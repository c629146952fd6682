/** A secret that is typed at a real pseudo-terminal: never shown, kept as it was typed, and the terminal is as it was before. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { spawn } from '@lydell/node-pty'
import { makeMasterKeys, openHome, openWorkspace } from '../../runner/index.ts'
import { storedSecrets } from '../../store/index.ts'
import { configSchema, systemClock, type UserId } from '../../types/index.ts'
import { shareCompileCache } from '../../../test/support/compile-cache.ts'

const program = fileURLToPath(new URL('../main.ts', import.meta.url))
const patienceMs = 60_000
const typed = 'sekret-ü-4711'

test('a typed secret is not shown, what was rubbed out is not kept, and Ctrl+C keeps nothing and gives the terminal back', async () => {
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
    assert.match(shown, /TOKEN is kept/)
    assert.match(shown, /left 0\r\necho\r\n[^]*nothing was kept[^]*left [1-9]\d*\r\necho\r\n/)
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
