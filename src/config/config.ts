/** The configuration schema: the only source of defaults and of `docs/configuration.md`. */
import { z } from 'zod'
import { expandRights, wrongAgentRights, wrongRights } from '../protocol/index.ts'
import { kernelConfig } from './config-kernel.ts'
import { modelConfig, provider } from './config-model.ts'
import { memoryConfig, storeConfig } from './config-memory.ts'
import { acpConfig } from './config-acp.ts'
import { mcpConfig } from './config-mcp.ts'
import { takesEffect, tighter } from './walls/config-keys.ts'
import { pluginsConfig } from './config-plugins.ts'
import { a2aConfig } from './config-a2a.ts'
import { upgradeConfig } from './machine/config-upgrade.ts'
import { clusterConfig } from './machine/config-cluster.ts'
import { oidcConfig } from './machine/config-oidc.ts'

export type { Decision, FlowPolicy, FlowRules } from './config-kernel.ts'
export type { ModelOverrides, ModelProfile, ProviderConfig } from './config-model.ts'

const limit = (what: string): z.ZodDefault<z.ZodNullable<z.ZodNumber>> =>
  z.int().nonnegative().nullable().default(null).describe(what).meta(tighter('lower'))

const budget = z.strictObject({
  micro_dollars: limit('Spending limit in millionths of a dollar. Unset: no limit.'),
  tokens: limit('Limit on model tokens, input and output together. Unset: no limit.'),
})
export type BudgetLimit = z.infer<typeof budget>

