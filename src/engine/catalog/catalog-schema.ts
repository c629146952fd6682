/**
 * The models.dev schema, as far as Oxbow uses it, and the overlay that a person writes: types, and the zod schemas that files are
 * checked against, since their text may come from the network. Keys of models.dev that nothing here reads are dropped. Loaded only
 * where something is checked; its types are imported everywhere.
 */
import { z } from 'zod'
import { maxCatalogTokens, maxDollarsPerMillion } from '../limits.ts'

/** Names go to a terminal and into requests: one short line. */
// oxlint-disable-next-line no-control-regex -- a terminal escape in a name must not reach a terminal
const oneLine = /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$/
const line = z.string().regex(oneLine, 'must be one line without control characters').max(200)
const name = line.min(1)
export const providerId: z.ZodType<string> = z.string().regex(/^[a-zA-Z0-9][\w.-]{0,63}$/, 'must be letters, digits, dots and dashes')
export const modelId: z.ZodType<string> = name

const dollars = z.number().nonnegative().max(maxDollarsPerMillion)
const tokens = z.int().nonnegative().max(maxCatalogTokens)
/** Dollars for a million tokens. */
const rates = {
  input: dollars,
  output: dollars,
  /** Reasoning tokens, where they cost other than output. */
  reasoning: dollars.optional(),
  cache_read: dollars.optional(),
  cache_write: dollars.optional(),
}
const cost = {
  ...rates,
  /** Other prices for the whole request when its input is larger than `tier.size`. */
  tiers: z
    .array(z.object({ ...rates, tier: z.object({ type: line, size: tokens }) }))
    .max(16)
    .optional(),
  /** The same in the older form; `tiers` goes before it. */
  context_over_200k: z.object(rates).optional(),
}

const modalityNames = ['text', 'image', 'pdf', 'audio', 'video'] as const
const modalities = z.array(line).max(16).readonly()

const model = {
  name: line.optional(),
  reasoning: z.boolean().optional(),
  tool_call: z.boolean().optional(),
  temperature: z.boolean().optional(),
  structured_output: z.boolean().optional(),
  release_date: line.optional(),
  modalities: z.object({ input: modalities.optional(), output: modalities.optional() }).optional(),
  limit: z.object({ context: tokens.optional(), output: tokens.optional() }).optional(),
  cost: z.object(cost).optional(),
  status: line.optional(),
}

const provider = {
  name: name.optional(),
  /** Names of environment variables, the key's first. */
  env: z.array(line).max(16).optional(),
  /** Base URL, where the provider's own package does not know it. */
  api: line.optional(),
  npm: line.optional(),
}

/** A model as models.dev has it. What is absent is unknown. */
export const modelEntry = z.object(model)
export type ModelEntry = z.infer<typeof modelEntry>
export type ModelCost = NonNullable<ModelEntry['cost']>
export type CostRates = NonNullable<ModelCost['context_over_200k']>
export const providerEntry = z.object(provider)
export type ProviderEntry = z.infer<typeof providerEntry>

/** An overlay's keys in addition to the keys of models.dev. */
const capabilities = z.strictObject({
  supports_streaming: z.literal(true, 'every wire streams: leave it out').optional(),
  supports_tools: z.boolean().optional(),
  supports_json_mode: z.boolean().optional(),
  supports_reasoning_traces: z.boolean().optional(),
  max_input_tokens: tokens.min(1).optional(),
  max_context_tokens: tokens.min(1).optional(),
  max_output_tokens: tokens.min(1).optional(),
  attachment: z.boolean().optional(),
  input_modalities: z.array(z.enum(modalityNames)).optional(),
  deprecated: z.boolean().optional(),
})
export type Capabilities = z.infer<typeof capabilities>

/** Keys of models.dev that Oxbow ignores: allowed in a pasted entry, so that a misspelt key is still found. */
const unread = (names: string): Record<string, z.ZodType> =>
  Object.fromEntries(names.split(' ').map((key) => [key, z.unknown().optional()]))
const unreadOfModel = 'id family attachment knowledge last_updated open_weights interleaved reasoning_options experimental provider'

/** A person writes it: a misspelt key is an error. */
const overlayProvider = z.strictObject({
  ...unread('id doc'),
  ...provider,
  models: z.record(modelId, z.strictObject({ ...unread(unreadOfModel), ...model, cost: z.strictObject(cost).optional() })).optional(),
})

export const capabilitiesSchema = z.strictObject({
  provider_defaults: z.record(providerId, capabilities).default({}),
  /** By `provider/model`. */
  overrides: z.record(z.string().regex(/^[^/]+\/./, 'must be provider/model'), capabilities).default({}),
})

export const overlayProviders = z.record(providerId, overlayProvider)
export interface Overlay {
  readonly providers: z.infer<typeof overlayProviders>
  readonly capabilities: z.infer<typeof capabilitiesSchema>
}

/** @returns what is wrong, key by key, in one line; the first few of many. */
export function wrongKeys(error: z.ZodError): string {
  const shown = error.issues.slice(0, 5).map((issue) => `${issue.path.map(String).join('.') || 'top level'}: ${issue.message}`)
  const more = error.issues.length - shown.length
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '')
}
