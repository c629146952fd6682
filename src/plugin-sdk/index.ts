/**
 * `oxbow/plugin`, for who writes a plugin: `definePlugin` with the types of all parts, the checks that Oxbow makes of a package, and a fake process
 * for tests. In the sandbox a plugin finds only `definePlugin`.
 */
import { type ActionPart, type PluginObject, pluginOf, schemaOf } from '../plugin-host/index.ts'
import { type CheckedSettings, checkSettings, wrongSettingsSchema } from '../plugins/index.ts'
import type { JsonObject } from '../base/index.ts'

export { createFakeProcess } from './fake-process.ts'
export type { FakeAnswer, FakeOptions, FakeProcess } from './fake-process.ts'
export type {
  ActionPart,
  EvaluatorPart,
  HookPart,
  HookVerdict,
  ModelPiece,
  ModelToolCall,
  PluginObject,
  PluginRuntime,
  PluginState,
  ProviderPart,
  RoutePart,
  ServicePart,
  TaskPart,
  TestSuite,
} from '../plugin-host/index.ts'
export { checkSettings, parseManifest, sdkVersion, wrongSettingsSchema } from '../plugins/index.ts'
export type { JsonObject } from '../base/index.ts'
export type { PluginActionResult, PluginCallResult, PluginManifest, PluginMessage, PluginRights } from '../protocol/index.ts'

/** A misspelt part is an error of types, too. */
type NoOtherPart<Plugin> = { readonly [Field in Exclude<keyof Plugin, keyof PluginObject>]: never }

/** @returns the plugin as it is @throws Error that names a part that is wrong */
export function definePlugin<const Plugin extends PluginObject>(plugin: Plugin & NoOtherPart<Plugin>): Plugin {
  pluginOf({ default: plugin }, plugin.name)
  return plugin
}

/**
 * Checks an input against the parameters of an action, as far as `configSchema` goes: types, choices, limits, what is required, defaults.
 * Oxbow checks it against the whole schema before it reaches the action.
 */
export function checkParameters({ parameters }: Pick<ActionPart, 'parameters'>, input: JsonObject): CheckedSettings {
  const schema = schemaOf(parameters)
  const wrong = wrongSettingsSchema(schema)
  return wrong.length > 0 ? { value: {}, problems: wrong.map((problem) => `the schema ${problem}`) } : checkSettings(schema, input)
}
