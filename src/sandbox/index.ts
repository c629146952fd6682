/**
 * Starts hands in a tier and speaks with them. And the one way to the web, and the
 * threads in which tools of programs run; both are loaded when they are first used.
 */
import { once } from '../base/index.ts'
import type { DoctorCheck, HandsElsewhere } from '../protocol/index.ts'
import type { Config } from '../config/index.ts'
import type { DoctorOptions } from './doctor/run-doctor.ts'
import type { Egress } from './egress/create-egress.ts'
import type { EgressFetch } from './egress/egress-fetch.ts'
import type { EgressProxy } from './egress/egress-proxy.ts'
import type { GuestContainer, GuestContainerOptions } from './container/guest-container.ts'
import type { ElsewhereDeps } from './remote/far-branch.ts'
import type * as farPlace from './remote/far-place.ts'
import type * as farPlaces from './remote/far-places.ts'
import type * as farWords from './remote/far-protocol.ts'
import type * as localSocket from './remote/local-socket.ts'
import type * as programEnds from './remote/remote-servers.ts'
import type * as passEnds from './remote/egress-passes.ts'
import type * as pluginEnds from './remote/remote-plugins.ts'
import type * as skillEnds from './remote/remote-skills.ts'
import type * as sandboxEnds from './remote/remote-sandbox.ts'
import type * as chosenParts from './image/chosen-extras.ts'
import type { BuiltImage, ImageBuild } from './image/container-image.ts'
import type * as keptParts from './image/kept-images.ts'
import type { VmImage, VmImageBuild } from './micro-vm/vm-image.ts'
import type { CgroupParent } from './cgroup/cgroup-delegation.ts'
import type { ShownSkills } from './shown-skills.ts'
export type { ShownSkills } from './shown-skills.ts'
import type { ScriptThreads } from './wasm/script-threads.ts'
import type { ToolOutcome, WasmTool } from './wasm/wasm-tool.ts'

export type { GuestContainer, GuestContainerOptions } from './container/guest-container.ts'
export { createSandbox } from './create-sandbox.ts'
export { unseenIn } from './folder-book.ts'

export type { EgressFetch } from './egress/egress-fetch.ts'
export type { Egress, Fetched } from './egress/create-egress.ts'
export type { EgressProxy } from './egress/egress-proxy.ts'
export type { EgressPass, Visit, Visits } from './egress/proxy-passes.ts'

type KeptImages = Pick<typeof chosenParts, 'chosenExtras' | 'keepChosenExtras'> & typeof keptParts

/** Both ends of what an isolated guest reaches through its runner. */
export type RemoteEnds = typeof sandboxEnds &
  typeof passEnds &
  typeof skillEnds &
  typeof pluginEnds &
  Pick<typeof programEnds, 'servePrograms'>
/** What a node needs of both: the places that it gives, and how guests ask other nodes for theirs. */
export type FarEnds = Pick<typeof farPlace, 'openFarPlace'> &
  Pick<typeof farPlaces, 'openFarPlaces'> &
  Pick<typeof farWords, 'elsewhereQuestion'> &
  Pick<typeof localSocket, 'listenAt' | 'readLine' | 'failedAnswerTo'>
export type { FarPlace } from './remote/far-place.ts'
export type { FarPlaces } from './remote/far-places.ts'
export type { ElsewhereAnswer, ElsewhereQuestion } from './remote/far-protocol.ts'
export { timeHands } from './time-hands.ts'
export { readHostFolder, writeHostFolder } from './wasm/host-folder.ts'

export { maxToolCodeBytes } from './limits.ts'
export type { ScriptThreads } from './wasm/script-threads.ts'
export type { KnownCall, ToolChange, ToolOutcome, WasmTool } from './wasm/wasm-tool.ts'

/** @returns whether `egress.allow` names a host, as a URL spells it, for any port. @throws OxbowError `bad_config` */
export async function hostsAllowed({ allow }: Pick<Config['egress'], 'allow'>): Promise<(host: string) => boolean> {
  return (await import('./egress/egress-policy.ts')).namedHosts('allow', allow)
}

/**
 * The way to the web.
 * @param through socket of a proxy that has policy and network in our place
 * @throws OxbowError `bad_config` at once when its rules cannot be used; see `Egress.fetch` for the rest.
 */
export async function openEgress(config: Config['egress'], through?: string): Promise<Egress> {
  const egress = once(async () =>
    (await import('./egress/create-egress.ts')).createEgress(config, { ...(through !== undefined && { through }) }),
  )
  if (config.allow.length + config.deny.length > 0) await egress()
  return { fetch: async (url, accept, signal, headers) => (await egress()).fetch(url, accept, signal, headers) }
}

/**
 * The way out for programs in a sandbox, through the same policy; see EgressProxy.
 * @param folder for its sockets; of the workspace, and not seen by agents
 */
export function openEgressProxy(config: Config['egress'], folder: string): EgressProxy {
  const proxy = once(async () => (await import('./egress/egress-proxy.ts')).createEgressProxy(config, folder))
  return {
    socket: async (profile) => (await proxy()).socket(profile),
    issue: async (profile, hosts) => (await proxy()).issue(profile, hosts),
    openSome: async (profile) => (await proxy()).openSome(profile),
    close: async () => (await proxy.made())?.close(),
  }
}

