/** What this machine offers for the Linux sandbox. */
import { readFileSync } from 'node:fs'
import type { Failure } from '../../types/index.ts'
import type { CgroupLimit, CgroupParent } from '../cgroup/cgroup-parent.ts'
import { findCgroupParents } from '../cgroup/cgroup-limits.ts'
import { systemdView } from '../cgroup/systemd-scope.ts'
import { findProgram, findSandboxTools } from './sandbox-tools.ts'
import type { SandboxTools } from './sandbox-tools.ts'
import { seccompFilter } from './seccomp-filter.ts'
import { syscallNumbers } from './syscall-numbers.ts'

export interface BubblewrapPlan {
  readonly tools: SandboxTools
  readonly filter: Buffer
  readonly cgroups: readonly CgroupParent[]
  readonly degraded: readonly string[]
}

/** The cheap half of the check: what is installed and writable. Whether it works is known when hands have greeted. */
export async function planBubblewrap(searchPath: string): Promise<BubblewrapPlan | Failure> {
  const numbers = process.platform === 'linux' ? syscallNumbers(process.arch) : null
  if (numbers === null) {
    return {
      code: 'sandbox_missing',
      message: `No sandbox for ${process.platform} on ${process.arch} yet. File and shell tools are off.`,
      hint: 'Run on Linux (x86_64 or aarch64), or start with --insecure to have file tools without a sandbox.',
    }
  }
  const tools = findSandboxTools(searchPath)
  if ('code' in tools) return tools
  const systemd = systemdView((program) => findProgram(program, searchPath))
  const cgroups = await findCgroupParents('/sys/fs/cgroup', readFileSync('/proc/self/cgroup', 'utf8'), systemd)
  const degraded = []
  if (!holds(cgroups, 'memory')) degraded.push('memory: no writable cgroup; each process is limited by itself, not the sandbox as a whole')
  if (!holds(cgroups, 'pids')) degraded.push('processes: no writable cgroup; limited by RLIMIT_NPROC')
  return { tools, filter: seccompFilter(numbers), cgroups, degraded }
}

export function holds(parents: readonly CgroupParent[], limit: CgroupLimit): boolean {
  return parents.some((parent) => parent.limits.includes(limit))
}
