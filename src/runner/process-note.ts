/**
 * Who has written a note, such as the pid of a server: a process id alone is not enough, because after a crash or a restart of the machine it
 * may be the one of any other program.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive, isObject, writeWhole } from '../base/index.ts'
import type { Workspace } from './home.ts'

export interface ProcessNote {
  readonly pid: number
  /** Distinguishes processes that have had this id one after another; empty where the system does not tell. */
  readonly began: string
}

/** @returns a note of a process that lives */
export function noteOf(pid: number): ProcessNote {
  return { pid, began: beginOf(pid) }
}

/** @returns whether the process that a note is of still lives */
export function isSame({ pid, began }: ProcessNote): boolean {
  return isAlive(pid) && beginOf(pid) === began
}

/** Writes a note with more in it. */
export function writeNote(file: string, note: ProcessNote & { readonly guest?: number | null }): void {
  writeWhole(file, JSON.stringify(note))
}

/** @returns the note in a file, with whatever else is in it, if its process still lives; null also for a damaged one */
export function livingNote(file: string): (ProcessNote & Readonly<Record<string, unknown>>) | null {
  try {
    const found: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (!isObject(found) || !Number.isSafeInteger(found['pid']) || (found['pid'] as number) <= 0) return null
    const note = { ...found, pid: found['pid'] as number, began: typeof found['began'] === 'string' ? found['began'] : '' }
    return isSame(note) ? note : null
  } catch {
    return null
  }
}

/** The process of `oxbow serve`, and the guest that it started; null between two of them. */
export interface ServerNote extends ProcessNote {
  readonly guest: number | null
}

/** Where a server notes itself. */
export function serverFile({ ipc }: Pick<Workspace, 'ipc'>): string {
  return join(ipc, 'serve.json')
}

/** @returns the server that keeps a guest running without a terminal; null: none does */
export function serverOf(workspace: Pick<Workspace, 'ipc'>): ServerNote | null {
  const note = livingNote(serverFile(workspace))
  return note === null ? null : { ...note, guest: Number.isSafeInteger(note['guest']) ? (note['guest'] as number) : null }
}

/** proc(5): the 22nd field of `stat` is when it began, after the start of this boot; the name in parentheses may have blanks. */
function beginOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, , , , , , , , , , , , , , , , , , , ticks] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie has ended.
    if (state === 'Z' || state === 'X') return 'ended'
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}:${ticks}`
  } catch {
    return ''
  }
}
