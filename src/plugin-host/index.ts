/** For hosts with another interface for plugins: the frames, and who may call what when. For the SDK: the parts of plugins, and what runs them. */
export { runTests, type TestSuite } from './run-tests.ts'
export { serveHost } from './serve-host.ts'
export type { HostAdapter, HostApi } from './serve-host.ts'
export { adaptPlugins, importPlugin } from './open-plugin.ts'
export type { ModelPiece, ModelToolCall } from './model-answer.ts'
export { pluginOf } from './check-plugin.ts'
export { schemaOf } from './plugin-object.ts'
export type {
  ActionPart,
  EvaluatorPart,
  HookPart,
  HookVerdict,
  PluginObject,
  PluginRuntime,
  PluginState,
  ProviderPart,
  RoutePart,
  ServicePart,
  TaskPart,
} from './plugin-object.ts'
