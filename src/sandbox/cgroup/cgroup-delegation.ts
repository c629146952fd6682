/**
 * Finds the cgroup v2 folder under which groups can be created, and prepares it.
 *
 * Version 2 allows no processes next to child groups. So a group is created next to our own or higher up, where controllers are delegated.
 * The nearest folder is preferred: our own limits then apply to the sandbox too. Controllers that may be delegated but are not yet are
 * delegated here. The last choice is our own group, when it was delegated to us (`Delegate=yes`, or the groups of a container): all its
 * processes first move into a leaf, as usual for a delegated subtree. With systemd nothing is changed above the delegated unit: see
 * systemd-scope.ts.
 */
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { maxCgroupMoves } from '../limits.ts'

/** Limits that control groups can enforce. */
export type CgroupLimit = 'memory' | 'pids' | 'cpu'

/** In the order in which the status lists them. */
export const cgroupLimits: readonly CgroupLimit[] = ['memory', 'pids', 'cpu']

/** A folder of one or more controllers under which groups can be created. */
export interface CgroupParent {
  readonly folder: string
  readonly version: 1 | 2
  readonly limits: readonly CgroupLimit[]
  /** Absent: groups are created directly. Otherwise the folder belongs to systemd, which creates scopes in it on request. */
  readonly scopes?: ScopeMaker
}

/** How to call a systemd manager. Absolute paths. */
interface ScopeMaker {
  readonly systemdRun: string
  readonly env: string
  /** Runtime folder of the user whose manager it is; null for the system's. */
  readonly runtimeFolder: string | null
}

export interface CgroupBounds {
  readonly memoryBytes: number
  readonly processes: number
  /** Processors; null or absent for all. */
  readonly cpus?: number | null
}

/** @returns the text of a control group's file; '' if it is missing or unreadable */
export function readGroupFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** @returns the limits whose controllers the file lists. */
export function limitsNamedIn(path: string): readonly CgroupLimit[] {
  const names = readGroupFile(path).trim().split(/\s+/)
  return cgroupLimits.filter((limit) => names.includes(limit))
}

/** Contains the processes of a group that delegates its controllers. It is never removed: we are in it. */
export const leafName = 'oxbow-main'

/**
 * Delegates controllers, and may move this process and its siblings into a leaf; later calls find both. Never throws.
 * @param root where control groups are mounted
 * @param path of our own group, as `/proc/self/cgroup` names it
 * @param top of the groups in which we may create groups, absolute
 */
export function findDelegation(root: string, path: string, top: string = resolve(root)): CgroupParent | null {
  // A path with `..` is outside our namespace: cgroup_namespaces(7).
  if (!path.startsWith('/') || path.split('/').includes('..')) return null
  const own = resolve(root, `.${path}`)
  let found: CgroupParent | null = null
  for (const folder of [...foldersAbove(root, path), own]) {
    if (relative(top, folder).startsWith('..') || !isOurs(folder)) continue
    if (!isEnough(delegatedIn(folder)) && (folder !== own || isEmptied(folder))) delegateIn(folder)
    const limits = delegatedIn(folder)
    if (isEnough(limits)) return { folder, version: 2, limits }
    if (limits.length > 0) found ??= { folder, version: 2, limits }
  }
  return found
}

/** Nearest first. The mount itself is the last one. */
function foldersAbove(root: string, path: string): readonly string[] {
  const folders: string[] = []
  for (let at = path; at !== '/';) {
    at = dirname(at)
    folders.push(resolve(root, `.${at}`))
  }
  return folders
}

/** Whether groups can be created in it, and processes moved into them: cgroups(7), "Delegation". False for the mount of a hybrid system. */
function isOurs(folder: string): boolean {
  return ['', 'cgroup.procs', 'cgroup.subtree_control'].every((name) => isWritable(join(folder, name)))
}

function isEnough(limits: readonly CgroupLimit[]): boolean {
  return limits.includes('memory') && limits.includes('pids')
}

function delegatedIn(folder: string): readonly CgroupLimit[] {
  return limitsNamedIn(join(folder, 'cgroup.subtree_control'))
}

/** One by one, because the kernel accepts a whole line or nothing. The status reports refused ones as missing. */
function delegateIn(folder: string): void {
  const before = delegatedIn(folder)
  for (const limit of limitsNamedIn(join(folder, 'cgroup.controllers'))) {
    if (!before.includes(limit)) tryWrite(join(folder, 'cgroup.subtree_control'), `+${limit}`)
  }
}

/** Moves all processes of the group into a leaf. The root group needs no leaf, and is the only one without a type. */
function isEmptied(folder: string): boolean {
  if (!existsSync(join(folder, 'cgroup.type'))) return true
  const leaf = join(folder, leafName)
  try {
    mkdirSync(leaf, { recursive: true })
  } catch {
    return false
  }
  // Repeated: a moved process may have been forking.
  for (let moves = 0; moves < maxCgroupMoves; moves += 1) {
    const members = readGroupFile(join(folder, 'cgroup.procs')).split('\n').filter(Boolean)
    // 0 is a process of another pid namespace, so the group is shared.
    if (members.length === 0 || members.includes('0')) return members.length === 0
    for (const pid of members) tryWrite(join(leaf, 'cgroup.procs'), pid)
  }
  return false
}

function tryWrite(file: string, text: string): void {
  try {
    writeFileSync(file, text)
  } catch {
    // The caller checks the result.
  }
}

export function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
