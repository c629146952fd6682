/** What a generation costs. The one price table of the product: budgets, reservations and reports all ask here. */
import type { ModelPrice, Usage } from '../../types/index.ts'
import type { CostRates, ModelCost } from './catalog-schema.ts'

/** Dollars to micro-dollars; also tokens that a price is for. */
const million = 1_000_000

/**
 * @param price null for a model without a price: it costs 0 here, and a money budget must refuse it before it is asked
 * @returns whole micro-dollars, rounded up. Never negative and never over `Number.MAX_SAFE_INTEGER`, whatever an endpoint reports.
 */
export function priceOf(price: ModelPrice | null, usage: Usage): number {
  if (price === null) return 0
  const input = count(usage.inputTokens)
  const read = Math.min(count(usage.cacheReadTokens), input)
  const write = Math.min(count(usage.cacheWriteTokens), input - read)
  const rates = price.tiers?.findLast((tier) => input > tier.aboveInputTokens) ?? price
  const total =
    (input - read - write) * rates.inputPerMillion +
    read * (rates.cacheReadPerMillion ?? rates.inputPerMillion) +
    write * (rates.cacheWritePerMillion ?? rates.inputPerMillion) +
    count(usage.outputTokens) * rates.outputPerMillion
  return Math.min(Math.ceil(total / million), Number.MAX_SAFE_INTEGER)
}

function count(tokens: number | undefined): number {
  return tokens === undefined || !(tokens > 0) ? 0 : Math.min(Math.ceil(tokens), Number.MAX_SAFE_INTEGER)
}

/** @returns the price of a models.dev cost. Reasoning is billed as output: where it costs more, all output is taken to cost that. */
export function priceOfCost(cost: ModelCost): ModelPrice {
  const over200k = cost.context_over_200k
  const older = over200k === undefined ? [] : [{ ...over200k, tier: { type: 'context', size: 200_000 } }]
  const tiers = (cost.tiers ?? older)
    .filter(({ tier }) => tier.type === 'context')
    .map((rates) => ({ ...ratesOf(rates), aboveInputTokens: rates.tier.size }))
    .sort((a, b) => a.aboveInputTokens - b.aboveInputTokens)
  return tiers.length === 0 ? ratesOf(cost) : { ...ratesOf(cost), tiers }
}

function ratesOf({ input, output, reasoning = 0, cache_read: read, cache_write: write }: CostRates): Omit<ModelPrice, 'tiers'> {
  return {
    inputPerMillion: microDollars(input),
    outputPerMillion: microDollars(Math.max(output, reasoning)),
    ...(read !== undefined && { cacheReadPerMillion: microDollars(read) }),
    ...(write !== undefined && { cacheWritePerMillion: microDollars(write) }),
  }
}

/** A price in dollars has few digits: what is behind the sixth is the binary fraction's, not the vendor's. */
function microDollars(dollars: number): number {
  return Number((dollars * million).toFixed(6))
}
