/** Puts the parts of the Linux sandbox together: what this machine offers, and a launch for each start of hands. */
import { readFileSync, realpathSync } from 'node:fs'
import { OxbowError, isOxbowError } from '../../types/index.ts'
import type { Failure, Profile } from '../../types/index.ts'
import { startHands } from '../hands/hands-process.ts'
import type { HandsProcess } from '../hands/hands-process.ts'
import { findPtyAddon, insidePtyAddon } from '../hands/pty-addon.ts'
import { createEntrance } from '../workspace-entrance.ts'
import type { TierOptions, TierPlan, TierProvider } from '../tier-plan.ts'
import type { WorkspaceFolders } from '../workspace-folders.ts'
import { createCgroup, findCgroupParents, removeStaleCgroups } from './cgroup-limits.ts'
import type { CgroupLimit, CgroupParent } from './cgroup-delegation.ts'
import type { Cgroup } from './cgroup-limits.ts'
import { findDiskLimit } from '../disk/disk-limit.ts'
import type { GuardedPath } from './git-guard.ts'
import { findCode, makeCode, startFiles } from './hands-code.ts'
import { findHandsEntry, loadHandsProgram } from './hands-program.ts'
import { browserView } from '../browser/browser-view.ts'
import { findBrowser } from '../browser/find-browser.ts'
import { insideEgressSocket, launchCommand, sandboxUid } from './launch-command.ts'
import type { FolderMount, LaunchPlan } from './launch-command.ts'
import { findSandboxTools } from './sandbox-tools.ts'
import type { SandboxTools } from './sandbox-tools.ts'
import { seccompFilter } from './seccomp-filter.ts'
import { syscallNumbers } from './syscall-numbers.ts'
import { cgroupRemoveMs } from '../limits.ts'

export interface BubblewrapPlan {
  readonly tools: SandboxTools
  readonly filter: Buffer
  readonly cgroups: readonly CgroupParent[]
  readonly degraded: readonly string[]
}

const insideProgram = '/opt/oxbow/hands.cjs'

/** The cheap half of the check: what is installed and writable. Whether it works is known when hands have greeted. */
export function planBubblewrap(searchPath: string): BubblewrapPlan | Failure {
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
  const cgroups = findCgroupParents('/sys/fs/cgroup', readFileSync('/proc/self/cgroup', 'utf8'))
  const degraded = []
  if (!holds(cgroups, 'memory')) degraded.push('memory: no writable cgroup; each process is limited by itself, not the sandbox as a whole')
  if (!holds(cgroups, 'pids')) degraded.push('processes: no writable cgroup; limited by RLIMIT_NPROC')
  return { tools, filter: seccompFilter(numbers), cgroups, degraded }
}

export const bubblewrapTier: TierProvider = {
  tier: 'process',
  plan(options) {
    const plan = planBubblewrap(options.searchPath)
    return Promise.resolve('code' in plan ? plan : tierPlan(plan, options))
  },
}

function tierPlan(plan: BubblewrapPlan, options: TierOptions): TierPlan {
  return {
    provider: 'bubblewrap',
    profiles: profilesOf(options),
    limits: limitsInForce(plan, options),
    degraded: [...plan.degraded, ...notInForce(plan, options)],
    start: createStarter(plan, options),
    close: () => Promise.resolve(),
  }
}

function profilesOf({ egressSocket, browser }: TierOptions): readonly Profile[] {
  if (egressSocket === undefined) return ['work', 'vault-read']
  return 'code' in findBrowser(browser) ? ['work', 'online', 'vault-read'] : ['work', 'online', 'browser', 'vault-read']
}

function limitsInForce({ cgroups }: BubblewrapPlan, { folders, limits, egressSocket, diskProblem }: TierOptions): readonly string[] {
  const network = egressSocket === undefined ? 'none' : 'none but the egress proxy, for calls that may use it'
  const inForce = [`network: ${network}`, `largest file: ${limits.max_file_mb} MB`]
  if (holds(cgroups, 'memory')) inForce.push(`memory: ${limits.memory_mb} MB for all together`)
  if (holds(cgroups, 'pids')) inForce.push(`processes: ${limits.max_processes}`)
  if (holds(cgroups, 'cpu') && limits.cpus !== null) inForce.push(`processors: ${limits.cpus}`)
  return [...inForce, ...findDiskLimit(folders, limits.disk_mb, diskProblem).inForce]
}

/** What the configuration asks for and this machine does not give. */
function notInForce({ cgroups }: BubblewrapPlan, { folders, limits, diskProblem }: TierOptions): readonly string[] {
  const processors = limits.cpus === null || holds(cgroups, 'cpu') ? [] : ['processors: no writable cgroup; not limited']
  return [...processors, ...findDiskLimit(folders, limits.disk_mb, diskProblem).missing]
}

