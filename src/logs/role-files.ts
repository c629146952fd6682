/** The files of a role: its own, and those that it has replaced, `guest.log.1` the newest. */
import { renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { LogRole } from '../base/index.ts'
import { keptFiles } from './limits.ts'

/** What Node and V8 themselves write when a guest dies. */
export const stderrFile = 'guest.stderr.log'

/** @returns the name of a file; 0 is the one that is written */
export function fileOf(role: LogRole, index: number): string {
  return index === 0 ? `${role}.log` : `${role}.log.${index}`
}

/** Each file takes the name of the one before; the oldest goes. @throws the system's own error */
export function shiftFiles(folder: string, role: LogRole): void {
  rmSync(join(folder, fileOf(role, keptFiles - 1)), { force: true })
  for (let index = keptFiles - 2; index >= 0; index -= 1) {
    try {
      renameSync(join(folder, fileOf(role, index)), join(folder, fileOf(role, index + 1)))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}

export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
