/** The engine's door. The scripted parts are loaded when they are asked for: a guest never pays for them. */
import type { Scenario } from './scripted/scenario.ts'
import type { ScriptedServer, ScriptedServerOptions } from './scripted/scripted-server.ts'

export { openEngine } from './engine.ts'
export type { EngineOptions } from './engine.ts'
export type { ModelLimits } from './limits.ts'
export type { Scenario, ScenarioEvent, ScenarioStep, ScenarioTurn } from './scripted/scenario.ts'
export type { ScriptedServer, ScriptedServerOptions } from './scripted/scripted-server.ts'

/** Starts a server that speaks the chat-completions wire from a scenario, on loopback. For tests and benchmarks. */
export async function startScriptedServer(scenario: Scenario, options?: ScriptedServerOptions): Promise<ScriptedServer> {
  const server = await import('./scripted/scripted-server.ts')
  return server.startScriptedServer(scenario, options)
}

/** @throws OxbowError `bad_config` that names what is wrong in the file. */
export async function loadScenario(file: string): Promise<Scenario> {
  const scenario = await import('./scripted/scenario.ts')
  return scenario.loadScenario(file)
}
