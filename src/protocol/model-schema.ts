/** Schemas of what is said about models and about the services that have them; the types follow from them. */
import { z } from 'zod'

const price = z.strictObject({
  inputPerMillion: z.number(),
  outputPerMillion: z.number(),
  cacheReadPerMillion: z.number().exactOptional(),
  cacheWritePerMillion: z.number().exactOptional(),
})

const tiers = z
  .array(price.extend({ aboveInputTokens: z.number() }))
  .readonly()
  .describe('Prices of the whole request if its input exceeds `aboveInputTokens`, in ascending order of that bound.')

const modelPrice = price
  .extend({ tiers: tiers.exactOptional() })
  .describe('In micro-dollars per million tokens. A missing cache price is the input price.')

export type ModelPrice = z.infer<typeof modelPrice>

const inputKind = z.enum(['text', 'image', 'pdf', 'audio', 'video'])

export type InputKind = z.infer<typeof inputKind>

export const modelSettings = z.strictObject({
  temperature: z.number().exactOptional(),
  topP: z.number().exactOptional(),
  effort: z.enum(['none', 'minimal', 'low', 'medium', 'high']).exactOptional(),
})

export const modelFacts = z.strictObject({
  name: z.string().describe("The endpoint's name for it, e.g. `gpt-5-mini`."),
  provider: z.string().describe('Id of the provider, e.g. `openai`, `anthropic`, `ollama`, `offline`, `scripted`.'),
  contextTokens: z.number(),
  maxOutputTokens: z.number(),
  price: modelPrice.nullable().describe('Null: unknown.'),
  input: z.array(inputKind).readonly(),
  tools: z.boolean(),
  reasoning: z.boolean(),
  sampling: z.boolean().describe('Whether it supports temperature and top-p.'),
  structuredOutput: z.boolean(),
  deprecated: z.boolean(),
  settings: modelSettings.exactOptional().describe('With which it is asked, where a profile names it.'),
})

export type ModelFacts = z.infer<typeof modelFacts>

export const usageSchema = z.strictObject({
  inputTokens: z.number().describe('All input, including what was read from or written to a prompt cache.'),
  outputTokens: z.number().describe('All output, reasoning included.'),
  cacheReadTokens: z.number().exactOptional().describe('Part of `inputTokens`.'),
  cacheWriteTokens: z.number().exactOptional().describe('Part of `inputTokens`.'),
  reasoningTokens: z.number().exactOptional().describe('Part of `outputTokens`.'),
  estimated: z.boolean().describe('The endpoint reports none.'),
})

/** Tokens as the endpoint reports them, or estimated if it reports none. */
export type Usage = z.infer<typeof usageSchema>

const foundModel = z.strictObject({
  name: z.string(),
  contextTokens: z.number().nullable().describe('Window that the service serves; null when unknown.'),
})

export type FoundModel = z.infer<typeof foundModel>

/** A service that discovery found on this machine. */
export const foundService = z.strictObject({
  id: z
    .string()
    .describe(
      'Id to use it under as a provider: `ollama`, `llamacpp`, `lmstudio`, `vllm`, `localai`, or `local-<port>` for one that is not known.',
    ),
  name: z.string(),
  baseUrl: z.string().describe('For wire `openai-chat`.'),
  models: z
    .array(foundModel)
    .readonly()
    .describe('Models that can hold a conversation, loaded ones first where the service tells. May be empty.'),
  configLines: z
    .array(z.string())
    .readonly()
    .describe('Lines of a `config.toml` that use the service with its first model; empty without one.'),
})

export type FoundService = z.infer<typeof foundService>

/** What a service at any address answered. */
export const addressModels = z.strictObject({
  models: z.array(foundModel).readonly().nullable().describe('Null: it did not list its models, or was not reached.'),
  contextTokens: z
    .number()
    .nullable()
    .describe('Window of the model that was asked about: as the service names it, else as the catalog does; null when neither knows it.'),
  betterUrl: z.string().describe('Another base URL at the same place that lists models, where this one does not; empty: none does.'),
})

export type AddressModels = z.infer<typeof addressModels>

export const finishReason = z.enum(['stop', 'tool_calls', 'length', 'refusal'])

export type FinishReason = z.infer<typeof finishReason>

export const embedded = z.strictObject({
  vectors: z.array(z.custom<Float32Array>((value) => value instanceof Float32Array)).readonly(),
  model: z.string().describe("The service's name for it, otherwise the requested one."),
  dimensions: z.int().describe('0 if there were no texts.'),
  usage: usageSchema,
})

export type Embedded = z.infer<typeof embedded>

export const requestDifference = z.strictObject({
  where: z.string().describe('Such as `messages[2].content differs from character 12 on`.'),
  was: z.string().describe('What was asked then, from a little before the difference on.'),
  now: z.string().describe('What is asked now, or in the other request.'),
})

export type RequestDifference = z.infer<typeof requestDifference>
