/** A daemon in a home of its own, as a service starts it, and what verbs and programs say to it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { daemonEntry, program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { patienceMs } from '../support/patience.ts'

export interface Ended {
  readonly exit: number
  readonly text: string
}

export interface DaemonHome extends AsyncDisposable {
  readonly folder: string
  readonly socket: string
  readonly env: Readonly<Record<string, string>>
  /** Starts a daemon, and waits until it listens. */
  daemon(): Promise<ChildProcess>
  /** Starts one, and waits for nothing. */
  begin(): ChildProcess
  oxbow(...words: readonly string[]): Promise<Ended>
  ask(op: string, input?: object): Promise<Reply>
  /** Processes of guests of this home. */
  guests(): readonly number[]
}

export interface Reply {
  readonly id: string
  readonly ok: boolean
  readonly output?: Record<string, never>
  readonly failure?: { readonly code: string; readonly message: string; readonly hint: string }
}

export function openDaemonHome(more: Readonly<Record<string, string>> = {}): DaemonHome {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-daemon-'))
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, OXBOW_HOME: join(folder, 'oxbow'), ...more }
  shareCompileCache(env.OXBOW_HOME)
  const socket = join(env.OXBOW_HOME, 'control/admin.sock')
  const children: ChildProcess[] = []
  const begin = (): ChildProcess => {
    const child = spawn(process.execPath, [daemonEntry], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    return child
  }
  return {
    folder,
    socket,
    env,
    begin,
    async daemon() {
      const child = begin()
      let said = ''
      for (const stream of [child.stdout, child.stderr]) stream!.on('data', (chunk: Buffer) => (said += chunk.toString()))
      await until(
        () => said.includes('admin.sock') || child.exitCode !== null,
        () => said,
      )
      if (child.exitCode !== null) throw new Error(`the daemon ended: ${said}`)
      return child
    },
    oxbow: (...words) => run(process.execPath, [program, ...words], env),
    ask: (op, input = {}) => askSocket(socket, { id: '1', op, input }),
    guests: () => guestsOf(env.OXBOW_HOME),
    async [Symbol.asyncDispose]() {
      for (const child of children) if (child.exitCode === null && child.signalCode === null) await ended(child, 'SIGTERM')
      await until(() => guestsOf(env.OXBOW_HOME).length === 0)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv, more: object = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(file, args, { env, timeout: patienceMs, ...more }, (error, stdout, stderr) => {
      resolve({ exit: error === null ? 0 : Number(error.code ?? 99), text: stdout + stderr })
    })
    child.stdin?.end()
  })
}

export async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  const over = new Promise<number | null>((resolve) => child.once('exit', resolve))
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  child.kill(signal)
  return over
}

export async function until(holds: () => boolean | Promise<boolean>, what: () => string = () => String(holds)): Promise<void> {
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += 20) {
    if (await holds()) return
    await sleep(20)
  }
  throw new Error(`not in ${patienceMs / 1_000} s: ${what()}`)
}

export function askSocket(path: string, request: unknown): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    let all = Buffer.alloc(0)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed without a reply')))
    socket.on('data', (bytes: Buffer) => {
      all = Buffer.concat([all, bytes])
      if (all.length < 4 || all.length < 4 + all.readUInt32BE(0)) return
      resolve(JSON.parse(all.toString('utf8', 4, 4 + all.readUInt32BE(0))) as Reply)
      socket.end()
    })
    socket.write(frame(request))
  })
}

export function frame(message: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(message))
  const head = Buffer.alloc(4)
  head.writeUInt32BE(text.length)
  return Buffer.concat([head, text])
}

/** Guests have their workspace as their current folder. */
function guestsOf(home: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
        const state = readFileSync(`/proc/${pid}/stat`, 'latin1')
        if (!words.includes('serve') || !words.some((word) => /guest/.test(word)) || / Z /.test(state)) return false
        return existsSync(`/proc/${pid}/cwd`) && readLink(`/proc/${pid}/cwd`).startsWith(join(home, 'users'))
      } catch {
        return false
      }
    })
    .map(Number)
}

function readLink(path: string): string {
  return process.getBuiltinModule('node:fs').readlinkSync(path)
}
