/**
 * The composition root: builds one user's guest from its parts. Nothing else names implementations.
 *
 * Order matters for the time until the gateway accepts: the store's worker starts first and opens the database while the rest is
 * loaded and wired. Sandbox, model wire and memory start on first need, and the calls are loaded with the first one.
 */
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { answerCatalog, type AskPluginModel, type ModelLimits, openEngine } from '../engine/index.ts'
import { createToken, type Gateway, startGateway } from '../gateway/index.ts'
import { createKernel, type Kernel, type KernelOptions } from '../kernel/index.ts'
import { createMemory, type Memory, type MemoryHost } from '../memory/index.ts'
import { services, takeOverFiles } from '../services/index.ts'
import { fileFault, type OpeningStore, type Store } from '../store/index.ts'
import { isOxbowError, ownValue, systemClock, systemRandom, takeCrashMark } from '../base/index.ts'
import { appPlugin, type Call, type ChainHead, type Engine, type Sandbox } from '../protocol/index.ts'
import type { Config, GuestEnvelope, HostPort } from '../config/index.ts'
import { type GuestPluginData, isOnServer, openGuestStore, openPluginData, openSecretKeeper, shownFacts } from './guest-store.ts'
import { type HostWays, openHostWays, ownFolders } from './host-ways.ts'
import type { GuestPlugins, ServedByPlugins } from './plugin-source.ts'
import { createLiveConfig, type LiveConfig } from './live-config.ts'
import { type HeldParts, programServices } from './programs.ts'
import { followFolders } from './shown-folders.ts'

export interface Guest {
  readonly url: string
  readonly token: string
  readonly kernel: Kernel
  /** The newest record, for the runner to sign. */
  head(): Promise<ChainHead>
  /** The guest only reads, and its database server works again, or serves another node's guest, so a restart helps. The faults of a file stay. */
  canRestart(): boolean
  /** Stops turns where they stand and releases the workspace. */
  close(): Promise<void>
}

export interface GuestOptions {
  /** Lets a test put faults between the kernel and its store. */
  readonly wrapStore?: (store: Store) => Store
  /** Lets a test shorten the time limits of models. */
  readonly modelLimits?: Partial<ModelLimits>
  /** Of a guest that restarts: its terminals know both. */
  readonly token?: string
  readonly port?: number
  readonly onSecrets?: KernelOptions['onSecrets']
  readonly host?: HostPort | undefined
  /** Receives what the guest runs with; some of its keys may change. */
  readonly onConfig?: ((live: LiveConfig) => void) | undefined
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
  const [{ user, version, workspaceRoot, config }, data] = [envelope, openPluginData(envelope)]
  const held: HeldParts = {}
  const [opened, plugins] = [await opening, Promise.withResolvers<Pick<GuestPlugins, 'askModel'>>()]
  const onPlugins = (found: GuestPlugins): void => plugins.resolve(Object.assign(held, { plugins: found }).plugins)
  const { store, head } = withLastHead(options.wrapStore?.(opened) ?? opened)
  /** Whatever keeps the process alive, newest first. */
  let open: readonly { close(): Promise<void> }[] = [store]
  try {
    // In parallel: each acquires resources only when it is first used.
    const live = liveConfig(config, options)
    const [ways, engine] = await Promise.all([
      openHostWays(envelope, options.host?.log),
      openGuestEngine({ ...envelope, config: live.view }, options, modelPlugins(envelope, options, plugins.promise)),
    ])
    const folders = await openFolders(envelope, opened, ways, options)
    const kernel = createKernel({
      user,
      version,
      config: live.view,
      turnConfig: live,
      store,
      ...(await shownFacts(envelope)),
      storeWarning: () => opened.warning?.() ?? '',
      engine,
      sandbox: ways.sandbox,
      services: [...services, ...programServices(ways, envelope, { engine, host: options.host, folders, data, held, onPlugins })],
      calls: (memory) => loadCalls(ways, config, memory!, data),
      memory: (host) =>
        (held.memory = createMemory({ store, config: config.memory, clock: systemClock, host: withPluginData(host, data, held) })),
      ...workspaceOf(envelope),
      mounts: folders.names,
      coveredFolders: folders.covered,
      showFolders: folders.show,
      hostFolders: ownFolders(),
      ...secretsOf(envelope, options),
      clock: systemClock,
      random: systemRandom,
      ...probes(envelope, ways, options, held),
    })
    open = [kernel, ways] // The kernel closes its store and its sandbox.
    const { token = createToken(systemRandom), port = config.gateway.port } = options
    const socket = ways.gateway !== undefined && { socket: ways.gateway }
    const listener = { ...config.gateway, port, token, ...socket, ...publishedParts(envelope, ways, options), ...signInOf(envelope, ways) }
    const gateway = await startGateway({ kernel, ...listener, lastPort: lastPort(workspaceRoot), webFolder: webFolder() })
    open = [gateway, kernel, ways]
    await untilUsable(opened)
    held.memory?.prepare()
    const watching = await watchMemoryFolders(kernel, ways.sandbox, config.memory)
    const announcement = announce(workspaceRoot, { ...gateway, pid: ways.pid }, token)
    return {
      url: gateway.url,
      token,
      kernel,
      head,
      canRestart: () => isOnServer(envelope) && kernel.status().read_only !== null && (opened.fault()?.code ?? stale) === stale,
      async close() {
        announcement.withdraw()
        for (const part of [watching, gateway, kernel, data, ways]) await part.close()
      },
    }
  } catch (error) {
    for (const part of open) await part.close()
    throw error
  }
}