export const ownSections = z.strictObject({
  config_version: z
    .int()
    .min(1)
    .optional()
    .describe(
      'Version of this file. Unset: 1, which all files were before. A file of an older version works as it is, and is moved to the newest when it is written next; `oxbow config migrate` does it at once, and back.',
    ),
  only_tighten: z
    .array(z.string().min(1).max(200))
    .max(500)
    .default([])
    .describe(
      'Keys, or sections, that later files, variables and options may only tighten, e.g. `["approval", "budget.user"]`; a looser value is refused. Keys without an order may not change at all. The lists of all files count together.',
    )
    .meta(tighter('more')),
  model: modelConfig,
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
        )
        .meta(tighter('rights')),
      max_rights: z
        .array(z.string())
        .refine((list) => wrongRights(list) === '', { error: ({ input }) => wrongRights(input as string[]) })
        .transform(expandRights)
        .nullable()
        .default(null)
        .describe(
          'Rights that no agent exceeds, whoever grants them: definitions, `oxbow spawn --right`, a person who allows a refused call. Unset: no ceiling; where `only_tighten` names `agent.rights`, their value there.',
        )
        .meta(tighter('rights')),
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
        .describe('Serve other machines without TLS. Whoever can read the network then has every key that is used on it.')
        .meta(tighter([true, false])),
      requests_per_minute: z
        .int()
        .min(1)
        .max(1_000_000)
        .default(600)
        .describe('Requests and frames of one API key, a fifth of them at once; more get 429 with `Retry-After`. The owner has no limit.')
        .meta(tighter('lower')),
      max_connections: z.int().min(1).max(100_000).default(1_024).describe('WebSocket connections at once.'),
    })
    .meta(takesEffect('process'))
    .prefault({}),
  ...kernelConfig,
  sandbox: z
    .strictObject({
      tier: z
        .enum(['process', 'container', 'micro_vm'])
        .default('process')
        .describe('Minimum isolation of the agent’s commands and files: namespaces, a container, or a virtual machine.')
        .meta(tighter(['process', 'container', 'micro_vm'])),
      allow_lower: z
        .enum(['', 'process', 'container'])
        .default('')
        .describe(
          'Lowest tier to fall back to when `sandbox.tier` is not available on this machine. Empty: no fallback; commands and files are then disabled.',
        )
        .meta(tighter(['process', 'container', ''])),
      isolate_guest: z
        .boolean()
        .default(false)
        .describe(
          'Run the guest itself in a container without network, separate from the sandbox for commands and files. Requires podman or docker, and `oxbow image build`.',
        )
        .meta({ ...tighter([false, true]), ...takesEffect('process') }),
      memory_mb: z
        .int()
        .min(64)
        .default(1_024)
        .describe('Memory limit of the sandbox, including everything it runs.')
        .meta(tighter('lower')),
      max_processes: z
        .int()
        .min(32)
        .default(256)
        .describe('Maximum number of processes and threads in the sandbox.')
        .meta(tighter('lower')),
      max_file_mb: z.int().min(1).default(512).describe('Maximum size of one file.').meta(tighter('lower')),
      disk_mb: z
        .int()
        .min(16)
        .nullable()
        .default(null)
        .describe('Maximum size of the workspace. Unset: whatever is free on the disk; 2 048 for a micro VM.')
        .meta(tighter('lower')),
      disk: z
        .enum(['folder', 'image', 'memory'])
        .default('folder')
        .describe(
          'How `disk_mb` is enforced. `folder`: by the file system of the workspace, if it is no larger than that. `image`: by a file system of that size in one file, mounted by root over `shared` and `tmp`. `memory`: the same in memory, lost when the machine stops.',
        ),
      cpus: z
        .number()
        .min(0.1)
        .nullable()
        .default(null)
        .describe('Limit on processor time, in processors. Unset: no limit.')
        .meta(tighter('lower')),
      container: z
        .strictObject({
          engine: z
            .enum(['auto', 'podman', 'docker'])
            .default('auto')
            .describe('Container engine. `auto`: podman, or docker when podman is missing or lacks a needed feature.'),
          kernel: z
            .enum(['runc', 'gvisor'])
            .default('runc')
            .describe('`runc`: the kernel of the host. `gvisor`: a separate kernel in user space (runsc), slower.')
            .meta(tighter(['runc', 'gvisor'])),
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
      search_fallback_urls: z
        .array(z.string())
        .max(10)
        .default([])
        .describe('Further addresses of the same service, asked in order when those before do not answer.'),
      search_engines: z
        .array(z.string().regex(/^[^,]{1,100}$/, 'must be one name'))
        .max(50)
        .default([])
        .describe('SearXNG only: engines that it asks. Empty: its own choice.'),
      search_categories: z
        .array(z.string().regex(/^[^,]{1,100}$/, 'must be one name'))
        .max(50)
        .default([])
        .describe('SearXNG only: categories, e.g. `["general", "science"]`. Empty: its own choice.'),
      search_safesearch: z
        .enum(['off', 'moderate', 'strict'])
        .nullable()
        .default(null)
        .describe('How strictly the service leaves out what is not for children. Unset: off for SearXNG, else as the service does.'),
      search_key_env: z
        .string()
        .default('')
        .describe('Name of the environment variable that holds its key. Empty: BRAVE_API_KEY or GOOGLE_SEARCH_API_KEY.'),
      search_engine_id: z.string().default('').describe('Google only: ID of the search engine (cx).'),
      robots: z.enum(['ignore', 'respect']).default('ignore').describe('`respect`: web.fetch reads only pages that robots.txt allows.'),
    })
    .prefault({}),
  runner: z
    .strictObject({
      idle_stop_min: z
        .number()
        .min(0)
        .max(10_080)
        .default(0)
        .describe(
          'The daemon ends a guest that has had no terminal, channel, turn, call or near schedule for so many minutes, and starts it again when a terminal connects or a schedule comes near. 0: never.',
        ),
    })
    .prefault({}),
  mcp: mcpConfig,
  acp: acpConfig,
  plugins: pluginsConfig,
  a2a: a2aConfig,
  upgrade: upgradeConfig,
  cluster: clusterConfig,
  oidc: oidcConfig,
  egress: z
    .strictObject({
      mode: z
        .enum(['open', 'strict'])
        .default('open')
        .describe('`open`: public hosts may be reached. `strict`: only hosts in `egress.allow`; other names are not even resolved.')
        .meta(tighter(['open', 'strict'])),
      ports: z
        .array(z.int().min(1).max(65_535))
        .default([80, 443])
        .describe('Ports that may be reached. An entry in `egress.allow` with a port also opens that port for its hosts.')
        .meta(tighter('fewer')),
      allow: z
        .array(z.string())
        .default([])
        .describe(
          'Hosts (`api.local:8080`, `*.example.com`), addresses and ranges (`10.1.0.0/16`, `[fd00::5]:80`) that may be reached even if they are private. Reserved and metadata addresses must be listed by address.',
        )
        .meta(tighter('fewer')),
      deny: z
        .array(z.string())
        .default([])
        .describe(
          'Hosts, addresses and ranges that may not be reached, in the same notation; without a port, on any port. Takes precedence over `egress.allow`.',
        )
        .meta(tighter('more')),
    })
    .prefault({}),
})

/** The whole configuration with defaults filled in. */
export type Config = z.infer<typeof ownSections>
