/** The hosts of all plugins. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSlots, errorMessage, OxbowError, setOwn } from '../../base/index.ts'
import type { CallForTests, HostedPlugin, PluginData, PluginExports, PluginHosts, PluginTestResult } from '../../protocol/index.ts'
import { createHostLife, type HostLife, type HostLifeDeps } from './host-life.ts'
import type { HostLink } from './host-link.ts'
import { type KnownExports, openKnownExports } from './known-exports.ts'
import { type HostStartDeps, startHost } from './host-start.ts'
import { defaultDataBytes, describedAtOnce, hostStartMs, maxLogChars, maxShownTests, testsMs } from './limits.ts'

export interface PluginHostDeps extends HostStartDeps, Omit<HostLifeDeps, 'start'> {
  /** Where it keeps what plugins have told of themselves, and their logs. */
  readonly stateFolder: string
  readonly plugins: readonly HostedPlugin[]
}

/** Longer than a start may take: that says why it did not end. */
const describeMs = 2 * hostStartMs

/** Starts nothing, and reads what is kept. */
export async function createPluginHosts(deps: PluginHostDeps): Promise<PluginHosts> {
  const known = await openKnownExports(deps.stateFolder, deps.plugins)
  const logs = keepLogs(join(deps.stateFolder, '.logs'), deps.secrets.conceal)
  const lives = new Map<string, HostLife>()
  const onEnded: HostLifeDeps['onEnded'] = (...ended) => {
    logs.keep(...ended)
    deps.onEnded?.(...ended)
  }
  let plugins = deps.plugins
  let closed = false

  const lifeOf = (plugin: HostedPlugin): HostLife => createHostLife(plugin, { ...deps, start: startWatched(deps, known), onEnded })
  const find = (name: string): HostLife => lives.get(name) ?? refuseUnknown(name)
  const findLoadable = (name: string): HostLife => loadable(find(name))
  const inSlot = createSlots(describedAtOnce)
  const describe = (life: HostLife, signal: AbortSignal): Promise<PluginExports> =>
    inSlot(signal, async () => known.learn(life.plugin(), await life.ask('describe', {}, { signal, timeoutMs: describeMs })))
  const takeOver: Held['takeOver'] = async (life, plugin, calls) => {
    let found: PluginExports | undefined
    await life.replace(plugin, async (link) => {
      found = await checked(link, plugin, calls)
    })
    if (found !== undefined) await known.learn(plugin, found)
  }
  for (const plugin of plugins) lives.set(plugin.name, lifeOf(plugin))
  return {
    plugins: () => plugins,
    ask: async (plugin, op, input, request) => findLoadable(plugin).ask(op, input, request),
    async exports(plugin, signal) {
      return known.get(plugin) ?? (await describe(findLoadable(plugin), signal))
    },
    known: (plugin) => known.get(plugin) ?? null,
    guards: (name) => known.guards(lives.get(name)?.plugin()),
    state(plugin) {
      const life = find(plugin)
      const state = life.state()
      return { ...state, problem: life.plugin().unloadable ?? state.problem, withheld: known.withheld(plugin) }
    },
    data: (plugin) => dataOf(find(plugin), deps),
    log: async (plugin) => logs.shown(find(plugin).state().log) || logs.find(plugin),
    async replace(next, calls) {
      const problems = await takeList(next, calls, { plugins, lives, known, lifeOf, describe, takeOver })
      plugins = next.flatMap(({ name }) => lives.get(name)?.plugin() ?? [])
      await logs.written()
      if (closed) await Promise.all([...lives.values()].map((life) => life.close(false)))
      return problems
    },
    async reload(plugin, calls) {
      const life = findLoadable(plugin)
      await takeOver(life, life.plugin(), calls)
    },
    async clear(plugin, more) {
      const life = lives.get(plugin)
      await life?.close(false)
      await deps.files.clear(plugin)
      await more()
      if (life !== undefined) lives.set(plugin, lifeOf(life.plugin()))
    },
    async close() {
      closed = true
      await Promise.all([...lives.values()].map((life) => life.close(false)))
      for (const [name, life] of lives) logs.keep(name, life.state().log)
      await logs.written()
    },
  }
}

/** A plugin whose exports are not known may never have started. */
function startWatched(deps: PluginHostDeps, known: Pick<KnownExports, 'has'>): HostLifeDeps['start'] {
  return (plugin, onLog, isSuspect) => startHost(plugin, deps, onLog, isSuspect || !known.has(plugin.name))
}

async function dataOf(life: HostLife, deps: PluginHostDeps): Promise<PluginData> {
  const max = deps.maxDataBytes ?? defaultDataBytes
  const bytes = await deps.files.bytes(life.plugin().name)
  // What cannot be counted is full, as it is for its host.
  return { bytes: bytes === Infinity ? max + 1 : bytes, max_bytes: max }
}

