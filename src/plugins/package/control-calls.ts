/** The calls by which a person looks after plugins that are installed: what each has, whether it runs, a new list, a new host, its tests. */
import { z } from 'zod'
import { type Failure, OxbowError, toFailure } from '../../base/index.ts'
import {
  syncPluginsCall,
  type Call,
  type CallContext,
  type CallForTests,
  defineCall,
  failureSchema,
  type HostedPlugin,
  labelOrigins,
  originOf,
  originOfCall,
  pluginData,
  pluginExports,
  type PluginHosts,
  type PluginHostState,
  pluginHostState,
  pluginTests,
  type ToldLabels,
} from '../../protocol/index.ts'
import type { CapSpend, LimitPlugin } from '../parts/part-request.ts'
import { type PluginCounts, pluginCounts } from '../parts/plugin-counts.ts'

interface ControlDeps {
  readonly hosts: PluginHosts
  readonly capSpend: CapSpend
  readonly limit: LimitPlugin
  /** Takes a tag from all memories that have it. @returns how many */
  readonly untag: (tag: string) => Promise<number>
  /** Erases all that a plugin keeps in the store of the guest. */
  readonly clear: (plugin: string) => Promise<void>
  readonly told: ToldLabels
  readonly counts: (plugin: string) => PluginCounts
  /** The enabled plugins as `plugins.lock` has them now. Absent where no runner listens. */
  readonly installed?: (() => Promise<readonly HostedPlugin[]>) | undefined
}

const shared = { audience: ['terminal'], labels: { adds: [], sink: false } } as const satisfies Partial<Call>
const reads = { ...shared, tier: 'read_only', right: 'plugins.read', effect: 'none' } as const satisfies Partial<Call>
const writes = { ...shared, tier: 'side_effecting', right: 'plugins.write', effect: 'idempotent' } as const satisfies Partial<Call>
const named = z.strictObject({ plugin: z.string().max(100).describe('Name of an installed plugin that is enabled.') })
/** Describing a plugin may start its host, and elizaOS loads for a while. */
const describeMs = 60_000
const testMs = 300_000
/** A new host is started and tested before it takes over. */
const takeOverMs: number = describeMs + testMs

export function controlCalls(deps: ControlDeps): readonly Call[] {
  return [listCall(deps), infoCall(deps), syncCall(deps), reloadCall(deps), testCall(deps)]
}

/** For reference pages; they cannot be run. */
export function describedPluginCalls(): readonly Call[] {
  return controlCalls({
    hosts: {} as PluginHosts,
    capSpend: async () => {},
    limit: async () => {},
    untag: async () => 0,
    clear: async () => {},
    told: {} as ToldLabels,
    counts: () => ({}) as PluginCounts,
  })
}

const pluginLine = z.strictObject({
  plugin: z.string(),
  version: z.string(),
  phase: z.enum(['stopped', 'starting', 'running', 'waiting', 'disabled']),
  problem: z.string(),
  crashes: z.number(),
})

type PluginLine = z.infer<typeof pluginLine>

function listCall({ hosts }: ControlDeps): Call {
  return defineCall({
    ...reads,
    name: 'plugin.list',
    summary: 'Lists the plugins of this guest, and whether their hosts run.',
    input: z.strictObject({}),
    output: z.strictObject({ plugins: z.array(pluginLine) }),
    example: {},
    timeoutMs: 10_000,
    recordOutput: ({ plugins }) => ({ plugins: plugins.length }),
    async run() {
      const plugins = hosts.plugins().map(({ name, version }): PluginLine => {
        const { phase, problem, crashes } = hosts.state(name)
        return { plugin: name, version, phase, problem, crashes }
      })
      return { output: { plugins } }
    },
  })
}

const pluginInfo = z.strictObject({
  exports: pluginExports.nullable().describe('Null: it does not start, and `failure` says why.'),
  failure: failureSchema().nullable(),
  state: pluginHostState,
  data: pluginData,
  counts: pluginCounts,
})

function infoCall({ hosts, counts }: ControlDeps): Call {
  return defineCall({
    ...reads,
    name: 'plugin.info',
    summary:
      'Shows what a plugin has, or why it does not start: its actions, providers and other parts, the state of its host, what it keeps in /data, how often state was kept for it, and the end of its log.',
    input: named,
    output: pluginInfo,
    example: { plugin: 'weather' },
    timeoutMs: describeMs,
    recordOutput: () => ({}),
    async run({ plugin }, { signal }) {
      find(hosts, plugin)
      const found = await hosts.exports(plugin, signal).then(
        (exports) => ({ exports, failure: null }),
        (error: unknown) => ({ exports: null, failure: failedStart(toFailure(error, 'tool_failed', ''), hosts.state(plugin)) }),
      )
      signal.throwIfAborted()
      return {
        output: {
          ...found,
          counts: counts(plugin),
          data: await hosts.data(plugin),
          state: { ...hosts.state(plugin), log: await hosts.log(plugin) },
        },
      }
    },
  })
}

