/**
 * The engine: one port to every model. It finds the service that has a model, knows the model's facts, and loads a wire by
 * dynamic import when the first message goes through it: what is not used costs nothing at start.
 */
import type { Clock, Config, Engine, Failure, GenerateRequest, ModelEvent, ModelFacts, ModelOverrides, Random } from '../types/index.ts'
import { OxbowError, toFailure } from '../types/index.ts'
import type { ModelLimits } from './limits.ts'
import { modelLimits, tokenizerIdleMs } from './limits.ts'
import { noUsage } from './model-problem.ts'
import { type OpenModel, openModel } from './open-model.ts'
import { findService, type ModelName, readModelName, type Service } from './services.ts'
import type { TokenCounter } from './tokens/token-counter.ts'

export interface EngineOptions {
  readonly config: Pick<Config, 'model' | 'providers'>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly random: Random
  /** For tests; the defaults stand in limits.ts. */
  readonly limits?: Partial<ModelLimits>
}

/** A model that can be asked. */
interface Route {
  readonly facts: ModelFacts
  readonly service: Service
}

/** @throws OxbowError `bad_config` when the configured model cannot be used. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { config, env, clock } = options
  const limits = { ...modelLimits, ...options.limits }
  const services = { config, env }
  const routes = new Map<string, Route>()
  const opening = new Map<string, Promise<OpenModel>>()
  const opened = new Map<string, OpenModel>()
  let counter: TokenCounter | null = null
  let closed = false

  const routeOf = async (name: string): Promise<Route> => {
    const known = routes.get(name)
    if (known !== undefined) return known
    const found = readModelName(name, services)
    const service = findService(found.provider, services)
    if (found.model === '') throw new OxbowError('bad_config', 'No model is named.', { hint: 'Set model.name, or pass --model.' })
    const made = { service, facts: factsOf(found, service, overridesOf(name, found, service)) }
    routes.set(name, made)
    return made
  }
  const overridesOf = (name: string, { provider, model }: ModelName, service: Service): ModelOverrides => {
    const configured = readModelName('', services)
    const isConfigured = name.trim() === '' || (configured.provider === provider && configured.model === model)
    return isConfigured ? config.model : (service.models[model] ?? noOverrides)
  }
  const first = await routeOf('')

  async function* open(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<readonly ModelEvent[]> {
    try {
      if (closed) throw new OxbowError(closedFailure.code, closedFailure.message, { hint: closedFailure.hint })
      const { service, facts } = await routeOf(request.model)
      let model = opening.get(service.id)
      if (model === undefined) {
        model = openModel(service, { config: config.model, facts: (name) => factsByName(routes, service, name), clock, limits })
        opening.set(service.id, model)
        model.then(
          (ready) => opened.set(service.id, ready),
          () => opening.delete(service.id),
        )
      }
      yield* (await model).generate({ ...request, model: facts.name }, signal)
    } catch (error) {
      yield [{ type: 'error', failure: toFailure(error, 'bad_config', 'Check the model section of the configuration.'), usage: noUsage }]
    }
  }
  return {
    model: first.facts,
    facts: async (name) => (await routeOf(name)).facts,
    // Once the wire is loaded its own iterator is handed out: no hop for each batch.
    generate: (request, signal) => {
      const route = closed ? undefined : routes.get(request.model)
      const ready = route && opened.get(route.service.id)
      return route === undefined || ready === undefined
        ? open(request, signal)
        : ready.generate({ ...request, model: route.facts.name }, signal)
    },
    countTokens: async (texts) => {
      const { createTokenCounter } = await import('./tokens/token-counter.ts')
      counter ??= createTokenCounter(tokenizerIdleMs)
      return counter.count(texts)
    },
    close: async () => {
      closed = true
      for (const each of opening.values()) await (await each.catch(() => null))?.close?.()
      await counter?.close()
    },
  }
}

const closedFailure: Failure = { code: 'cancelled', message: 'The engine is closed.', hint: 'Start the guest again.' }

const noOverrides: ModelOverrides = {
  context_tokens: null,
  max_output_tokens: null,
  input_price: null,
  output_price: null,
  cache_read_price: null,
  cache_write_price: null,
}

function factsByName(routes: ReadonlyMap<string, Route>, service: Service, name: string): ModelFacts {
  for (const route of routes.values()) if (route.service.id === service.id && route.facts.name === name) return route.facts
  throw new Error(`nobody asked for the facts of ${name}`)
}

function factsOf({ provider, model }: ModelName, service: Service, overrides: ModelOverrides): ModelFacts {
  const { input_price: inputPerMillion, output_price: outputPerMillion } = overrides
  const free = service.baseUrl === null
  return {
    // The interpreter is no model and must not be shown under a model's name.
    name: model,
    provider,
    contextTokens: overrides.context_tokens ?? 128_000,
    maxOutputTokens: overrides.max_output_tokens ?? 8_192,
    price:
      inputPerMillion !== null && outputPerMillion !== null
        ? { inputPerMillion, outputPerMillion }
        : free
          ? { inputPerMillion: 0, outputPerMillion: 0 }
          : null,
    input: ['text', 'image', 'pdf'],
    tools: true,
    reasoning: false,
    sampling: true,
    structuredOutput: true,
    deprecated: false,
  }
}
