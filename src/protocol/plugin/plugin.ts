/**
 * Plugins: programs of others that add actions, providers and the like. Each runs in a process of its own inside a sandbox, its host, and
 * everything that a host sends is hostile input. The types here are part of the types for authors, which import nothing; `plugin-schema.ts` is
 * held to them.
 */
import type { Effect, Tier } from '../call.ts'
import type { JsonObject } from '../../base/index.ts'

export interface PluginAction {
  readonly name: string
  readonly description: string
  readonly similes: readonly string[]
  /** JSON Schema of an object. */
  readonly parameters: JsonObject
  readonly effect: Effect
  readonly tier: Tier
}

/** @returns the name of an action as a call: `weather.get_forecast` for `GET_FORECAST` of weather */
export function actionCallName(plugin: string, action: string): string {
  return `${plugin}.${action.toLowerCase().replaceAll(/[^a-z0-9_-]+/g, '_')}`
}

export interface PluginProvider {
  readonly name: string
  readonly description: string
  readonly position: number
  readonly private: boolean
  readonly dynamic: boolean
  readonly deadline_ms: number
}

export interface PluginEvaluator {
  readonly name: string
  readonly description: string
  readonly always: boolean
}

export interface PluginRoute {
  readonly method: string
  readonly path: string
  readonly public: boolean
}

export interface PluginTask {
  readonly name: string
  /** Either of the two; the other is null. */
  readonly every_s: number | null
  readonly cron: string | null
}

/** A hook that a plugin has; `fail` says whether its failure stops the step (`closed`) or is passed over. */
export interface PluginHook {
  readonly step: string
  readonly fail: 'open' | 'closed'
}

/** What a plugin has. It depends only on its files, so it is kept by their hash, and a guest that starts needs no host. */
export interface PluginExports {
  readonly actions: readonly PluginAction[]
  readonly providers: readonly PluginProvider[]
  readonly evaluators: readonly PluginEvaluator[]
  readonly services: readonly { readonly type: string; readonly description: string }[]
  readonly models: readonly { readonly type: string; readonly provider: string; readonly priority: number }[]
  readonly routes: readonly PluginRoute[]
  readonly tasks: readonly PluginTask[]
  /** Names of events; `*`: all of them. */
  readonly events: readonly string[]
  readonly hooks: readonly PluginHook[]
}

/** The result of one test that a plugin brings. */
export interface PluginTestResult {
  readonly suite: string
  readonly name: string
  readonly ok: boolean
  /** Why it failed; empty: it did not. */
  readonly problem: string
}

/** Longest text of a message that a plugin sees, and of what it returns for one. */
export const maxPluginMessageChars = 32_000

/** Says in `lost` how many events a subscriber was not sent; what it needs to know, it reads anew. */
export const resyncEvent = 'RESYNC'

/** @returns the right without which neither an agent nor a person has anything of a plugin */
export function pluginRight(plugin: string): string {
  return `plugin.${plugin}`
}
