/** Hosts of plugins in this process, over the port that real ones have, for tests of what plugins add. */
import { type JsonObject, OxbowError } from '../../src/base/index.ts'
import type {
  DescribedPlugin,
  HostedPlugin,
  PluginExports,
  PluginHosts,
  PluginOp,
  PluginOps,
  PluginRequest,
} from '../../src/protocol/index.ts'

type Answers = { [Op in PluginOp]?: (input: PluginOps[Op]['input'], request: PluginRequest) => Promise<PluginOps[Op]['output']> }

export interface FakePlugin extends Answers {
  readonly rights?: readonly string[]
  readonly spendPerDay?: number
  readonly reaches?: readonly string[]
  readonly exports?: Partial<PluginExports>
}

export interface FakeHosts extends PluginHosts {
  readonly asked: readonly { readonly plugin: string; readonly op: PluginOp; readonly input: unknown }[]
}

const noExports: PluginExports = {
  actions: [],
  providers: [],
  evaluators: [],
  services: [],
  models: [],
  routes: [],
  tasks: [],
  events: [],
  hooks: [],
}

export const anAction = (name: string, more: Partial<PluginExports['actions'][number]> = {}): PluginExports['actions'][number] => ({
  name,
  description: `Does ${name}.`,
  similes: [],
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  effect: 'once',
  tier: 'side_effecting',
  ...more,
})

export const aProvider = (name: string, more: Partial<PluginExports['providers'][number]> = {}): PluginExports['providers'][number] => ({
  name,
  description: '',
  position: 0,
  private: false,
  dynamic: false,
  deadline_ms: 2_000,
  ...more,
})

export const saidBy = (name: string, text: string, values: JsonObject = {}): PluginOps['provide']['output']['provided'][number] => ({
  name,
  text,
  values,
  data: {},
  problem: '',
})

export const acted = (text: string, values: JsonObject = {}): PluginOps['action']['output'] => ({ ok: true, text, data: {}, values })

export function createFakeHosts(plugins: Readonly<Record<string, FakePlugin>>): FakeHosts {
  const asked: { plugin: string; op: PluginOp; input: unknown }[] = []
  const described: readonly DescribedPlugin[] = Object.entries(plugins).map(
    ([name, { rights = [], reaches = [], exports, spendPerDay }]) => ({
      plugin: { ...hostedPlugin(name, rights), hosts: reaches, ...(spendPerDay !== undefined && { spend_per_day: spendPerDay }) },
      exports: { ...noExports, ...exports },
    }),
  )
  const list = described.map(({ plugin }) => plugin)
  const known = (name: string): PluginExports | null => described.find(({ plugin }) => plugin.name === name)?.exports ?? null
  return {
    asked,
    plugins: () => list,
    async ask(plugin, op, input, request) {
      asked.push({ plugin, op, input })
      const answer = plugins[plugin]?.[op] as ((input: unknown, request: PluginRequest) => Promise<never>) | undefined
      if (answer === undefined) throw new OxbowError('not_found', `${plugin} has no ${op}.`, { hint: 'Give it one.' })
      return answer(input, request)
    },
    exports: async (name) => known(name)!,
    known,
    guards: () => [],
    state: () => ({ phase: 'running', pid_started: true, problem: '', crashes: 0, log: '' }),
    data: async () => ({ bytes: 0, max_bytes: 1 }),
    log: async () => '',
    replace: async () => ({}),
    reload: async () => {},
    clear: (_plugin, more) => more(),
    close: async () => {},
  }
}

function hostedPlugin(name: string, rights: readonly string[]): HostedPlugin {
  return {
    name,
    version: '1.0.0',
    program: 'plugin-host',
    folder: '/nowhere',
    tree_hash: name,
    entries: ['index.js'],
    rights,
    hosts: [],
    secrets: [],
    paths: [],
    config: {},
  }
}
