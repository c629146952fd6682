/** How a guest reaches the world: directly on the host, or through its runner when it is isolated. */
import { dirname, join } from 'node:path'
import {
  createSandbox,
  loadRemoteEnds,
  openElsewhere,
  openEgress,
  openEgressFetch,
  openEgressProxy,
  openShownSkills,
} from '../sandbox/index.ts'
import type { Egress, EgressFetch, EgressProxy, ShownSkills } from '../sandbox/index.ts'
import { type Failure, type Log, once } from '../base/index.ts'
import type { Call, PluginFiles, Sandbox, SandboxStatus } from '../protocol/index.ts'
import type { Config, GuestEnvelope, GuestIsolation } from '../config/index.ts'

export interface HostWays {
  readonly sandbox: Sandbox
  readonly egress: Egress
  readonly search: Call | null
  /** For servers of tools; see createEgressFetch. */
  readonly openFetch: (host: string, allow: readonly string[]) => Promise<EgressFetch>
  /** Network access for programs in the sandbox; absent: they have none. */
  readonly proxy?: Pick<EgressProxy, 'issue'>
  /** Where the sandbox shows skills; null: it does not. */
  readonly skills: ShownSkills | null
  /** Of an isolated guest; absent: this process has them itself. */
  readonly pluginFiles?: PluginFiles | undefined
  /** The socket on which the gateway listens instead of an address. */
  readonly gateway?: { readonly path: string; readonly url: string }
  /** The process that terminals connect to. */
  readonly pid: number
  /** Closes everything but the sandbox, which the kernel closes. */
  close(): Promise<void>
}

/** Folders that are the same on every system; other paths reveal where a user keeps programs. */
const ofSystem = /^\/(usr|bin|sbin|lib|lib64|opt)\//

/** @returns where Oxbow and its Node are installed; sandboxes show parts of both */
export function ownFolders(): readonly string[] {
  const installed = import.meta.dirname.replace(/\/(src\/guest|dist)$/, '')
  const node = process.execPath.startsWith(`${installed}/`) ? [] : [process.execPath]
  return [installed, ...node].filter((path) => !ofSystem.test(path))
}

/** @returns the folders of TierOptions, in places where an isolated guest cannot write */
export function sandboxFolders({ workspaceRoot, config, catalogFolder }: GuestEnvelope): { cacheFolder: string; imageFolder: string } {
  const cacheFolder = join(workspaceRoot, config.sandbox.isolate_guest ? 'hands' : 'internal')
  return { cacheFolder, imageFolder: catalogFolder === undefined ? cacheFolder : join(dirname(catalogFolder), 'images') }
}

/** Starts nothing before its first use. @throws OxbowError `bad_config` */
export async function openHostWays(envelope: GuestEnvelope, log?: Log): Promise<HostWays> {
  const { workspaceRoot, config, keys, isolation, lease } = envelope
  if (isolation !== undefined) return openIsolatedWays(envelope, isolation)
  const proxy = openEgressProxy(config.egress, join(workspaceRoot, 'ipc', 'egress'))
  const [sandbox, egress, search] = await Promise.all([
    createSandbox({
      workspaceRoot,
      limits: config.sandbox,
      browser: config.browser,
      insecure: envelope.insecure,
      mounts: envelope.folders ?? [],
      egressSocket: proxy.socket,
      logger: (message, level = 'warn') => log?.write('hands', level, message),
      ...sandboxFolders(envelope),
    }),
    openEgress(config.egress),
    openSearch(config, keys, openEgress),
  ])
  const openFetch: HostWays['openFetch'] = (host, allow) => openEgressFetch(config.egress, host, allow)
  const { cacheFolder } = sandboxFolders(envelope)
  const shown = once(() => openShownSkills(cacheFolder))
  const closeAll = async (): Promise<void> => {
    await elsewhere?.close()
    await proxy.close()
  }
  const elsewhere = lease?.hands === undefined ? null : openElsewhere({ path: lease.hands, status: () => sandbox.status, proxy })
  if (elsewhere !== null) Object.assign(sandbox, { elsewhere })
  const skills = showsSkills(sandbox.status) ? ({ show: async (...skill) => (await shown()).show(...skill) } satisfies ShownSkills) : null
  return { sandbox, egress, search, openFetch, proxy, skills, pid: process.pid, close: closeAll }
}

async function openIsolatedWays({ config, keys }: GuestEnvelope, isolation: GuestIsolation): Promise<HostWays> {
  const { folder, sandbox: status, webSocket, modelSocket, proxyPort, url, pid } = isolation
  const throughRunner: typeof openEgress = (rules) => openEgress(rules, webSocket)
  const { connectPasses, connectPluginFiles, connectSandbox, connectSkills, openRelay } = await loadRemoteEnds()
  const [relay, egress, search] = await Promise.all([
    openRelay('127.0.0.1', proxyPort, modelSocket),
    throughRunner(config.egress),
    openSearch(config, keys, throughRunner),
  ])
  return {
    sandbox: connectSandbox(folder, status),
    egress,
    search,
    openFetch: (host, allow) => openEgressFetch(config.egress, host, allow, webSocket),
    proxy: connectPasses(folder),
    skills: showsSkills(status) ? connectSkills(folder) : null,
    pluginFiles: connectPluginFiles(folder),
    gateway: { path: join(folder, 'gateway.sock'), url },
    pid,
    close: () => relay.close(),
  }
}

/** Tools are loaded with the first call; only an enabled search is loaded now, to check its configuration. */
export async function openSearch(config: Config, keys: GuestEnvelope['keys'], open: typeof openEgress): Promise<Call | null> {
  return config.web.search === 'off' ? null : (await import('../tools/index.ts')).openSearch(config, keys, open)
}

/** Whether a sandbox has the folder of skills. */
function showsSkills({ tier }: Pick<SandboxStatus, 'tier'>): boolean {
  return ['process', 'container', 'micro_vm'].includes(tier)
}

/** Scripts need a sandbox that shows skills and starts programs. @returns the calls, with the one that runs them marked where it cannot */
export function withScripts(calls: readonly Call[], { tier }: Pick<SandboxStatus, 'tier'>, starts: boolean): readonly Call[] {
  if (showsSkills({ tier }) && starts) return calls
  const where = tier === 'none' ? 'is off' : `the tier ${tier} does not have`
  const unavailable: Failure = {
    code: 'sandbox_missing',
    message: `skill.run needs a sandbox that shows skills and starts programs, which ${where}.`,
    hint: 'Commands of a skill can be read with skill_load; oxbow status says what the sandbox has.',
  }
  return calls.map((call) => (call.files === 'workspace' ? { ...call, unavailable } : call))
}
