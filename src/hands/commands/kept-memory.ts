/**
 * What a command can leave behind in a sandbox outside of its files and without a program that runs on: shared memory. Later commands read
 * it, so it counts where files do: for their labels, and for what was allowed.
 */
import { readdirSync, readFileSync } from 'node:fs'
import type { Root } from '../files/workspace-path.ts'

/** POSIX shared memory and semaphores; an ordinary folder to every program. No file call reaches it. */
export const memoryFolder: Root = { virtual: '/dev/shm', real: '/dev/shm' }

/** System V objects of this sandbox: a heading, then a line each. */
const systemV = ['shm', 'sem', 'msg'].map((kind) => `/proc/sysvipc/${kind}`)

/** @returns whether anything is there */
export function keepsMemory(): boolean {
  return entriesIn(memoryFolder.real) > 0 || systemV.some((path) => linesIn(path) > 1)
}

function entriesIn(folder: string): number {
  try {
    return readdirSync(folder).length
  } catch {
    return 0
  }
}

/** @returns 0 where the kernel has no such objects */
function linesIn(path: string): number {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean).length
  } catch {
    return 0
  }
}
