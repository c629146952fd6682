/** The port to the hosts of plugins: what is installed, and how a plugin is asked something. */
import type { CallOutcome } from '../call.ts'
import type { PluginExports, PluginHook } from './plugin.ts'
import type { PluginData, PluginHostState } from './plugin-schema.ts'
import type { PluginOp, PluginOps } from './plugin-frames.ts'
import type { JsonObject } from '../../base/index.ts'

/** An installed plugin that is enabled, as its host needs it. Made from manifest and lock by whoever installs plugins. */
export interface HostedPlugin {
  readonly name: string
  readonly version: string
  /** The program that runs it: Oxbow's own, or the one with the interface of elizaOS. */
  readonly program: 'plugin-host' | 'eliza-host'
  /** Absolute folder of the host, which the plugin sees read-only at `/opt/server`. */
  readonly folder: string
  /** Of its files; see `treeHash` in `src/plugins/`. */
  readonly tree_hash: string
  /** Files in the folder, imported in this order: one, or one for each plugin that shares a host. */
  readonly entries: readonly string[]
  /** Entries of rights that a person has approved; each call of the plugin needs its caller to have them, too. */
  readonly rights: readonly string[]
  /** US dollars that its calls may cost in a day; absent: only the budgets of its callers hold. */
  readonly spend_per_day?: number
  /** Patterns of hosts that its own sockets may reach through the egress proxy; none: no network. */
  readonly hosts: readonly string[]
  /** Secrets whose values its process has as variables, by name. */
  readonly secrets: readonly string[]
  /** Steps at which its hooks run; absent: none. */
  readonly hooks?: readonly string[]
  /** Its routes that answer without a key; absent: none. */
  readonly public_routes?: readonly string[]
  /** Folders of the workspace that it sees. */
  readonly paths: readonly { readonly path: string; readonly writable: boolean }[]
  /** Its settings, checked against its `configSchema`. */
  readonly config: JsonObject
  /** Why it cannot be started, for people: it is here for what it guards. Absent: it can. */
  readonly unloadable?: string
  /** For plugins of elizaOS: characters by the name of their agents, in the form of 1.x. */
  readonly characters?: JsonObject
}

/** What this machine has of plugins: packages, whose files a person has approved, and for each the folder that it sees as `/data`. */
export interface PluginFiles {
  /** @throws OxbowError `denied` if the files of the package are not those that were approved */
  check(plugin: HostedPlugin): Promise<void>
  /** @returns what is in the folder of a plugin takes on the disk; infinite where that cannot be counted @param enough stops the count */
  bytes(plugin: string, enough?: number): Promise<number>
  /** @returns whether the plugin has a database there */
  hasDatabase(plugin: string): Promise<boolean>
  /** Removes the folder of a plugin. */
  clear(plugin: string): Promise<void>
  /** @returns what `ServerProgram.state` names it by: its path */
  state(plugin: string): string
}

/** A plugin whose exports are known. */
export interface DescribedPlugin {
  readonly plugin: HostedPlugin
  readonly exports: PluginExports
}

/** For whom a plugin is asked something. */
export interface PluginRequest {
  readonly signal: AbortSignal
  readonly timeoutMs: number
  /** Makes a call for the plugin, with the rights of this request; absent: the plugin can make none in it. */
  readonly call?: ((name: string, input: JsonObject) => Promise<CallOutcome>) | undefined
}

/** How the tests of a plugin make calls; see `PluginRequest`. */
export type CallForTests = (plugin: HostedPlugin) => NonNullable<PluginRequest['call']>

/** The hosts of all plugins. */
export interface PluginHosts {
  /** The same array until a plugin comes, goes or changes. */
  plugins(): readonly HostedPlugin[]
  /**
   * Asks a plugin something, in a host that is started if need be.
   * @throws OxbowError `not_found`, `cancelled`, `timeout`, `tool_failed` with what the plugin says, `sandbox_failed` when its host ended; with
   * `lost` in its data if what was asked may have had an effect
   */
  ask<Op extends PluginOp>(plugin: string, op: Op, input: PluginOps[Op]['input'], request: PluginRequest): Promise<PluginOps[Op]['output']>
  /** What the plugin has: kept by the hash of its files, and asked of a host only the first time. @throws as `ask` */
  exports(plugin: string, signal: AbortSignal): Promise<PluginExports>
  /** @returns what is kept; null when the plugin has never been described */
  known(plugin: string): PluginExports | null
  /**
   * Hooks that fail closed, of the last version that told what it has, for a plugin whose present version has not: what they guard is refused
   * until it starts. Empty for one that is known; only steps that are approved.
   */
  guards(plugin: string): readonly PluginHook[]
  state(plugin: string): PluginHostState
  /** How much it keeps in its folder `/data`, and how much it may keep. */
  data(plugin: string): Promise<PluginData>
  /** The end of what the plugin has written, in the host that runs or in the one before, also of a guest before. Hostile text. */
  log(plugin: string): Promise<string>
  /**
   * Takes over another list of plugins: new ones are described, changed ones are reloaded, and those that are missing drain and end. A changed
   * plugin whose new host does not start or fails its tests stays as it was.
   * @param calls absent: tests can make no calls @returns for each plugin that could not be taken over, why
   */
  replace(plugins: readonly HostedPlugin[], calls?: CallForTests): Promise<Readonly<Record<string, string>>>
  /**
   * Starts a new host, which takes over when it is healthy and has passed the tests of its plugin; the old one drains.
   * @throws as `ask`; then the old one stays
   */
  reload(plugin: string, calls?: CallForTests): Promise<void>
  /** Ends all of a plugin, also of one that was removed, and empties its folder `/data`. @param more done before it can be asked again */
  clear(plugin: string, more: () => Promise<void>): Promise<void>
  close(): Promise<void>
}
