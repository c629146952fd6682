/** A plugin as its entry exports it, made by `definePlugin`. What is missing has a default; `check-plugin.ts` refuses what is wrong. */
import type { TestSuite } from './run-tests.ts'
import type { Json, JsonObject } from '../base/index.ts'
import type {
  DecidingStep,
  Effect,
  HookAlias,
  HookChanges,
  HookStep,
  HookValues,
  PluginCallResult,
  PluginMessage,
  PluginOps,
  Tier,
} from '../protocol/index.ts'

/** The first argument of every function of a plugin. */
export interface PluginRuntime {
  readonly plugin: string
  /** Makes a call of Oxbow, as far as the plugin and whoever it works for may. Resolves also when it is refused. */
  call(name: string, input?: JsonObject): Promise<PluginCallResult>
  /** A setting of the plugin or a secret that its manifest names; null: not set. */
  getSetting(name: string): Json
  /** Starts it if need be. @throws Error when the plugin has no service of this type, or it does not start within 30 s */
  getService(type: string): Promise<unknown>
  /** Emits an event to the plugins that have subscribed to its name. */
  emit(name: string, payload?: JsonObject): Promise<PluginCallResult>
  /** Asks a plugin's model, or for a text the guest's. @throws Error when no model answers */
  useModel(type: string, params: JsonObject, provider?: string): Promise<Json>
  /** Asks providers by name, private and dynamic ones too, and other plugins' providers that it may use. @throws Error when it is refused */
  provide(...names: readonly string[]): Promise<{ readonly text: string; readonly values: JsonObject }>
  /** Aborts when the request that runs is cancelled. */
  readonly signal: AbortSignal
  log(...values: readonly unknown[]): void
  readonly memory: {
    /** Notes it with the tag `plugin.NAME`, and with others in `tags`. @throws Error when it is refused */
    save(text: string, more?: JsonObject): Promise<PluginCallResult>
    /** Searches what the plugin has noted; with `tags: []`, all that it may read. @throws Error when it is refused */
    search(query: string, more?: JsonObject): Promise<PluginCallResult>
  }
}

export interface PluginState {
  readonly values: JsonObject
  readonly data: JsonObject
  readonly text: string
}

type Callback = (content: JsonObject) => Promise<readonly JsonObject[]>

export interface ActionPart {
  readonly name: string
  readonly description?: string
  readonly similes?: readonly string[]
  /** A JSON Schema of an object, or a list of parameters. */
  readonly parameters?: JsonObject | readonly JsonObject[]
  readonly effect?: Effect
  readonly tier?: Tier
  validate?(runtime: PluginRuntime, message: PluginMessage | null, state: PluginState): boolean | Promise<boolean>
  handler(
    runtime: PluginRuntime,
    message: PluginMessage | null,
    state: PluginState,
    options: { readonly parameters: JsonObject },
    callback: Callback,
  ): unknown
}

export interface ProviderPart {
  readonly name: string
  readonly description?: string
  readonly position?: number
  readonly private?: boolean
  readonly dynamic?: boolean
  readonly deadline_ms?: number
  get(runtime: PluginRuntime, message: PluginMessage, state: PluginState): unknown
}

export interface EvaluatorPart {
  readonly name: string
  readonly description?: string
  readonly alwaysRun?: boolean
  validate?(runtime: PluginRuntime, message: PluginMessage, state: PluginState): boolean | Promise<boolean>
  handler(
    runtime: PluginRuntime,
    message: PluginMessage,
    state: PluginState,
    didRespond: boolean,
    responses: readonly PluginMessage[],
  ): unknown
}

/** A class with a static `start`, or an object. */
export interface ServicePart {
  readonly serviceType: string
  readonly capabilityDescription?: string
  start(runtime: PluginRuntime): unknown
}

export interface RoutePart {
  readonly type: string
  readonly path: string
  readonly public?: boolean
  handler(runtime: PluginRuntime, request: PluginOps['route']['input'] & { readonly bytes: Uint8Array }): unknown
}

export interface TaskPart {
  readonly name: string
  readonly every_s?: number
  readonly cron?: string
  run(runtime: PluginRuntime, due: number): unknown
}

/** What a hook answers. Nothing and `true` pass, `false` refuses; `approve` asks a person. */
export type HookVerdict<Step extends HookStep = HookStep> =
  | void
  | boolean
  | { readonly verdict: 'pass' }
  | { readonly verdict: 'refuse'; readonly reason?: string }
  | (Step extends DecidingStep
      ?
          | { readonly verdict: 'change'; readonly value: HookChanges[Step]; readonly reason?: string }
          | { readonly verdict: 'approve'; readonly reason?: string; readonly value?: HookChanges[Step] }
      : never)

type OwnHook<Step extends HookStep> = {
  readonly step: Step
  readonly fail?: 'open' | 'closed'
  run(runtime: PluginRuntime, value: HookValues[Step]): HookVerdict<Step> | Promise<HookVerdict<Step>>
}

/** A hook of OpenClaw, opencode or pi, with the handler that was written for it; see docs/hooks.md. */
interface AliasHook {
  readonly step: HookAlias
  readonly fail?: 'open' | 'closed'
  run(event: unknown, context: unknown): unknown
}

export type HookPart = { readonly [Step in HookStep]: OwnHook<Step> }[HookStep] | AliasHook

/**
 * Answers with a value, or yields pieces: as an async generator it streams. The model of a conversation gets `prompt`, `system`, `messages`, `tools`
 * and limits; see docs/plugins.md.
 */
type ModelHandler = (runtime: PluginRuntime, params: JsonObject) => unknown

/** A plugin as `definePlugin` returns it. */
export interface PluginObject {
  readonly name: string
  readonly description?: string
  init?(config: JsonObject, runtime: PluginRuntime): unknown
  /** At the end of its host, which waits ten seconds for it. */
  dispose?(runtime: PluginRuntime): unknown
  readonly actions?: readonly ActionPart[]
  readonly providers?: readonly ProviderPart[]
  readonly evaluators?: readonly EvaluatorPart[]
  readonly services?: readonly ServicePart[]
  /** By model type. */
  readonly models?: Readonly<Record<string, ModelHandler | { readonly priority?: number; readonly handler: ModelHandler }>>
  readonly routes?: readonly RoutePart[]
  readonly tasks?: readonly TaskPart[]
  /** By name of the event; `*`: all. */
  readonly events?: Readonly<Record<string, readonly ((runtime: PluginRuntime, payload: JsonObject, name: string) => unknown)[]>>
  readonly hooks?: readonly HookPart[]
  /** `oxbow plugin test` runs them in the sandbox. */
  readonly tests?: readonly TestSuite<PluginRuntime>[]
}

/** @returns a JSON Schema of an object from either form */
export function schemaOf(parameters: ActionPart['parameters']): JsonObject {
  if (parameters === undefined) return { type: 'object', properties: {}, additionalProperties: false }
  if (!Array.isArray(parameters)) return parameters as JsonObject
  const list = parameters as readonly JsonObject[]
  const properties = list.map(({ name, description, type, default: fallback, enumValues }) => [
    nameOf({ name: name ?? '' }),
    {
      type: type ?? 'string',
      ...(description !== undefined && { description }),
      ...(fallback !== undefined && { default: fallback }),
      ...(enumValues !== undefined && { enum: enumValues }),
    },
  ])
  const required = list.filter(({ required: isRequired }) => isRequired === true).map(nameOf)
  return { type: 'object', properties: Object.fromEntries(properties) as JsonObject, required, additionalProperties: false }
}

const nameOf = ({ name }: JsonObject): string => (typeof name === 'string' ? name : '')
