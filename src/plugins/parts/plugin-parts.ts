/**
 * What plugins add to a guest. Names and schemas are known by the hash of their files, so a guest that starts needs no host; one is started by
 * the first request that needs it.
 */
import { type Clock, ownValue, type SchemaChecker } from '../../base/index.ts'
import type { Call, DescribedPlugin, HookSource, HostedPlugin, PluginHosts } from '../../protocol/index.ts'
import type { PluginsConfig } from '../../config/index.ts'
import { actionCalls } from './action-call.ts'
import { deliveryCalls, noEvents } from './delivery-calls.ts'
import type { EventCounts, PluginCounts } from './plugin-counts.ts'
import { createHookSource } from './hook-source.ts'
import { conversationModels, createTurnModel, type HandlerBreakers, modelCall, type ModelHandler, sortHandlers } from './model-call.ts'
import { createSpendCap, type LimitPlugin, type PartDeps } from './part-request.ts'
import { createRateLimits } from './rate-limits.ts'
import { routeCall } from './route-call.ts'
import { turnCalls } from './turn-calls.ts'
import { createTurnStates } from './turn-states.ts'

export interface PluginPartsOptions {
  readonly hosts: PluginHosts
  readonly config: PluginsConfig
  readonly schemas: SchemaChecker
  readonly clock: Clock
  readonly messageOf: PartDeps['messageOf']
  readonly heldBy: PartDeps['heldBy']
  readonly givenTo: PartDeps['givenTo']
  readonly told: PartDeps['told']
  readonly breakers: HandlerBreakers
  readonly limit: LimitPlugin
  readonly conceal?: PartDeps['conceal']
  readonly flowsFreely: boolean
  readonly user: string
}

/** As other sources of calls, and what else the kernel asks of plugins. */
export interface PluginParts {
  readonly calls: readonly Call[]
  /** Actions; the same array until a plugin comes, goes or changes. */
  tools(): readonly Call[]
  /** The same array as long as `tools` returns the same. */
  plugins(): readonly DescribedPlugin[]
  readonly hooks: HookSource
  /** For plugins as the model of this guest; see `createTurnModel`. */
  readonly askModel: ReturnType<typeof createTurnModel>
  /** See `conversationModels`. */
  models(): readonly string[]
  /** Names of plugins that have not told yet what they have. */
  silent(): readonly string[]
  counts(plugin: string): PluginCounts
  close(): Promise<void>
}

interface Held {
  /** The list, once everything in it is known; null: something is not known yet. */
  readonly list: readonly HostedPlugin[] | null
  readonly of: readonly DescribedPlugin[]
  readonly tools: readonly Call[]
  readonly handlers: ReadonlyMap<string, readonly ModelHandler[]>
}

export function createPluginParts({
  hosts,
  config,
  schemas,
  clock,
  messageOf,
  heldBy,
  givenTo,
  told,
  breakers,
  limit,
  flowsFreely,
  user,
  conceal = (text) => text,
}: PluginPartsOptions): PluginParts {
  const limits = createRateLimits((plugin) => ownValue(config.tiers, plugin) ?? config.tier, clock)
  const shared = { hosts, schemas, messageOf, heldBy, givenTo, told, flowsFreely, limits, conceal }
  const deps: PartDeps = { ...shared, capSpend: createSpendCap(limit), states: createTurnStates(clock) }
  const events = new Map<string, EventCounts>()
  const stopping = new AbortController()
  const asked = new Set<string>()
  let held: Held = { list: null, of: [], tools: [], handlers: new Map() }
  const refresh = (): Held => {
    const list = hosts.plugins()
    // Asked with every call: what has not changed is not compared.
    if (held.list === list) return held
    const now = list.flatMap((plugin) => {
      const exports = hosts.known(plugin.name)
      if (exports === null) describe(plugin.name)
      return exports === null ? [] : [{ plugin, exports }]
    })
    const isSame =
      now.length === held.of.length &&
      now.every(({ plugin, exports }, i) => held.of[i]!.plugin === plugin && held.of[i]!.exports === exports)
    if (!isSame) {
      const tools = now.flatMap(({ plugin, exports }) => actionCalls(deps, plugin, exports))
      held = { list: null, of: now, tools, handlers: sortHandlers(now) }
    }
    if (now.length === list.length) held = { ...held, list }
    return held
  }
  /** In the background, once: what it has is offered as soon as it is known. */
  const describe = (plugin: string): void => {
    if (asked.has(plugin)) return
    asked.add(plugin)
    void hosts.exports(plugin, stopping.signal).catch(() => {})
  }
  return {
    calls: [
      ...turnCalls(deps),
      ...deliveryCalls(deps, events),
      routeCall(deps),
      modelCall({ ...deps, breakers, handlers: () => refresh().handlers }),
    ],
    tools: () => refresh().tools,
    plugins: () => refresh().of,
    hooks: createHookSource({ hosts, described: () => refresh().of, heldBy, told }),
    askModel: createTurnModel(deps, user),
    models: () => conversationModels(refresh().of),
    silent: () => hosts.plugins().flatMap(({ name }) => (hosts.known(name) === null ? [name] : [])),
    counts: (plugin) => ({ states: deps.states.counts(), events: events.get(plugin) ?? noEvents }),
    async close() {
      stopping.abort('shutdown')
      await hosts.close()
    },
  }
}
