/** Plugins in temporary folders, and their hosts in a real sandbox, for tests. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeWorkbench, type Workbench, type WorkbenchOptions } from '../../sandbox/sandbox-fixture.ts'
import type { JsonObject } from '../../base/index.ts'
import { type CallOutcome, type HostedPlugin, hookSteps, type PluginHosts, type PluginRequest } from '../../protocol/index.ts'
import { createTreeCheck, treeHash } from '../package/tree.ts'
import { pluginFiles } from './data-limit.ts'
import { createPluginHosts, type PluginHostDeps } from './hosts.ts'

/** A plugin that does what tests need; its process is started only for those that need one of its own. */
export const usualPlugin = `
import { definePlugin } from 'oxbow/plugin'
import { readFileSync, writeFileSync, existsSync } from 'node:fs'
let inits = 0
export default definePlugin({
  name: 'usual',
  init() { inits += 1; console.log('begun in', process.pid) },
  actions: [
    { name: 'echo', description: 'Repeats its input.', effect: 'none', parameters: [{ name: 'text', type: 'string', required: true }],
      handler: (runtime, message, state, { parameters }) => ({ success: true, text: parameters.text, data: { inits, pid: process.pid } }) },
    { name: 'call', handler: async (runtime, message, state, { parameters }) => {
      const outcome = await runtime.call(parameters.name, parameters.input)
      return { success: outcome.ok, text: outcome.text, data: { outcome } } } },
    { name: 'later', handler: (runtime) => { setTimeout(async () => { console.log('later:', JSON.stringify(await runtime.call('file.read', {}))) }, 50); return { success: true } } },
    { name: 'run', handler: (runtime, message, state, { parameters }) => eval(parameters.code) },
  ],
  providers: [
    { name: 'NOW', position: 2, get: () => ({ text: 'now', values: { now: 1 } }) },
    { name: 'SLOW', deadline_ms: 50, get: () => new Promise(() => {}) },
    { name: 'WRONG', get: () => { throw new Error('no luck') } },
  ],
  evaluators: [{ name: 'count', handler: (runtime, message, state, didRespond) => ({ didRespond }) }],
  services: [{ serviceType: 'clock', start: () => ({ ticks: () => 1 }) }, { serviceType: 'broken', start: () => { throw new Error('broken') } }],
  tasks: [{ name: 'tidy', every_s: 60, run: (runtime, due) => 'tidied ' + due }],
  events: { MESSAGE_RECEIVED: [() => { throw new Error('in an event') }] },
  hooks: [{ step: 'call.before', run: (runtime, value) => ({ verdict: 'refuse', reason: 'no ' + value.name }) }],
  routes: [{ type: 'get', path: '/hello', public: true, handler: () => ({ status: 201, body: { hello: 'world' } }) }],
  models: { TEXT_SMALL: { priority: 3, handler: (runtime, { prompt }) => 'answer to ' + prompt } },
})
`

export interface HostBench extends AsyncDisposable {
  readonly hosts: PluginHosts
  readonly bench: Workbench
  /** Makes a plugin of its source. */
  plugin(name: string, source: string, more?: Partial<HostedPlugin>): Promise<HostedPlugin>
  /** Runs an action, with the calls that it may make. */
  act(
    plugin: string,
    action: string,
    input?: JsonObject,
    request?: Partial<PluginRequest>,
  ): Promise<{ ok: boolean; text: string; data: JsonObject }>
  readonly disabled: string[]
}

export interface HostBenchOptions {
  readonly plugins?: Readonly<Record<string, string>>
  readonly more?: Partial<HostedPlugin>
  readonly deps?: Partial<PluginHostDeps>
  readonly sandbox?: WorkbenchOptions
}

export async function makeHostBench({ plugins = { usual: usualPlugin }, more, deps, sandbox }: HostBenchOptions = {}): Promise<HostBench> {
  const bench = await makeWorkbench(sandbox)
  const plugin: HostBench['plugin'] = async (name, source, other) => {
    const folder = join(bench.root, 'plugins', name)
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'index.mjs'), source)
    const base = {
      version: '1.0.0',
      program: 'plugin-host',
      entries: ['index.mjs'],
      rights: [],
      hosts: [],
      secrets: [],
      paths: [],
      hooks: hookSteps,
      public_routes: ['/hello'],
      config: {},
    } as const
    return { name, folder, tree_hash: await treeHash(folder), ...base, ...more, ...other }
  }
  const disabled: string[] = []
  const hosts = await createPluginHosts({
    plugins: await Promise.all(Object.entries(plugins).map(([name, source]) => plugin(name, source))),
    sandbox: bench.sandbox,
    secrets: { get: () => undefined },
    files: pluginFiles(join(bench.root, 'internal/plugins'), createTreeCheck()),
    stateFolder: join(bench.root, 'internal/plugins'),
    nowMs: () => performance.now(),
    onDisabled: (name) => disabled.push(name),
    ...deps,
  })
  return {
    hosts,
    bench,
    plugin,
    disabled,
    act: (name, action, input = {}, request = {}) =>
      hosts.ask(
        name,
        'action',
        { name: action, input, message: null, state: {} },
        { signal: new AbortController().signal, timeoutMs: 10_000, ...request },
      ),
    async [Symbol.asyncDispose]() {
      await hosts.close()
      await bench[Symbol.asyncDispose]()
    },
  }
}

export const done = (text: string, output: unknown = {}): CallOutcome => ({ status: 'ok', ok: true, text, output })
