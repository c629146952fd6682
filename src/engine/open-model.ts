/** Opens what a service needs, by dynamic import: nothing of a wire is loaded before its first use. */
import type { Clock, Config, Model, ModelFacts } from '../types/index.ts'
import { OxbowError } from '../types/index.ts'
import type { ModelLimits } from './limits.ts'
import type { ModelKind, Service } from './services.ts'
import type { Wire } from './wire.ts'

export type OpenModel = Model & { close?(): void | Promise<void> }

export interface OpenDeps {
  readonly config: Config['model']
  readonly facts: (model: string) => ModelFacts
  readonly clock: Clock
  readonly limits: ModelLimits
}

/** @throws OxbowError `bad_config` when a file or package that the configuration names cannot be used. */
export async function openModel(service: Service, deps: OpenDeps): Promise<OpenModel> {
  const { config, facts, clock, limits } = deps
  switch (service.wire) {
    case 'offline':
      return (await import('./offline/offline-model.ts')).createOfflineModel()
    case 'scripted':
      return openScripted(config.scenario)
    case 'replay':
    case 'ai-sdk':
      throw new OxbowError('bad_config', `${service.wire} cannot be used.`, { hint: '' })
    default: {
      const [wire, { createHttpModel }] = await Promise.all([wires[service.wire](), import('./http/http-model.ts')])
      const { key, headers, official } = service
      return createHttpModel({ wire, baseUrl: service.baseUrl!, key, headers, official, facts, clock, limits })
    }
  }
}

const wires: Record<Exclude<ModelKind, 'offline' | 'scripted' | 'replay' | 'ai-sdk'>, () => Promise<Wire>> = {
  'openai-chat': async () => (await import('./openai-chat/chat-wire.ts')).chatWire,
  'openai-responses': async () => (await import('./openai-chat/chat-wire.ts')).chatWire,
  anthropic: async () => (await import('./openai-chat/chat-wire.ts')).chatWire,
  gemini: async () => (await import('./openai-chat/chat-wire.ts')).chatWire,
}

async function openScripted(file: string): Promise<OpenModel> {
  if (file === '')
    throw new OxbowError('bad_config', 'The scripted model has no scenario.', { hint: 'Set model.scenario to a scenario file.' })
  const { loadScenario } = await import('./scripted/scenario.ts')
  const scenario = await loadScenario(file)
  return (await import('./scripted/scripted-model.ts')).createScriptedModel(scenario)
}
