/** One hands process from start to end: spawned, fed its files, greeted, watched, killed. */
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { OxbowError } from '../../base/index.ts'
import type { Hands } from '../../protocol/index.ts'
import { connectHands } from './hands-connection.ts'
import { endTimeoutMs, maxDiagnosticBytes, startTimeoutMs } from '../limits.ts'

export interface HandsCommand {
  readonly file: string
  readonly args: readonly string[]
  readonly cwd: string
  /** Written to descriptors 3, 4, … */
  readonly data: readonly (string | Buffer)[]
}

/** Hands that run in a process of their own. */
export interface HandsProcess {
  readonly hands: Hands
  isOpen(): boolean
  /** Resolves when all of its processes have ended. Never rejects. */
  kill(): Promise<void>
}

/** Running hands: their streams, and how to end them. */
export interface StartedHands {
  readonly input: Writable
  readonly output: Readable
  /** Explains a failed start; '' if there is no explanation. */
  diagnostics(): string
  /** Resolves when hands, or their virtual machine, have exited. Never rejects. */
  readonly exited: Promise<void>
  /** Resolves when all of their processes have ended. Never rejects. */
  readonly gone: Promise<void>
  /** Begins to end them and all of their processes; `gone` resolves when that is done. May be called more than once. Never throws. */
  kill(): void
  /** Timeout of the greeting; the default if absent. */
  readonly startTimeoutMs?: number
}

/**
 * Connects to hands over any streams. When the streams end, hands are killed.
 * @throws OxbowError `sandbox_failed` when they do not greet in time; its message contains the diagnostics
 */
export async function attachHands(started: StartedHands): Promise<HandsProcess> {
  const { input, output, exited, gone } = started
  const kill = async (): Promise<void> => {
    started.kill()
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, endTimeoutMs)))
    await Promise.race([gone, limit])
    clearTimeout(timer)
  }
  const connection = connectHands(input, output, kill)
  void exited.then(() => connection.close())
  void gone.then(() => connection.end('it ended'))
  const limit = setTimeout(
    () => void kill().then(() => connection.end('it did not greet in time')),
    started.startTimeoutMs ?? startTimeoutMs,
  )
  try {
    await connection.ready
  } catch (error) {
    await kill()
    throw new OxbowError('sandbox_failed', `The sandbox did not start: ${started.diagnostics() || 'no message'}`, {
      hint: 'See docs/security-model.md for what it needs.',
      cause: error,
    })
  } finally {
    clearTimeout(limit)
  }
  return { hands: connection, isOpen: () => connection.isOpen(), kill }
}

/**
 * Starts a command that becomes hands, and connects to them over its standard input and output.
 * @param afterExit called once when the process has exited; resolves when all its processes have ended
 * @throws OxbowError as attachHands does
 */
export async function startHands(command: HandsCommand, afterExit: () => Promise<void>): Promise<HandsProcess> {
  const child = spawnQuietly(command)
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', () => resolve())
  })
  for (const [i, data] of command.data.entries()) {
    const pipe = child.stdio[3 + i] as Writable
    // A launcher that fails early closes its pipes; its message says why.
    pipe.on('error', () => undefined)
    pipe.end(data)
  }
  return attachHands({
    input: child.stdin!,
    output: child.stdout!,
    diagnostics: collectDiagnostics(child.stderr!),
    exited,
    gone: exited.then(afterExit),
    kill: () => void child.kill('SIGKILL'),
  })
}

function spawnQuietly(command: HandsCommand): ChildProcess {
  const pipes = command.data.map(() => 'pipe' as const)
  // In its own session: Ctrl+C in the terminal cancels the turn and must not reach the sandbox directly.
  return spawnWithStreams(command.file, command.args, {
    cwd: command.cwd,
    env: {},
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', ...pipes],
  })
}

/**
 * @throws OxbowError `limit_reached` when this process has too many files open: the child then has no streams, and its error event would be
 * uncaught
 */
export function spawnWithStreams(file: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const { spawn } = process.getBuiltinModule('node:child_process')
  const child = spawn(file, args, options)
  // Missing in its type.
  if ((child.stdio as readonly unknown[] | undefined) !== undefined) return child
  child.on('error', () => undefined)
  throw new OxbowError('limit_reached', 'A sandbox cannot be started: too many files are open.', {
    hint: 'Try again later, or raise the limit: ulimit -n 65536',
  })
}

/** Reads to the end and keeps the beginning, so that a writer can neither fill memory nor block. */
export function collectDiagnostics(stream: Readable): () => string {
  let text = ''
  stream.on('data', (bytes: Buffer) => {
    if (text.length < maxDiagnosticBytes) text += bytes.toString().slice(0, maxDiagnosticBytes - text.length)
  })
  return () => text.trim()
}
