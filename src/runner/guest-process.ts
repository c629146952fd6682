/**
 * One guest as a child process of this one. The guest gets an almost empty environment, its envelope on stdin and a log file
 * for stderr. Its stdin stays open as long as its runner lives: when the runner dies in any way, the guest reads the end and stops.
 */
import { isErrorCode, OxbowError, crashSignals, leaveCrashMark } from '../base/index.ts'
import { type GuestEnvelope, type GuestReport, guestReportSchema } from '../config/index.ts'
import { type BegunGuest, type GuestCommand, type GuestLaunch, type GuestProgram, ownLaunch, placeOf, startProcess } from './begin-guest.ts'
import type { Home, HostEnv, Workspace } from './home.ts'
import { guestStopTimeoutMs, maxGuestLineBytes } from './limits.ts'

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

interface Start {
  readonly home: Home
  readonly workspace: Workspace
  readonly envelope: GuestEnvelope
  readonly program: GuestProgram
  readonly env: HostEnv
  /** How an isolated guest is started. */
  readonly launch?: GuestLaunch
  /** Becomes the guest, unless that has another workspace, or is isolated. */
  readonly begun?: BegunGuest | undefined
}

/** @throws OxbowError `guest_unreachable` when the process cannot be started. */
export async function spawnGuest({ home, workspace, envelope, program, env, launch, begun }: Start): Promise<GuestProcess> {
  const command: GuestCommand = envelope.question?.command ?? 'serve'
  const own = (): GuestLaunch => ownLaunch(program, command, home.compileCache, env)
  const child = (launch === undefined ? begun?.take(workspace, program) : undefined) ?? startProcess(placeOf(workspace), launch ?? own())
  begun?.end()
  const gone = new Promise<{ exitCode: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (exitCode, signal) => {
      if (signal !== null && crashSignals.has(signal)) leaveCrashMark(workspace.root)
      resolve({ exitCode, signal })
    })
    child.once('error', () => resolve({ exitCode: null, signal: null }))
  })
  const { pid } = child
  if (pid === undefined) {
    const cause = await new Promise<Error>((resolve) => child.once('error', resolve))
    throw new OxbowError('guest_unreachable', `the guest cannot be started: ${cause.message}`, {
      hint: `Check that ${process.execPath} and ${program.entry} are readable.`,
      cause,
    })
  }
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
        hint: 'See `oxbow logs`.',
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

/** Closes what was opened for a guest when the guest is gone. */
export function closingAfter(
  guest: GuestProcess,
  { container, close }: { readonly container: { remove(): Promise<void> }; close(): Promise<void> },
): GuestProcess {
  const gone = guest.gone.then(async (end) => {
    await container.remove()
    await close()
    return end
  })
  return { ...guest, gone }
}
