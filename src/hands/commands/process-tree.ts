/**
 * Ends all processes of a command, also those that left its process group and session (a daemon forks twice).
 *
 * Every command is started with a mark in its environment, which its descendants inherit. A process belongs to a command when the command
 * is among its ancestors, or when it or one of them carries the mark: during exec it has no readable environment. One without either
 * belongs to no command, and is ended too if all process ids belong to hands (`ownsPids`, only inside bubblewrap or a virtual machine).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { failed } from '../failure.ts'
import { killLimitMs, treePollMs } from '../limits.ts'

export interface RunningCommand {
  readonly pid: number
  /** `NAME=value`, as in the environment. */
  readonly mark: string
  /** For whom it runs: the name that the caller chose for a command, or the owner of a session. */
  readonly owner?: string
}

/** What the processes of an owner use now. Processor time includes their ended children's. */
export interface OwnerUsage {
  readonly owner: string
  readonly cpuMs: number
  readonly memoryBytes: number
  readonly processes: number
}

interface ProcessEntry {
  readonly parent: number
  readonly state: string
  readonly cpuMs: number
  readonly memoryBytes: number
}

/** @returns pids that must end with `ended`, without the pids of `others`. */
export function leftovers(ended: RunningCommand, others: readonly RunningCommand[], ownsPids: boolean): number[] {
  const table = readProcessTable()
  const commands = [ended, ...others]
  const marked = new Map<number, RunningCommand | undefined>()
  const markedAt = (pid: number): RunningCommand | undefined => {
    if (!marked.has(pid)) marked.set(pid, markedAmong(pid, commands))
    return marked.get(pid)
  }
  const startedAt = (pid: number): RunningCommand | undefined => commands.find((each) => each.pid === pid)
  const found: number[] = []
  for (const [pid, entry] of table) {
    // A zombie is already dead; init and hands are the sandbox itself.
    if (pid === 1 || pid === process.pid || entry.state === 'Z' || entry.state === 'X') continue
    const owner = firstUpwards(table, pid, startedAt) ?? firstUpwards(table, pid, markedAt)
    if (owner === ended || (owner === null && ownsPids && mayEnd(pid))) found.push(pid)
  }
  return found
}

/** Reads the table of processes once. */
export function usageOf(commands: readonly RunningCommand[]): readonly OwnerUsage[] {
  const table = readProcessTable()
  const byOwner = new Map<string, OwnerUsage>()
  for (const [pid, { cpuMs, memoryBytes, state }] of table) {
    if (state === 'Z' || state === 'X') continue
    const startedAt = (at: number): RunningCommand | undefined => commands.find((each) => each.pid === at)
    const command = firstUpwards(table, pid, startedAt) ?? firstUpwards(table, pid, (at) => markedAmong(at, commands))
    const owner = command?.owner
    if (owner === undefined) continue
    const before = byOwner.get(owner) ?? { owner, cpuMs: 0, memoryBytes: 0, processes: 0 }
    byOwner.set(owner, {
      owner,
      cpuMs: before.cpuMs + cpuMs,
      memoryBytes: before.memoryBytes + memoryBytes,
      processes: before.processes + 1,
    })
  }
  return [...byOwner.values()]
}

/**
 * Resolves when no process of the command lives.
 * @param graceMs time between SIGTERM and SIGKILL; 0 kills at once
 * @throws the failure `sandbox_failed` when processes survive SIGKILL, or fork faster than they die: the sandbox must be ended
 */
export async function endTree(
  ended: RunningCommand,
  others: () => readonly RunningCommand[],
  ownsPids: boolean,
  graceMs: number,
): Promise<void> {
  const start = performance.now()
  let terminated = false
  for (;;) {
    const pids = leftovers(ended, others(), ownsPids)
    if (pids.length === 0) return
    const spentMs = performance.now() - start
    if (spentMs > graceMs + killLimitMs)
      throw failed('sandbox_failed', 'Processes of the command cannot be ended.', 'The sandbox is started again.')
    if (spentMs >= graceMs) for (const pid of pids) signalQuietly(pid, 'SIGKILL')
    else if (!terminated) for (const pid of pids) signalQuietly(pid, 'SIGTERM')
    // Once only: later processes may be part of a clean-up, and a second SIGTERM restarts a shell's clean-up.
    terminated = true
    await delay(treePollMs)
  }
}

function signalQuietly(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended since the table was read.
  }
}

/** A process of another user is not a command's: in a virtual machine those are the kernel's and the one that started hands. */
function mayEnd(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** @returns the command of a process, or else of its nearest ancestor with one. */
function firstUpwards(
  table: ReadonlyMap<number, ProcessEntry>,
  pid: number,
  commandAt: (pid: number) => RunningCommand | undefined,
): RunningCommand | null {
  // Parents form a tree; the limit guards against a table that changed while it was read.
  for (let at = pid, steps = 0; at > 1 && steps < table.size; steps += 1) {
    const command = commandAt(at)
    if (command !== undefined) return command
    at = table.get(at)?.parent ?? 0
  }
  return null
}

function markedAmong(pid: number, commands: readonly RunningCommand[]): RunningCommand | undefined {
  const environment = readQuietly(`/proc/${pid}/environ`).split('\0')
  return commands.find((each) => environment.includes(each.mark))
}

/** Linux reports to programs in units of 1/100 s, whatever it counts in; pages are 4 KiB on all machines that it supports here. */
const tickMs = 10
const pageBytes = 4_096

function readProcessTable(): Map<number, ProcessEntry> {
  const table = new Map<number, ProcessEntry>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    // proc(5): pid (name) state ppid …; the name may hold spaces and parentheses, so count from its end.
    const stat = readQuietly(`/proc/${pid}/stat`)
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, parent] = fields
    if (state === undefined || parent === undefined) continue
    // utime, stime, and the same of children that were waited for, in ticks; then the resident pages.
    const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at] ?? 0), 0)
    table.set(pid, { state, parent: Number(parent), cpuMs: ticks * tickMs, memoryBytes: Number(fields[21] ?? 0) * pageBytes })
  }
  return table
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

// Process groups, as proc(5) shows them: pid (name) state ppid pgrp session tty_nr tpgid …; the name may contain anything.

/** @returns the group that the terminal of this process lets read and signals; 0 without a terminal */
export function foregroundGroup(pid: number): number {
  return Math.max(0, field(pid, 5))
}

export function inGroup(pid: number, group: number): boolean {
  return field(pid, 2) === group
}

/** @param index counted from the state; 0 for a process that has ended */
function field(pid: number, index: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[index] ?? 0)
  } catch {
    return 0
  }
}
