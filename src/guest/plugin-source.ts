/**
 * Plugins as a source of calls, and what else they add to turns. Nothing of them is loaded before one is installed; their hosts start with the
 * first need. The first plugin may be installed while the guest runs: until then there is the one call that loads the rest.
 */
import { join } from 'node:path'
import { z } from 'zod'
import type { PluginParts } from '../plugins/index.ts'
import type { ProgramHost } from '../services/index.ts'
import { once, systemClock } from '../base/index.ts'
import {
  type Call,
  type HostedPlugin,
  originOf,
  type PluginFiles,
  type PluginHosts,
  type ToldLabels,
  syncPluginsCall,
} from '../protocol/index.ts'
import type { GuestEnvelope, HostPort } from '../config/index.ts'
import type { HostWays } from './host-ways.ts'

/** To open a database, and to write its tables anew. */
const forgetMs = 120_000

export interface GuestPlugins extends Pick<PluginParts, 'calls' | 'tools' | 'plugins' | 'models' | 'silent' | 'askModel' | 'close'> {
  /** Undefined until there are plugins. */
  readonly hooks: PluginParts['hooks'] | undefined
  /** Erases rows with one of these phrases from tables of plugins. @returns how many @throws OxbowError of the first plugin that failed, after all others */
  forget(phrases: readonly string[]): Promise<number>
}

type PluginHost = ProgramHost & {
  /** Takes a tag from all memories that have it. @returns how many */
  untag(tag: string): Promise<number>
  /** Erases all that a plugin keeps in the store of the guest. */
  clear(plugin: string): Promise<void>
}

type Ways = Pick<HostWays, 'sandbox' | 'pluginFiles'> & { readonly proxy: HostWays['proxy'] | undefined }
type Envelope = Pick<GuestEnvelope, 'user' | 'config' | 'workspaceRoot' | 'plugins'>

/** @returns null where there are no plugins and no runner that could install one */
export async function openPlugins(
  ways: Ways,
  envelope: Envelope,
  host: PluginHost,
  runner: HostPort | undefined,
): Promise<GuestPlugins | null> {
  if (envelope.plugins !== undefined) return openParts(ways, envelope, host, runner)
  return runner === undefined ? null : openLater(() => openParts(ways, envelope, host, runner))
}

async function openParts(
  { sandbox, proxy, pluginFiles: remoteFiles }: Ways,
  { user, config, workspaceRoot, plugins = [] }: Envelope,
  { secrets, schemas, messageOf, heldBy, givenTo, told, noteEvent, limit, untag, clear }: PluginHost,
  runner: HostPort | undefined,
): Promise<GuestPlugins> {
  const [{ controlCalls, createPluginHosts, createPluginParts, createSpendCap, createTreeCheck, pluginFiles }, { openBreakers }] =
    await Promise.all([import('../plugins/index.ts'), import('../engine/index.ts')])
  const stateFolder = stateFolderOf({ workspaceRoot, config })
  const files = remoteFiles ?? pluginFiles(stateFolder, createTreeCheck())
  const flowsFreely = config.flow.both === 'allow'
  const checked = (list: readonly HostedPlugin[]): Promise<readonly HostedPlugin[]> =>
    Promise.all(list.map(async (plugin) => (flowsFreely ? plugin : withoutNewHosts(plugin, told))))
  const hosts = await createPluginHosts({
    plugins: await checked(plugins),
    sandbox,
    proxy,
    secrets,
    files,
    stateFolder,
    maxDataBytes: config.plugins.data_max_mb * 1024 * 1024,
    nowMs: systemClock.monotonicMs,
    onDisabled: (plugin) => noteEvent('plugin_disabled', { plugin }),
    onEnded: (plugin, text) => runner?.log?.write('plugins', 'info', 'the host of a plugin has ended', { plugin, text }),
  })
  const parts = createPluginParts({
    hosts,
    conceal: secrets.conceal,
    user,
    limit,
    config: config.plugins,
    schemas,
    clock: systemClock,
    messageOf,
    heldBy,
    givenTo,
    told,
    flowsFreely,
    breakers: await openBreakers(systemClock),
  })
  const installed = runner === undefined ? undefined : async () => checked(await runner.plugins())
  const { counts } = parts
  const calls = [...parts.calls, ...controlCalls({ hosts, told, installed, counts, limit, untag, clear, capSpend: createSpendCap(limit) })]
  return { ...parts, calls, forget: (phrases) => forgetInPlugins(hosts, files, phrases) }
}

/** What a plugin was told while it could not send it to a host, nobody has allowed to go there. @returns the plugin, not to be loaded if it has a new host */
async function withoutNewHosts(plugin: HostedPlugin, told: ToldLabels): Promise<HostedPlugin> {
  const { name, hosts } = plugin
  const fresh = await told.newHosts(originOf('plugin', name), hosts)
  if (fresh.length === 0) return plugin
  const why = `it may have kept private data from when it did not reach ${fresh.join(', ')}, and could send it there`
  return { ...plugin, unloadable: `${why}. Empty what it keeps: oxbow plugin clear ${name}` }
}

