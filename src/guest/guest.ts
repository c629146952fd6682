/**
 * The composition root: builds one user's guest from its parts. Nothing else names implementations.
 *
 * Order matters for the time until the gateway accepts: the store's worker starts first and opens the database while the
 * rest is loaded and wired; the sandbox and the model wire start on first need, and the calls are loaded with the first one.
 */
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type ModelLimits, openEngine } from '../engine/index.ts'
import { createToken, startGateway } from '../gateway/index.ts'
import { createKernel, type Kernel } from '../kernel/index.ts'
import type { Memory } from '../memory/index.ts'
import { fileFault, type OpeningStore, type Store } from '../store/index.ts'
import { type Call, type ChainHead, type Config, type GuestEnvelope, isOxbowError, systemClock, systemRandom } from '../types/index.ts'
import { openGuestMemory, watchMemoryFolders } from './guest-memory.ts'
import { isOnServer, openGuestStore, shownAddress } from './guest-store.ts'
import { type HostWays, openHostWays, ownFolders } from './host-ways.ts'

export interface Guest {
  readonly url: string
  readonly token: string
  readonly kernel: Kernel
  /** The newest record, for the runner to sign. */
  head(): Promise<ChainHead>
  /** It only reads, and its store, a server that was away, is well again: composed anew it works. A file is no server: its faults stay. */
  canBeTakenUp(): boolean
  /** Stops turns where they stand and releases the workspace. */
  close(): Promise<void>
}

export interface GuestOptions {
  /** Lets a test put faults between the kernel and its store. */
  readonly wrapStore?: (store: Store) => Store
  /** Lets a test lose patience with a model sooner. */
  readonly modelLimits?: Partial<ModelLimits>
  /** Of a guest that is taken up again: its terminals know both. */
  readonly token?: string
  readonly port?: number
}

/**
 * The gateway listens while the database opens; nothing is announced before the workspace is held.
 * @param opening the store, whose worker a caller may have started before this file was loaded
 * @throws OxbowError `workspace_busy`, `bad_config`, or the store's failure when not even reading works
 */
export async function startGuest(
  envelope: GuestEnvelope,
  options: GuestOptions = {},
  opening: Promise<OpeningStore> = openGuestStore(envelope),
): Promise<Guest> {
  const { user, version, workspaceRoot, config } = envelope
  const opened = await opening
  const store = options.wrapStore?.(opened) ?? opened
  /** Whatever keeps the process alive, the newest first. */
  let begun: readonly { close(): Promise<void> }[] = [store]
  try {
    // Side by side: none of them holds anything before its first use.
    const [ways, engine] = await Promise.all([
      openHostWays(envelope),
      openEngine({
        config,
        env: envelope.keys,
        ...(envelope.catalogFolder !== undefined && { catalogFolder: envelope.catalogFolder }),
        packageFolders: envelope.catalogFolder === undefined ? [] : [dirname(envelope.catalogFolder)],
        stateFolder: join(workspaceRoot, 'internal'),
        clock: systemClock,
        random: systemRandom,
        limits: options.modelLimits ?? {},
      }),
    ])
    const { sandbox } = ways
    const memory = openGuestMemory(store, config.memory)
    const kernel = createKernel({
      user,
      version,
      config,
      store,
      storeName: await shownAddress(envelope),
      storeWarning: () => opened.warning?.() ?? '',
      engine,
      sandbox,
      calls: () => loadCalls(ways, config, memory),
      memory,
      workspaceRoot,
      hostFolders: ownFolders(),
      secrets: secretsOf(envelope),
      clock: systemClock,
      random: systemRandom,
    })
    // The kernel closes its store and its sandbox.
    begun = [kernel, ways]
    const { token = createToken(systemRandom), port = config.gateway.port } = options
    const door = { ...config.gateway, port, token, ...(ways.gateway !== undefined && { socket: ways.gateway }) }
    const gateway = await startGateway({ kernel, ...door })
    begun = [gateway, kernel, ways]
    await usable(opened)
    const watching = await watchMemoryFolders(kernel, sandbox, config.memory)
    const announcement = announce(workspaceRoot, { url: gateway.url, pid: ways.pid }, token)
    return {
      url: gateway.url,
      token,
      kernel,
      head: () => store.head(),
      canBeTakenUp: () => isOnServer(envelope) && kernel.status().read_only !== null && opened.fault() === null,
      async close() {
        announcement.withdraw()
        for (const part of [watching, gateway, kernel, ways]) await part.close()
      },
    }
  } catch (error) {
    for (const part of begun) await part.close()
    throw error
  }
}

/** The calls that do things: loaded with the first one that is made. */
async function loadCalls({ sandbox, egress, search, proxy }: HostWays, { web }: Config, memory: Memory): Promise<readonly Call[]> {
  const { builtinCalls, memoryCalls } = await import('../tools/index.ts')
  const outside = { egress, robots: web.robots, ...(proxy !== undefined && { proxy }) }
  return builtinCalls(sandbox.status, outside, [...(search === null ? [] : [search]), ...memoryCalls(memory)])
}

/** What must not leave, by the name that stands for it. */
function secretsOf({ keys, unusedSecrets = {} }: GuestEnvelope): ReadonlyMap<string, string> {
  const used = Object.entries(keys).filter(([name]) => !name.endsWith('_BASE_URL'))
  const unused = Object.entries(unusedSecrets).map(([name, value]) => [`${name} (stored)`, value] as const)
  return new Map([...used, ...unused])
}

/** Resolves when the store is open, or can at least be read: then the kernel says why it does not write. */
async function usable(store: OpeningStore): Promise<void> {
  try {
    await store.opened()
    const warning = store.warning?.() ?? ''
    if (warning !== '') console.error(warning)
  } catch (error) {
    if (isOxbowError(error, 'workspace_busy')) throw error
    await store.head().catch(() => {
      throw error
    })
  }
}

/** Leaves address and token where only the owner's programs can read them. @throws OxbowError `store_full`, `store_failed` */
function announce(workspaceRoot: string, where: { readonly url: string; readonly pid: number }, token: string): { withdraw(): void } {
  const write = (name: string, text: string): string => {
    const path = join(workspaceRoot, 'ipc', name)
    try {
      writeFileSync(path, text, { mode: 0o600 })
      // An older file keeps its mode when it is written again.
      chmodSync(path, 0o600)
    } catch (error) {
      throw fileFault(error, path)
    }
    return path
  }
  write('token', token)
  const path = write('gateway.json', JSON.stringify(where))
  return { withdraw: () => rmSync(path, { force: true }) }
}
