/** Starts hands in the Linux sandbox: a launch for each start, over the same folders. */
import { readFileSync, realpathSync } from 'node:fs'
import { isOxbowError, OxbowError } from '../../base/index.ts'
import type { OwnProgram, Profile, ServerProcess, ServerProgram } from '../../protocol/index.ts'
import { browserView } from '../browser.ts'
import { type Cgroup, createCgroup, removeStaleCgroups } from '../cgroup/cgroup-limits.ts'
import { type HandsCommand, type HandsProcess, startHands } from '../hands/hands-process.ts'
import { findPtyAddon, insidePtyAddon } from '../hands/pty-addon.ts'
import { cgroupRemoveMs } from '../limits.ts'
import {
  type FolderMount,
  type GuardedPath,
  insideEgressSocket,
  insideOwn,
  insideProgram,
  sandboxUid,
  type TierOptions,
  type WorkspaceFolders,
} from '../tier-plan.ts'
import { createEntrance } from '../workspace-entrance.ts'
import { type BubblewrapPlan, holds } from './bubblewrap-plan.ts'
import { findCode, findHandsEntry, loadHandsProgram, makeCode, type StartFiles, startFiles } from './hands-program.ts'
import { launchCommand, type LaunchPlan } from './launch-command.ts'
import { serverView, spawnServer, startServer } from './server-start.ts'

interface Starter {
  hands(profile: Profile): Promise<HandsProcess>
  serve(program: ServerProgram): Promise<ServerProcess>
}

/** Each start is a new sandbox over the same folders. */
export function createStarter(plan: BubblewrapPlan, options: TierOptions): Starter {
  const { folders } = options
  const entrance = createEntrance(folders)
  const { guard, duringMounts, enter } = entrance
  const launcher: Launcher = { plan, options, asRoot: entrance.asRoot, starts: 0 }
  let program: string | null = null
  let code: Buffer | null = null

  const startIn = async (
    profile: Profile,
    leave: () => void,
    guarded: readonly GuardedPath[] = [],
    mounts: readonly FolderMount[] = [],
  ): Promise<HandsProcess> => {
    const view = await viewOf(profile, options)
    const bundled = (program ??= await loadHandsProgram())
    code ??= findCode(bundled, options.imageFolder)
    const { files, entry } = startFiles(insideProgram, code)
    const seen = view.folders.map((folder) => (folder.host === folders.shared ? { ...folder, guarded } : folder))
    const shown = [{ path: insideProgram, text: bundled }, ...files, ...view.files, ...terminals()]
    return launch(launcher, { ...view, folders: [...seen, ...mounts], files: shown, entry }, async (command, gone) => {
      const started = startHands(command, () => gone().finally(leave))
      // Starting takes about 60 ms, in which this process is idle.
      code ??= makeCode(bundled, options.imageFolder)
      return started
    })
  }
  const owns = new Map<OwnProgram, StartFiles>()
  /** With its compiled code, which is made here: nothing from one sandbox may run in the next. */
  const ownProgram = async (name: OwnProgram): Promise<StartFiles> => {
    const held = owns.get(name)
    if (held !== undefined) return held
    const text = await loadHandsProgram(findHandsEntry(name))
    const inside = insideOwn(name)
    const made = findCode(text, options.imageFolder, name) ?? makeCode(text, options.imageFolder, name)
    const { files, entry } = startFiles(inside, made)
    const shown = { files: [{ path: inside, text }, ...files], entry }
    owns.set(name, shown)
    return shown
  }
  return {
    async hands(profile) {
      const leave = await enter(profile)
      try {
        const seesShared = profile === 'work' || profile === 'online'
        return await (seesShared
          ? guard.during((guarded) => duringMounts((mounts) => startIn(profile, leave, guarded, mounts)))
          : startIn(profile, leave))
      } catch (error) {
        leave()
        throw error
      }
    },
    async serve(server) {
      program ??= await loadHandsProgram()
      const { files: own, entry: started } = server.own === undefined ? { files: [], entry: undefined } : await ownProgram(server.own)
      const view = await serverView(server, options, started)
      const files = [...(server.pass === null ? [] : [{ path: insideProgram, text: program }]), ...own]
      return startServer(server, entrance, options, (seen, leave) =>
        launch(launcher, { ...view, folders: seen, files, entry: insideProgram }, (command, gone) =>
          spawnServer(command, () => gone().finally(leave)),
        ),
      )
    },
  }
}

