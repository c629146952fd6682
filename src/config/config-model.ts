/** `[model]` with its profiles, and `[providers]`. */
import { z } from 'zod'
import { takesEffect } from './walls/config-keys.ts'

const price = (what: string): z.ZodDefault<z.ZodNullable<z.ZodNumber>> =>
  z.number().nonnegative().nullable().default(null).describe(`Micro-dollars per million ${what}. Unset: the price in the catalog.`)

const overrides = {
  context_tokens: z
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      'Context window in tokens; an agent needs at least 6 000. Unset: from the catalog; 32 768 for a model that it lacks at a base URL of your own. Required for any other.',
    ),
  max_output_tokens: z
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe('Maximum tokens of one answer. Unset: the catalog limit, max. 32 000.'),
  input_price: price('input tokens'),
  output_price: price('output tokens'),
  cache_read_price: price('input tokens read from a prompt cache'),
  cache_write_price: price('input tokens written to a prompt cache'),
}

const settings = {
  effort: z
    .enum(['none', 'minimal', 'low', 'medium', 'high'])
    .nullable()
    .default(null)
    .describe('How long a reasoning model thinks. Unset: the service decides.'),
  temperature: z.number().min(0).max(2).nullable().default(null).describe('Sampling temperature, for models that support it.'),
  top_p: z.number().min(0).max(1).nullable().default(null).describe('Nucleus sampling, for models that support it.'),
}

const tokenLimit = (what: string): z.ZodDefault<z.ZodNullable<z.ZodNumber>> => z.int().min(1).nullable().default(null).describe(what)

const profile = z
  .strictObject({
    model: z
      .string()
      .regex(/^(?!profile:).+$/, 'must name a model')
      .describe('The model: `provider/model`, or one of `model.provider`.'),
    ...settings,
    context_tokens: tokenLimit('Most tokens of its window that are used. Unset: all.'),
    max_output_tokens: tokenLimit('Most tokens of one answer. Unset: as for the model.'),
  })
  .describe(
    'A model with settings of its own, under a name: `profile:NAME` stands wherever a model is named, such as `--model`, a definition of an agent, a schedule or `model.name`.',
  )
export type ModelProfile = z.infer<typeof profile>

export const provider = z.strictObject({
  wire: z
    .enum(['openai-chat', 'openai-responses', 'anthropic', 'gemini', 'ai-sdk', ''])
    .default('')
    .describe('Protocol of the service. Empty: as for the built-in provider with this id, otherwise openai-chat.'),
  base_url: z.string().default('').describe('Base URL of the service. Empty: the built-in provider’s.'),
  api_key_env: z
    .string()
    .default('')
    .describe(
      'Name of the environment variable that holds the key. Empty: the provider’s usual variable, otherwise API_KEY; none for services on this machine.',
    ),
  headers: z
    .record(z.string(), z.string())
    .default({})
    .describe('Additional HTTP headers. `$NAME` is replaced by the environment variable NAME, which keeps secrets out of the file.'),
  package: z.string().default('').describe('For wire `ai-sdk`: npm package of the provider, e.g. `@ai-sdk/mistral`.'),
  models: z.record(z.string(), z.strictObject(overrides)).default({}).describe('Facts about single models of this service, by model name.'),
})
export type ProviderConfig = z.infer<typeof provider>
/** Facts of a model that the configuration states in place of the catalog. */
export type ModelOverrides = ProviderConfig['models'][string]

export const modelConfig = z
  .strictObject({
    provider: z
      .string()
      .min(1)
      .default('auto')
      .describe(
        'Provider of a model that is named without one. `auto`: the one whose key or base URL is set, otherwise offline. `plugin:NAME`: a plugin that serves models.',
      ),
    name: z.string().default('').describe('Default model: `provider/model`, or one of `model.provider`. Empty: the provider’s default.'),
    fallback: z
      .array(z.string())
      .default([])
      .describe('Fallback models as `provider/model`, tried in order when the previous one is unreachable or does not answer.'),
    base_url: z.string().default('').describe('Base URL of the service. Empty: OPENAI_BASE_URL for openai, otherwise the provider’s own.'),
    api_key_env: z
      .string()
      .default('')
      .describe(
        'Name of the environment variable that holds the key; never put the key itself into this file. Empty: the provider’s usual variable.',
      ),
    ...overrides,
    ...settings,
    profiles: z
      .record(z.string().regex(/^[A-Za-z0-9][\w.-]{0,63}$/, 'must be a name of letters, digits, _, . and -'), profile)
      .default({})
      .meta(takesEffect('live')),
    recording: z
      .enum(['raw', 'parsed'])
      .default('raw')
      .describe('`raw`: the journal keeps the bytes of each exchange, which can be replayed. `parsed`: it keeps only the parsed messages.'),
    scenario: z
      .string()
      .default('')
      .describe(
        'Scenario file of the scripted model. A relative path is resolved against the folder of this file, then against the one where Oxbow is started.',
      ),
    replay: z
      .string()
      .default('')
      .describe(
        'Recording that the replay model answers from, as written by `oxbow audit recording SESSION > FILE`. A relative path is resolved against the folder of this file, then against the one where Oxbow is started. A request that was not recorded is refused.',
      ),
  })
  .prefault({})