/** @returns a function that starts hands; each start is a new sandbox over the same folders. */
function createStarter(plan: BubblewrapPlan, options: TierOptions): (profile: Profile) => Promise<HandsProcess> {
  const { folders, limits } = options
  const { asRoot, guard, enter } = createEntrance(folders)
  let program: string | null = null
  let code: Buffer | null = null
  let starts = 0

  const startIn = async (profile: Profile, leave: () => void, guarded: readonly GuardedPath[] = []): Promise<HandsProcess> => {
    const view = await viewOf(profile, options)
    program ??= loadHandsProgram(findHandsEntry())
    code ??= findCode(program, options.imageFolder)
    const { files, entry } = startFiles(insideProgram, code)
    removeStaleCgroups(plan.cgroups)
    const group = createCgroup(plan.cgroups, `${process.hrtime.bigint().toString(36)}-${(starts += 1)}`, {
      memoryBytes: view.memoryMb * 1024 * 1024,
      processes: view.processes,
      cpus: limits.cpus,
    })
    const command = launchCommand({
      ...view,
      folders: view.folders.map((folder) => (folder.host === folders.shared ? { ...folder, guarded } : folder)),
      tools: plan.tools,
      filter: plan.filter,
      asRoot,
      node: realpathSync(process.execPath),
      cgroupEntries: group.entries,
      memoryByCgroup: holds(plan.cgroups, 'memory'),
      maxFileMb: view.maxFileMb,
      files: [{ path: insideProgram, text: program }, ...files, ...view.files, ...terminals(), ...accounts(asRoot)],
      entry,
    })
    try {
      const started = startHands({ ...command, cwd: '/' }, () => removed(group).finally(leave))
      // They take some 60 ms, in which there is nothing to do here.
      code ??= makeCode(program, options.imageFolder)
      return await started
    } catch (error) {
      throw explained(error)
    }
  }
  return async (profile) => {
    const leave = await enter(profile)
    try {
      const seesShared = profile === 'work' || profile === 'online'
      return await (seesShared ? guard.during((guarded) => startIn(profile, leave, guarded)) : startIn(profile, leave))
    } catch (error) {
      leave()
      throw error
    }
  }
}

type View = Pick<LaunchPlan, 'folders' | 'entryArgs' | 'memoryMb' | 'processes' | 'maxFileMb' | 'files' | 'egressSocket'>

/** What a profile sees, what its hands are told, and what it may use. */
async function viewOf(profile: Profile, options: TierOptions): Promise<View> {
  const { folders, limits, egressSocket } = options
  const bounds = { memoryMb: limits.memory_mb, processes: limits.max_processes, maxFileMb: limits.max_file_mb, files: [] }
  if (profile === 'work') return { ...bounds, folders: workMounts(folders), entryArgs: [] }
  if (profile === 'vault-read') return { ...bounds, folders: [vaultMount(folders.vault)], entryArgs: ['--vault'] }
  const online = { ...bounds, entryArgs: ['--relay', insideEgressSocket], egressSocket: await egressSocket!(profile) }
  if (profile === 'online') return { ...online, folders: workMounts(folders) }
  const seen = browserView(options)
  return { ...online, ...seen, entryArgs: [...online.entryArgs, ...seen.entryArgs] }
}

function workMounts({ shared, tmp }: WorkspaceFolders): readonly FolderMount[] {
  return [
    { host: shared, inside: '/shared', writable: true },
    { host: tmp, inside: '/tmp', writable: true },
  ]
}

function vaultMount(vault: string): FolderMount {
  return { host: vault, inside: '/vault', writable: false }
}

function holds(parents: readonly CgroupParent[], limit: CgroupLimit): boolean {
  return parents.some((parent) => parent.limits.includes(limit))
}

/** A group can be removed when its last process is gone, a moment after the kill: so this also waits for that. */
async function removed(group: Cgroup): Promise<void> {
  const until = performance.now() + cgroupRemoveMs
  while (!group.remove() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** As a copy: where root starts the sandbox, hands could not walk to the file. */
function terminals(): { path: string; text: Buffer }[] {
  const addon = findPtyAddon()
  return addon === null ? [] : [{ path: insidePtyAddon, text: readFileSync(addon) }]
}

/** Programs ask who they are; without these files `git`, `ssh` and many a script fail over it. */
function accounts(asRoot: boolean): { path: string; text: string }[] {
  const uid = asRoot ? sandboxUid : (process.getuid?.() ?? sandboxUid)
  const gid = asRoot ? sandboxUid : (process.getgid?.() ?? sandboxUid)
  return [
    { path: '/etc/passwd', text: `agent:x:${uid}:${gid}:agent:/tmp:/bin/sh\n` },
    { path: '/etc/group', text: `agent:x:${gid}:\n` },
  ]
}

/** What a launcher that failed means for the person. */
function explained(error: unknown): unknown {
  if (!isOxbowError(error, 'sandbox_failed')) return error
  const namespaces = /namespace|uid map|Operation not permitted|Permission denied|must be superuser/i.test(error.message)
  const hint = namespaces
    ? 'User namespaces seem to be off: see `sysctl user.max_user_namespaces kernel.unprivileged_userns_clone kernel.apparmor_restrict_unprivileged_userns`.'
    : 'Check that `bwrap --unshare-all --ro-bind / / true` works on this machine.'
  return new OxbowError('sandbox_missing', error.message, { hint, cause: error })
}
