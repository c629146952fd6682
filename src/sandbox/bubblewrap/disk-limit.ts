/**
 * Says whether `sandbox.disk_mb` holds. What files may take in all is bounded by the file system they are on and by nothing else: the
 * limit of a single file is not one of their sum. So the workspace has to be on one of that size; docs/isolation.md has the line
 * that makes it. A volatile one is not made here, nor one mounted over files that are there: both would lose a person's work.
 */
import { statSync, statfsSync } from 'node:fs'
import type { WorkspaceFolders } from '../workspace-folders.ts'

export interface DiskLimit {
  readonly inForce: readonly string[]
  readonly missing: readonly string[]
}

const mib = 1024 * 1024

export function findDiskLimit({ shared, tmp }: Pick<WorkspaceFolders, 'shared' | 'tmp'>, diskMb: number | null): DiskLimit {
  if (diskMb === null) return { inForce: ['disk: no limit in all, sandbox.disk_mb is not set'], missing: [] }
  // Two folders on one file system share its room.
  const bytes = new Map([shared, tmp].map((folder) => [fileSystem(folder), size(folder)]))
  const total = [...bytes.values()].reduce((sum, each) => sum + each, 0)
  if (total <= diskMb * mib) return { inForce: [`disk: ${Math.floor(total / mib)} MB in all`], missing: [] }
  return { inForce: [], missing: [`disk: the workspace is on a larger file system than sandbox.disk_mb (${diskMb}); not limited`] }
}

function size(folder: string): number {
  const { blocks, bsize } = statfsSync(folder)
  return blocks * bsize
}

function fileSystem(folder: string): number {
  return statSync(folder).dev
}
