/** The configuration schema: the only source of defaults and of `docs/configuration.md`. */
import { z } from 'zod'
import { expandRights, wrongAgentRights } from '../protocol/index.ts'
import { kernelConfig } from './config-kernel.ts'
import { memoryConfig, storeConfig } from './config-memory.ts'
import { acpConfig } from './config-acp.ts'
import { mcpConfig } from './config-mcp.ts'
import { pluginsConfig } from './config-plugins.ts'
import { a2aConfig } from './config-a2a.ts'

export type { Decision, FlowPolicy, FlowRules } from './config-kernel.ts'

const limit = (what: string): z.ZodDefault<z.ZodNullable<z.ZodNumber>> => z.int().nonnegative().nullable().default(null).describe(what)

const budget = z.strictObject({
  micro_dollars: limit('Spending limit in millionths of a dollar. Unset: no limit.'),
  tokens: limit('Limit on model tokens, input and output together. Unset: no limit.'),
})
export type BudgetLimit = z.infer<typeof budget>

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

const provider = z.strictObject({
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

export const ownSections = z.strictObject({
  model: z
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
      base_url: z
        .string()
        .default('')
        .describe('Base URL of the service. Empty: OPENAI_BASE_URL for openai, otherwise the provider’s own.'),
      api_key_env: z
        .string()
        .default('')
        .describe(
          'Name of the environment variable that holds the key; never put the key itself into this file. Empty: the provider’s usual variable.',
        ),
      ...overrides,
      effort: z
        .enum(['none', 'minimal', 'low', 'medium', 'high'])
        .nullable()
        .default(null)
        .describe('How long a reasoning model thinks. Unset: the service decides.'),
      temperature: z.number().min(0).max(2).nullable().default(null).describe('Sampling temperature, for models that support it.'),
      top_p: z.number().min(0).max(1).nullable().default(null).describe('Nucleus sampling, for models that support it.'),
      recording: z
        .enum(['raw', 'parsed'])
        .default('raw')
        .describe(
          '`raw`: the journal keeps the bytes of each exchange, which can be replayed. `parsed`: it keeps only the parsed messages.',
        ),
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
    .prefault({}),
  providers: z.record(z.string(), provider).default({}).describe('Services by id: additional ones, and changes to the built-in ones.'),
  agent: z
    .strictObject({
      name: z.string().min(1).default('ox').describe('Name of the agent in the journal.'),
      instructions: z.string().default('').describe('Text added to the system prompt.'),
      rights: z
        .union([z.string(), z.array(z.string())])
        .refine((list) => wrongAgentRights(list) === '', { error: ({ input }) => wrongAgentRights(input as string[]) })
        .transform(expandRights)
        .prefault([
          'agent.spawn',
          'agent.use',
          'attachment.save',
          'data.extract',
          'exec.run',
          'file.read',
          'file.write',
          'media.send',
          'memory.read',
          'memory.write',
          'scratchpad.use',
          'shell.run',
          'skill.use',
          'state.read',
          'state.write',
          'version.read',
          'version.write',
          'system.read',
          'vault.copy',
          'vault.list',
        ])
        .describe(
          'Rights of the agent: those that the call reference names, `"file.write:/shared/reports"` limited to a folder, `"!shell.run"` denied, or a role: `worker`, `analyst`, `operator`, `supervisor`.',
        ),
    })
    .prefault({}),
  budget: z.strictObject({ session: budget.prefault({}), user: budget.prefault({}) }).prefault({}),
  store: storeConfig,
  memory: memoryConfig,
  gateway: z
    .strictObject({
      host: z
        .string()
        .default('127.0.0.1')
        .describe('Address to listen on. Anything but loopback exposes the gateway to the network, and needs TLS or a proxy with TLS.'),
      port: z.int().min(0).max(65_535).default(0).describe('Port to listen on; 0 lets the system choose.'),
      tls_cert: z
        .string()
        .default('')
        .describe(
          'File of a certificate with its chain, in PEM: the gateway speaks HTTPS. This machine also has a plain port on loopback.',
        ),
      tls_key: z.string().default('').describe('File of the private key of `tls_cert`, in PEM, without a password.'),
      public_url: z
        .string()
        .default('')
        .describe(
          'Origin under which a proxy with TLS serves the gateway, e.g. `https://oxbow.example.com`: its host and its pages are admitted.',
        ),
      allow_plain: z
        .boolean()
        .default(false)
        .describe('Serve other machines without TLS. Whoever can read the network then has every key that is used on it.'),
      requests_per_minute: z
        .int()
        .min(1)
        .max(1_000_000)
        .default(600)
        .describe('Requests and frames of one API key, a fifth of them at once; more get 429 with `Retry-After`. The owner has no limit.'),
      max_connections: z.int().min(1).max(100_000).default(1_024).describe('WebSocket connections at once.'),
    })
    .prefault({}),
  ...kernelConfig,
  sandbox: z
    .strictObject({
      tier: z
        .enum(['process', 'container', 'micro_vm'])
        .default('process')
        .describe('Minimum isolation of the agent’s commands and files: namespaces, a container, or a virtual machine.'),
      allow_lower: z
        .enum(['', 'process', 'container'])
        .default('')
        .describe(
          'Lowest tier to fall back to when `sandbox.tier` is not available on this machine. Empty: no fallback; commands and files are then disabled.',
        ),
      isolate_guest: z
        .boolean()
        .default(false)
        .describe(
          'Run the guest itself in a container without network, separate from the sandbox for commands and files. Requires podman or docker, and `oxbow image build`.',
        ),
      memory_mb: z.int().min(64).default(1_024).describe('Memory limit of the sandbox, including everything it runs.'),
      max_processes: z.int().min(32).default(256).describe('Maximum number of processes and threads in the sandbox.'),
      max_file_mb: z.int().min(1).default(512).describe('Maximum size of one file.'),
      disk_mb: z
        .int()
        .min(16)
        .nullable()
        .default(null)
        .describe('Maximum size of the workspace. Unset: whatever is free on the disk; 2 048 for a micro VM.'),
      disk: z
        .enum(['folder', 'image', 'memory'])
        .default('folder')
        .describe(
          'How `disk_mb` is enforced. `folder`: by the file system of the workspace, if it is no larger than that. `image`: by a file system of that size in one file, mounted by root over `shared` and `tmp`. `memory`: the same in memory, lost when the machine stops.',
        ),
      cpus: z.number().min(0.1).nullable().default(null).describe('Limit on processor time, in processors. Unset: no limit.'),
      container: z
        .strictObject({
          engine: z
            .enum(['auto', 'podman', 'docker'])
            .default('auto')
            .describe('Container engine. `auto`: podman, or docker when podman is missing or lacks a needed feature.'),
          kernel: z
            .enum(['runc', 'gvisor'])
            .default('runc')
            .describe('`runc`: the kernel of the host. `gvisor`: a separate kernel in user space (runsc), slower.'),
          image: z.string().default('').describe('Image to run. Empty: the one built by `oxbow image build`.'),
        })
        .prefault({}),
      micro_vm: z
        .strictObject({
          provider: z
            .enum(['auto', 'qemu', 'microsandbox'])
            .default('auto')
            .describe('Virtual machine monitor. `auto`: QEMU, or microsandbox when QEMU is missing and hardware virtualization works.'),
          accel: z
            .enum(['auto', 'kvm', 'tcg'])
            .default('auto')
            .describe(
              '`kvm` uses hardware virtualization; `tcg` emulates the processor and is about 50 times slower; `auto` starts a machine to find out which one works.',
            ),
          image: z.string().default('').describe('Folder of the image. Empty: the one built by `oxbow image build --vm`.'),
        })
        .prefault({}),
    })
    .prefault({}),
  browser: z
    .strictObject({
      program: z.string().default('').describe('Path of Chromium. Empty: the installed one.'),
      memory_mb: z.int().min(256).default(1_536).describe('Memory limit of the browser, including its pages.'),
    })
    .prefault({}),
  web: z
    .strictObject({
      search: z.enum(['off', 'searxng', 'brave', 'google', 'duckduckgo']).default('off').describe('Search service that web.search uses.'),
      search_url: z.string().default('').describe('URL of the service. Empty: its public URL; SearXNG has none.'),
      search_key_env: z
        .string()
        .default('')
        .describe('Name of the environment variable that holds its key. Empty: BRAVE_API_KEY or GOOGLE_SEARCH_API_KEY.'),
      search_engine_id: z.string().default('').describe('Google only: ID of the search engine (cx).'),
      robots: z.enum(['ignore', 'respect']).default('ignore').describe('`respect`: web.fetch reads only pages that robots.txt allows.'),
    })
    .prefault({}),
  mcp: mcpConfig,
  acp: acpConfig,
  plugins: pluginsConfig,
  a2a: a2aConfig,
  egress: z
    .strictObject({
      mode: z
        .enum(['open', 'strict'])
        .default('open')
        .describe('`open`: public hosts may be reached. `strict`: only hosts in `egress.allow`; other names are not even resolved.'),
      ports: z
        .array(z.int().min(1).max(65_535))
        .default([80, 443])
        .describe('Ports that may be reached. An entry in `egress.allow` with a port also opens that port for its hosts.'),
      allow: z
        .array(z.string())
        .default([])
        .describe(
          'Hosts (`api.local:8080`, `*.example.com`), addresses and ranges (`10.1.0.0/16`, `[fd00::5]:80`) that may be reached even if they are private. Reserved and metadata addresses must be listed by address.',
        ),
      deny: z
        .array(z.string())
        .default([])
        .describe(
          'Hosts, addresses and ranges that may not be reached, in the same notation; without a port, on any port. Takes precedence over `egress.allow`.',
        ),
    })
    .prefault({}),
})

/** The whole configuration with defaults filled in. */
export type Config = z.infer<typeof ownSections>
