/** What a container is held to, in the words of the status. */
import { existsSync } from 'node:fs'
import { findDiskLimit } from '../disk/disk-limit.ts'
import { gvisorMinProcesses } from '../limits.ts'
import type { TierOptions } from '../tier-plan.ts'
import type { ContainerEngine } from './container-engine.ts'

/** Podman without root sets no limits where control groups are of version 1: it says so and goes on. */
export function limitsHold({ rootless }: ContainerEngine): boolean {
  return !rootless || existsSync('/sys/fs/cgroup/cgroup.controllers')
}

export function limitsInForce({ folders, limits, egressSocket, diskProblem }: TierOptions, holds: boolean): readonly string[] {
  const network = egressSocket === undefined ? 'none' : 'none but the egress proxy, for calls that may use it'
  const always = [`network: ${network}`, `largest file: ${limits.max_file_mb} MB`]
  const disk = findDiskLimit(folders, limits.disk_mb, diskProblem).inForce
  if (!holds) return [...always, ...disk]
  const processes = limits.container.kernel === 'gvisor' ? Math.max(gvisorMinProcesses, limits.max_processes) : limits.max_processes
  const cpus = limits.cpus === null ? [] : [`processors: ${limits.cpus} for each container`]
  return [...always, `memory: ${limits.memory_mb} MB for each container`, `processes: ${processes}`, ...cpus, ...disk]
}

/** What the configuration asks for and the engine, or the machine, does not give. */
export function limitsMissing({ folders, limits, diskProblem }: TierOptions, holds: boolean): readonly string[] {
  const disk = findDiskLimit(folders, limits.disk_mb, diskProblem).missing
  if (holds) return disk
  const missing = [
    'memory: podman without root cannot limit a container under cgroup v1; each process is limited by itself',
    'processes: limited by RLIMIT_NPROC',
  ]
  return limits.cpus === null ? [...missing, ...disk] : [...missing, 'processors: not limited, for the same reason', ...disk]
}
