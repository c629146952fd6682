/** Starts one process for a command or a session: in its own session and group, with limits, and without inherited descriptors. */
import type { ChildProcess } from 'node:child_process'
import { accessSync, closeSync, constants, existsSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { failed } from '../failure.ts'
import { reservedProcesses } from '../limits.ts'
import { endTree, leftovers, type OwnerUsage, type RunningCommand, usageOf } from './process-tree.ts'

/** The environment of a command, apart from its mark. */
export const commandEnvironment: Readonly<Record<string, string>> = {
  PATH: '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin',
  HOME: '/tmp',
  LANG: 'C.UTF-8',
  TERM: 'dumb',
}

/** When memory runs out, the kernel kills the command, not hands. proc(5) oom_score_adj: -1000 to 1000. */
const diesFirst = '1000'

interface ProcessStart {
  readonly argv: readonly [string, ...string[]]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Standard input, output and error. */
  readonly stdio: readonly ('ignore' | 'pipe' | number)[]
  /** Shell code that runs before the program is exec'ed; `$0` is `place`. May be empty. */
  readonly before?: string
  readonly place?: string
  /** Maximum private memory of one process, where the sandbox as a whole has no limit; null for none. */
  readonly dataLimitKib: number | null
  /** See LiveCommands. */
  readonly hidden: ReadonlySet<HiddenDescriptor>
}

/** @returns the shell for commands: bash if it is installed */
export function findShell(): string {
  return existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh'
}

/** @param name without a path: only what is installed is found, nothing in a workspace. @throws the failure `not_found` */
export function findProgram(name: string): string {
  for (const folder of name.includes('/') ? [] : commandEnvironment['PATH']!.split(':')) {
    const path = `${folder}/${name}`
    try {
      accessSync(path, constants.X_OK)
      if (statSync(path).isFile()) return path
    } catch {
      // Not in this folder.
    }
  }
  throw failed('not_found', `No program ${JSON.stringify(name)} is installed in the sandbox.`, 'Use another program.')
}

/** @throws the failure `tool_failed` when it cannot start */
export async function startProcess(start: ProcessStart): Promise<ChildProcess> {
  const { spawn } = process.getBuiltinModule('node:child_process')
  const { argv, before = '', place = 'sh', cwd, dataLimitKib, hidden } = start
  const first = [processLimit(), dataLimitKib === null ? '' : `ulimit -d ${dataLimitKib}`, before].filter((line) => line !== '')
  const [file, ...args] = first.length === 0 ? argv : ['/bin/sh', '-ec', [...first, 'exec "$@"'].join('\n'), place, ...argv]
  // A descriptor that would be inherited is replaced by /dev/null.
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
    // In its own session, so that a command that signals its process group does not reach hands.
    const child = spawn(file, args, { cwd, env: start.env, detached: true, stdio })
    await begun(child)
    yieldMemoryFirst(child.pid!)
    return child
  } finally {
    if (nowhere !== null) closeSync(nowhere)
  }
}

/**
 * A fork bomb must leave some processes for hands: Node aborts when it cannot start a thread, which would end every session. Shells name
 * the limit differently: `-p` in dash and busybox, `-u` in bash.
 */
function processLimit(): string {
  // gVisor has no such file.
  const limits = existsSync('/proc/self/limits') ? readFileSync('/proc/self/limits', 'latin1') : ''
  const [, limit] = /^Max processes\s+(\d+)/m.exec(limits) ?? []
  if (limit === undefined || Number(limit) <= 2 * reservedProcesses) return ''
  const left = Number(limit) - reservedProcesses
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
    // The command has already ended, or the system has no such file.
  }
}

// Running commands and open sessions of this sandbox, in one list so that ending one spares the others.

/** An object, not a number: the number may be reused once it is closed. */
interface HiddenDescriptor {
  readonly descriptor: number
}

export interface LiveCommands {
  /** A unique mark for the environment of the next command. */
  newMark(): { readonly name: string; readonly value: string }
  add(command: RunningCommand): void
  /** What the processes of all owners use. */
  usage(): readonly OwnerUsage[]
  /** Pids of its living processes. */
  processes(command: RunningCommand): number[]
  /** Resolves when all its processes have ended; see endTree for grace and failure. Leaves the list either way. */
  end(command: RunningCommand, graceMs: number): Promise<void>
  /** Descriptors of hands that no child process may inherit. */
  readonly hidden: Set<HiddenDescriptor>
  /** Additional environment of a command with this pass. */
  environment(pass: string): Readonly<Record<string, string>>
}

/** @param ownsPids see process-tree.ts; true only in our own pid namespace */
export function createLiveCommands(ownsPids: boolean, environment: LiveCommands['environment'] = () => ({})): LiveCommands {
  const living = new Set<RunningCommand>()
  const run = `${process.pid}-${Date.now().toString(36)}`
  let count = 0
  const othersThan = (command: RunningCommand) => [...living].filter((each) => each !== command)
  return {
    newMark: () => ({ name: 'OXBOW_COMMAND', value: `${run}-${(count += 1)}` }),
    add: (command) => void living.add(command),
    usage: () => usageOf([...living]),
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
