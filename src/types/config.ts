/** The configuration schema, the one source of defaults and of `docs/configuration.md`. */
import { z } from 'zod'
import { OxbowError } from './error.ts'
import { type MemoryConfig, memoryConfig, type StoreConfig, storeConfig } from './config-memory.ts'
import type { SandboxTier } from './hands.ts'

export type Decision = 'allow' | 'ask' | 'deny'

/** What becomes of a call that leads outside, by what its conversation has held. The strictest that fits counts. */
export interface FlowRules {
  untrusted: Decision
  private: Decision
  both: Decision
}

export interface FlowPolicy extends FlowRules {
  /** By call name; what is unset there is as for all. */
  sinks: Record<string, { [Label in keyof FlowRules]: Decision | null }>
}

/** Caps of one budget; null is no cap. */
export interface BudgetLimit {
  micro_dollars: number | null
  tokens: number | null
}

/** What a person says about a model; goes over the catalog. Null: as the catalog says. Prices are micro-dollars for a million tokens. */
export interface ModelOverrides {
  context_tokens: number | null
  max_output_tokens: number | null
  input_price: number | null
  output_price: number | null
  cache_read_price: number | null
  cache_write_price: number | null
}

/** A service that models are asked from. Empty texts: as the built-in provider of the same id has it. */
export interface ProviderConfig {
  wire: 'openai-chat' | 'openai-responses' | 'anthropic' | 'gemini' | 'ai-sdk' | ''
  base_url: string
  api_key_env: string
  headers: Record<string, string>
  package: string
  models: Record<string, ModelOverrides>
}

/** The whole configuration, every default filled in. Keys are documented where the schema below declares them. */
export interface Config {
  model: {
    provider: string
    name: string
    fallback: string[]
    base_url: string
    api_key_env: string
    effort: 'none' | 'minimal' | 'low' | 'medium' | 'high' | null
    temperature: number | null
    top_p: number | null
    recording: 'raw' | 'parsed'
    scenario: string
    replay: string
  } & ModelOverrides
  providers: Record<string, ProviderConfig>
  agent: { name: string; instructions: string; rights: string[] }
  turn: { max_turns: number; time_limit_s: number }
  approval: {
    read_only: Decision
    side_effecting: Decision
    privileged: Decision
    rights: Record<string, Decision>
    calls: Record<string, Decision>
  }
  flow: FlowPolicy
  budget: { session: BudgetLimit; user: BudgetLimit }
  store: StoreConfig
  memory: MemoryConfig
  gateway: { host: string; port: number }
  sandbox: {
    tier: SandboxTier
    allow_lower: SandboxTier | ''
    isolate_guest: boolean
    memory_mb: number
    max_processes: number
    max_file_mb: number
    disk_mb: number | null
    disk: 'folder' | 'image' | 'memory'
    cpus: number | null
    container: { engine: 'auto' | 'podman' | 'docker'; kernel: 'runc' | 'gvisor'; image: string }
    micro_vm: { provider: 'auto' | 'qemu' | 'microsandbox'; accel: 'auto' | 'kvm' | 'tcg'; image: string }
  }
  browser: { program: string; memory_mb: number }
  web: {
    search: 'off' | 'searxng' | 'brave' | 'google' | 'duckduckgo'
    search_url: string
    search_key_env: string
    search_engine_id: string
    robots: 'ignore' | 'respect'
  }
  egress: { mode: 'open' | 'strict'; ports: number[]; allow: string[]; deny: string[] }
}

const decision = z.enum(['allow', 'ask', 'deny'])

const ownFlow = (what: string): z.ZodDefault<z.ZodNullable<typeof decision>> =>
  decision.nullable().default(null).describe(`As \`flow.${what}\`, for this call alone. Unset: as for all.`)

const limit = (what: string): z.ZodDefault<z.ZodNullable<z.ZodNumber>> => z.int().nonnegative().nullable().default(null).describe(what)

const budget = z.strictObject({
  micro_dollars: limit('Most that may be spent, in millionths of a dollar. Unset: no money limit.'),
  tokens: limit('Most model tokens, input and output together. Unset: no token limit.'),
})

const price = (what: string): z.ZodDefault<z.ZodNullable<z.ZodNumber>> =>
  z.number().nonnegative().nullable().default(null).describe(`Micro-dollars for a million ${what}. Unset: as the catalog says.`)

const overrides = {
  context_tokens: z
    .int()
    .min(1024)
    .nullable()
    .default(null)
    .describe('Size of the context window. Needed for a model that the catalog does not know.'),
  max_output_tokens: z
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe('Most tokens of one answer. Unset: as the catalog says, at most 32 000.'),
  input_price: price('input tokens'),
  output_price: price('output tokens'),
  cache_read_price: price('input tokens read from a prompt cache'),
  cache_write_price: price('input tokens written to a prompt cache'),
}