export interface ServedByPlugins {
  /** For conversations, as `plugin:NAME/TYPE`. */
  readonly models: readonly string[]
  /** Plugins that have not told yet what they have. */
  readonly silent: readonly string[]
}

/** @returns what plugins serve, without a host: of those that have told before what they have */
async function keptModels({ plugins = [], ...place }: Pick<Envelope, 'workspaceRoot' | 'config' | 'plugins'>): Promise<ServedByPlugins> {
  if (plugins.length === 0) return { models: none, silent: none }
  const { conversationModels, keptExports } = await import('../plugins/index.ts')
  const kept = await keptExports(stateFolderOf(place), plugins)
  const silent = plugins.filter(({ name }) => !kept.some(({ plugin }) => plugin.name === name)).map(({ name }) => name)
  return { models: conversationModels(kept), silent }
}

/** How the catalog asks which models plugins serve. */
interface PluginModels {
  served(): Promise<readonly string[]>
  silent(): Promise<readonly string[]>
}

/** @param now what the guest knows of its plugins; null: the files tell */
export function pluginModels(
  envelope: Pick<Envelope, 'workspaceRoot' | 'config' | 'plugins'>,
  now: () => ServedByPlugins | null = () => null,
): PluginModels {
  const found = async (): Promise<ServedByPlugins> => now() ?? keptModels(envelope)
  return { served: () => found().then(({ models }) => models), silent: () => found().then(({ silent }) => silent) }
}

/** Of the workspace, and not seen by agents: backups have it, and it goes with the workspace. An isolated guest cannot write where plugins keep data. */
const stateFolderOf = ({ workspaceRoot, config }: Pick<Envelope, 'workspaceRoot' | 'config'>): string =>
  join(workspaceRoot, 'internal', config.sandbox.isolate_guest ? 'plugins-seen' : 'plugins')

/** Only plugins that have a database learn the phrases. */
async function forgetInPlugins(hosts: PluginHosts, files: PluginFiles, phrases: readonly string[]): Promise<number> {
  const found = await Promise.all(hosts.plugins().map(async (plugin) => ((await files.hasDatabase(plugin.name)) ? [plugin] : [])))
  const having = found.flat()
  const request = { signal: new AbortController().signal, timeoutMs: forgetMs }
  const results = await Promise.allSettled(having.map(({ name }) => hosts.ask(name, 'forget', { phrases }, request)))
  for (const result of results) if (result.status === 'rejected') throw result.reason
  return results.reduce((sum, result) => sum + (result.status === 'fulfilled' ? result.value.rows : 0), 0)
}

const none: readonly never[] = []
/** The first plugins may be some that take long to describe themselves. */
const firstSyncMs: number = 6 * 60_000

/** What is opened later adds all of its calls as tools: those come and go, while the registry's own calls are fixed by now. */
function openLater(open: () => Promise<GuestPlugins>): GuestPlugins {
  let parts: GuestPlugins | null = null
  const opened = once(async () => (parts = await open()))
  let listed: { readonly tools: readonly Call[]; readonly all: readonly Call[] } = { tools: none, all: none }
  const later = (name: string, summary: string, input: Call['input'], example: Call['example']): Call => ({
    name,
    summary,
    input,
    example,
    tier: 'side_effecting',
    right: 'plugins.write',
    effect: 'idempotent',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    output: z.unknown(),
    timeoutMs: firstSyncMs,
    async run(given, context) {
      const { calls } = await opened()
      return calls.find((each) => each.name === name)!.run(given, context)
    },
  })
  const names = z.array(z.string().max(200)).max(100).default([])
  const input = z.strictObject({ removed: names, cleared: names })
  const calls = [later(syncPluginsCall, 'Loads the first plugins that are installed and enabled.', input, {})]
  const isThere = ({ name }: Call): boolean => calls.some((each) => each.name === name)
  return {
    calls,
    tools() {
      if (parts === null) return none
      const tools = parts.tools()
      if (listed.tools !== tools || listed.all === none)
        listed = { tools, all: [...parts.calls.filter((call) => !isThere(call)), ...tools] }
      return listed.all
    },
    plugins: () => parts?.plugins() ?? none,
    models: () => parts?.models() ?? none,
    silent: () => parts?.silent() ?? none,
    get hooks() {
      return parts?.hooks
    },
    askModel: async (...asked) => (await opened()).askModel(...asked),
    forget: async (phrases) => (await parts?.forget(phrases)) ?? 0,
    close: async () => (await opened.made()?.catch(() => null))?.close(),
  }
}
