/** Starts one process for a command or a session: its own session and group, its limits set, nothing inherited by accident. */
import type { ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { failed } from '../failure.ts'
import { reservedProcesses } from '../limits.ts'
import { endTree, leftovers, type RunningCommand } from './process-tree.ts'

/** All that a command's environment holds, beside its mark. */
export const commandEnvironment: Readonly<Record<string, string>> = {
  PATH: '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin',
  HOME: '/tmp',
  LANG: 'C.UTF-8',
  TERM: 'dumb',
}

/** When memory runs out the kernel ends the command, not hands. proc(5) oom_score_adj: -1000 to 1000. */
const diesFirst = '1000'

interface ProcessStart {
  readonly argv: readonly [string, ...string[]]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Standard input, output and error. */
  readonly stdio: readonly ('ignore' | 'pipe' | number)[]
  /** Done by a shell of its own before the program takes its place; `$0` is `place`. Empty for nothing. */
  readonly before?: string
  readonly place?: string
  /** Most private memory of one process, where nothing bounds the sandbox as a whole; null for no limit. */
  readonly dataLimitKib: number | null
  /** See LiveCommands. */
  readonly hidden: ReadonlySet<HiddenDescriptor>
}

/** @returns the shell that commands are for: bash where it is installed */
export function findShell(): string {
  return existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh'
}

/** @throws the failure `tool_failed` when it cannot start */
export async function startProcess(start: ProcessStart): Promise<ChildProcess> {
  const { spawn } = process.getBuiltinModule('node:child_process')
  const { argv, before = '', place = 'sh', cwd, dataLimitKib, hidden } = start
  const first = [processLimit(), dataLimitKib === null ? '' : `ulimit -d ${dataLimitKib}`, before].filter((line) => line !== '')
  const [file, ...args] = first.length === 0 ? argv : ['/bin/sh', '-ec', [...first, 'exec "$@"'].join('\n'), place, ...argv]
  // A descriptor that the system would pass on is covered by one that leads nowhere.
  const nowhere = hidden.size === 0 ? null : openSync('/dev/null', 'r+')
  const stdio: ('ignore' | 'pipe' | number)[] = [...start.stdio]
  if (nowhere !== null) {
    const descriptors = new Set([...hidden].map(({ descriptor }) => descriptor))
    for (const descriptor of [...descriptors].toSorted((a, b) => a - b)) {
      while (stdio.length < descriptor) stdio.push('ignore')
      stdio.push(nowhere)
    }
  }
  try {
    // Its own session: a command that signals its process group does not reach hands.
    const child = spawn(file, args, { cwd, env: start.env, detached: true, stdio })
    await begun(child)
    yieldMemoryFirst(child.pid!)
    return child
  } finally {
    if (nowhere !== null) closeSync(nowhere)
  }
}

/**
 * A storm of processes must leave some for hands: Node ends itself when it cannot start a thread, and every session would go
 * down with it. Shells name the limit differently: `-p` in dash and busybox, `-u` in bash.
 */
function processLimit(): string {
  // gVisor has no such file.
  const limits = existsSync('/proc/self/limits') ? readFileSync('/proc/self/limits', 'latin1') : ''
  const [, most] = /^Max processes\s+(\d+)/m.exec(limits) ?? []
  if (most === undefined || Number(most) <= 2 * reservedProcesses) return ''
  const left = Number(most) - reservedProcesses
  return `ulimit -p ${left} 2>/dev/null || ulimit -u ${left} 2>/dev/null || :`
}

function begun(child: ChildProcess): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EAGAIN' ? 'too many processes are running' : (error.code ?? 'unknown')
      const hint = 'Check the folder, or wait for other commands to end.'
      reject(failed('tool_failed', `The command could not start in this folder: ${why}.`, hint))
    })
  })
}

function yieldMemoryFirst(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, diesFirst)
  } catch {
    // The command is over already, or the system has no such file.
  }
}

// What is alive in this sandbox: commands that run and sessions that are open. Who ends one of them spares the others, so all
// stand in one list.

/** A thing of its own, and no number: a number is somebody else's as soon as it is closed. */
interface HiddenDescriptor {
  readonly descriptor: number
}

export interface LiveCommands {
  /** A mark for the environment of the next one; never the same twice. */
  newMark(): { readonly name: string; readonly value: string }
  add(command: RunningCommand): void
  /** Pids of all that lives of it. */
  processes(command: RunningCommand): number[]
  /** Resolves when nothing of it is left; see endTree for grace and failure. It leaves the list either way. */
  end(command: RunningCommand, graceMs: number): Promise<void>
  /** Descriptors of hands that nothing they start may have, though the system would pass them on. */
  readonly hidden: Set<HiddenDescriptor>
  /** What one with this pass finds in its environment beside what a command always has. */
  environment(pass: string): Readonly<Record<string, string>>
}

/** @param ownsPids see process-tree.ts; true only in a pid namespace of our own */
export function createLiveCommands(ownsPids: boolean, environment: LiveCommands['environment'] = () => ({})): LiveCommands {
  const living = new Set<RunningCommand>()
  const run = `${process.pid}-${Date.now().toString(36)}`
  let count = 0
  const othersThan = (command: RunningCommand) => [...living].filter((each) => each !== command)
  return {
    newMark: () => ({ name: 'OXBOW_COMMAND', value: `${run}-${(count += 1)}` }),
    add: (command) => void living.add(command),
    processes: (command) => leftovers(command, othersThan(command), false),
    async end(command, graceMs) {
      try {
        await endTree(command, () => othersThan(command), ownsPids, graceMs)
      } finally {
        living.delete(command)
      }
    },
    hidden: new Set(),
    environment,
  }
}