/** While a host waits for its next start, the reason is the last start's, as in `plugin.list`. */
function failedStart(failure: Failure, { problem }: PluginHostState): Failure {
  return problem === '' ? failure : { ...failure, message: problem }
}

const synced = z.strictObject({
  plugins: z.array(z.string()).readonly(),
  problems: z.record(z.string(), z.string()).describe('Why a plugin stays as it was, by name.'),
  untagged: z.number().describe('Memories that no longer have the tag of a removed plugin.'),
})

function syncCall({ hosts, installed, limit, untag, clear, ...deps }: ControlDeps): Call {
  return defineCall({
    ...writes,
    name: syncPluginsCall,
    summary: 'Takes over the plugins that are installed and enabled now. `oxbow plugin` makes it after each change.',
    input: z.strictObject({
      removed: z
        .array(z.string().max(200))
        .max(100)
        .default([])
        .describe('Plugins that were removed for good: their budgets, and the tags of their notes, go with them.'),
      cleared: z
        .array(z.string().regex(/^[a-z0-9][a-z0-9-]{0,99}$/))
        .max(100)
        .default([])
        .describe('Plugins, also removed ones, that lose all they keep in /data and in the store, with the labels of what they were told.'),
    }),
    output: synced,
    example: { removed: [], cleared: [] },
    timeoutMs: takeOverMs,
    async run({ removed, cleared }, context) {
      if (installed === undefined)
        throw new OxbowError('not_found', 'This guest has no runner that installs plugins.', { hint: 'Start it with oxbow.' })
      for (const name of cleared) {
        await hosts.clear(name, async () => {
          await clear(name)
          await deps.told.clear(originOf('plugin', name))
        })
      }
      const problems = await hosts.replace(await installed(), callsOfTests(deps, context))
      const { caller, id: call } = context
      let untagged = 0
      for (const name of removed.filter((each) => !hosts.plugins().some((plugin) => plugin.name === each))) {
        await limit({ caller, call, name: 'plugin.budget' }, `plugin:${name}`, null)
        untagged += await untag(`plugin.${name}`)
      }
      return { output: { plugins: hosts.plugins().map(({ name }) => name), problems, untagged } }
    },
  })
}

function reloadCall({ hosts, ...deps }: ControlDeps): Call {
  return defineCall({
    ...writes,
    name: 'plugin.reload',
    summary:
      'Starts a new host of a plugin, which takes over between calls when it passes the tests of the plugin. Otherwise the old one stays.',
    input: named,
    output: z.strictObject({ phase: z.string() }),
    example: { plugin: 'weather' },
    timeoutMs: takeOverMs,
    async run({ plugin }, context) {
      find(hosts, plugin)
      await hosts.reload(plugin, callsOfTests(deps, context))
      return { output: { phase: hosts.state(plugin).phase } }
    },
  })
}

function testCall({ hosts, ...deps }: ControlDeps): Call {
  return defineCall({
    ...writes,
    name: 'plugin.test',
    summary: 'Runs the tests that a plugin has, in its host.',
    input: named,
    output: pluginTests,
    example: { plugin: 'weather' },
    timeoutMs: testMs,
    recordOutput: ({ results }) => ({ passed: results.filter(({ ok }) => ok).length, failed: results.filter(({ ok }) => !ok).length }),
    async run({ plugin }, context) {
      const found = find(hosts, plugin)
      try {
        const call = callsOfTests(deps, context)(found)
        return { output: await hosts.ask(plugin, 'test', {}, { signal: context.signal, timeoutMs: testMs, call }) }
      } catch (error) {
        const { message } = toFailure(error, 'tool_failed', '')
        return { output: { results: [{ suite: '', name: 'start', ok: false, problem: message }] }, ok: false }
      }
    },
  })
}

/** Tests make calls as the plugin, with the rights that it shares with the person who runs them. */
function callsOfTests({ capSpend, told }: Pick<ControlDeps, 'capSpend' | 'told'>, { caller, id, callAs }: CallContext): CallForTests {
  return (plugin) => async (name, input) => {
    await capSpend({ caller, id }, plugin)
    const origin = originOf('plugin', plugin.name)
    const { labels, from } = await told.of(origin)
    const outcome = await callAs(plugin.name, plugin.rights, name, input, { kind: 'carried', labels, origins: from, fields: [] })
    const read = outcome.labels ?? []
    await told.tell(origin, { labels: read, from: labelOrigins(read, [originOfCall(name, input)]) }, plugin.hosts)
    return outcome
  }
}

/** @throws OxbowError `not_found` */
function find(hosts: PluginHosts, name: string): HostedPlugin {
  const found = hosts.plugins().find((plugin) => plugin.name === name)
  if (found !== undefined) return found
  throw new OxbowError('not_found', `There is no plugin ${JSON.stringify(name)}, or it is disabled.`, {
    hint: '`oxbow plugin list` shows the installed ones; `oxbow plugin enable NAME` turns one on.',
  })
}
