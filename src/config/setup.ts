/**
 * The first-run setup: which choices a person has and which keys of the configuration they set. Every terminal with a setup offers these.
 * A key of a service is a secret, and the budget is set by the call `budget.set`; neither is part of the configuration.
 */
import { assertNever } from '../base/index.ts'
import type { FoundService, SandboxTier } from '../protocol/index.ts'
import { builtinProviders } from './provider.ts'
import type { ConfigChange } from './settings.ts'

export type ModelChoice =
  /** A built-in service with a key. `model` is its default model if empty. */
  | { readonly kind: 'service'; readonly provider: string; readonly model: string }
  /** A service on this machine. */
  | { readonly kind: 'local'; readonly service: Pick<FoundService, 'id' | 'baseUrl' | 'models'>; readonly model: string }
  /**
   * Any address that speaks OpenAI's protocol. Without `contextTokens`, the usual window is set: the catalog may lack the model. `price`,
   * in micro-dollars per million tokens, is required where a budget limits money.
   */
  | {
      readonly kind: 'address'
      readonly baseUrl: string
      readonly model: string
      readonly contextTokens: number | null
      readonly price?: { readonly input: number; readonly output: number } | null
    }
  /** The offline interpreter, which needs nothing. */
  | { readonly kind: 'offline' }

export interface SetupChoice {
  readonly model: ModelChoice
  /** Null: as it is. */
  readonly tier: SandboxTier | null
}

/**
 * The least context window of a model that an agent can use: the instructions and tools of the usual agent take some 4 200 tokens, and an
 * answer a quarter of the window. Models that only make vectors have smaller ones.
 */
export const minContextTokens = 6_000

/** What must be left of a window for the request, after the longest answer. */
export const minRequestTokens = 4_500

/** Why a smaller window is refused; for every place that asks for one. */
export const tooFewContextTokens: string = `Oxbow needs a context window of at least ${minContextTokens} tokens: its instructions and tools take some 4 200 of them. Start the model with a larger window, or choose another model.`

/** The window of a model of unknown size: what today's local servers offer at least, and enough for the tools of an agent. */
export const usualContextTokens = 32_768

/** Keys that are set for one model and are wrong for the next. */
export const modelKeys = [
  'provider',
  'name',
  'base_url',
  'api_key_env',
  'context_tokens',
  'max_output_tokens',
  'input_price',
  'output_price',
] as const

/** @returns what to change in the configuration of the user; keys of an earlier choice are removed */
export function setupChanges({ model, tier }: SetupChoice): readonly ConfigChange[] {
  const { model: own, others } = modelValues(model)
  const chosen: Readonly<Partial<Record<(typeof modelKeys)[number], string | number>>> = own
  return [
    ...modelKeys.map((name): ConfigChange => ({ key: ['model', name], value: chosen[name] ?? null })),
    ...others,
    ...(tier === null ? [] : [{ key: ['sandbox', 'tier'], value: tier }]),
  ]
}

interface ModelValues {
  readonly model: Readonly<Partial<Record<(typeof modelKeys)[number], string | number>>>
  readonly others: readonly ConfigChange[]
}

function modelValues(choice: ModelChoice): ModelValues {
  switch (choice.kind) {
    case 'offline':
      return { model: { provider: 'offline' }, others: [] }
    case 'service':
      return { model: { provider: choice.provider, ...(choice.model !== '' && { name: choice.model }) }, others: [] }
    case 'address': {
      const { baseUrl, model: name, contextTokens, price } = choice
      const size = { context_tokens: contextTokens ?? usualContextTokens }
      const prices = price === null || price === undefined ? {} : { input_price: price.input, output_price: price.output }
      return { model: { provider: 'openai', base_url: baseUrl, name, ...size, ...prices }, others: [] }
    }
    case 'local':
      return localValues(choice)
    default:
      return assertNever(choice)
  }
}

function localValues({ service: { id, baseUrl, models }, model: name }: ModelChoice & { kind: 'local' }): ModelValues {
  const isBuiltin = Object.hasOwn(builtinProviders, id) && builtinProviders[id]?.baseUrl === baseUrl
  const size = models.find((each) => each.name === name)?.contextTokens ?? null
  const provider = ['providers', id]
  const facts = [...provider, 'models', name]
  return {
    model: { provider: id, name },
    others: [
      ...(isBuiltin
        ? []
        : [
            { key: [...provider, 'wire'], value: 'openai-chat' },
            { key: [...provider, 'base_url'], value: baseUrl },
          ]),
      ...(size === null ? [] : [{ key: [...facts, 'context_tokens'], value: size }]),
      // What this machine does costs nothing. Without a price, a budget of money would refuse every request.
      { key: [...facts, 'input_price'], value: 0 },
      { key: [...facts, 'output_price'], value: 0 },
    ],
  }
}

/** @returns the name under which the key of a built-in service is stored; empty if it needs none */
export function keyNameOf(provider: string): string {
  return Object.hasOwn(builtinProviders, provider) ? (builtinProviders[provider]?.keyEnv[0] ?? '') : ''
}
