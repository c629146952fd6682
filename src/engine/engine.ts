/**
 * The engine: one port to every model. It picks the provider from the configuration, knows the facts of its models, and
 * loads a wire by dynamic import when the first message goes through it: what is not used costs nothing at start.
 */
import type { Clock, Config, Engine, Failure, GenerateRequest, Model, ModelEvent, ModelFacts, ModelPrice, Random } from '../types/index.ts'
import { OxbowError, toFailure } from '../types/index.ts'
import type { ModelLimits } from './limits.ts'
import { modelLimits, tokenizerIdleMs } from './limits.ts'
import { noUsage } from './model-problem.ts'
import type { TokenCounter } from './tokens/token-counter.ts'

export interface EngineOptions {
  readonly config: Config['model']
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly random: Random
  /** For tests; the defaults stand in limits.ts. */
  readonly limits?: Partial<ModelLimits>
}

type Provider = ModelFacts['provider']
type Wire = Model & { close?(): void }

const publicUrl = 'https://api.openai.com/v1'

/** @throws OxbowError `bad_config` when the provider cannot be used as it is configured. */
export function createEngine(options: EngineOptions): Engine {
  const { config } = options
  const provider = pickProvider(options)
  const load = loaderOf(provider, options)
  let loading: Promise<Wire> | null = null
  let ready: Wire | null = null
  let counter: TokenCounter | null = null
  let closed = false

  const open = async (): Promise<Wire | Failure> => {
    if (closed) return closedFailure
    try {
      loading ??= load()
      ready = await loading
      return ready
    } catch (error) {
      loading = null
      return toFailure(error, 'bad_config', 'Check the model section of the configuration.')
    }
  }
  async function* first(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<readonly ModelEvent[]> {
    const wire = await open()
    if ('code' in wire) yield [{ type: 'error', failure: wire, usage: noUsage }]
    else yield* wire.generate(request, signal)
  }
  const facts = (name: string): ModelFacts => {
    if (name.trim() === '') throw badConfig('No model is named.', 'Set model.name, or pass --model.')
    return {
      // The interpreter is no model and must not be shown under a model's name.
      name: provider === 'offline' ? 'offline' : name,
      provider,
      contextTokens: config.context_tokens,
      maxOutputTokens: config.max_output_tokens,
      price: priceOf(config, provider),
    }
  }
  return {
    facts,
    // Once the wire is loaded its own iterator is handed out: no hop for each batch.
    generate: (request, signal) => (closed || ready === null ? first(request, signal) : ready.generate(request, signal)),
    countTokens: async (texts) => {
      const { createTokenCounter } = await import('./tokens/token-counter.ts')
      counter ??= createTokenCounter(tokenizerIdleMs)
      return counter.count(texts)
    },
    close: async () => {
      closed = true
      const wire = await loading?.catch(() => null)
      wire?.close?.()
      await counter?.close()
    },
  }
}

const closedFailure: Failure = { code: 'cancelled', message: 'The engine is closed.', hint: 'Start the guest again.' }

function badConfig(message: string, hint: string): OxbowError {
  return new OxbowError('bad_config', message, { hint })
}

function pickProvider({ config, env }: EngineOptions): Provider {
  if (config.provider !== 'auto') return config.provider
  const hasKey = (env[config.api_key_env] ?? '').trim() !== ''
  return hasKey || baseUrlText(config, env) !== '' ? 'openai' : 'offline'
}

function baseUrlText(config: Config['model'], env: EngineOptions['env']): string {
  return config.base_url !== '' ? config.base_url : (env['OPENAI_BASE_URL'] ?? '').trim()
}

/** Checks the configuration at once, so that a wrong one is a start-up error; loads the code later. */
function loaderOf(provider: Provider, options: EngineOptions): () => Promise<Wire> {
  const { config, clock, random } = options
  if (provider === 'offline') return async () => (await import('./offline/offline-model.ts')).createOfflineModel()
  if (provider === 'scripted') {
    if (config.scenario === '') throw badConfig('The scripted model has no scenario.', 'Set model.scenario to a scenario file.')
    return async () => {
      const { loadScenario } = await import('./scripted/scenario.ts')
      const scenario = await loadScenario(config.scenario)
      return (await import('./scripted/scripted-model.ts')).createScriptedModel(scenario)
    }
  }
  const { baseUrl, key } = endpointOf(options)
  const limits = { ...modelLimits, ...options.limits }
  return async () => (await import('./openai/openai-wire.ts')).createOpenAiModel({ baseUrl, key, clock, random, limits })
}

function endpointOf({ config, env }: EngineOptions): { baseUrl: URL; key: string } {
  const text = baseUrlText(config, env)
  const key = (env[config.api_key_env] ?? '').trim()
  if (key === '' && text === '') {
    const hint = `Put the key in ${config.api_key_env}, or set model.base_url for a service that needs none.`
    throw badConfig(`The environment variable ${config.api_key_env} is not set.`, hint)
  }
  // Anything else would be refused by the HTTP client, with an error that may hold the key.
  if (!/^[\x21-\x7e]*$/.test(key)) {
    throw badConfig(`The key in ${config.api_key_env} has characters that no key has.`, 'Copy the key again, without spaces.')
  }
  const url = URL.canParse(text === '' ? publicUrl : text) ? new URL(text === '' ? publicUrl : text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw badConfig(
      'The model’s base URL is not an http or https address.',
      'Set model.base_url or OPENAI_BASE_URL, e.g. http://127.0.0.1:11434/v1.',
    )
  }
  if (url.username !== '' || url.password !== '') {
    throw badConfig('The model’s base URL holds a user name or password.', `Put the key in ${config.api_key_env} instead.`)
  }
  return { baseUrl: url, key }
}

/** Null when nobody has said what the model costs; what runs on this machine without an account costs nothing. */
function priceOf(config: Config['model'], provider: Provider): ModelPrice | null {
  const { input_price: inputPerMillion, output_price: outputPerMillion } = config
  if (inputPerMillion !== null && outputPerMillion !== null) return { inputPerMillion, outputPerMillion }
  return provider === 'openai' ? null : { inputPerMillion: 0, outputPerMillion: 0 }
}
