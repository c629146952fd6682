/** How models look in a terminal: names and texts may come from a downloaded catalog, so they are cleaned by whoever prints them. */
import type { ModelFacts, ModelPrice } from '../../types/index.ts'
import { table } from './text-format.ts'

export function modelTable(models: readonly ModelFacts[]): string {
  const rows = models.map((model) => [
    `${model.provider}/${model.name}`,
    formatTokens(model.contextTokens),
    formatTokens(model.maxOutputTokens),
    ...(model.price === null ? ['?', '?'] : [formatPrice(model.price, 'inputPerMillion'), formatPrice(model.price, 'outputPerMillion')]),
    model.input.join(','),
    model.tools ? 'yes' : 'no',
    model.reasoning ? 'yes' : 'no',
    model.deprecated ? 'deprecated' : '',
  ])
  return table([['MODEL', 'CONTEXT', 'OUTPUT', 'IN $/M', 'OUT $/M', 'TAKES', 'TOOLS', 'REASONING', ''], ...rows])
}

/** What a person at a terminal is shown in place of two thousand lines. */
export function providerTable(models: readonly Pick<ModelFacts, 'provider'>[]): string {
  const counts = new Map<string, number>()
  for (const { provider } of models) counts.set(provider, (counts.get(provider) ?? 0) + 1)
  const rows = [...counts].map(([provider, count]) => [provider, String(count)])
  return `${table([['PROVIDER', 'MODELS'], ...rows])}\n\noxbow models PROVIDER lists them; in a pipe, or with --json, all come at once.`
}

/** @returns every price there is, in dollars for a million tokens. */
export function describePrice(price: ModelPrice | null): string {
  if (price === null) return 'unknown'
  const tiers = price.tiers ?? []
  return [ratesText(price), ...tiers.map((tier) => `above ${formatTokens(tier.aboveInputTokens)} input: ${ratesText(tier)}`)].join('; ')
}

function ratesText(rates: Omit<ModelPrice, 'tiers'>): string {
  const { inputPerMillion: input, cacheReadPerMillion: read, cacheWritePerMillion: write } = rates
  const text = (price: number): string => `$${dollars(price)}`
  return [
    `in ${text(input)}`,
    `out ${text(rates.outputPerMillion)}`,
    ...(read === undefined ? [] : [`cache read ${text(read)}`]),
    ...(write === undefined ? [] : [`cache write ${text(write)}`]),
  ].join(', ')
}

/** A `+` says that there are tiers: a large request costs otherwise. */
function formatPrice(price: ModelPrice, key: 'inputPerMillion' | 'outputPerMillion'): string {
  return `${dollars(price[key])}${price.tiers === undefined ? '' : '+'}`
}

function dollars(microDollars: number): string {
  const text = (microDollars / 1_000_000).toFixed(6).replace(/0+$/, '')
  const [whole = '', part = ''] = text.split('.')
  return `${whole}.${part.padEnd(2, '0')}`
}

function formatTokens(tokens: number): string {
  if (tokens >= 1_000_000) return `${Number((tokens / 1_000_000).toFixed(2))}M`
  return tokens >= 10_000 ? `${Math.round(tokens / 1_000)}k` : String(tokens)
}
