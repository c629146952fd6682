/** What this machine offers for the Linux sandbox: the launcher's programs, control groups. */
import { readFileSync, realpathSync } from 'node:fs'
import type { Failure } from '../../base/index.ts'
import type { CgroupLimit, CgroupParent } from '../cgroup/cgroup-delegation.ts'
import { findCgroupParents } from '../cgroup/cgroup-limits.ts'
import { systemdView } from '../cgroup/systemd-scope.ts'
import { findProgram } from '../host-programs.ts'

/** Absolute paths: the launcher runs without a search path. */
export interface SandboxTools {
  readonly bwrap: string
  readonly prlimit: string
  readonly setpriv: string
  readonly unshare: string
  readonly mount: string
  readonly mkdir: string
  readonly sh: string
}

/** Programs, and the Debian package of each. */
const packages: Readonly<Record<keyof SandboxTools, string>> = {
  bwrap: 'bubblewrap',
  prlimit: 'util-linux',
  setpriv: 'util-linux',
  unshare: 'util-linux',
  mount: 'mount',
  mkdir: 'coreutils',
  sh: 'dash',
}

/** @returns the tools, or why there is no sandbox and which package to install. */
export function findSandboxTools(searchPath: string): SandboxTools | Failure {
  const names = Object.keys(packages) as (keyof SandboxTools)[]
  const found = names.map((name) => [name, findProgram(name, searchPath)] as const)
  const missing = found.filter(([, path]) => path === null).map(([name]) => name)
  if (missing.length === 0) {
    const tools = Object.fromEntries(found) as unknown as SandboxTools
    // It starts inside the sandbox, where a link to it may not be.
    return { ...tools, prlimit: realpathSync(tools.prlimit) }
  }
  const install = [...new Set(missing.map((name) => packages[name]))].join(' ')
  return {
    code: 'sandbox_missing',
    message: `No sandbox: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not installed. File and shell tools are off.`,
    hint: `Install with: apt-get install ${install} (or your system's package of that name).`,
  }
}

/** Those whose system calls seccomp-filter.ts knows; it is loaded with the first start of hands. */
const filteredProcessors = ['x64', 'arm64']

/** What this machine offers to the process tier, found once. `degraded` says what is weaker than usual. */
export interface BubblewrapPlan {
  readonly tools: SandboxTools
  readonly cgroups: readonly CgroupParent[]
  readonly degraded: readonly string[]
}

/** The cheap half of the check: what is installed and writable. The start of hands shows whether it works. */
export async function planBubblewrap(searchPath: string): Promise<BubblewrapPlan | Failure> {
  if (process.platform !== 'linux' || !filteredProcessors.includes(process.arch)) {
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
  return { tools, cgroups, degraded }
}

/** @returns whether one of the groups can enforce a limit */
export function holds(parents: readonly CgroupParent[], limit: CgroupLimit): boolean {
  return parents.some((parent) => parent.limits.includes(limit))
}
