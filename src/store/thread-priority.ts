/** Whoever answers people goes first: threads that index and search step back when there are more of them than processors. */
import { readlinkSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'
import { basename } from 'node:path'
import { backgroundNiceness } from './limits.ts'

/**
 * Lowers the priority of the thread that calls it, for good; of the thread alone, as Linux counts it (setpriority(2)). Elsewhere, and
 * where it is refused, nothing changes.
 */
export function lowerThreadPriority(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), Math.max(getPriority(), backgroundNiceness))
  } catch {
    // Slower answers under load, and nothing else.
  }
}
