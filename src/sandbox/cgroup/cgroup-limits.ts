/**
 * Limits the memory, the number of processes and the processor time of a whole sandbox by control groups, version 1 or 2, if they are
 * writable. A group is a folder: created before the start, entered by the launcher itself, removed after the last process has ended.
 */
import { existsSync, mkdirSync, readdirSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CgroupBounds, cgroupLimits, type CgroupParent, findDelegation, isWritable } from './cgroup-delegation.ts'
import { findScopes, findUnit, isDelegated, scopeCommand } from './systemd-scope.ts'
import type { SystemdView } from './systemd-scope.ts'

export interface Cgroup {
  /** Files into which the launcher writes its process id. */
  readonly entries: readonly string[]
  /** Prefix of the launcher's command, if systemd creates the group; else empty. */
  readonly command: readonly string[]
  /** Kills its processes, if the kernel supports that. @returns true when the group is removed: then no process of the sandbox lives. */
  remove(): boolean
}

/** Period of the processor limit: the kernel's default. */
const cpuPeriodUs = 100_000

const namePrefix = 'oxbow-'
/** Suffix of a group that systemd has created, and removes when it is empty. */
const scopeSuffix = '.scope'

/**
 * Prepares version 2 if necessary: see findDelegation.
 * @param root where control groups are mounted
 * @param own the text of `/proc/self/cgroup`
 * @param systemd null to ignore it
 * @returns where groups can be created; a limit that no group has cannot be enforced
 */
export async function findCgroupParents(root: string, own: string, systemd: SystemdView | null): Promise<readonly CgroupParent[]> {
  const parents: CgroupParent[] = []
  const missing = new Set(cgroupLimits)
  for (const line of own.split('\n')) {
    // cgroups(7): hierarchy:controllers:path; version 2 has no controllers here.
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) continue
    // One folder for controllers that are mounted together.
    const limits = cgroupLimits.filter((limit) => controllers.split(',').includes(limit))
    const folder = limits.length === 0 ? undefined : [join(root, controllers, path), join(root, controllers)].find(isWritable)
    if (folder !== undefined) {
      parents.push({ folder, version: 1, limits })
      for (const limit of limits) missing.delete(limit)
    }
    if (controllers === '' && missing.size > 0) {
      const above = await findUnified(root, path, systemd)
      const left = above?.limits.filter((limit) => missing.has(limit)) ?? []
      if (above !== null && left.length > 0) parents.push({ ...above, limits: left })
    }
  }
  return parents
}

async function findUnified(root: string, path: string, systemd: SystemdView | null): Promise<CgroupParent | null> {
  const unit = systemd === null ? null : findUnit(root, path, systemd)
  if (systemd === null || unit === null) return findDelegation(root, path)
  const delegated = (await isDelegated(unit, systemd)) ? findDelegation(root, path, unit.folder) : null
  return delegated ?? findScopes(root, systemd)
}

/** @throws a system error when the groups cannot be created. */
export function createCgroup(parents: readonly CgroupParent[], name: string, bounds: CgroupBounds): Cgroup {
  const folders: string[] = []
  const command: string[] = []
  const entries: string[] = []
  const remove = (): boolean => folders.map(endGroup).every(Boolean)
  try {
    for (const parent of parents) {
      const ownName = `${namePrefix}${process.pid}-${processNamespace()}-${name}`
      if (parent.scopes !== undefined) {
        command.push(...scopeCommand(parent, ownName + scopeSuffix, bounds))
        folders.push(join(parent.folder, ownName + scopeSuffix))
        continue
      }
      const files = boundFiles(parent, bounds)
      if (files.length === 0) continue
      const folder = join(parent.folder, ownName)
      mkdirSync(folder)
      folders.push(folder)
      entries.push(join(folder, 'cgroup.procs'))
      for (const [file, text] of files) writeFileSync(join(folder, file), text)
      for (const [file, text] of boundsOfSwap(parent, bounds)) if (existsSync(join(folder, file))) writeFileSync(join(folder, file), text)
    }
  } catch (error) {
    remove()
    throw error
  }
  return { entries, command, remove }
}

/** @returns files of a group and their contents: cgroups(7), and Documentation/admin-guide/cgroup-v2 of Linux. */
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

/** Not every kernel supports it. If it does, swap would come on top of memory: version 1 limits both together. */
function boundsOfSwap({ version, limits }: CgroupParent, { memoryBytes }: CgroupBounds): [file: string, text: string][] {
  if (!limits.includes('memory')) return []
  return [version === 1 ? ['memory.memsw.limit_in_bytes', String(memoryBytes)] : ['memory.swap.max', '0']]
}

/** Removes groups of killed kernels, and kills their processes. */
export function removeStaleCgroups(parents: readonly CgroupParent[]): void {
  for (const { folder } of parents) {
    for (const name of namesIn(folder)) {
      const [, pid, namespace] = /^oxbow-(\d+)-(?:(\d+)-)?/.exec(name) ?? []
      if (pid === undefined || existsSync(`/proc/${pid}`)) continue
      // In another pid namespace the pid means another kernel, which may live: a group with processes is kept then.
      if (namespace === processNamespace()) endGroup(join(folder, name))
      else if (!name.endsWith(scopeSuffix)) removeQuietly(join(folder, name))
    }
  }
}

/** Systemd creates its slices on demand. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Kills all its processes atomically, with those being forked: version 2, since Linux 5.14. Never throws. */
function endGroup(folder: string): boolean {
  const remove = (): boolean => (folder.endsWith(scopeSuffix) ? !existsSync(folder) : removeQuietly(folder))
  if (remove()) return true
  try {
    const kill = join(folder, 'cgroup.kill')
    if (existsSync(kill)) writeFileSync(kill, '1')
  } catch {
    // It is already empty or removed.
  }
  return remove()
}

/** @returns the number of our pid namespace: pid_namespaces(7). */
export function processNamespace(): string {
  return readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '')
}

function removeQuietly(folder: string): boolean {
  try {
    rmdirSync(folder)
    return true
  } catch {
    return !existsSync(folder)
  }
}
