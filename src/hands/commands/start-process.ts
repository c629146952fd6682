/** Starts one process for a command or a session: its own session and group, its limits set, nothing inherited by accident. */
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import type { ChildProcess } from 'node:child_process'
import { failed } from '../failure.ts'
import { reservedProcesses } from '../limits.ts'
import type { HiddenDescriptor } from './live-commands.ts'

/** All that a command's environment holds, beside its mark. */
export const commandEnvironment: Readonly<Record<string, string>> = {
  PATH: '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin',
  HOME: '/tmp',
  LANG: 'C.UTF-8',
  TERM: 'dumb',
}

/** When memory runs out the kernel ends the command, not hands. proc(5) oom_score_adj: -1000 to 1000. */
const diesFirst = '1000'

export interface ProcessStart {
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