/** Folders of the user, before anything runs: another node may have changed files since this one had them. @throws OxbowError as `takeOverFiles` */
async function openFolders(
  envelope: GuestEnvelope,
  store: OpeningStore,
  { sandbox }: HostWays,
  { host }: GuestOptions,
): Promise<ReturnType<typeof followFolders>> {
  const { user, workspaceRoot, config } = envelope
  const folders = followFolders(envelope, sandbox, host)
  const { names: mounts, covered: coveredFolders } = folders
  const folder = join(workspaceRoot, 'internal', 'versions')
  const took = await takeOverFiles({ store, user, folder, sandbox, config, mounts, coveredFolders, clock: systemClock })
  for (const path of took?.kept ?? []) console.error(`a file of this node was kept: ${path}`)
  return folders
}

/** Another node has the user: a restart finds that out, and ends the guest. */
const stale = 'stale_epoch'

function liveConfig(config: Config, { onConfig }: GuestOptions): LiveConfig {
  const live = createLiveConfig(config)
  onConfig?.(live)
  return live
}

function workspaceOf({ workspaceRoot }: GuestEnvelope): Pick<KernelOptions, 'workspaceRoot' | 'crashedBefore' | 'versionsFolder'> {
  return { workspaceRoot, crashedBefore: takeCrashMark(workspaceRoot), versionsFolder: join(workspaceRoot, 'internal', 'versions') }
}

function openGuestEngine(
  { config, keys: env, catalogFolder, workspaceRoot, plugins }: GuestEnvelope,
  { modelLimits: limits = {}, host }: GuestOptions,
  askPlugin: AskPluginModel,
): Promise<Engine> {
  return openEngine({
    config,
    env,
    ...(catalogFolder !== undefined && { catalogFolder, packageFolders: [dirname(catalogFolder)] }),
    stateFolder: join(workspaceRoot, 'internal'),
    // Without plugins and a runner that installs them, none can be the model.
    ...((plugins !== undefined || host !== undefined) && { askPlugin }),
    clock: systemClock,
    random: systemRandom,
    limits,
  })
}

