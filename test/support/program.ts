/** The program as a person runs it, in a home of its own. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { shareCompileCache } from './compile-cache.ts'
import { inTime } from './patience.ts'
import { program } from './built.ts'

export interface Ran {
  readonly exit: number | null
  readonly out: string
  readonly err: string
}

export interface Home extends AsyncDisposable {
  readonly folder: string
  /** One verb, with what is piped to it. */
  oxbow(args: readonly string[], piped?: string): Promise<Ran>
  /** The objects that a verb with `--json` printed. @throws unless it went well */
  json<Line>(...args: readonly string[]): Promise<Line[]>
}

/**
 * @param config of its config.toml. Its guest serves until it is disposed of.
 * @param folder a home that exists, with the configuration that it has; a new one when absent
 * @param main of another copy of the product
 */
export async function openHome(config = '', folder: string = newHome(config), main: string = program): Promise<Home> {
  const env = { PATH: process.env['PATH'], HOME: folder, OXBOW_HOME: folder }
  const start = (args: readonly string[], piped: string) => {
    const child = spawn(process.execPath, [main, ...args], { env, cwd: folder })
    const said = { out: '', err: '' }
    child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()))
    child.stdin.on('error', () => {})
    child.stdin.end(piped)
    return { child, said, over: new Promise<Ran>((resolve) => child.once('close', (exit) => resolve({ exit, ...said }))) }
  }
  const server = start(['serve'], '')
  const serves = new Promise<void>((resolve) =>
    server.child.stdout.on('data', () => {
      if (server.said.out.includes('Ctrl+C stops it.')) resolve()
    }),
  )
  const early = server.over.then(({ err }) => Promise.reject(new Error(`serve ended: ${err}`)))
  early.catch(() => {})
  await inTime(Promise.race([serves, early]), () => `the guest to serve; it says: ${server.said.out}${server.said.err}`)
  const oxbow: Home['oxbow'] = (args, piped = '') => start(args, piped).over
  return {
    folder,
    oxbow,
    async json(...args) {
      const { exit, out, err } = await oxbow([...args, '--json'])
      if (exit !== 0) throw new Error(`oxbow ${args.join(' ')} ended with ${exit}: ${err}`)
      return out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as never]))
    },
    async [Symbol.asyncDispose]() {
      server.child.kill('SIGINT')
      await server.over
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function newHome(config: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-home-'))
  writeFileSync(join(folder, 'config.toml'), config)
  shareCompileCache(folder)
  return folder
}
