/**
 * The models.dev schema, as far as Oxbow uses it, and the overlay that a person writes: types, and the zod schemas that files are
 * checked against, since their text may come from the network. Keys of models.dev that nothing here reads are dropped. Loaded only
 * where something is checked; its types are imported everywhere.
 */
import { z } from 'zod'
import { maxCatalogTokens, maxDollarsPerMillion } from '../limits.ts'

/** Dollars for a million tokens. */
export interface CostRates {
  readonly input: number
  readonly output: number
  /** Reasoning tokens, where they cost other than output. */
  readonly reasoning?: number | undefined
  readonly cache_read?: number | undefined
  readonly cache_write?: number | undefined
}

export interface ModelCost extends CostRates {
  /** Other prices for the whole request when its input is larger than `tier.size`. */
  readonly tiers?: readonly (CostRates & { readonly tier: { readonly type: string; readonly size: number } })[] | undefined
  /** The same in the older form; `tiers` goes before it. */
  readonly context_over_200k?: CostRates | undefined
}

/** A model as models.dev has it. What is absent is unknown. */
export interface ModelEntry {
  readonly name?: string | undefined
  readonly reasoning?: boolean | undefined
  readonly tool_call?: boolean | undefined
  readonly temperature?: boolean | undefined
  readonly structured_output?: boolean | undefined
  readonly release_date?: string | undefined
  readonly modalities?: { readonly input?: readonly string[] | undefined; readonly output?: readonly string[] | undefined } | undefined
  readonly limit?: { readonly context?: number | undefined; readonly output?: number | undefined } | undefined
  readonly cost?: ModelCost | undefined
  readonly status?: string | undefined
}

export interface ProviderEntry {
  readonly name?: string | undefined
  /** Names of environment variables, the key's first. */
  readonly env?: readonly string[] | undefined
  /** Base URL, where the provider's own package does not know it. */
  readonly api?: string | undefined
  readonly npm?: string | undefined
}

/** Keys of an overlay that models.dev does not have. */
export interface Capabilities {
  readonly supports_streaming?: true | undefined
  readonly supports_tools?: boolean | undefined
  readonly supports_json_mode?: boolean | undefined
  readonly supports_reasoning_traces?: boolean | undefined
  readonly max_input_tokens?: number | undefined
  readonly max_context_tokens?: number | undefined
  readonly max_output_tokens?: number | undefined
  readonly attachment?: boolean | undefined
  readonly input_modalities?: readonly string[] | undefined
  readonly deprecated?: boolean | undefined
}

export interface OverlayProvider extends ProviderEntry {
  readonly models?: Readonly<Record<string, ModelEntry>> | undefined
}

export interface Overlay {
  readonly providers: Readonly<Record<string, OverlayProvider>>
  readonly capabilities: {
    readonly provider_defaults: Readonly<Record<string, Capabilities>>
    /** By `provider/model`. */
    readonly overrides: Readonly<Record<string, Capabilities>>
  }
}

/** Names go to a terminal and into requests: one short line. */
// oxlint-disable-next-line no-control-regex -- a terminal escape in a name must not reach a terminal
const oneLine = /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$/
const line = z.string().regex(oneLine, 'must be one line without control characters').max(200)
const name = line.min(1)
export const providerId: z.ZodType<string> = z.string().regex(/^[a-zA-Z0-9][\w.-]{0,63}$/, 'must be letters, digits, dots and dashes')
export const modelId: z.ZodType<string> = name

const dollars = z.number().nonnegative().max(maxDollarsPerMillion)
const tokens = z.int().nonnegative().max(maxCatalogTokens)
const rates = {
  input: dollars,
  output: dollars,
  reasoning: dollars.optional(),
  cache_read: dollars.optional(),
  cache_write: dollars.optional(),
}
const cost = {
  ...rates,
  tiers: z
    .array(z.object({ ...rates, tier: z.object({ type: line, size: tokens }) }))
    .max(16)
    .optional(),
  context_over_200k: z.object(rates).optional(),
}

const modalityNames = ['text', 'image', 'pdf', 'audio', 'video'] as const
const modalities = z.array(line).max(16)

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
  env: z.array(line).max(16).optional(),
  api: line.optional(),
  npm: line.optional(),
}

export const modelEntry: z.ZodType<ModelEntry> = z.object(model)
export const providerEntry: z.ZodType<ProviderEntry> = z.object(provider)

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

export const capabilitiesSchema: z.ZodType<Overlay['capabilities']> = z.strictObject({
  provider_defaults: z.record(providerId, capabilities).default({}),
  overrides: z.record(z.string().regex(/^[^/]+\/./, 'must be provider/model'), capabilities).default({}),
})

export const overlayProviders: z.ZodType<Readonly<Record<string, OverlayProvider>>> = z.record(providerId, overlayProvider)

/** @returns what is wrong, key by key, in one line; the first few of many. */
export function wrongKeys(error: z.ZodError): string {
  const shown = error.issues.slice(0, 5).map((issue) => `${issue.path.map(String).join('.') || 'top level'}: ${issue.message}`)
  const more = error.issues.length - shown.length
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '')
}
