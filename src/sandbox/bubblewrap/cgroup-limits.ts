/**
 * Bounds the memory, the number of processes and the processor time of a whole sandbox by control groups, version 1 or 2, where they can be
 * written. A group is a folder: made before the start, entered by the launcher itself, removed when the last process is gone.
 */
import { accessSync, constants, existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What control groups can bound. */
export type CgroupLimit = 'memory' | 'pids' | 'cpu'

/** One controller's folder under which groups can be made. */
export interface CgroupParent {
  readonly folder: string
  readonly version: 1 | 2
  readonly limits: readonly CgroupLimit[]
}

export interface Cgroup {
  /** Files into which the launcher writes its process id. */
  readonly entries: readonly string[]
  /** @returns true when the group is gone: then no process of the sandbox lives. */
  remove(): boolean
}

export interface CgroupBounds {
  readonly memoryBytes: number
  readonly processes: number
  /** Processors; null or absent for all there are. */
  readonly cpus?: number | null
}

/** Microseconds over which processor time is counted: what the kernel itself takes. */
const cpuPeriodUs = 100_000

const namePrefix = 'oxbow-'

/**
 * @param root where control groups are mounted
 * @param own the text of `/proc/self/cgroup`
 * @returns where groups can be made; a limit that stands in none of them cannot be put in force
 */
export function findCgroupParents(root: string, own: string): readonly CgroupParent[] {
  const parents: CgroupParent[] = []
  const missing = new Set<CgroupLimit>(['memory', 'pids', 'cpu'])
  for (const line of own.split('\n')) {
    // cgroups(7): hierarchy:controllers:path; version 2 has no controllers here.
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) continue
    for (const limit of controllers.split(',').filter((name) => name === 'memory' || name === 'pids' || name === 'cpu')) {
      const folder = [join(root, controllers, path), join(root, controllers)].find(isWritable)
      if (folder === undefined) continue
      parents.push({ folder, version: 1, limits: [limit] })
      missing.delete(limit)
    }
    if (controllers === '' && missing.size > 0) {
      const above = delegatedAbove(root, path)
      const limits = [...missing].filter((limit) => above?.limits.includes(limit))
      if (above !== null && limits.length > 0) parents.push({ folder: above.folder, version: 2, limits })
    }
  }
  return parents
}

/**
 * Version 2 allows no processes beside child groups, so a group is made beside our own or higher up, where the controllers are
 * handed down and moving into it is allowed.
 */
function delegatedAbove(root: string, path: string): { folder: string; limits: readonly string[] } | null {
  for (let at = path; at !== '/' && at !== '.';) {
    at = dirname(at)
    const folder = join(root, at)
    const handedDown = readQuietly(join(folder, 'cgroup.subtree_control')).trim().split(' ')
    if (!handedDown.includes('memory') || !handedDown.includes('pids')) continue
    if (isWritable(folder) && isWritable(join(folder, 'cgroup.procs'))) return { folder, limits: handedDown }
  }
  return null
}

/** @throws a system error when the groups cannot be made after all. */
export function createCgroup(parents: readonly CgroupParent[], name: string, bounds: CgroupBounds): Cgroup {
  const folders: string[] = []
  const remove = (): boolean => folders.map(removeQuietly).every(Boolean)
  try {
    for (const parent of parents) {
      const files = boundFiles(parent, bounds)
      if (files.length === 0) continue
      const folder = join(parent.folder, `${namePrefix}${process.pid}-${name}`)
      mkdirSync(folder)
      folders.push(folder)
      for (const [file, text] of files) writeFileSync(join(folder, file), text)
    }
  } catch (error) {
    remove()
    throw error
  }
  return { entries: folders.map((folder) => join(folder, 'cgroup.procs')), remove }
}

/** @returns files of a group and what is written there: cgroups(7), and Documentation/admin-guide/cgroup-v2 of Linux. */
function boundFiles(
  { version, limits }: CgroupParent,
  { memoryBytes, processes, cpus = null }: CgroupBounds,
): [file: string, text: string][] {
  const files: [string, string][] = []
  if (limits.includes('memory')) files.push([version === 1 ? 'memory.limit_in_bytes' : 'memory.max', String(memoryBytes)])
  if (limits.includes('pids')) files.push(['pids.max', String(processes)])
  if (limits.includes('cpu') && cpus !== null) {
    const quota = Math.round(cpus * cpuPeriodUs)
    files.push(version === 1 ? ['cpu.cfs_quota_us', String(quota)] : ['cpu.max', `${quota} ${cpuPeriodUs}`])
  }
  return files
}

/** Removes what kernels that were killed have left. A group with processes in it cannot be removed, so this harms nobody. */
export function removeStaleCgroups(parents: readonly CgroupParent[]): void {
  for (const { folder } of parents) {
    for (const name of readdirSync(folder)) {
      const [, pid] = /^oxbow-(\d+)-/.exec(name) ?? []
      if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeQuietly(join(folder, name))
    }
  }
}

function removeQuietly(folder: string): boolean {
  try {
    rmdirSync(folder)
    return true
  } catch {
    return !existsSync(folder)
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