/** Plugins that are models, and the program that has started this guest where it is one. */
function modelPlugins({ app }: GuestEnvelope, { host }: GuestOptions, plugins: Promise<Pick<GuestPlugins, 'askModel'>>): AskPluginModel {
  return async (plugin, model, params, signal, onPiece = () => {}, held) =>
    plugin === appPlugin && app?.servesModel === true && host?.app !== undefined
      ? host.app({ ask: 'app_model', model, params }, signal, onPiece)
      : (await plugins).askModel(plugin, model, params, signal, onPiece, held)
}

/** @returns nothing where no agent is published */
function publishedParts(
  { config, version, lease }: GuestEnvelope,
  { openFetch }: HostWays,
  { host }: GuestOptions,
): Pick<Parameters<typeof startGateway>[0], 'a2a' | 'door'> {
  const door = lease?.door !== undefined && { door: lease.door }
  const { agents } = config.a2a
  if (Object.keys(agents).length === 0) return { ...door }
  return { ...door, a2a: { agents, version, openFetch, sign: host?.signCard } }
}

/** @returns nothing where nobody signs in by OpenID Connect */
function signInOf({ config: { oidc }, keys }: GuestEnvelope, { openFetch }: HostWays): Pick<Parameters<typeof startGateway>[0], 'oidc'> {
  if (oidc.issuer === '') return {}
  return { oidc: { config: oidc, secret: ownValue(keys, oidc.client_secret_env) ?? '', openFetch } }
}

/** The web application: next to the bundle; in a checkout, where the build leaves it. */
function webFolder(): string {
  return join(dirname(fileURLToPath(import.meta.url)), import.meta.url.endsWith('.ts') ? '../../dist/web' : 'web')
}

/** @returns the previous guest's port, so that an open page finds it again; 0: no guest ran before */
function lastPort(workspaceRoot: string): number {
  try {
    const port = Number(readFileSync(join(workspaceRoot, 'ipc', portFile), 'utf8'))
    return Number.isInteger(port) && port > 0 && port <= maxPort ? port : 0
  } catch {
    return 0
  }
}

const portFile = 'port'
const maxPort = 65_535

/** Loads the calls of `tools`, with the first call that is made. */
async function loadCalls(
  { sandbox, egress, search, proxy }: HostWays,
  { web }: Config,
  memory: Memory,
  data: GuestPluginData,
): Promise<readonly Call[]> {
  const { builtinCalls, memoryCalls, pluginDataCalls, searchIsOff } = await import('../tools/index.ts')
  const outside = { egress, robots: web.robots, ...(proxy !== undefined && { proxy }) }
  const kept = pluginDataCalls({ ...(await data.methods()), ask: data.ask, embed: (texts) => memory.embed(texts) })
  return [...builtinCalls(sandbox.status, outside, [search ?? searchIsOff(), ...memoryCalls(memory)]), ...kept]
}

/** What is forgotten goes from the data of plugins, too. */
function withPluginData(host: MemoryHost, data: GuestPluginData, held: HeldParts): MemoryHost {
  return {
    ...host,
    async eraseDerived(gone) {
      const rows = [await host.eraseDerived(gone), await data.forget(gone.phrases), (await held.plugins?.forget(gone.phrases)) ?? 0]
      return rows.reduce((sum, each) => sum + each, 0)
    },
  }
}

function servedNow({ plugins }: HeldParts): ServedByPlugins | null {
  return plugins === undefined ? null : { models: plugins.models(), silent: plugins.silent() }
}

/** What the kernel cannot see itself. The checks are loaded with the first question. */
function probes(
  envelope: GuestEnvelope,
  { sandbox, openFetch }: HostWays,
  { host }: GuestOptions,
  held: HeldParts,
): Pick<KernelOptions, 'disk' | 'health' | 'host' | 'catalog'> {
  const { config, keys: env, catalogFolder: folder = '' } = envelope
  return {
    host: host && { ...host, openFetch },
    async *catalog(question) {
      const { pluginModels } = await import('./plugin-source.ts')
      yield* answerCatalog(question, { config, env, folder, now: () => new Date(), ...pluginModels(envelope, () => servedNow(held)) })
    },
    disk: diskProbe(envelope.workspaceRoot),
    async *health(part) {
      const { createHealthProbe } = await import('./health-checks.ts')
      yield* createHealthProbe(envelope, () => sandbox.status)(part)
    },
  }
}

