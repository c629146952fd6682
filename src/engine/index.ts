/** The engine's public API. The scripted server, catalog queries and optional packages are loaded on first use. */
import type { Clock } from '../base/index.ts'
import type { CatalogQuestion } from '../config/index.ts'
import type { CatalogDeps } from './catalog/catalog-answers.ts'
import type { ModelReach } from './discovery/reach-model.ts'
import type { Scenario } from './scripted/scenario.ts'
import type { ScriptedServer, ScriptedServerOptions } from './scripted/scripted-server.ts'
import type { Breakers } from './reliability/breakers.ts'
import type { ServiceConfig } from './services.ts'

export { openEngine } from './engine.ts'

export type { AskPluginModel } from './plugin-model.ts'
export type { ModelReach } from './discovery/reach-model.ts'
export type { ModelLimits } from './limits.ts'
export type { Scenario, ScenarioEvent, ScenarioStep } from './scripted/scenario.ts'
export type { ScriptedServer, ScriptedServerOptions } from './scripted/scripted-server.ts'

/** Which endpoints outside of the engine are not asked for a while, by the same rules as its own. */
export async function openBreakers(clock: Clock): Promise<Breakers> {
  return (await import('./reliability/breakers.ts')).createBreakers(clock)
}

/** Starts a server that speaks the chat-completions wire from a scenario, on loopback. For tests and benchmarks. */
export async function startScriptedServer(scenario: Scenario, options?: ScriptedServerOptions): Promise<ScriptedServer> {
  const server = await import('./scripted/scripted-server.ts')
  return server.startScriptedServer(scenario, options)
}

/** @returns the answer to a question about models, one JSON document at a time. @throws OxbowError of catalog files and downloads */
export async function* answerCatalog(question: CatalogQuestion, deps: CatalogDeps): AsyncGenerator<object> {
  const answers = await import('./catalog/catalog-answers.ts')
  yield* answers.answerCatalog(question, deps)
}

/** Tries to reach the service of the configured model. Never rejects. */
export async function reachModel(services: ServiceConfig, timeoutMs: number): Promise<ModelReach> {
  return (await import('./discovery/reach-model.ts')).reachModel(services, timeoutMs)
}

/** Loads an optional package from Oxbow's own installation, else from these folders. @throws OxbowError `bad_config` with the command that installs it */
export async function loadOptionalPackage(name: string, folders: readonly string[]): Promise<unknown> {
  const packages = await import('./ai-sdk/provider-package.ts')
  return packages.loadPackage(name, folders)
}
