/** Built-in model services: their URLs, their protocols, and the environment variables that hold their keys. */
import type { Config, ProviderConfig } from './config.ts'
import { nearestNames, OxbowError } from '../base/index.ts'

export type WireName = Exclude<ProviderConfig['wire'], ''>

export interface BuiltinProvider {
  readonly name: string
  readonly wire: WireName
  /** Empty if it must be configured. */
  readonly baseUrl: string
  /** Variables that may hold the key, the usual one first; empty for services that need no key. */
  readonly keyEnv: readonly string[]
  /** Variable that may hold another base URL. */
  readonly baseUrlEnv?: string
  /** Default model; empty if there is no obvious one. */
  readonly defaultModel: string
}

/** Services that are known without configuration, by the name before the slash of a model. */
export const builtinProviders: Readonly<Record<string, BuiltinProvider>> = {
  openai: {
    name: 'OpenAI',
    wire: 'openai-chat',
    baseUrl: 'https://api.openai.com/v1',
    keyEnv: ['OPENAI_API_KEY'],
    baseUrlEnv: 'OPENAI_BASE_URL',
    defaultModel: 'gpt-5-mini',
  },
  anthropic: {
    name: 'Anthropic',
    wire: 'anthropic',
    baseUrl: 'https://api.anthropic.com/v1',
    keyEnv: ['ANTHROPIC_API_KEY'],
    defaultModel: 'claude-haiku-4-5',
  },
  google: {
    name: 'Google Gemini',
    wire: 'gemini',
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
    keyEnv: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    defaultModel: 'gemini-2.5-flash',
  },
  openrouter: hosted('OpenRouter', 'https://openrouter.ai/api/v1', 'OPENROUTER_API_KEY'),
  // Each resource has its own address: https://<resource>.openai.azure.com/openai/v1
  azure: hosted('Azure OpenAI', '', 'AZURE_OPENAI_API_KEY', 'AZURE_API_KEY'),
  groq: hosted('Groq', 'https://api.groq.com/openai/v1', 'GROQ_API_KEY'),
  mistral: hosted('Mistral', 'https://api.mistral.ai/v1', 'MISTRAL_API_KEY'),
  deepseek: hosted('DeepSeek', 'https://api.deepseek.com', 'DEEPSEEK_API_KEY'),
  xai: hosted('xAI', 'https://api.x.ai/v1', 'XAI_API_KEY'),
  togetherai: hosted('Together AI', 'https://api.together.xyz/v1', 'TOGETHER_API_KEY'),
  'fireworks-ai': hosted('Fireworks AI', 'https://api.fireworks.ai/inference/v1', 'FIREWORKS_API_KEY'),
  cerebras: hosted('Cerebras', 'https://api.cerebras.ai/v1', 'CEREBRAS_API_KEY'),
  ollama: local('Ollama', 11434),
  llamacpp: local('llama.cpp', 8080),
  lmstudio: local('LM Studio', 1234),
  vllm: local('vLLM', 8000),
  localai: local('LocalAI', 8080),
}

/** A service with an OpenAI-compatible API. Its id is the one in the model catalog, so that its models are known. */
function hosted(name: string, baseUrl: string, ...keyEnv: string[]): BuiltinProvider {
  return { name, wire: 'openai-chat', baseUrl, keyEnv, defaultModel: '' }
}

/** A service on the person's own machine, at its usual port. */
function local(name: string, port: number): BuiltinProvider {
  return { name, wire: 'openai-chat', baseUrl: `http://127.0.0.1:${port}/v1`, keyEnv: [], defaultModel: '' }
}

/** Which models a service itself names. The catalog knows the vendors' own services, and none at another address. */
export interface ServedModels {
  /** Origin and path; empty for a service that the catalog describes, or a model in this process. */
  readonly baseUrl: string
  /** Null: it does not list them, or was not reached. */
  readonly names: readonly string[] | null
}

/** The variable that may hold the key of a provider whose own variables are not set. */
export const commonKeyEnv = 'API_KEY'

/** The usual variables for the keys of search services. */
const searchKeyEnvs: Readonly<Partial<Record<Config['web']['search'], string>>> = {
  brave: 'BRAVE_API_KEY',
  google: 'GOOGLE_SEARCH_API_KEY',
}

/** @returns the variable that holds the key of the search service; empty if it needs no key */
export function searchKeyEnv({ search, search_key_env: named }: Config['web']): string {
  const usual = searchKeyEnvs[search] ?? ''
  return usual === '' || named === '' ? usual : named
}

/** Names in a refusal. */
const maxNearestModels = 3

/** @param served models of all plugins, as `plugin:NAME/TYPE` @returns the refusal of a model that no plugin serves, with the nearest names */
export function unservedModel(plugin: string, type: string, served: readonly string[]): OxbowError {
  const label = `plugin:${plugin}/${type}`
  const near = nearestNames(label, served, Math.ceil(label.length / 2))
  const some = (near.length > 0 ? near : served).slice(0, maxNearestModels)
  return new OxbowError('not_found', `There is no plugin ${JSON.stringify(plugin)} that serves the model ${type}.`, {
    hint: some.length === 0 ? 'No plugin serves models: `oxbow models` lists those that can be used.' : `Plugins serve ${some.join(', ')}.`,
  })
}
