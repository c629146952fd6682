/** The container tier: one container for each profile, with hands in it, over the same workspace. */
import { basename, dirname, join } from 'node:path'
import { OxbowError, isOxbowError } from '../../base/index.ts'
import type { Lack, OwnProgram, Profile, ServerProcess, ServerProgram } from '../../protocol/index.ts'
import type { FolderMount, GuardedPath, TierOptions, TierPlan, TierProvider, WorkspaceFolders } from '../tier-plan.ts'
import { browserFileMb, browserProcesses } from '../limits.ts'
import { noNetwork, serverCommand, serverSearchPath, startServer, type WaitingServer, waitingShell } from '../bubblewrap/server-start.ts'
import { findHandsEntry, loadHandsProgram } from '../bubblewrap/hands-program.ts'
import { insideEgressSocket, insideOwn, sandboxUid } from '../tier-plan.ts'
import type { HandsProcess } from '../hands/hands-process.ts'
import { createEntrance } from '../workspace-entrance.ts'
import { browserPolicy, findDriver, ownProfiles, policyFiles } from '../browser.ts'
import { type ContainerPlan, handsProgram, runArguments } from './container-command.ts'
import { findEngine, findImage, firstLine, imageHint, installationOf, saysNoImage } from './container-engine.ts'
import type { ContainerEngine } from './container-engine.ts'
import { findEngineLimits, limitsInForce, limitsMissing, notStartedHint } from './container-limits.ts'
import type { EngineLimits } from './container-limits.ts'
import { containerName, type ContainerStart, reapOrphans, startContainer, startServerContainer } from './container-process.ts'
import { keepFile } from '../kept-files.ts'
import { seccompProfile } from '../bubblewrap/seccomp-filter.ts'

const insideProgram = '/opt/oxbow/hands.cjs'

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
    const { container } = options.limits
    const engine = findEngine(container, options.searchPath)
    if ('code' in engine) return engine
    const [engineLimits, found] = await Promise.all([
      findEngineLimits(engine, container.kernel),
      findImage(engine, container.image, installationOf(options.imageFolder)),
    ])
    if ('code' in engineLimits) return engineLimits
    return 'code' in found ? found : tierPlan({ options, engine, engineLimits, ...found, seccomp })
  },
}

interface Parts {
  readonly options: TierOptions
  readonly engine: ContainerEngine
  readonly engineLimits: EngineLimits
  readonly image: string
  /** Path of Chromium in the image; '' without it. */
  readonly browser: string
  readonly seccomp: string
}

function tierPlan(parts: Parts): TierPlan {
  const { options, engine, engineLimits } = parts
  const { limits, egressSocket } = options
  const { start, serve, close } = createStarter(parts)
  return {
    provider: `${engine.name} with ${limits.container.kernel === 'gvisor' ? 'gVisor' : 'runc'}`,
    ...(egressSocket === undefined ? { profiles: ['work', 'vault-read'] } : profilesOf(parts)),
    mounts: true,
    limits: limitsInForce(options, engineLimits),
    degraded: limitsMissing(options, engineLimits),
    start,
    serve,
    close,
  }
}

/** @param kept folder of the host for programs */
async function ownMount(kept: string, name: OwnProgram): Promise<FolderMount> {
  const text = await loadHandsProgram(findHandsEntry(name))
  return { host: keepFile(join(kept, `${name}.cjs`), text), inside: insideOwn(name), writable: false }
}

interface Starter {
  readonly start: (profile: Profile) => Promise<HandsProcess>
  readonly serve: NonNullable<TierPlan['serve']>
  readonly close: () => Promise<void>
}

/** In gVisor Chromium draws pages, but asks for accounts.google.com by itself at its start, which the policies prevent elsewhere. */
function profilesOf({ browser, options }: Parts): Pick<TierPlan, 'profiles' | 'lacking'> {
  const isRunc = options.limits.container.kernel === 'runc'
  if (browser !== '' && isRunc) return { profiles: ['work', 'online', 'browser', 'vault-read'] }
  return { profiles: ['work', 'online', 'vault-read'], lacking: { browser: isRunc ? notInImage : notInGvisor } }
}

const notInImage: Lack = {
  why: 'the image of the container tier does not have',
  hint: 'Build an image with one: oxbow image build --with browser',
}
const notInGvisor: Lack = {
  why: 'the container tier does not have with gVisor',
  hint: 'Set sandbox.container.kernel = "runc", and build an image with one: oxbow image build --with browser',
}

