/**
 * A guest in a container without network. Its runner does everything for it that needs the host. They communicate only through sockets in
 * the workspace's `ipc` folder:
 *
 *   hands-<profile>.sock   the sandbox, which the runner starts as configured
 *   branches.sock          branches of files, and the hands over them
 *   servers.sock           MCP servers, scripts of skills, hosts of plugins
 *   plugins.sock           what plugins keep, which the guest sees only to read
 *   skills.sock            files of skills, which the sandbox shows
 *   passes.sock            hosts that a command with network may reach, and those it has reached
 *   web/online.sock        an HTTP proxy with the rules of `egress`, for web.fetch and web.search
 *   models/online.sock     an HTTP proxy to model services only
 *   gateway.sock           created by the guest; the runner relays terminals to it
 *
 * A compromised guest may create links wherever it can write. So the runner, while a guest runs, writes only to the folder `hands`, which no
 * guest sees.
 */
import { listFolders } from './folders.ts'
import { chownSync, existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, isAbsolute, join, sep } from 'node:path'
import {
  createSandbox,
  type EgressProxy,
  type GuestContainer,
  loadRemoteEnds,
  openEgressProxy,
  openGuestContainer,
  openShownSkills,
} from '../sandbox/index.ts'
import { OxbowError, ownValue } from '../base/index.ts'
import type { HostedPlugin, Sandbox, SandboxFolders } from '../protocol/index.ts'
import { collectorAddresses } from '../services/index.ts'
import { builtinProviders, type Config, type GuestEnvelope, type GuestIsolation } from '../config/index.ts'
import type { Home, Workspace } from './home.ts'
import { isolatedProxyPort } from './limits.ts'
import { openIsolatedPlugins } from './plugins/isolated-plugins.ts'

export interface IsolatedGuest {
  readonly isolation: GuestIsolation
  /** Starts the guest in a container instead of as a process of this host. */
  readonly container: GuestContainer
  /** Of the guest's sandbox; absent where it cannot show folders of the person. */
  readonly sandboxFolders?: SandboxFolders | undefined
  /** Closes everything that was opened for the guest. Call when the guest is gone. */
  close(): Promise<void>
}

interface IsolateOptions {
  readonly home: Home
  readonly workspace: Workspace
  readonly envelope: GuestEnvelope
  /** The plugins that are installed and enabled at the moment. */
  readonly plugins: () => readonly HostedPlugin[]
  /** File of the guest program, and Node's options for it. */
  readonly entry: string
  readonly flags: readonly string[]
  readonly variables: Readonly<Record<string, string>>
}

