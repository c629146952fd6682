/** Starts the process of a session, with a pseudo-terminal or with pipes, behind one interface. */
import type { ChildProcess } from 'node:child_process'
import { closeSync, writeSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import type { SessionEnd } from '../../protocol/index.ts'
import type { LiveCommands } from '../commands/start-process.ts'
import { startProcess } from '../commands/start-process.ts'
import { systemCode } from '../failure.ts'
import { terminalRetryMs } from '../limits.ts'

export interface SessionProcess {
  readonly pid: number
  readonly terminal: boolean
  /** Standard output and error, in the order in which they were written. */
  readonly output: Readable
  /** null if it has no input. */
  readonly input: SessionInput | null
  readonly exited: Promise<SessionEnd>
  /** Only with a terminal. */
  resize(columns: number, rows: number): void
  /** Closes the terminal. */
  release(): void
}

export interface SessionStart {
  readonly argv: readonly [string, ...string[]]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly takesInput: boolean
  readonly dataLimitKib: number | null
  readonly live: LiveCommands
}

/** @throws the failure `tool_failed` when it cannot start */
export async function startWithPipes(start: SessionStart): Promise<SessionProcess> {
  const stdio = [start.takesInput ? 'pipe' : 'ignore', 'pipe', 'ignore'] as const
  const child = await startProcess({ ...start, hidden: start.live.hidden, stdio, before: 'exec 2>&1' })
  const { stdin, stdout } = child
  // A process may close its input without reading it.
  stdin?.on('error', () => undefined)
  stdout!.on('error', () => undefined)
  return {
    pid: child.pid!,
    terminal: false,
    output: stdout!,
    input: stdin === null ? null : pipeInput(stdin),
    exited: endOf(child),
    resize: () => undefined,
    release() {
      stdin?.destroy()
      stdout!.destroy()
    },
  }
}

/** @throws the failure `tool_failed` when it cannot start; an Error when the system has no free terminal */
export async function startInTerminal(
  start: SessionStart,
  addon: PtyAddon,
  size: { columns: number; rows: number },
): Promise<SessionProcess> {
  const { hidden } = start.live
  const { master, slave, pty } = addon.open(size.columns, size.rows)
  const [kept, passed] = [{ descriptor: master }, { descriptor: slave }]
  hidden.add(kept).add(passed)
  // A session leader gets the first terminal that it opens as its controlling terminal: hence opened by name.
  const before = 'exec <>"$0" >&0 2>&1'
  let child: ChildProcess
  try {
    child = await startProcess({ ...start, hidden, stdio: [slave, slave, slave], before, place: pty })
  } catch (error) {
    closeSync(master)
    hidden.delete(kept)
    throw error
  } finally {
    closeSync(slave)
    hidden.delete(passed)
  }
  const { ReadStream } = process.getBuiltinModule('node:tty')
  const stream: Readable = new ReadStream(master)
  // Once it is destroyed, its descriptor may already be reused.
  const isOpen = (): boolean => !stream.destroyed
  // EIO: the last process has closed the terminal.
  stream.on('error', () => stream.destroy())
  stream.once('close', () => hidden.delete(kept))
  return {
    pid: child.pid!,
    terminal: true,
    output: stream,
    input: createTerminalInput(master, isOpen),
    exited: endOf(child),
    resize(columns, rows) {
      if (isOpen()) addon.resize(master, columns, rows)
    },
    release: () => void stream.destroy(),
  }
}

function pipeInput(pipe: Writable): SessionInput {
  return {
    write: (text) => void pipe.write(text),
    waitingBytes: () => pipe.writableLength,
    isOpen: () => pipe.writable,
    end: () => void pipe.end(),
  }
}

function endOf(child: ChildProcess): Promise<SessionEnd> {
  return new Promise((resolve) => child.once('exit', (exitCode, signal) => resolve({ exitCode, signal })))
}

// Pseudo-terminals, by the native addon of `@lydell/node-pty`, which the sandbox mounts next to hands. Its JavaScript is not used: it starts
// processes itself, and hands start all processes in one place.

/** Path of the addon inside the sandbox. */
const insideAddon = '/opt/oxbow/pty.node'

interface PtyAddon {
  /** Both descriptors are inherited by every new process unless replaced: they are not marked close-on-exec. */
  open(columns: number, rows: number): { readonly master: number; readonly slave: number; readonly pty: string }
  resize(master: number, columns: number, rows: number): void
}

/** @returns null if it is missing or does not load on this system */
export function loadPtyAddon(): PtyAddon | null {
  const loaded: { exports: Partial<PtyAddon> } = { exports: {} }
  try {
    process.dlopen(loaded, insideAddon)
  } catch {
    return null
  }
  const { open, resize } = loaded.exports
  return open === undefined || resize === undefined ? null : { open, resize }
}

// Writes to a terminal without blocking. A stream would block: Node writes to a terminal until everything is accepted, so a program that
// does not read its input would stop hands.

/** Accepts input at once, and buffers what the process has not read. */
interface SessionInput {
  write(text: string): void
  waitingBytes(): number
  isOpen(): boolean
  /** Ends the input. A terminal has a key for that instead. */
  end(): void
}

/** @param master a non-blocking descriptor @param isOpen false from the moment at which it may be closed */
function createTerminalInput(master: number, isOpen: () => boolean): SessionInput {
  let waiting: Buffer = Buffer.alloc(0)
  let retry: NodeJS.Timeout | null = null
  const send = (): void => {
    retry = null
    if (!isOpen()) waiting = Buffer.alloc(0)
    while (waiting.length > 0) {
      const taken = take(master, waiting)
      waiting = waiting.subarray(taken)
      if (taken > 0) continue
      retry = setTimeout(send, terminalRetryMs)
      return
    }
  }
  return {
    write(text) {
      waiting = Buffer.concat([waiting, Buffer.from(text)])
      if (retry === null) send()
    },
    waitingBytes: () => waiting.length,
    isOpen,
    end: () => undefined,
  }
}

/** @returns how many bytes the terminal accepted; all of them if nothing will ever read them */
function take(master: number, bytes: Buffer): number {
  try {
    return writeSync(master, bytes)
  } catch (error) {
    return systemCode(error) === 'EAGAIN' ? 0 : bytes.length
  }
}