function createStarter(parts: Parts): Starter {
  const { options, engine, engineLimits, browser } = parts
  const { held } = engineLimits
  const { folders } = options
  const entrance = createEntrance(folders, options.limits.container.kernel !== 'gvisor')
  const { asRoot, guard, duringMounts, enter } = entrance
  let program: string | null = null
  let { image } = parts
  const { launch, kept, reaped } = createLauncher(parts, asRoot, () => image)

  const handsMount = async (): Promise<FolderMount> => {
    program ??= await loadHandsProgram()
    return { host: keepFile(join(kept, 'hands.cjs'), program), inside: insideProgram, writable: false }
  }
  const startIn = async (
    profile: Profile,
    { mounts, limits = options.limits, args: handsArgs = entryArgs[profile] }: View,
    onGone: () => void,
  ): Promise<HandsProcess> => {
    const view = { mounts: [...mounts, await handsMount()], limits, label: profile }
    return launch(view, handsProgram(insideProgram, handsArgs, { limits, held }), onGone, startContainer)
  }
  const serve = async (server: ServerProgram): Promise<ServerProcess> => {
    const { pass, env } = server
    if (pass !== null && options.egressSocket === undefined) throw noNetwork()
    const relay = pass === null ? [] : [await handsMount(), ...(await socketMounts('online', options))]
    const own = server.own === undefined ? relay : [...relay, await ownMount(kept, server.own)]
    const [entry = '', ...shell] = waitingShell
    const base = { PATH: serverSearchPath, HOME: '/tmp', ...env, ...(pass !== null && { OXBOW_PASS: pass }) }
    const begin = (seen: readonly FolderMount[], leave: () => void): Promise<WaitingServer> => {
      const run = { mounts: [...seen.flatMap(withGuarded), ...own], label: 'server', env: base, entry, cwd: server.cwd ?? '/tmp' }
      return launch(run, [...shell, ...serverCommand(server)], leave, startServerContainer)
    }
    try {
      return await startServer(server, entrance, options, begin)
    } catch (error) {
      if (await hasNewer(error)) return serve(server)
      throw error
    }
  }
  const start = async (profile: Profile): Promise<HandsProcess> => {
    const leave = await enter(profile)
    try {
      if (profile === 'vault-read')
        return await startIn(profile, { mounts: [{ host: folders.vault, inside: '/vault', writable: false }] }, leave)
      if (profile === 'browser') {
        return await startIn(profile, browserContainer(options, browser, kept, await options.egressSocket!(profile)), leave)
      }
      const socket = await socketMounts(profile, options)
      return await guard.during((guarded) =>
        duringMounts((mounts) => startIn(profile, { mounts: [...workMounts(folders, guarded, mounts), ...socket] }, leave)),
      )
    } catch (error) {
      leave()
      if (await hasNewer(error)) return start(profile)
      throw error
    }
  }
  // The image may have been rebuilt, and this one removed, since the last start.
  const hasNewer = async (error: unknown): Promise<boolean> => {
    if (options.limits.container.image !== '' || !(error instanceof Error && saysNoImage(error.message))) return false
    const newest = await findImage(engine, '', installationOf(options.imageFolder))
    if ('code' in newest || newest.image === image) return false
    image = newest.image
    return true
  }
  return { start, serve, close: reaped }
}

/** Starts containers, and removes what dead kernels have left. */
interface Launcher {
  readonly launch: <Started>(
    run: Launch,
    program: readonly string[],
    onGone: () => void,
    begin: (start: ContainerStart) => Promise<Started>,
  ) => Promise<Started>
  readonly reaped: () => Promise<void>
  readonly kept: string
}

/** @param imageNow the image may be rebuilt meanwhile */
function createLauncher({ options, engine, engineLimits: { held }, seccomp }: Parts, asRoot: boolean, imageNow: () => string): Launcher {
  const { folders, cacheFolder, logger } = options
  const kept = join(cacheFolder, 'container')
  let starts = 0
  let reaping: Promise<void> | null = null
  const launch = async <Started>(
    { mounts, limits = options.limits, label, ...run }: Launch,
    program: readonly string[],
    onGone: () => void,
    begin: (start: ContainerStart) => Promise<Started>,
  ): Promise<Started> => {
    const name = containerName(`${process.hrtime.bigint().toString(36)}${(starts += 1)}`)
    const idFile = join(kept, `${name}.id`)
    const args = runArguments({
      engine: engine.name,
      kernel: limits.container.kernel,
      image: imageNow(),
      name,
      labels: labels(folders, label),
      idFile,
      seccompFile: keepFile(join(kept, 'seccomp.json'), seccomp),
      uid: asRoot ? sandboxUid : (process.getuid?.() ?? sandboxUid),
      gid: asRoot ? sandboxUid : (process.getgid?.() ?? sandboxUid),
      rootless: engine.rootless,
      mounts,
      limits,
      held,
      program,
      ...run,
    })
    try {
      return await begin({ engine, name, idFile, args, logger, onGone })
    } catch (error) {
      throw explained(error, limits.container.image)
    } finally {
      // After the first reply: leftovers of dead kernels can wait a second.
      reaping ??= reapOrphans(engine, kept)
    }
  }
  return { launch, kept, reaped: async () => void (await reaping) }
}

