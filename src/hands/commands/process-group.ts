/** Process groups, as proc(5) shows them: pid (name) state ppid pgrp session tty_nr tpgid …; the name may hold anything. */
import { readFileSync } from 'node:fs'

/** @returns the group that the terminal of this process lets read and signals; 0 when there is none */
export function foregroundGroup(pid: number): number {
  return Math.max(0, field(pid, 5))
}

export function inGroup(pid: number, group: number): boolean {
  return field(pid, 2) === group
}

/** @param index counted from the state; 0 for a process that is gone */
function field(pid: number, index: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[index] ?? 0)
  } catch {
    return 0
  }
}
