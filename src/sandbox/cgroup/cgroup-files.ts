/** Files of control groups as they are read: one that is not there, or that nobody may read, says nothing. */
import { readFileSync } from 'node:fs'
import { cgroupLimits } from './cgroup-parent.ts'
import type { CgroupLimit } from './cgroup-parent.ts'

/** @returns '' for what cannot be read. */
export function readGroupFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** @returns those of our limits that a file of controllers names. */
export function limitsNamedIn(path: string): readonly CgroupLimit[] {
  const names = readGroupFile(path).trim().split(/\s+/)
  return cgroupLimits.filter((limit) => names.includes(limit))
}
