/**
 * Finds the folder of control groups, version 2, under which groups can be made, and prepares it.
 *
 * Version 2 allows no processes beside child groups. So a group is made beside our own or higher up, where the manager of the groups has
 * delegated controllers. The nearest folder is preferred: limits on us then bound the sandbox too. Controllers that may be
 * delegated but are not yet are delegated here. The last choice is our own group, when it was delegated to us (`Delegate=yes`, or the
 * groups of a container): all its processes move into a leaf first, as every manager of a subtree does it. Beside systemd nothing is
 * changed above the unit that it has delegated: see systemd-scope.ts.
 */
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { maxCgroupMoves } from '../limits.ts'

/** What control groups can bound. */
export type CgroupLimit = 'memory' | 'pids' | 'cpu'

/** In the order in which the status lists them. */
export const cgroupLimits: readonly CgroupLimit[] = ['memory', 'pids', 'cpu']

/** A folder of one controller, or of several, under which groups can be made. */
export interface CgroupParent {
  readonly folder: string
  readonly version: 1 | 2
  readonly limits: readonly CgroupLimit[]
  /** Absent: groups are made by hand. Else the folder belongs to systemd, which makes scopes in it on request. */
  readonly scopes?: ScopeMaker
}

/** How a manager of systemd is asked. Absolute paths. */
interface ScopeMaker {
  readonly systemdRun: string
  readonly env: string
  /** Of the person whose manager it is; null for the system's. */
  readonly runtimeFolder: string | null
}

export interface CgroupBounds {
  readonly memoryBytes: number
  readonly processes: number
  /** Processors; null or absent for all there are. */
  readonly cpus?: number | null
}

/** @returns the text of a file of a control group; '' where it is missing or cannot be read */
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

/** Holds the processes of a group that hands its controllers down. It stays: we are in it. */
export const leafName = 'oxbow-main'

/**
 * Hands down controllers, and may move this process and its siblings into a leaf; the next call then finds what this one made.
 * Never throws.
 * @param root where control groups are mounted
 * @param path of our own group, as `/proc/self/cgroup` names it
 * @param top of the groups that are ours to make groups in, absolute
 */
export function findDelegation(root: string, path: string, top: string = resolve(root)): CgroupParent | null {
  // A path that goes upwards is outside of what we see: cgroup_namespaces(7).
  if (!path.startsWith('/') || path.split('/').includes('..')) return null
  const own = resolve(root, `.${path}`)
  let found: CgroupParent | null = null
  for (const folder of [...foldersAbove(root, path), own]) {
    if (relative(top, folder).startsWith('..') || !isOurs(folder)) continue
    if (!isEnough(handedDown(folder)) && (folder !== own || isEmptied(folder))) handDown(folder)
    const limits = handedDown(folder)
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

/** Groups can be made in it, and processes moved into them: cgroups(7), "Delegation". On a hybrid system the mount is none of these. */
function isOurs(folder: string): boolean {
  return ['', 'cgroup.procs', 'cgroup.subtree_control'].every((name) => isWritable(join(folder, name)))
}

function isEnough(limits: readonly CgroupLimit[]): boolean {
  return limits.includes('memory') && limits.includes('pids')
}

function handedDown(folder: string): readonly CgroupLimit[] {
  return limitsNamedIn(join(folder, 'cgroup.subtree_control'))
}

/** One by one, for the kernel takes all of a line or nothing. What it refuses is missing then, and the status says so. */
function handDown(folder: string): void {
  const before = handedDown(folder)
  for (const limit of limitsNamedIn(join(folder, 'cgroup.controllers'))) {
    if (!before.includes(limit)) tryWrite(join(folder, 'cgroup.subtree_control'), `+${limit}`)
  }
}

/** Moves all that is in the group into a leaf. The root of all groups needs none of it, and is the one without a type. */
function isEmptied(folder: string): boolean {
  if (!existsSync(join(folder, 'cgroup.type'))) return true
  const leaf = join(folder, leafName)
  try {
    mkdirSync(leaf, { recursive: true })
  } catch {
    return false
  }
  // More than once: what is moved may have been about to start another process.
  for (let moves = 0; moves < maxCgroupMoves; moves += 1) {
    const members = readGroupFile(join(folder, 'cgroup.procs')).split('\n').filter(Boolean)
    // 0 is a process of another namespace of processes, so the group is not ours alone.
    if (members.length === 0 || members.includes('0')) return members.length === 0
    for (const pid of members) tryWrite(join(leaf, 'cgroup.procs'), pid)
  }
  return false
}

function tryWrite(file: string, text: string): void {
  try {
    writeFileSync(file, text)
  } catch {
    // What this was to bring about is looked at afterwards.
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
