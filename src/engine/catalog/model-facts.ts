/** From an entry of the catalog and the overrides of the configuration to the facts that the engine works with. */
import { ownValue, OxbowError } from '../../base/index.ts'
import { builtinProviders } from '../../config/index.ts'
import type { InputKind, ModelFacts, ModelPrice } from '../../protocol/index.ts'
import type { ModelOverrides } from '../../config/index.ts'
import { nearestNames, usualOutputTokens } from '../limits.ts'
import type { Catalog, CatalogModel, Origin } from './catalog.ts'
import type { CostRates, ModelCost } from './catalog-schema.ts'

/** The model as it was named. */
export interface AskedModel {
  readonly provider: string
  readonly name: string
  /** Names to offer when it is unknown. */
  readonly nearest?: readonly string[]
  /** Ids of other providers that have a model of this name. */
  readonly elsewhere?: readonly string[]
}

const inputKinds: readonly InputKind[] = ['text', 'image', 'pdf', 'audio', 'video']

/**
 * Vendors whose interface takes a PDF wherever the model takes pictures, by their own documentation: the pages are shown to the
 * model as pictures. The catalog's packages do not say it for single models.
 */
const pdfWithPictures: ReadonlySet<string> = new Set(['anthropic', 'google', 'openai'])

/**
 * @param assumedTokens the window of a model that neither the catalog nor the configuration knows; null: such a model is refused
 * @returns the facts of a model by its name, or throws as `modelFacts` does
 */
export async function findModelFacts(
  catalog: Catalog,
  provider: string,
  name: string,
  overrides: ModelOverrides,
  assumedTokens: number | null = null,
): Promise<ModelFacts> {
  const model = await catalog.lookup(provider, name)
  const isUnknown = model === null && overrides.context_tokens === null
  if (!isUnknown) return modelFacts(model, overrides, { provider, name })
  if (assumedTokens !== null) return modelFacts(null, { ...overrides, context_tokens: assumedTokens }, { provider, name })
  const [nearest, elsewhere] = await Promise.all([catalog.nearest(provider, name), providersWith(catalog, name)])
  return modelFacts(model, overrides, { provider, name, nearest, elsewhere })
}

/** @returns the built-in providers that have the model according to the catalog */
async function providersWith(catalog: Catalog, name: string): Promise<readonly string[]> {
  const ids = Object.keys(builtinProviders)
  const found = await Promise.all(ids.map((id) => catalog.lookup(id, name)))
  return ids.filter((_, place) => found[place] !== null).slice(0, nearestNames)
}

/**
 * @param model null for one that the catalog does not know; then the configuration must say its size
 * @throws OxbowError `bad_config` for a model of unknown size, or a price with only one half known
 */
