/**
 * One guest as a child process of this one. The guest gets an almost empty environment, its envelope on stdin and a log file
 * for stderr. Its stdin stays open as long as its runner lives: when the runner dies in any way, the guest reads the end and stops.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { closeSync, openSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { isErrorCode, OxbowError, crashSignals, leaveCrashMark } from '../base/index.ts'
import { engineVariables, type GuestEnvelope, type GuestQuestion, type GuestReport, guestReportSchema } from '../config/index.ts'
import { type Home, type HostEnv, hostFiles, type Workspace } from './home.ts'
import { guestStopTimeoutMs, maxGuestLineBytes, maxGuestLogBytes } from './limits.ts'

/** Argument that identifies the process in process lists; the envelope holds the request. */
type GuestCommand = 'serve' | GuestQuestion['command']

export interface GuestProcess {
  readonly pid: number
  /** Output of the guest; read it once. Ends when the guest is gone. */
  readonly lines: AsyncIterable<unknown>
  /** Resolves when the process is gone. Never rejects. */
  readonly gone: Promise<{ readonly exitCode: number | null; readonly signal: string | null }>
  /** Writes one line to its stdin. */
  send(line: object): void
  /** Closes stdin, which stops the guest; kills its process group on timeout. Resolves when it is gone. */
  stop(): Promise<void>
}

/** Where the guest program is and how it is started. Tests use their own. */
export interface GuestProgram {
  readonly entry: string
}

/** The guest next to this code: a source file in development, a bundle when built. */
export function ownGuestProgram(): GuestProgram {
  const built = import.meta.url.endsWith('.js')
  return { entry: fileURLToPath(new URL(built ? './guest.js' : '../guest/main.ts', import.meta.url)) }
}

/** Host variables that a guest inherits: to find programs and container engines, for time zone and certificates. */
const keptVariables = ['PATH', 'HOME', 'USER', 'TZ', 'LANG', 'LC_ALL', 'TMPDIR', 'NODE_EXTRA_CA_CERTS', ...engineVariables] as const

/**
 * Node options of a guest. Half the default young generation saves 25 MB; an eighth would cost a fifth more CPU time under load. One
 * background thread for collection and compilation instead of four saves 7 MB; on two processors more only wait for each other.
 */
export const guestFlags: readonly string[] = ['--max-semi-space-size=16', '--v8-pool-size=1']

/** One malloc arena for all threads: saves 20 MB in a warm guest at the same speed. */
export const guestVariables: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '1' }

/** How the guest is started when it is isolated. */
interface GuestLaunch {
  readonly file: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

interface Start {
  readonly home: Home
  readonly workspace: Workspace
  readonly envelope: GuestEnvelope
  readonly program: GuestProgram
  readonly env: HostEnv
  readonly launch?: GuestLaunch
}

/** @throws OxbowError `guest_unreachable` when the process cannot be started. */
export async function spawnGuest({ home, workspace, envelope, program, env, launch }: Start): Promise<GuestProcess> {
  const log = openLog(join(workspace.logs, 'guest.log'))
  const command: GuestCommand = envelope.question?.command ?? 'serve'
  const own: GuestLaunch = { file: process.execPath, args: [...guestFlags, program.entry, command], env: guestEnvironment(home, env) }
  const { file, args, env: childEnv } = launch ?? own
  const child = spawn(file, args, {
    cwd: workspace.root,
    env: childEnv,
    stdio: ['pipe', 'pipe', log],
    // Its own process group: Ctrl+C in the terminal must reach only the terminal program.
    detached: true,
  }) as ChildProcessByStdio<Writable, Readable, null>
  closeSync(log)
  const gone = new Promise<{ exitCode: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (exitCode, signal) => {
      if (signal !== null && crashSignals.has(signal)) leaveCrashMark(workspace.root)
      resolve({ exitCode, signal })
    })
    child.once('error', () => resolve({ exitCode: null, signal: null }))
  })
  const started = await new Promise<Error | null>((resolve) => {
    child.once('spawn', () => resolve(null))
    child.once('error', resolve)
  })
  if (started !== null || child.pid === undefined) {
    throw new OxbowError('guest_unreachable', `the guest cannot be started: ${started?.message ?? 'no process'}`, {
      hint: `Check that ${process.execPath} and ${program.entry} are readable.`,
      cause: started,
    })
  }
  const pid = child.pid
  // A guest that dies before reading its envelope is reported through its exit, not the broken pipe.
  child.stdin.on('error', () => {})
  child.stdin.write(`${JSON.stringify(envelope)}\n`)
  return {
    pid,
    lines: jsonLines(child.stdout),
    gone,
    send: (line) => void child.stdin.write(`${JSON.stringify(line)}\n`),
    async stop() {
      child.stdin.end()
      const timer = setTimeout(() => killGroup(pid), guestStopTimeoutMs)
      await gone
      clearTimeout(timer)
    },
  }
}

/** @returns the report in a line, or null for any other line. */
export function asReport(line: unknown): GuestReport | null {
  return guestReportSchema.safeParse(line).data ?? null
}

/** @returns the error in a guest's `fatal` report; an unknown code becomes `guest_unreachable`. */
export function fatalError({ code, message, hint }: GuestReport & { type: 'fatal' }): OxbowError {
  return new OxbowError(isErrorCode(code) ? code : 'guest_unreachable', message, { hint })
}

function guestEnvironment(home: Home, env: HostEnv): Record<string, string> {
  const kept: Record<string, string> = { ...guestVariables, NODE_COMPILE_CACHE: home.compileCache }
  for (const name of keptVariables) {
    const value = env[name]
    if (value !== undefined) kept[name] = value
  }
  return kept
}

function openLog(path: string): number {
  try {
    if (statSync(path).size > maxGuestLogBytes) renameSync(path, `${path}.1`)
  } catch {
    // No log yet.
  }
  return hostFiles(() => openSync(path, 'a', 0o600))
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has exited in the meantime.
  }
}

/**
 * @returns the JSON value of each line from a guest. Other lines, such as stray output of a library, are skipped.
 * @throws OxbowError `limit_reached` for a line without end.
 */
export async function* jsonLines(stream: AsyncIterable<Buffer>, maxBytes: number = maxGuestLineBytes): AsyncGenerator {
  let parts: Buffer[] = []
  let waiting = 0
  for await (const chunk of stream) {
    let from = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end))
      const value = parseLine(Buffer.concat(parts).toString('utf8'))
      parts = []
      waiting = 0
      from = end + 1
      if (value !== undefined) yield value
    }
    parts.push(chunk.subarray(from))
    waiting += chunk.length - from
    if (waiting > maxBytes) {
      throw new OxbowError('limit_reached', `the guest wrote a line of more than ${maxBytes} bytes`, {
        hint: 'See logs/guest.log in the workspace.',
      })
    }
  }
  const last = parseLine(Buffer.concat(parts).toString('utf8'))
  if (last !== undefined) yield last
}

function parseLine(line: string): unknown {
  if (line.trim() === '') return undefined
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