/** @throws OxbowError `sandbox_missing` or `bad_config`, with a hint what to install, build or change */
export async function isolateGuest(options: IsolateOptions): Promise<IsolatedGuest> {
  const { home, workspace, envelope } = options
  const { config } = envelope
  const folder = workspace.ipc
  const unseen = join(workspace.root, 'hands')
  // Checked before anything is started.
  const models = embedderFolders(config.memory.embedder, [home.root, workspace.root])
  const opened: { close(): Promise<void> }[] = []
  const close = async (): Promise<void> => {
    for (const each of opened.splice(0).toReversed()) await each.close()
  }
  try {
    // For programs in the sandbox, as on the host. The guest's own requests use another proxy, because this one requires a pass.
    const programs = openEgressProxy(config.egress, join(unseen, 'egress'))
    opened.push(programs)
    const sandbox = await createSandbox({
      workspaceRoot: workspace.root,
      egressSocket: programs.socket,
      limits: config.sandbox,
      browser: config.browser,
      insecure: false,
      mounts: listFolders(home, workspace.user),
      cacheFolder: unseen,
      imageFolder: join(home.root, 'images'),
    })
    opened.push(sandbox)
    const { problem } = sandbox.status
    if (sandbox.status.tier === 'none') {
      throw new OxbowError('sandbox_missing', problem?.message ?? 'There is no sandbox.', {
        hint: problem?.hint ?? '`oxbow doctor` says what is missing.',
      })
    }
    const { servePasses, servePluginFiles, servePrograms, serveSandbox, serveSkills } = await loadRemoteEnds()
    const skills = serveSkills(await openShownSkills(unseen), folder)
    const plugins = openIsolatedPlugins(workspace, options.plugins, config.plugins.data_max_mb)
    opened.push(await serveSandbox(sandbox, folder), await servePasses(programs, folder), await skills)
    opened.push(await servePluginFiles(plugins.files, folder))
    const sandboxOf = async (branch: string): Promise<Pick<Sandbox, 'serve'>> =>
      branch === '' || sandbox.branches === undefined ? sandbox : sandbox.branches.open(branch)
    if (sandbox.serve !== undefined)
      opened.push(await servePrograms(sandboxOf, plugins.program, folder, [join(home.root, 'servers'), join(unseen, 'skills')]))
    const collector = await collectorAddresses(config, envelope.collector ?? {})
    const proxies = {
      web: openEgressProxy(config.egress, join(folder, 'web')),
      models: openEgressProxy(modelRules(config, envelope.keys, collector), join(folder, 'models')),
    }
    opened.push(proxies.web, proxies.models)
    const [webSocket, modelSocket] = await Promise.all([openGuestSocket(proxies.web), openGuestSocket(proxies.models)])
    const bridge = await openBridge(config.gateway.host, config.gateway.port, join(folder, 'gateway.sock'), lastPort(workspace))
    opened.push(bridge)
    return {
      isolation: {
        folder,
        webSocket,
        modelSocket,
        sandbox: sandbox.status,
        url: bridge.url,
        pid: process.pid,
        isVaultEmpty: readdirSync(join(workspace.root, 'vault')).length === 0,
        proxyPort: isolatedProxyPort,
      },
      container: await planContainer(options, config, unseen, models),
      sandboxFolders: sandbox.folders,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Whether the guest could be isolated: what `isolateGuest` refuses, without starting anything. @throws OxbowError as that does */
export async function checkIsolation(options: Omit<IsolateOptions, 'envelope' | 'plugins'>, config: Config): Promise<void> {
  const { home, workspace } = options
  const models = embedderFolders(config.memory.embedder, [home.root, workspace.root])
  await planContainer(options, config, join(workspace.root, 'hands'), models)
}

/** The proxy makes its sockets accessible to hands; this one belongs to the guest, which runs as this process's user. @returns its path */
async function openGuestSocket(proxy: EgressProxy): Promise<string> {
  const path = await proxy.socket('online')
  if (process.getuid !== undefined && process.getgid !== undefined) chownSync(path, process.getuid(), process.getgid())
  return path
}

function planContainer(
  { home, workspace, entry, flags, variables }: Omit<IsolateOptions, 'envelope' | 'plugins'>,
  config: Config,
  unseen: string,
  models: readonly string[],
): Promise<GuestContainer> {
  const proxy = `http://127.0.0.1:${isolatedProxyPort}`
  const isThere = (path: string): boolean => existsSync(path)
  const keptByPlugins = join(workspace.root, 'internal', 'plugins')
  return openGuestContainer({
    limits: config.sandbox,
    user: workspace.user,
    imageFolder: join(home.root, 'images'),
    cacheFolder: unseen,
    readable: [
      ...withoutNested([packageRoot(entry), nativePackages(entry), home.catalog, ...models].filter(isThere)),
      keptByPlugins,
    ].filter(isThere),
    writable: [join(workspace.root, 'internal'), workspace.ipc],
    env: { ...variables, HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NODE_USE_ENV_PROXY: '1', TZ: process.env['TZ'] ?? '' },
    program: [...flags, entry, 'serve'],
  })
}

/** @returns the folder with the store's native package: next to the bundle, or, for a checkout, among its packages */
function nativePackages(entry: string): string {
  const beside = join(dirname(entry), 'sqlite')
  if (existsSync(beside)) return beside
  const store = realpathSync(createRequire(entry).resolve('better-sqlite3-multiple-ciphers/package.json'))
  const at = store.lastIndexOf('/node_modules/')
  return at === -1 ? dirname(store) : store.slice(0, at + '/node_modules'.length)
}

function withoutNested(folders: readonly string[]): readonly string[] {
  const all = [...new Set(folders)]
  return all.filter((folder) => !all.some((other) => folder.startsWith(`${other}/`)))
}

/** @returns the folder with `package.json` */
function packageRoot(entry: string): string {
  for (let at = dirname(entry); at !== dirname(at); at = dirname(at)) if (existsSync(join(at, 'package.json'))) return at
  return dirname(entry)
}

// Hosts that an isolated guest may reach for models, and its collector.

/**
 * Services from the configuration, from the environment, and the built-in ones. Addresses that a person configured may be private, because
 * that is where people run their own models.
 * @param keys the variables that the guest receives
 * @param more addresses that a person configured for something else
 */
export function modelRules(config: Config, keys: Readonly<Record<string, string>>, more: readonly string[] = []): Config['egress'] {
  const addresses = [
    ...more,
    config.model.base_url,
    ...Object.values(config.providers).map(({ base_url: url }) => url),
    ...Object.values(builtinProviders).flatMap(({ baseUrl, baseUrlEnv }) => [baseUrl, ownValue(keys, baseUrlEnv ?? '') ?? '']),
  ]
  const hosts = addresses.flatMap((address) => {
    const url = URL.parse(address)
    if (url === null || !/^https?:$/.test(url.protocol)) return []
    return [`${url.hostname}:${url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port}`]
  })
  return { mode: 'strict', ports: [443], allow: [...new Set(hosts)], deny: config.egress.deny }
}

/** @returns the port at which the guest before this one was reached, which it has left in its folder; 0: none */
function lastPort({ ipc }: Workspace): number {
  const text = existsSync(join(ipc, 'port')) ? readFileSync(join(ipc, 'port'), 'utf8') : ''
  return /^[1-9]\d{0,4}$/.test(text) ? Math.min(Number(text), 65_535) : 0
}

// Terminals connect to a port of this machine; each connection is relayed to the guest's socket.

export interface GatewayBridge {
  /** `ws://host:port/ws` */
  readonly url: string
  close(): Promise<void>
}

/**
 * The relay does not read the traffic: the guest checks the token, as always.
 * @param socket of the guest's gateway; need not exist yet
 * @param last tried first where the system chooses the port, so that an open page finds the guest again; 0: none
 * @throws OxbowError `bad_config` when it cannot listen on the address
 */
export async function openBridge(host: string, port: number, socket: string, last = 0): Promise<GatewayBridge> {
  try {
    const { openRelay } = await loadRemoteEnds()
    const again = port === 0 && last !== 0 ? await openRelay(host, last, socket).catch(() => null) : null
    const relay = again ?? (await openRelay(host, port, socket))
    return { url: `ws://${host.includes(':') ? `[${host}]` : host}:${relay.port}/ws`, close: () => relay.close() }
  } catch (cause) {
    const hint = 'Choose another gateway.port (0 lets the system choose) or gateway.host in config.toml.'
    throw new OxbowError('bad_config', `The gateway cannot listen on ${host}:${port}.`, { hint, cause })
  }
}

// `memory.embedder = "folder:PATH"`: an isolated guest sees that folder, read-only, under the same path. A folder that cannot work or that
// contains more than a model is refused at the start, instead of failing in the guest's log.

/**
 * @param embedder `memory.embedder`
 * @param closed folders that must stay hidden: the home, the workspace
 * @returns the folder; none for an embedder without one. @throws OxbowError `bad_config` with what to do
 */
export function embedderFolders(embedder: string, closed: readonly string[]): readonly string[] {
  const folder = /^(?:folder|onnx):(.+)$/s.exec(embedder)?.[1]
  if (folder === undefined) return []
  if (!isAbsolute(folder)) throw refused(folder, 'it is not an absolute path', 'Write the absolute path of the folder.')
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw refused(folder, 'it does not exist', 'Download a model with oxbow embed pull, then choose it with oxbow embed use.')
  }
  const real = realpathSync(folder)
  if (closed.some((each) => existsSync(each) && isWithin(realpathSync(each), real))) {
    throw refused(folder, 'it contains more than a model, and the guest would see all of it', 'Put the model into a folder of its own.')
  }
  const stray = readdirSync(real).find((name) => name !== 'node_modules' && !isWithin(targetOf(join(real, name)), real))
  if (stray !== undefined) {
    throw refused(
      folder,
      `${stray} is a link to another folder, which the guest does not see`,
      'Replace the links by copies of the files: cp -rL.',
    )
  }
  return [folder]
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`)
}

/** A dangling link counts as leading outside. */
function targetOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return ''
  }
}

function refused(folder: string, why: string, hint: string): OxbowError {
  return new OxbowError('bad_config', `memory.embedder names ${folder}, which an isolated guest cannot use: ${why}.`, {
    hint: `${hint} Or set sandbox.isolate_guest = false in config.toml.`,
  })
}