/** A container as it is launched. */
interface Launch extends Pick<View, 'mounts' | 'limits'>, Partial<Pick<ContainerPlan, 'env' | 'entry' | 'cwd'>> {
  readonly label: string
}

/** The mounts of a container; its limits and the arguments of its hands, if they differ from the profile's. */
interface View {
  readonly mounts: readonly FolderMount[]
  readonly limits?: TierOptions['limits']
  readonly args?: readonly string[]
}

/**
 * The view of profile `browser`: as in the process tier, with Chromium and its fonts from the image.
 * @param program path of Chromium inside the image. @param kept folder for files that are mounted. @param socket of the egress proxy
 */
function browserContainer({ folders, browser, cacheFolder, limits }: TierOptions, program: string, kept: string, socket: string): View {
  const driver = findDriver()
  if (driver === null) {
    throw new OxbowError('sandbox_missing', 'No browser: the package playwright-core is not installed.', {
      hint: 'Run: npm install playwright-core',
    })
  }
  const policy = keepFile(join(kept, 'browser-policy.json'), browserPolicy)
  const shown = (host: string, inside: string): FolderMount => ({ host, inside, writable: false })
  return {
    mounts: [
      { host: folders.tmp, inside: '/tmp', writable: true },
      { host: ownProfiles(cacheFolder), inside: '/profiles', writable: true },
      shown(driver, '/opt/oxbow/playwright-core'),
      ...policyFiles.map((path) => shown(policy, path)),
      shown(socket, insideEgressSocket),
    ],
    limits: { ...limits, memory_mb: browser.memory_mb, max_processes: browserProcesses, max_file_mb: browserFileMb },
    args: ['--relay', insideEgressSocket, '--browser', program],
  }
}

function workMounts(
  { shared, tmp, skills }: WorkspaceFolders,
  guarded: readonly GuardedPath[],
  mounts: readonly FolderMount[],
): readonly FolderMount[] {
  return [
    { host: shared, inside: '/shared', writable: true },
    { host: tmp, inside: '/tmp', writable: true },
    ...(skills === undefined ? [] : [{ host: skills, inside: '/skills', writable: false }]),
    ...guarded.map(({ path, writable }) => ({ host: join(shared, path), inside: `/shared/${path}`, writable })),
    ...mounts.flatMap(withGuarded),
  ]
}

/** @returns the mount, and over it its parts that have rules of their own */
function withGuarded({ guarded = [], ...mount }: FolderMount): readonly FolderMount[] {
  return [mount, ...guarded.map(({ path, writable }) => ({ host: join(mount.host, path), inside: `${mount.inside}/${path}`, writable }))]
}

async function socketMounts(profile: Profile, { egressSocket }: TierOptions): Promise<readonly FolderMount[]> {
  if (profile !== 'online') return []
  return [{ host: await egressSocket!(profile), inside: insideEgressSocket, writable: false }]
}

const entryArgs: Readonly<Record<Profile, readonly string[]>> = {
  work: [],
  online: ['--relay', insideEgressSocket],
  browser: [],
  'vault-read': ['--vault'],
}

/** Identify containers for a person and for the next kernel. */
function labels({ shared }: WorkspaceFolders, profile: string): Readonly<Record<string, string>> {
  return { app: 'oxbow', 'oxbow.user': basename(dirname(shared)), 'oxbow.guest': String(process.pid), 'oxbow.profile': profile }
}

/** Explains a failed start. */
function explained(error: unknown, wanted: string): unknown {
  if (!isOxbowError(error, 'sandbox_failed')) return error
  const reason = firstLine(error.message.replace(/^The sandbox did not start: /, ''))
  const hint = saysNoImage(reason) ? imageHint(wanted) : notStartedHint(reason)
  return new OxbowError('sandbox_missing', `No container: ${reason}`, { hint, cause: error })
}
