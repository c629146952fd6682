/** The container tier: one container for each profile, with hands in it, over the same workspace. */
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { OxbowError, isOxbowError } from '../../types/index.ts'
import type { Config, Profile } from '../../types/index.ts'
import { findHandsEntry, loadHandsProgram } from '../bubblewrap/hands-program.ts'
import { insideEgressSocket, sandboxUid } from '../bubblewrap/launch-command.ts'
import type { HandsProcess } from '../hands/hands-process.ts'
import { gvisorMinProcesses } from '../limits.ts'
import type { TierOptions, TierPlan, TierProvider } from '../tier-plan.ts'
import { giveFolders } from '../workspace-folders.ts'
import type { WorkspaceFolders } from '../workspace-folders.ts'
import { handsProgram, runArguments } from './container-command.ts'
import { findEngine, findImage, firstLine, imageHint } from './container-engine.ts'
import type { ContainerEngine } from './container-engine.ts'
import { startContainer } from './container-process.ts'
import { containerName, reapOrphans } from './container-remains.ts'
import { keepFile } from './kept-file.ts'
import { seccompProfile } from './seccomp-profile.ts'
import { createWorkspaceDoor } from './workspace-mounts.ts'
import type { WorkspaceEntry } from './workspace-mounts.ts'

const insideProgram = '/opt/oxbow/hands.mjs'

export const containerTier: TierProvider = {
  tier: 'container',
  async plan(options) {
    const seccomp = seccompProfile(process.arch)
    if (seccomp === null) {
      return {
        code: 'sandbox_missing',
        message: `No containers on ${process.arch} yet: there is no list of system calls for it.`,
        hint: 'Set sandbox.tier = "process" in config.toml.',
      }
    }
    const engine = findEngine(options.limits.container, options.searchPath)
    if ('code' in engine) return engine
    const found = await findImage(engine, options.limits.container.image)
    return 'code' in found ? found : tierPlan({ options, engine, image: found.image, seccomp })
  },
}

interface Parts {
  readonly options: TierOptions
  readonly engine: ContainerEngine
  readonly image: string
  readonly seccomp: string
}

function tierPlan(parts: Parts): TierPlan {
  const { options, engine } = parts
  const { limits, egressSocket } = options
  const holds = limitsHold(engine)
  const { start, close } = createStarter(parts, holds)
  return {
    provider: `${engine.name} with ${limits.container.kernel === 'gvisor' ? 'gVisor' : 'runc'}`,
    profiles: egressSocket === undefined ? ['work', 'vault-read'] : ['work', 'online', 'vault-read'],
    limits: limitsInForce(options, holds),
    degraded: limitsMissing(limits, holds),
    start,
    close,
  }
}

/** Podman without root sets no limits where control groups are of version 1: it says so and goes on. */
export function limitsHold({ rootless }: ContainerEngine): boolean {
  return !rootless || existsSync('/sys/fs/cgroup/cgroup.controllers')
}

function limitsInForce({ limits, egressSocket }: TierOptions, holds: boolean): readonly string[] {
  const network = egressSocket === undefined ? 'none' : 'none but the egress proxy, for calls that may use it'
  const always = [`network: ${network}`, `largest file: ${limits.max_file_mb} MB`]
  if (!holds) return always
  const processes = limits.container.kernel === 'gvisor' ? Math.max(gvisorMinProcesses, limits.max_processes) : limits.max_processes
  const cpus = limits.cpus === null ? [] : [`processors: ${limits.cpus} for each container`]
  return [...always, `memory: ${limits.memory_mb} MB for each container`, `processes: ${processes}`, ...cpus]
}

function limitsMissing(limits: Config['sandbox'], holds: boolean): readonly string[] {
  const missing: string[] = []
  if (!holds) {
    missing.push('memory: podman without root cannot limit a container under cgroup v1; each process is limited by itself')
    missing.push('processes: limited by RLIMIT_NPROC')
    if (limits.cpus !== null) missing.push('processors: not limited, for the same reason')
  }
  if (limits.disk_mb !== null) missing.push('disk: containers write to the workspace itself, which has no quota')
  return missing
}

interface Starter {
  readonly start: (profile: Profile) => Promise<HandsProcess>
  readonly close: () => Promise<void>
}

function createStarter({ options, engine, image, seccomp }: Parts, holds: boolean): Starter {
  const { folders, limits, cacheFolder, logger, egressSocket } = options
  const kept = join(cacheFolder, 'container')
  const asRoot = process.getuid?.() === 0
  const enterWorkspace = createWorkspaceDoor(folders, asRoot)
  let program: string | null = null
  let starts = 0
  let reaping: Promise<void> | null = null

  const enter = async (profile: Profile): Promise<WorkspaceEntry> => {
    if (profile !== 'vault-read') return enterWorkspace()
    // Nobody inside can write there, so it can be given at any time.
    if (asRoot) await giveFolders([folders.vault], sandboxUid)
    return { mounts: [{ host: folders.vault, inside: '/vault', writable: false }], leave: () => undefined }
  }
  const start = async (profile: Profile): Promise<HandsProcess> => {
    const name = containerName(`${process.hrtime.bigint().toString(36)}${(starts += 1)}`)
    const { mounts, leave } = await enter(profile)
    try {
      program ??= loadHandsProgram(findHandsEntry())
      const idFile = join(kept, `${name}.id`)
      const socket = profile === 'online' ? [{ host: await egressSocket!('online'), inside: insideEgressSocket, writable: false }] : []
      const args = runArguments({
        engine: engine.name,
        kernel: limits.container.kernel,
        image,
        name,
        labels: labels(folders, profile),
        idFile,
        seccompFile: keepFile(join(kept, 'seccomp.json'), seccomp),
        uid: asRoot ? sandboxUid : (process.getuid?.() ?? sandboxUid),
        gid: asRoot ? sandboxUid : (process.getgid?.() ?? sandboxUid),
        rootless: engine.rootless,
        mounts: [...mounts, { host: keepFile(join(kept, 'hands.mjs'), program), inside: insideProgram, writable: false }, ...socket],
        limits,
        limitsHold: holds,
        program: handsProgram(insideProgram, entryArgs[profile], { limits, limitsHold: holds }),
      })
      return await startContainer({ engine, name, idFile, args, logger, onGone: leave })
    } catch (error) {
      leave()
      throw explained(error, limits.container.image)
    } finally {
      // When the first answer is on its way: what dead kernels have left harms nobody for another second.
      reaping ??= reapOrphans(engine)
    }
  }
  return { start, close: async () => void (await reaping) }
}

const entryArgs: Readonly<Record<Profile, readonly string[]>> = {
  work: [],
  online: ['--relay', insideEgressSocket],
  browser: [],
  'vault-read': ['--vault'],
}

/** By which a person, and the next kernel, tells containers apart. */
function labels({ shared }: WorkspaceFolders, profile: Profile): Readonly<Record<string, string>> {
  return { app: 'oxbow', 'oxbow.user': basename(dirname(shared)), 'oxbow.guest': String(process.pid), 'oxbow.profile': profile }
}

/** What a start that failed means for the person. */
function explained(error: unknown, wanted: string): unknown {
  if (!isOxbowError(error, 'sandbox_failed')) return error
  const said = firstLine(error.message.replace(/^The sandbox did not start: /, ''))
  const gone = /image not known|no such image|unable to find image/i.test(said)
  const hint = gone ? imageHint(wanted) : 'oxbow doctor starts a container and says what is missing.'
  return new OxbowError('sandbox_missing', `No container: ${said}`, { hint, cause: error })
}
