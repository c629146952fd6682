/** One session: its process tree, its output, and the operations on it. */
import type { SessionEnd, SessionEntry, SessionOps } from '../../protocol/index.ts'
import { foregroundGroup, inGroup } from '../commands/process-tree.ts'
import type { CommandOptions } from '../commands/run-command.ts'
import { commandEnvironment, findShell } from '../commands/start-process.ts'
import { drainMs, floodWindowBytes, floodWindowMs, shellStartMs, terminateGraceMs } from '../limits.ts'
import { markedPrompts } from './output-text.ts'
import { loadPtyAddon, type SessionProcess, type SessionStart, startInTerminal, startWithPipes } from './session-process.ts'
import { createSessionOutlet, createThrottle, type SessionOutlet, type Throttle } from './session-output.ts'

export interface Session {
  readonly outlet: SessionOutlet
  readonly process: SessionProcess
  /** What does not change. */
  readonly facts: Pick<SessionEntry, 'kind' | 'terminal' | 'command' | 'cwd'>
  /** Pids of the foreground group; never the shell itself. */
  foreground(): number[]
  /** Pids of all living processes that it started. */
  everything(): number[]
  /** Resolves when it and all of its processes have ended. @throws `sandbox_failed` when some cannot be killed */
  readonly over: Promise<SessionEnd>
  /** Ends it. @throws as `over` */
  close(): Promise<SessionEnd>
}

type OpenInput = SessionOps['sessionOpen']['input']

/** @param cwd the real folder. @throws the failure `tool_failed` when it cannot start */
export async function openSession(input: OpenInput, cwd: string, options: CommandOptions): Promise<Session> {
  const { live, dataLimitKib } = options
  const mark = live.newMark()
  const marked = { [mark.name]: mark.value }
  const process = await startFor(input, { cwd, dataLimitKib, live }, marked)
  const command = { pid: process.pid, mark: `${mark.name}=${mark.value}`, owner: input.owner }
  live.add(command)
  const isShell = input.kind === 'shell'
  const inFront = (): boolean => !process.terminal || foregroundGroup(process.pid) === process.pid
  const outlet = createSessionOutlet(isShell && !process.terminal, inFront)
  const { throttle, closed } = follow(process, outlet)
  /** Set by a close, so that the exit of the process does not end the tree twice. */
  let closing: Promise<void> | null = null

  const over = process.exited.then(async (end) => {
    throttle.release()
    await (closing ?? live.end(command, 0))
    // The pipe may still hold output.
    await orAfter(closed, drainMs)
    process.release()
    outlet.end(end)
    return end
  })
  // The next request gets the failure.
  over.catch(() => {
    process.release()
    outlet.end({ exitCode: null, signal: null })
  })
  if (isShell) await firstPrompt(outlet)
  return {
    outlet,
    process,
    facts: { kind: input.kind, terminal: process.terminal, command: input.command, cwd: input.cwd },
    foreground() {
      const group = isShell && process.terminal ? foregroundGroup(process.pid) : process.pid
      if (isShell && process.terminal && group === process.pid) return []
      return live.processes(command).filter((pid) => inGroup(pid, group) && !(isShell && pid === process.pid))
    },
    everything: () => live.processes(command),
    over,
    async close() {
      // A shell ignores SIGTERM, but ends with its terminal.
      if (closing === null && isShell && outlet.ended() === null) hangUp(process.pid)
      closing ??= live.end(command, terminateGraceMs)
      await closing
      return over
    },
  }
}

/** A terminal if one is requested and available, else pipes. */
async function startFor(
  { kind, command, terminal, pass = '', env: own }: OpenInput,
  common: Pick<SessionStart, 'cwd' | 'dataLimitKib' | 'live'>,
  marked: Readonly<Record<string, string>>,
): Promise<SessionProcess> {
  const shell = findShell()
  const isBash = shell.endsWith('/bash')
  const addon = terminal === null ? null : loadPtyAddon()
  const start = (inTerminal: boolean): SessionStart => {
    const env = {
      ...commandEnvironment,
      ...own,
      ...common.live.environment(pass),
      ...(inTerminal && { TERM: 'xterm-256color' }),
      ...marked,
    }
    if (kind === 'job') return { ...common, argv: [shell, '-c', command], env, takesInput: inTerminal }
    const quiet = inTerminal ? [] : ['--noediting']
    const args = isBash ? ['--norc', '--noprofile', ...quiet, '-i'] : ['-i']
    const shown = inTerminal ? (isBash ? '\\w\\$ ' : '$ ') : ''
    // A history file would be written to /tmp, with everything that was typed.
    const prompts = { ...markedPrompts(inTerminal && isBash, shown, inTerminal ? '> ' : ''), HISTFILE: '/dev/null' }
    return { ...common, argv: [shell, ...args], env: { ...env, ...prompts }, takesInput: true }
  }
  if (terminal === null || addon === null) return startWithPipes(start(false))
  return startInTerminal(start(true), addon, terminal)
}

function follow(process: SessionProcess, outlet: SessionOutlet): { throttle: Throttle; closed: Promise<void> } {
  const { output } = process
  const throttle = createThrottle(output, floodWindowBytes, floodWindowMs)
  output.on('data', (chunk: Buffer) => {
    outlet.push(chunk)
    throttle.took(chunk.length)
  })
  return { throttle, closed: new Promise((resolve) => output.once('close', () => resolve())) }
}

/** Resolves when the shell waits for input; earlier input would be echoed twice. */
async function firstPrompt(outlet: SessionOutlet): Promise<void> {
  const wait = { owner: '', id: '', from: 0, maxBytes: Infinity, waitMs: shellStartMs, quietMs: shellStartMs, plain: false } as const
  await outlet.read({ ...wait, until: 'quiet' }, new AbortController().signal)
}

function hangUp(pid: number): void {
  try {
    process.kill(pid, 'SIGHUP')
  } catch {
    // It has already ended.
  }
}

async function orAfter(event: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([event, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))])
  clearTimeout(timer)
}
