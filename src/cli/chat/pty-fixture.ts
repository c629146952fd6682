/** The real program in a real pseudo-terminal, with a home of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { spawn } from '@lydell/node-pty'
import { shareCompileCache } from '../../../test/support/compile-cache.ts'
import { program } from '../../../test/support/built.ts'

/** A test that waits longer has failed; on a machine that works it takes a second. */
const patienceMs = 60_000

export interface Pty {
  /** Resolves when the texts have appeared since the last match, in whatever order. */
  see(...texts: readonly string[]): Promise<void>
  type(keys: string): void
  /** All that was written, with what acts on the terminal. */
  raw(): string
  readonly exit: Promise<number>
}

/**
 * @param env further variables; `CI` is set, so that nothing is looked for on the machine that tests
 * @param start another program with its first arguments, and where to start it
 */
export function openPty(
  home: string,
  args: readonly string[] = ['chat'],
  env: Readonly<Record<string, string>> = {},
  start: { readonly file: readonly string[]; readonly cwd: string } = { file: [process.execPath, program], cwd: process.cwd() },
): Pty {
  const all = { PATH: process.env['PATH'] ?? '', HOME: home, OXBOW_HOME: join(home, 'oxbow'), TERM: 'xterm', CI: '1', ...env }
  const [command = '', ...first] = start.file
  const pty = spawn(command, [...first, ...args], { cols: 200, rows: 50, env: all, cwd: start.cwd })
  let unseen = ''
  let wake = (): void => {}
  let raw = ''
  pty.onData((data) => {
    raw += data
    unseen += stripVTControlCharacters(data)
    wake()
  })
  const exit = new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)))
  return {
    exit,
    type: (keys) => pty.write(keys),
    raw: () => raw,
    async see(...texts) {
      const late = AbortSignal.timeout(patienceMs)
      while (!texts.every((text) => unseen.includes(text))) {
        await new Promise<void>((resolve, reject) => {
          wake = resolve
          late.addEventListener('abort', () => {
            pty.kill('SIGKILL')
            reject(new Error(`${JSON.stringify(texts)} did not appear; there is: ${unseen}`))
          })
        })
      }
      unseen = unseen.slice(Math.max(...texts.map((text) => unseen.indexOf(text) + text.length)))
    },
  }
}

export async function withHome(check: (home: string) => Promise<void>): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-pty-'))
  shareCompileCache(join(home, 'oxbow'))
  try {
    await check(home)
  } finally {
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
}
