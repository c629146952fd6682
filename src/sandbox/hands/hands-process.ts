/** One hands process from start to end: spawned, fed its files, greeted, watched, killed. */
import type { ChildProcess } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { OxbowError } from '../../types/index.ts'
import type { Hands } from '../../types/index.ts'
import { connectHands } from './hands-connection.ts'
import { endTimeoutMs, maxDiagnosticBytes, startTimeoutMs } from '../limits.ts'

export interface HandsCommand {
  readonly file: string
  readonly args: readonly string[]
  readonly cwd: string
  /** Written to descriptors 3, 4, … */
  readonly data: readonly (string | Buffer)[]
}

export interface HandsProcess {
  readonly hands: Hands
  isOpen(): boolean
  /** Resolves when all that it started is gone. Never rejects. */
  kill(): Promise<void>
}

/**
 * @param afterExit called once when the process has exited, however it did; resolves when nothing that it started lives
 * @throws OxbowError `sandbox_failed` when it does not greet in time; its message holds what the launcher said
 */
export async function startHands(command: HandsCommand, afterExit: () => Promise<void>): Promise<HandsProcess> {
  const child = spawnQuietly(command)
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', () => resolve())
  })
  const gone = exited.then(afterExit)
  const diagnostics = collect(child.stderr!)
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, endTimeoutMs)))
    await Promise.race([gone, limit])
    clearTimeout(timer)
  }
  const connection = connectHands(child.stdin!, child.stdout!, kill)
  void exited.then(() => connection.close())
  void gone.then(() => connection.end('it ended'))
  for (const [i, data] of command.data.entries()) {
    const pipe = child.stdio[3 + i] as Writable
    // A launcher that fails early closes its pipes; its message says why.
    pipe.on('error', () => undefined)
    pipe.end(data)
  }
  const limit = setTimeout(() => void kill(), startTimeoutMs)
  try {
    await connection.ready
  } catch (error) {
    await kill()
    throw new OxbowError('sandbox_failed', `The sandbox did not start: ${diagnostics() || 'no message'}`, {
      hint: 'See docs/security-model.md for what it needs.',
      cause: error,
    })
  } finally {
    clearTimeout(limit)
  }
  return { hands: connection, isOpen: () => connection.isOpen(), kill }
}

function spawnQuietly(command: HandsCommand): ChildProcess {
  const { spawn } = process.getBuiltinModule('node:child_process')
  const pipes = command.data.map(() => 'pipe' as const)
  // Its own session: Ctrl+C in the terminal cancels the turn and must not reach the sandbox by itself.
  return spawn(command.file, command.args, { cwd: command.cwd, env: {}, detached: true, stdio: ['pipe', 'pipe', 'pipe', ...pipes] })
}

/** Reads to the end and keeps the beginning, so that nobody can fill the memory or block by writing here. */
function collect(stream: Readable): () => string {
  let text = ''
  stream.on('data', (bytes: Buffer) => {
    if (text.length < maxDiagnosticBytes) text += bytes.toString().slice(0, maxDiagnosticBytes - text.length)
  })
  return () => text.trim()
}