const provider = z.strictObject({
  wire: z
    .enum(['openai-chat', 'openai-responses', 'anthropic', 'gemini', 'ai-sdk', ''])
    .default('')
    .describe('Protocol. Empty: of the built-in provider with this id, else openai-chat.'),
  base_url: z.string().default('').describe('Address of the service. Empty: of the built-in provider.'),
  api_key_env: z
    .string()
    .default('')
    .describe(
      'Name of the environment variable with the key. Empty: the provider’s usual variable, else API_KEY; none for services on this machine.',
    ),
  headers: z
    .record(z.string(), z.string())
    .default({})
    .describe('Further headers. `$NAME` is replaced by an environment variable, so that no secret stands in the file.'),
  package: z.string().default('').describe('For wire ai-sdk: the npm package of the provider, e.g. `@ai-sdk/mistral`.'),
  models: z.record(z.string(), z.strictObject(overrides)).default({}).describe('What is known of single models of this service.'),
})

export const configSchema: z.ZodType<Config> = z.strictObject({
  model: z
    .strictObject({
      provider: z
        .string()
        .min(1)
        .default('auto')
        .describe('Provider of a model that is named without one. `auto`: the one whose key or base URL is set, else offline.'),
      name: z
        .string()
        .default('')
        .describe('Model asked for when none is named: `provider/model`, or a model of `model.provider`. Empty: the provider’s default.'),
      fallback: z
        .array(z.string())
        .default([])
        .describe('Models that are asked in turn, as `provider/model`, when the one before cannot be reached or does not answer.'),
      base_url: z.string().default('').describe('Address of the service. Empty: OPENAI_BASE_URL for openai, else the provider’s own.'),
      api_key_env: z
        .string()
        .default('')
        .describe(
          'Name of the environment variable that holds the key; the key itself never stands in a file. Empty: the provider’s usual one.',
        ),
      ...overrides,
      effort: z
        .enum(['none', 'minimal', 'low', 'medium', 'high'])
        .nullable()
        .default(null)
        .describe('How hard a reasoning model thinks. Unset: as the service chooses.'),
      temperature: z.number().min(0).max(2).nullable().default(null).describe('Sampling temperature, for models that take one.'),
      top_p: z.number().min(0).max(1).nullable().default(null).describe('Nucleus sampling, for models that take it.'),
      recording: z
        .enum(['raw', 'parsed'])
        .default('raw')
        .describe(
          '`raw`: the bytes of each exchange are kept in the journal and can be replayed. `parsed`: only what was understood of them.',
        ),
      scenario: z
        .string()
        .default('')
        .describe(
          'Scenario file of the scripted model. A relative path is looked for beside this file, then in the folder where Oxbow is started.',
        ),
      replay: z
        .string()
        .default('')
        .describe(
          'Recording that the replay model answers from, as `oxbow audit recording SESSION > FILE` writes it. A relative path is looked for beside this file, then in the folder where Oxbow is started. A request that was not recorded is refused.',
        ),
    })
    .prefault({}),
  providers: z.record(z.string(), provider).default({}).describe('Services by id: further ones, and changes to the built-in ones.'),
  agent: z
    .strictObject({
      name: z.string().min(1).default('ox').describe('Name of the agent, shown in the journal.'),
      instructions: z.string().default('').describe('Added to the system prompt.'),
      rights: z
        .array(z.string())
        .default([
          'attachment.save',
          'file.read',
          'file.write',
          'media.send',
          'memory.read',
          'memory.write',
          'scratchpad.use',
          'shell.run',
          'system.read',
          'vault.copy',
          'vault.list',
        ])
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
      read_only: decision.default('allow').describe('For calls that change nothing, of those that a model can ask for.'),
      side_effecting: decision.default('allow').describe('For those that change the workspace.'),
      privileged: decision.default('ask').describe('For those that run programs or reach further.'),
      rights: z.record(z.string(), decision).default({}).describe('By right, e.g. `"file.write" = "ask"`. Goes before the tier.'),
      calls: z
        .record(z.string(), decision)
        .default({})
        .describe('By call name, e.g. `"file.delete" = "deny"`. Goes before the right. `deny` anywhere wins.'),
    })
    .prefault({}),
  flow: z
    .strictObject({
      untrusted: decision
        .default('allow')
        .describe('For calls of a model that lead outside, when the conversation has held what others wrote (files, commands, the web).'),
      private: decision.default('allow').describe('The same, when it has held private data (the vault, memories of such).'),
      both: decision.default('ask').describe('The same, when it has held both. The strictest of the three that fit counts.'),
      sinks: z
        .record(z.string(), z.strictObject({ untrusted: ownFlow('untrusted'), private: ownFlow('private'), both: ownFlow('both') }))
        .default({})
        .describe(
          'For single calls, e.g. `[flow.sinks."web.fetch"]`. What an agent sends to the person (`media.send`) is judged only here.',
        ),
    })
    .prefault({}),
  budget: z.strictObject({ session: budget.prefault({}), user: budget.prefault({}) }).prefault({}),
  store: storeConfig,
  memory: memoryConfig,
  gateway: z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('Address to listen on. Anything but loopback shows the gateway to the network.'),
      port: z.int().min(0).max(65_535).default(0).describe('Port; 0 lets the system choose.'),
    })
    .prefault({}),
  sandbox: z
    .strictObject({
      tier: z
        .enum(['process', 'container', 'micro_vm'])
        .default('process')
        .describe('The least that holds what agents do: namespaces, a container, or a machine of its own.'),
      allow_lower: z
        .enum(['', 'process', 'container'])
        .default('')
        .describe('The lowest tier to go on with when `sandbox.tier` cannot be had here. Empty: none, commands and files are off then.'),
      isolate_guest: z
        .boolean()
        .default(false)
        .describe(
          'The guest itself runs in a container without network, beside the sandbox of its hands. Needs podman or docker, and `oxbow image build`.',
        ),
      memory_mb: z.int().min(64).default(1_024).describe('Memory of the sandbox and all it runs.'),
      max_processes: z.int().min(32).default(256).describe('Most processes and threads in the sandbox.'),
      max_file_mb: z.int().min(1).default(512).describe('Largest single file that can be written.'),
      disk_mb: z
        .int()
        .min(16)
        .nullable()
        .default(null)
        .describe('Most that the workspace may hold. Unset: as much as the disk has; a micro VM takes 2 048.'),
      disk: z
        .enum(['folder', 'image', 'memory'])
        .default('folder')
        .describe(
          'What holds the workspace to `disk_mb`. `folder`: the file system it is on, when that is no larger. `image`: a file system of that size in one file, mounted as root over `shared` and `tmp`. `memory`: the same in memory, lost when the machine stops.',
        ),
      cpus: z.number().min(0.1).nullable().default(null).describe('Most processor time, in processors. Unset: all there is.'),
      container: z
        .strictObject({
          engine: z
            .enum(['auto', 'podman', 'docker'])
            .default('auto')
            .describe('Program that makes containers. `auto`: podman, and docker where podman is missing or lacks something.'),
          kernel: z
            .enum(['runc', 'gvisor'])
            .default('runc')
            .describe('`runc`: the kernel of the host. `gvisor`: a kernel of its own (runsc), slower.'),
          image: z.string().default('').describe('Image to run. Empty: the one that `oxbow image build` made.'),
        })
        .prefault({}),
      micro_vm: z
        .strictObject({
          provider: z
            .enum(['auto', 'qemu', 'microsandbox'])
            .default('auto')
            .describe('What starts machines. `auto`: QEMU, and microsandbox where QEMU is missing and the processor helps.'),
          accel: z
            .enum(['auto', 'kvm', 'tcg'])
            .default('auto')
            .describe('`kvm` uses the processor, `tcg` emulates one and is some 50 times slower; `auto` finds out by starting a machine.'),
          image: z.string().default('').describe('Folder of the image. Empty: the one that `oxbow image build --vm` made.'),
        })
        .prefault({}),
    })
    .prefault({}),
  browser: z
    .strictObject({
      program: z.string().default('').describe('Path of Chromium. Empty: the one that is installed.'),
      memory_mb: z.int().min(256).default(1_536).describe('Memory of the browser and its pages.'),
    })
    .prefault({}),
  web: z
    .strictObject({
      search: z.enum(['off', 'searxng', 'brave', 'google', 'duckduckgo']).default('off').describe('Service that web.search asks.'),
      search_url: z.string().default('').describe('Address of the service. Empty: its public one; SearXNG has none.'),
      search_key_env: z
        .string()
        .default('')
        .describe('Name of the environment variable with its key. Empty: BRAVE_API_KEY or GOOGLE_SEARCH_API_KEY.'),
      search_engine_id: z.string().default('').describe('Google only: id of the search engine (cx).'),
      robots: z.enum(['ignore', 'respect']).default('ignore').describe('`respect`: web.fetch reads only what robots.txt allows it.'),
    })
    .prefault({}),
  egress: z
    .strictObject({
      mode: z
        .enum(['open', 'strict'])
        .default('open')
        .describe('`open`: public hosts may be reached. `strict`: only what `egress.allow` names, and no other name is even looked up.'),
      ports: z
        .array(z.int().min(1).max(65_535))
        .default([80, 443])
        .describe('Ports that may be reached. A rule of `egress.allow` with a port opens that one for its hosts.'),
      allow: z
        .array(z.string())
        .default([])
        .describe(
          'Hosts (`api.local:8080`, `*.example.com`), addresses and ranges (`10.1.0.0/16`, `[fd00::5]:80`) that may be reached though they are private. Reserved and metadata addresses open only by address.',
        ),
      deny: z
        .array(z.string())
        .default([])
        .describe('The same spellings; without a port all ports are meant. It wins over `egress.allow`.'),
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