function refuseUnknown(name: string): never {
  throw new OxbowError('not_found', `No plugin is named ${JSON.stringify(name)}.`, {
    hint: 'oxbow plugin list shows those that are there.',
  })
}

/** @throws OxbowError `bad_config` for a plugin that cannot be started */
function loadable(life: HostLife): HostLife {
  const { name, unloadable } = life.plugin()
  if (unloadable === undefined) return life
  throw new OxbowError('bad_config', `The plugin ${name} is not loaded: ${unloadable}`, {
    hint: `Correct it, then: oxbow restart. Without the plugin: oxbow plugin disable ${name}`,
  })
}

interface Held {
  readonly plugins: readonly HostedPlugin[]
  readonly lives: Map<string, HostLife>
  readonly known: KnownExports
  readonly lifeOf: (plugin: HostedPlugin) => HostLife
  readonly describe: (life: HostLife, signal: AbortSignal) => Promise<PluginExports>
  readonly takeOver: (life: HostLife, plugin: HostedPlugin, calls: CallForTests | undefined) => Promise<void>
}

/** @returns for each plugin that could not be taken over, why */
async function takeList(
  next: readonly HostedPlugin[],
  calls: CallForTests | undefined,
  { plugins, lives, known, lifeOf, describe, takeOver }: Held,
): Promise<Readonly<Record<string, string>>> {
  const problems: Record<string, string> = {}
  for (const { name } of plugins.filter((each) => !next.some((other) => other.name === each.name))) {
    const life = lives.get(name)
    lives.delete(name)
    known.delete(name)
    void life?.close(true)
  }
  const take = async (plugin: HostedPlugin): Promise<void> => {
    const life = lives.get(plugin.name)
    if (plugin.unloadable !== undefined) {
      known.delete(plugin.name)
      lives.set(plugin.name, lifeOf(plugin))
      return void life?.close(true)
    }
    const isSame = life !== undefined && JSON.stringify(life.plugin()) === JSON.stringify(plugin)
    if (isSame && known.has(plugin.name)) return
    if (life !== undefined && !isSame) return takeOver(life, plugin, calls)
    // One that does not start is there as well: info and logs say why.
    const made = life ?? lifeOf(plugin)
    lives.set(plugin.name, made)
    await describe(made, new AbortController().signal)
  }
  await Promise.all(
    next.map((plugin) =>
      take(plugin).catch((error: unknown) => {
        setOwn(problems, plugin.name, errorMessage(error))
      }),
    ),
  )
  return problems
}

/** A new host must describe itself, answer, and pass the tests of its plugin. @throws OxbowError that names the tests that failed */
async function checked(link: HostLink, plugin: HostedPlugin, calls: CallForTests | undefined): Promise<PluginExports> {
  const request = { signal: new AbortController().signal, timeoutMs: hostStartMs }
  const found = await link.ask('describe', {}, request)
  await link.ask('health', {}, request)
  const { results } = await link.ask('test', {}, { ...request, timeoutMs: testsMs, call: calls?.(plugin) })
  const failed = results.filter(({ ok }) => !ok)
  if (failed.length > 0) throw failedTests(plugin, failed, results.length)
  return found
}

function failedTests({ name, version }: HostedPlugin, failed: readonly PluginTestResult[], all: number): OxbowError {
  const shown = failed.slice(0, maxShownTests).map(({ suite, name: title, problem }) => `${suite} › ${title}: ${problem}`)
  return new OxbowError('tool_failed', `${failed.length} of ${all} tests of ${name} ${version} failed: ${shown.join('; ')}`, {
    hint: `Correct it and try again. To load it all the same: oxbow plugin disable ${name}, then oxbow plugin enable ${name}`,
  })
}

/** @param folder of files, one for each plugin; agents do not see it @param conceal replaces secrets */
function keepLogs(
  folder: string,
  conceal: HostStartDeps['secrets']['conceal'] = (text) => text,
): {
  /** What may be kept and seen of a log. */
  shown(log: string): string
  keep(plugin: string, log: string): void
  find(plugin: string): Promise<string>
  written(): Promise<void>
} {
  const pathOf = (plugin: string): string => join(folder, `${plugin}.log`)
  // A first line that is cut could have a part of a secret.
  const shown = (log: string): string => conceal(log.length < maxLogChars ? log : log.slice(log.indexOf('\n') + 1))
  let last = Promise.resolve()
  return {
    shown,
    keep(plugin, log) {
      if (log === '') return
      const write = async (): Promise<void> => {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        await writeFile(pathOf(plugin), shown(log), { mode: 0o600 })
      }
      // A log that cannot be kept stops nothing.
      last = last.then(write).catch(() => {})
    },
    find: (plugin) => readFile(pathOf(plugin), 'utf8').catch(() => ''),
    written: () => last,
  }
}
