/**
 * Says whether `sandbox.disk_mb` holds. What files may take in all is bounded by the file system they are on and by nothing else: the
 * limit of a single file is not one of their sum. held-disk.ts puts one of that size there, when the configuration says so.
 */
import { statSync, statfsSync } from 'node:fs'
import type { WorkspaceFolders } from '../workspace-folders.ts'

export interface DiskLimit {
  readonly inForce: readonly string[]
  readonly missing: readonly string[]
}

const mib = 1024 * 1024

/** @param problem why a disk that was asked for is not there; null when none was, or it is */
export function findDiskLimit(
  { shared, tmp }: Pick<WorkspaceFolders, 'shared' | 'tmp'>,
  diskMb: number | null,
  problem: string | null,
): DiskLimit {
  if (diskMb === null) return { inForce: ['disk: no limit in all, sandbox.disk_mb is not set'], missing: [] }
  // Two folders on one file system share its room.
  const bytes = new Map([shared, tmp].map((folder) => [fileSystem(folder), size(folder)]))
  const total = [...bytes.values()].reduce((sum, each) => sum + each, 0)
  if (total <= diskMb * mib) return { inForce: [`disk: ${Math.floor(total / mib)} MB in all`], missing: [] }
  const why = problem ?? `the workspace is on a larger file system than sandbox.disk_mb (${diskMb})`
  return { inForce: [], missing: [`disk: ${why}; not limited`] }
}

function size(folder: string): number {
  const { blocks, bsize } = statfsSync(folder)
  return blocks * bsize
}

function fileSystem(folder: string): number {
  return statSync(folder).dev
}