interface Launcher {
  readonly plan: BubblewrapPlan
  readonly options: TierOptions
  readonly asRoot: boolean
  starts: number
}

type Launched = View & Pick<LaunchPlan, 'entry'>

/** @param start runs the command; `gone` resolves when all its processes have ended, and removes their control group */
async function launch<Started>(
  launcher: Launcher,
  view: Launched,
  start: (command: HandsCommand, gone: () => Promise<void>) => Promise<Started>,
): Promise<Started> {
  const { plan, options, asRoot } = launcher
  removeStaleCgroups(plan.cgroups)
  const group = createCgroup(plan.cgroups, `${process.hrtime.bigint().toString(36)}-${(launcher.starts += 1)}`, {
    memoryBytes: view.memoryMb * 1024 * 1024,
    processes: view.processes,
    cpus: options.limits.cpus,
  })
  try {
    const command = launchCommand({
      ...view,
      tools: plan.tools,
      asRoot,
      node: realpathSync(process.execPath),
      cgroupEntries: group.entries,
      cgroupCommand: group.command,
      enter: options.enter ?? [],
      memoryByCgroup: holds(plan.cgroups, 'memory'),
      files: [...view.files, ...accounts(asRoot)],
    })
    const started = await start({ ...command, cwd: '/' }, () => removed(group))
    // Processes of a killed kernel may have been dying earlier; by now their group is empty.
    removeStaleCgroups(plan.cgroups)
    return started
  } catch (error) {
    // Also if no process was started.
    group.remove()
    throw explained(error)
  }
}

type View = Pick<
  LaunchPlan,
  'folders' | 'entryArgs' | 'dataMb' | 'memoryMb' | 'processes' | 'maxFileMb' | 'files' | 'egressSocket' | 'program' | 'env' | 'cwd'
>

/** The mounts and limits of a profile, and the arguments of its hands. */
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

function workMounts({ shared, tmp, skills }: WorkspaceFolders): readonly FolderMount[] {
  return [
    { host: shared, inside: '/shared', writable: true },
    { host: tmp, inside: '/tmp', writable: true },
    ...(skills === undefined ? [] : [{ host: skills, inside: '/skills', writable: false }]),
  ]
}

function vaultMount(vault: string): FolderMount {
  return { host: vault, inside: '/vault', writable: false }
}

/** A group can be removed once its last process has ended, a moment after the kill: so this also waits for that. */
async function removed(group: Cgroup): Promise<void> {
  const until = performance.now() + cgroupRemoveMs
  while (!group.remove() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** As a copy: if root starts the sandbox, hands could not reach the file. */
function terminals(): { path: string; text: Buffer }[] {
  const addon = findPtyAddon()
  return addon === null ? [] : [{ path: insidePtyAddon, text: readFileSync(addon) }]
}

/** Without these files `git`, `ssh` and many scripts fail, because they cannot find out who runs them. */
function accounts(asRoot: boolean): { path: string; text: string }[] {
  const uid = asRoot ? sandboxUid : (process.getuid?.() ?? sandboxUid)
  const gid = asRoot ? sandboxUid : (process.getgid?.() ?? sandboxUid)
  return [
    { path: '/etc/passwd', text: `agent:x:${uid}:${gid}:agent:/tmp:/bin/sh\n` },
    { path: '/etc/group', text: `agent:x:${gid}:\n` },
  ]
}

/** Adds a hint to a failure of the launcher. */
function explained(error: unknown): unknown {
  if (!isOxbowError(error, 'sandbox_failed')) return error
  const namespaces = /namespace|uid map|Operation not permitted|Permission denied|must be superuser/i.test(error.message)
  const scope = /Failed to (?:connect to bus|create bus|start transient)/.test(error.message)
  if (scope) {
    const hint =
      'Check that `systemd-run --user --scope true` works (as root without --user): systemd makes the control group of the sandbox.'
    return new OxbowError('sandbox_missing', error.message, { hint, cause: error })
  }
  const hint = namespaces
    ? 'User namespaces seem to be disabled: see `sysctl user.max_user_namespaces kernel.unprivileged_userns_clone kernel.apparmor_restrict_unprivileged_userns`.'
    : 'Check that `bwrap --unshare-all --ro-bind / / true` works on this machine.'
  return new OxbowError('sandbox_missing', error.message, { hint, cause: error })
}
