/**
 * What a plugin says of itself in `oxbow.plugin.json`, at the top of its folder, and what is kept of an installed one in `plugins.lock`. Both
 * are hostile until checked: `src/plugins/package/manifest.ts` and `lock.ts` do that.
 */
import type { HookStep } from './hooks.ts'
import type { JsonObject } from '../../base/index.ts'

/** What a plugin asks for; all that it gets. An agent or a person who calls it must have the same rights, too. */
export interface PluginRights {
  /** Rights of the calls that it makes, such as `file.read` or `schedule.write`; see docs/calls.md. */
  readonly calls: readonly string[]
  /** Hosts that it reaches: `api.example.com`, `*.example.com`, `127.0.0.1:3000`. */
  readonly hosts: readonly string[]
  /** Names of secrets whose values its process has as variables. */
  readonly secrets: readonly string[]
  /** Folders of the workspace, in `/shared`, that it reads, and writes with `write`. */
  readonly paths: readonly { readonly path: string; readonly mode: 'read' | 'write' }[]
  /** `own`: memories with the tag `plugin.NAME`; `read`: all of them; `write`: all of them, to write too. */
  readonly memory: 'none' | 'own' | 'read' | 'write'
  /** Models that it may ask: `openai/gpt-5`, `openai/*`, `*`. */
  readonly models: readonly string[]
  /** US dollars that its calls may cost in a day, in addition to its callers' budgets. */
  readonly spend_per_day: number
  /** Steps of turns that its hooks see, and may change or refuse; hooks at others are not run. */
  readonly hooks: readonly HookStep[]
  /** Routes that answer without a key, by the path that the plugin declares; others need one, whatever it declares. */
  readonly public_routes: readonly string[]
}

export interface PluginManifest {
  /** First part of the names of its calls: lower-case letters, digits and `-`. */
  readonly name: string
  /** Semantic version. */
  readonly version: string
  readonly description: string
  /** Versions of `oxbow/plugin` that it works with: `^1.0.0`; of `@elizaos/core` where `program` is `eliza-host`. */
  readonly sdk: string
  readonly program: 'plugin-host' | 'eliza-host'
  /** Files in its package that are imported, in this order; in JSON, a single one may be a string. */
  readonly entry: readonly string[]
  /** Names of plugins that are loaded before it; it does not start without them. */
  readonly dependencies: readonly string[]
  /** The same for plugins that it does without. */
  readonly optional: readonly string[]
  /** Within a level of dependencies, lower ones first. */
  readonly priority: number
  /** JSON Schema of its settings, `[plugins.NAME]` in config.toml. */
  readonly configSchema: JsonObject
  readonly rights: PluginRights
}

/** Where an installed plugin comes from: a folder, a tarball, or a package of npm by its exact version. */
export type PluginSource =
  | { readonly from: 'folder' | 'tarball'; readonly path: string }
  /** `integrity`: of its tarball, as npm has it. */
  | { readonly from: 'npm'; readonly spec: string; readonly integrity: string }

/** One plugin in `plugins.lock`. */
export interface LockedPlugin {
  readonly manifest: PluginManifest
  readonly source: PluginSource
  /** Name of its folder in `plugins/NAME/` of the home. */
  readonly folder: string
  /** Path of its package within the folder; empty: the folder itself. */
  readonly root: string
  readonly tree_hash: string
  /** The public key that has signed all of its files, in base64; empty: unsigned, and approved by its hash. */
  readonly signer: string
  /** Account of the person who approved hash and rights, and when: Unix milliseconds. */
  readonly approved_by: string
  readonly approved_at: number
  readonly enabled: boolean
}