export function modelFacts(model: CatalogModel | null, overrides: ModelOverrides, asked: AskedModel): ModelFacts {
  const entry = model?.entry ?? {}
  const contextTokens = overrides.context_tokens ?? entry.limit?.context ?? 0
  if (contextTokens === 0) throw unknownModel(asked)
  return {
    // Google's own prefix is part of the path, not of the name.
    name: asked.provider === 'google' ? asked.name.replace(/^models\//, '') : asked.name,
    provider: asked.provider,
    contextTokens,
    maxOutputTokens: overrides.max_output_tokens ?? outputTokens(entry.limit?.output ?? 0, contextTokens),
    price: priceWith(entry.cost === undefined ? null : priceOfCost(entry.cost), overrides, asked),
    input: inputOf(model),
    tools: entry.tool_call ?? true,
    reasoning: entry.reasoning ?? false,
    sampling: entry.temperature ?? true,
    // Both make the model keep to a schema: a service that has tools is assumed to have the other.
    structuredOutput: entry.structured_output ?? model?.entry.tool_call ?? false,
    deprecated: entry.status === 'deprecated',
  }
}

/** Room for the question is kept: some catalogs give the whole window as the output. */
function outputTokens(limit: number, contextTokens: number): number {
  const cap = Math.min(usualOutputTokens, Math.floor(contextTokens / 2))
  return Math.min(limit > 0 ? limit : Math.floor(contextTokens / 4), cap)
}

/** An unknown model is assumed to see pictures: one that does not fails with an error, while one that does would be unusable. */
function inputOf(model: CatalogModel | null): readonly InputKind[] {
  const listed = model?.entry.modalities?.input
  if (listed === undefined) return model === null ? ['text', 'image'] : ['text']
  const known = inputKinds.filter((kind) => kind === 'text' || listed.includes(kind))
  if (known.includes('pdf') || !known.includes('image') || !pdfWithPictures.has(model?.provider ?? '')) return known
  return model?.origins['modalities.input'] === 'package' ? [...known, 'pdf'] : known
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
  return Number((dollars * 1_000_000).toFixed(6))
}

/** The configuration overrides the catalog, in every tier. */
function priceWith(known: ModelPrice | null, overrides: ModelOverrides, { provider, name }: AskedModel): ModelPrice | null {
  const { input_price: input, output_price: output, cache_read_price: read, cache_write_price: write } = overrides
  if (known === null) {
    if (input === null && output === null) return null
    if (input === null || output === null) {
      throw new OxbowError('bad_config', `${provider}/${name} has only an ${input === null ? 'output' : 'input'} price`, {
        hint: `Set ${input === null ? 'input_price' : 'output_price'} as well, in micro-dollars for a million tokens.`,
      })
    }
    return overlaid({ inputPerMillion: input, outputPerMillion: output })
  }
  const { tiers, ...base } = known
  return tiers === undefined ? overlaid(base) : { ...overlaid(base), tiers: tiers.map((tier) => overlaid(tier)) }

  function overlaid<T extends Omit<ModelPrice, 'tiers'>>(rates: T): T {
    return {
      ...rates,
      ...(input !== null && { inputPerMillion: input }),
      ...(output !== null && { outputPerMillion: output }),
      ...(read !== null && { cacheReadPerMillion: read }),
      ...(write !== null && { cacheWritePerMillion: write }),
    }
  }
}

function unknownModel({ provider, name, nearest = [], elsewhere = [] }: AskedModel): OxbowError {
  const [other] = elsewhere
  if (other !== undefined) {
    const key = ownValue(builtinProviders, other)?.keyEnv[0]
    const labels = elsewhere.map((id) => `${id}/${name}`)
    return new OxbowError('bad_config', `${provider} has no model ${JSON.stringify(name)}; there is ${labels.join(', ')}`, {
      hint: `Name the model with its provider, ${labels[0]}${key === undefined ? '' : `, and set ${key}`}.`,
      data: { provider, model: name, elsewhere: labels },
    })
  }
  const near = nearest.length === 0 ? '' : `; the nearest known are ${nearest.join(', ')}`
  return new OxbowError('bad_config', `unknown model ${JSON.stringify(name)} of ${provider}${near}`, {
    hint:
      `Name a model that \`oxbow models ${provider}\` lists. For one that is newer than the list, set its size: context_tokens = 128000 ` +
      `under [providers.${provider}.models."${name}"].`,
    data: { provider, model: name, nearest: [...nearest] },
  })
}

/** The origin of each fact: `oxbow catalog show` prints it. */
export function originsOf(
  model: CatalogModel | null,
  overrides: ModelOverrides,
): Readonly<Record<keyof Omit<ModelFacts, 'name' | 'provider' | 'settings'>, Origin>> {
  const origin = (key: string): Origin => ownValue(model?.origins, key) ?? 'assumed'
  const over = (value: number | null, key: string): Origin => (value === null ? origin(key) : 'configuration')
  const isPriced = [overrides.input_price, overrides.output_price, overrides.cache_read_price, overrides.cache_write_price].some(
    (price) => price !== null,
  )
  return {
    contextTokens: over(overrides.context_tokens, 'limit.context'),
    maxOutputTokens: over(overrides.max_output_tokens, 'limit.output'),
    price: isPriced ? 'configuration' : origin('cost'),
    input: origin('modalities.input'),
    tools: origin('tool_call'),
    reasoning: origin('reasoning'),
    sampling: origin('temperature'),
    structuredOutput: origin('structured_output'),
    deprecated: origin('status'),
  }
}