/** `fetch` under the egress policy, for one server; see createEgressFetch. @throws OxbowError `bad_config` */
export async function openEgressFetch(
  config: Config['egress'],
  host: string,
  allow: readonly string[],
  through?: string,
): Promise<EgressFetch> {
  const { createEgressFetch } = await import('./egress/egress-fetch.ts')
  return createEgressFetch(config, host, allow, { ...(through !== undefined && { through }) })
}

/** Puts the files of skills where sandboxes show them; see shown-skills.ts. @param cacheFolder as `createSandbox` has it */
export async function openShownSkills(cacheFolder: string): Promise<ShownSkills> {
  return (await import('./shown-skills.ts')).openShownSkills(cacheFolder)
}

/** For isolated guests and their runners. */
export async function loadRemoteEnds(): Promise<RemoteEnds> {
  const [sandbox, passes, skills, plugins, { servePrograms }] = await Promise.all([
    import('./remote/remote-sandbox.ts'),
    import('./remote/egress-passes.ts'),
    import('./remote/remote-skills.ts'),
    import('./remote/remote-plugins.ts'),
    import('./remote/remote-servers.ts'),
  ])
  return { ...sandbox, ...passes, ...skills, ...plugins, servePrograms }
}

/** Hands on other nodes of a cluster, which the node on this machine is asked for; loaded with the first. */
export function openElsewhere(deps: ElsewhereDeps): HandsElsewhere {
  const elsewhere = once(async () => (await import('./remote/far-branch.ts')).connectElsewhere(deps))
  return {
    open: async (request) => (await elsewhere()).open(request),
    close: async () => (await elsewhere.made())?.close(),
  }
}

/** What a node of a cluster has hands for others with. */
export async function loadFarEnds(): Promise<FarEnds> {
  const [place, places, protocol, socket] = await Promise.all([
    import('./remote/far-place.ts'),
    import('./remote/far-places.ts'),
    import('./remote/far-protocol.ts'),
    import('./remote/local-socket.ts'),
  ])
  return { ...place, ...places, ...protocol, ...socket }
}

/** Where this process may make control groups; see cgroup/cgroup-limits.ts. */
export async function findHostCgroups(): Promise<readonly CgroupParent[]> {
  const [{ findCgroupParents }, { systemdView }, { findProgram, ownSearchPath }, { readFile }] = await Promise.all([
    import('./cgroup/cgroup-limits.ts'),
    import('./cgroup/systemd-scope.ts'),
    import('./host-programs.ts'),
    import('node:fs/promises'),
  ])
  const systemd = systemdView((program) => findProgram(program, ownSearchPath()))
  const parents = await findCgroupParents('/sys/fs/cgroup', await readFile('/proc/self/cgroup', 'utf8'), systemd)
  // Systemd makes those, for a sandbox each.
  return parents.filter(({ scopes }) => scopes === undefined)
}

/** Puts a guest into a container of its own. @throws OxbowError `sandbox_missing` */
export async function openGuestContainer(options: GuestContainerOptions): Promise<GuestContainer> {
  return (await import('./container/guest-container.ts')).planGuestContainer(options)
}

/** @returns why a script is no ES module; empty if it is one. It is not run. */
export async function checkScript(source: string): Promise<string> {
  return (await import('./wasm/check-script.ts')).checkScript(source)
}

/** @returns whether these bytes are a WebAssembly module. It is not run. */
export async function isWasm(code: Uint8Array): Promise<boolean> {
  return (await import('./wasm/web-assembly.ts')).webAssembly.validate(code)
}

/** Runs a tool of a program in a thread of its own. Never rejects; see `ToolOutcome`. */
export async function runTool(tool: WasmTool, threads?: ScriptThreads): Promise<ToolOutcome> {
  const runner = await import('./wasm/run-tool.ts')
  return runner.runTool(tool, threads)
}

/** Threads for scripts with this memory; one is started ahead, see script-threads.ts. */
export async function scriptThreads(memoryMb: number): Promise<ScriptThreads> {
  return (await import('./wasm/script-threads.ts')).createScriptThreads(memoryMb)
}

/** Examines this machine, one finding after the other; see run-doctor.ts. */
export async function* examineMachine(options: DoctorOptions): AsyncGenerator<DoctorCheck> {
  const { runDoctor } = await import('./doctor/run-doctor.ts')
  yield* runDoctor(options)
}

/** What images this home has built, and with which programs. */
export async function loadKeptImages(): Promise<KeptImages> {
  return { ...(await import('./image/chosen-extras.ts')), ...(await import('./image/kept-images.ts')) }
}

/** Makes the image that micro VMs start from. @throws OxbowError `sandbox_missing` that says what to install */
export async function buildVmImage(build: VmImageBuild): Promise<VmImage> {
  const image = await import('./micro-vm/vm-image.ts')
  return image.buildVmImageBelow(build)
}

/** Makes the image that the container tier runs. @throws OxbowError `sandbox_missing` that says what to install, `sandbox_failed` */
export async function buildContainerImage(build: ImageBuild): Promise<BuiltImage> {
  const image = await import('./image/container-image.ts')
  return image.buildContainerImage(build)
}
