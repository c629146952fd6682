/** The configuration schema, the one source of defaults and of `docs/configuration.md`. */
import { z } from 'zod'
import { OxbowError } from './error.ts'

export type Decision = 'allow' | 'ask' | 'deny'

/** Caps of one budget; null is no cap. */
export interface BudgetLimit {
  micro_dollars: number | null
  tokens: number | null
}

/** The whole configuration, every default filled in. Keys are documented where the schema below declares them. */
export interface Config {
  model: {
    provider: 'auto' | 'openai' | 'offline' | 'scripted'
    name: string
    base_url: string
    api_key_env: string
    context_tokens: number
    max_output_tokens: number
    input_price: number | null
    output_price: number | null
    scenario: string
  }
  agent: { name: string; instructions: string; rights: string[] }
  turn: { max_turns: number; time_limit_s: number }
  approval: {
    read_only: Decision
    side_effecting: Decision
    privileged: Decision
    rights: Record<string, Decision>
    calls: Record<string, Decision>
  }
  budget: { session: BudgetLimit; user: BudgetLimit }
  store: { durability: 'normal' | 'full' }
  gateway: { host: string; port: number }
  sandbox: { memory_mb: number; max_processes: number; max_file_mb: number }
}

const decision = z.enum(['allow', 'ask', 'deny'])

const limit = (what: string): z.ZodDefault<z.ZodNullable<z.ZodNumber>> => z.int().nonnegative().nullable().default(null).describe(what)

const budget = z.strictObject({
  micro_dollars: limit('Most that may be spent, in millionths of a dollar. Unset: no money limit.'),
  tokens: limit('Most model tokens, input and output together. Unset: no token limit.'),
})

export const configSchema: z.ZodType<Config> = z.strictObject({
  model: z
    .strictObject({
      provider: z
        .enum(['auto', 'openai', 'offline', 'scripted'])
        .default('auto')
        .describe('`auto`: openai when a key or base URL is set, else offline.'),
      name: z.string().min(1).default('gpt-5-mini').describe('Model asked for when none is named.'),
      base_url: z
        .string()
        .default('')
        .describe('Endpoint of an OpenAI-compatible service. Empty: OPENAI_BASE_URL, else https://api.openai.com/v1.'),
      api_key_env: z
        .string()
        .default('OPENAI_API_KEY')
        .describe('Name of the environment variable that holds the key; the key itself never stands in a file.'),
      context_tokens: z.int().min(1024).default(128_000).describe('Size of the model’s context window.'),
      max_output_tokens: z.int().min(1).default(8_192).describe('Most tokens of one answer.'),
      input_price: limit('Micro-dollars for a million input tokens. Needed when a money budget is set.'),
      output_price: limit('Micro-dollars for a million output tokens.'),
      scenario: z.string().default('').describe('Scenario file of the scripted model.'),
    })
    .prefault({}),
  agent: z
    .strictObject({
      name: z.string().min(1).default('ox').describe('Name of the agent, shown in the journal.'),
      instructions: z.string().default('').describe('Added to the system prompt.'),
      rights: z
        .array(z.string())
        .default(['file.read', 'file.write', 'shell.run', 'system.read'])
        .describe('Rights that the agent holds. A call needs its own right.'),
    })
    .prefault({}),
  turn: z
    .strictObject({
      max_turns: z.int().min(1).max(1000).default(100).describe('Most model calls in one turn.'),
      time_limit_s: z.int().min(1).default(3_600).describe('Longest turn in seconds, waiting for approval not counted.'),
    })
    .prefault({}),
  approval: z
    .strictObject({
      read_only: decision.default('allow').describe('For calls that change nothing.'),
      side_effecting: decision.default('allow').describe('For calls that change the workspace.'),
      privileged: decision.default('ask').describe('For calls that run programs or reach further.'),
      rights: z.record(z.string(), decision).default({}).describe('By right, e.g. `"file.write" = "ask"`. Goes before the tier.'),
      calls: z
        .record(z.string(), decision)
        .default({})
        .describe('By call name, e.g. `"file.delete" = "deny"`. Goes before the right. `deny` anywhere wins.'),
    })
    .prefault({}),
  budget: z.strictObject({ session: budget.prefault({}), user: budget.prefault({}) }).prefault({}),
  store: z
    .strictObject({
      durability: z
        .enum(['normal', 'full'])
        .default('normal')
        .describe('`normal`: survives the death of the process. `full`: survives power loss, slower.'),
    })
    .prefault({}),
  gateway: z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('Address to listen on. Anything but loopback shows the gateway to the network.'),
      port: z.int().min(0).max(65_535).default(0).describe('Port; 0 lets the system choose.'),
    })
    .prefault({}),
  sandbox: z
    .strictObject({
      memory_mb: z.int().min(64).default(1_024).describe('Memory of the sandbox and all it runs.'),
      max_processes: z.int().min(32).default(256).describe('Most processes and threads in the sandbox.'),
      max_file_mb: z.int().min(1).default(512).describe('Largest single file that can be written.'),
    })
    .prefault({}),
})

/**
 * @param value a parsed TOML document, not yet checked
 * @throws OxbowError `bad_config` that names each wrong key, where it was found, and what was expected
 */
export function parseConfig(value: unknown, where: string): Config {
  const parsed = configSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const wrong = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'top level'}: ${issue.message}`)
  throw new OxbowError('bad_config', `${where} cannot be used: ${wrong.join('; ')}`, {
    hint: 'Mend the keys named above; docs/configuration.md lists every key with its default.',
  })
}
