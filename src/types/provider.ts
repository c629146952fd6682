/** Services that models are asked from, known without configuration: where they are, how they speak, which variable holds the key. */
import type { ProviderConfig } from './config.ts'

export type WireName = Exclude<ProviderConfig['wire'], ''>

export interface BuiltinProvider {
  readonly name: string
  readonly wire: WireName
  /** Empty: the configuration must say. */
  readonly baseUrl: string
  /** Variables that may hold the key, the usual one first. Empty for services that need none. */
  readonly keyEnv: readonly string[]
  /** Variable that may hold another address. */
  readonly baseUrlEnv?: string
  /** Model that is asked when none is named; empty where a choice would be a guess. */
  readonly defaultModel: string
}

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
  ollama: { name: 'Ollama', wire: 'openai-chat', baseUrl: 'http://127.0.0.1:11434/v1', keyEnv: [], defaultModel: '' },
}

/** The variable that holds a key for any provider that has none of its own. */
export const commonKeyEnv = 'API_KEY'
