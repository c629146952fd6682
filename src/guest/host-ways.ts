/** How a guest reaches what is outside of it: itself, on the host; or through its runner, when it is isolated. */
import { dirname, join } from 'node:path'
import { createSandbox, loadRemoteEnds, openEgress, openEgressProxy } from '../sandbox/index.ts'
import type { Egress, EgressProxy } from '../sandbox/index.ts'
import type { Call, Config, GuestEnvelope, GuestIsolation, Sandbox } from '../types/index.ts'

export interface HostWays {
  readonly sandbox: Sandbox
  readonly egress: Egress
  readonly search: Call | null
  /** The way out for programs in the sandbox; absent: they have none. */
  readonly proxy?: Pick<EgressProxy, 'issue'>
  /** Where the gateway listens in place of an address. */
  readonly gateway?: { readonly path: string; readonly url: string }
  /** Of the process that terminals speak with. */
  readonly pid: number
  /** Closes what the kernel does not: everything but the sandbox. */
  close(): Promise<void>
}

/** The system's programs are the same everywhere; others tell where somebody keeps theirs. */
const ofSystem = /^\/(usr|bin|sbin|lib|lib64|opt)\//

/** @returns where this program and its Node are installed: sandboxes are shown parts of both. */
export function ownFolders(): readonly string[] {
  const installed = import.meta.dirname.replace(/\/(src\/guest|dist)$/, '')
  const node = process.execPath.startsWith(`${installed}/`) ? [] : [process.execPath]
  return [installed, ...node].filter((path) => !ofSystem.test(path))
}

/** @returns what TierOptions asks for, where an isolated guest cannot have put anything */
export function sandboxFolders({ workspaceRoot, config, catalogFolder }: GuestEnvelope): { cacheFolder: string; imageFolder: string } {
  const cacheFolder = join(workspaceRoot, config.sandbox.isolate_guest ? 'hands' : 'internal')
  return { cacheFolder, imageFolder: catalogFolder === undefined ? cacheFolder : join(dirname(catalogFolder), 'images') }
}

/** Nothing is started before its first use. @throws OxbowError `bad_config` */
export async function openHostWays(envelope: GuestEnvelope): Promise<HostWays> {
  const { workspaceRoot, config, keys, isolation } = envelope
  if (isolation !== undefined) return openIsolatedWays(envelope, isolation)
  const proxy = openEgressProxy(config.egress, join(workspaceRoot, 'ipc', 'egress'))
  const [sandbox, egress, search] = await Promise.all([
    createSandbox({
      workspaceRoot,
      limits: config.sandbox,
      browser: config.browser,
      insecure: envelope.insecure,
      egressSocket: proxy.socket,
      ...sandboxFolders(envelope),
    }),
    openEgress(config.egress),
    openSearch(config, keys, openEgress),
  ])
  return { sandbox, egress, search, proxy, pid: process.pid, close: () => proxy.close() }
}

async function openIsolatedWays({ config, keys }: GuestEnvelope, isolation: GuestIsolation): Promise<HostWays> {
  const { folder, sandbox: status, webSocket, modelSocket, proxyPort, url, pid } = isolation
  const throughRunner: typeof openEgress = (rules) => openEgress(rules, webSocket)
  const { connectPasses, connectSandbox, openRelay } = await loadRemoteEnds()
  const [relay, egress, search] = await Promise.all([
    openRelay('127.0.0.1', proxyPort, modelSocket),
    throughRunner(config.egress),
    openSearch(config, keys, throughRunner),
  ])
  return {
    sandbox: connectSandbox(folder, status),
    egress,
    search,
    proxy: connectPasses(folder),
    gateway: { path: join(folder, 'gateway.sock'), url },
    pid,
    close: () => relay.close(),
  }
}

/** Tools are loaded with the first call; only a search that is on is looked at before, because it may not be configured well. */
async function openSearch(config: Config, keys: GuestEnvelope['keys'], open: typeof openEgress): Promise<Call | null> {
  return config.web.search === 'off' ? null : (await import('../tools/index.ts')).openSearch(config, keys, open)
}