type SecretOptions = Pick<KernelOptions, 'secrets' | 'secretKeeper' | 'vaultFolder' | 'onSecrets'>

/** @returns the store, and its head, which stays at the last record after it was closed */
function withLastHead(store: Store): { readonly store: Store; readonly head: Store['head'] } {
  let last: ChainHead | null = null
  const close = async (): Promise<void> => {
    last = await store.head().catch(() => null)
    await store.close()
  }
  return { store: Object.assign(Object.create(store) as Store, { close }), head: async () => last ?? store.head() }
}

/** Secrets by the name that replaces them in everything that leaves, and where those that are found are kept. */
function secretsOf(envelope: GuestEnvelope, { onSecrets }: GuestOptions): SecretOptions {
  const { keys, unusedSecrets = {}, workspaceRoot, isolation } = envelope
  const vaultFolder = isolation === undefined ? join(workspaceRoot, 'vault') : isolation.isVaultEmpty ? undefined : 'hands'
  const used = Object.entries(keys).filter(([name]) => !name.endsWith('_BASE_URL'))
  const unused = Object.entries(unusedSecrets).map(([name, value]) => [Object.hasOwn(keys, name) ? `${name}.stored` : name, value] as const)
  return {
    secrets: new Map([...used, ...unused]),
    secretKeeper: openSecretKeeper(envelope),
    vaultFolder,
    onSecrets,
  }
}

/** Resolves when the store is open or can at least be read; in that case the kernel reports why it does not write. */
async function untilUsable(store: OpeningStore): Promise<void> {
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

/** Writes address and token to files that only the owner's programs can read. @throws OxbowError `store_full`, `store_failed` */
function announce(
  workspaceRoot: string,
  { url, publicUrl, pid }: Pick<Gateway, 'url' | 'publicUrl'> & { readonly pid: number },
  token: string,
): { withdraw(): void } {
  if (publicUrl !== null) console.error(`other machines reach the gateway at ${publicUrl}`)
  const write = (name: string, text: string): string => {
    const path = join(workspaceRoot, 'ipc', name)
    try {
      writeFileSync(path, text, { mode: 0o600 })
      // `mode` does not apply to an existing file.
      chmodSync(path, 0o600)
    } catch (error) {
      throw fileFault(error, path)
    }
    return path
  }
  write('token', token)
  write(portFile, new URL(url).port)
  const path = write('gateway.json', JSON.stringify({ url, pid }))
  return { withdraw: () => rmSync(path, { force: true }) }
}

/** Without configured folders nothing is loaded or started. */
async function watchMemoryFolders(kernel: Kernel, sandbox: Sandbox, { folders }: Config['memory']): Promise<{ close(): Promise<void> }> {
  if (folders.length === 0) return { close: async () => {} }
  const { watchFolders } = await import('../tools/index.ts')
  return watchFolders({ folders, sandbox, ingest: (path) => kernel.call('memory.ingest', { path }) })
}

/** What the resource monitor cannot see from inside the kernel. @param folder of the workspace; empty: none */
function diskProbe(folder: string): { space(): Promise<{ totalBytes: number; freeBytes: number } | null>; openFiles(): number } {
  return {
    async space() {
      const found = folder === '' ? null : await statfs(folder).catch(() => null)
      return found === null ? null : { totalBytes: found.blocks * found.bsize, freeBytes: found.bavail * found.bsize }
    },
    openFiles() {
      try {
        return readdirSync('/proc/self/fd').length
      } catch {
        return 0
      }
    },
  }
}
