/** The hosts of all plugins, and what plugins have, which is kept by the hash of their files so that no host is started to tell it. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type CallForTests,
  createSlots,
  type DescribedPlugin,
  type HostedPlugin,
  hookSteps,
  OxbowError,
  type PluginData,
  type PluginExports,
  type PluginHook,
  type PluginHosts,
  type PluginTestResult,
  setOwn,
  writeWhole,
} from '../../types/index.ts'
import { approvedParts } from '../package/rights.ts'
import { parseExports, parseGuards } from './frame-schemas.ts'
import { createHostLife, type HostLife, type HostLifeDeps } from './host-life.ts'
import type { HostLink } from './host-link.ts'
import { countData } from './data-limit.ts'
import { dataFolder, type HostStartDeps, startHost } from './host-start.ts'
import { defaultDataBytes, describedAtOnce, hostStartMs, maxLogChars, maxShownTests, testsMs } from './limits.ts'

export interface PluginHostDeps extends HostStartDeps, Omit<HostLifeDeps, 'start'> {
  readonly plugins: readonly HostedPlugin[]
}

/** Longer than a start may take: that says why it did not end. */
const describeMs = 2 * hostStartMs

/** Starts nothing, and reads what is kept. */
export async function createPluginHosts(deps: PluginHostDeps): Promise<PluginHosts> {
  const kept = keepExports(join(deps.stateFolder, '.exports'))
  const guards = keepGuards(join(deps.stateFolder, '.exports'))
  const logs = keepLogs(join(deps.stateFolder, '.logs'), deps.secrets.conceal)
  const known = new Map<string, PluginExports>()
  const withheld = new Map<string, readonly string[]>()
  const lives = new Map<string, HostLife>()
  let plugins = deps.plugins
  let closed = false

  const lifeOf = (plugin: HostedPlugin): HostLife =>
    createHostLife(plugin, { ...deps, start: startWatched(deps, known), onEnded: logs.keep })
  const find = (name: string): HostLife => lives.get(name) ?? refuseUnknown(name)
  const findLoadable = (name: string): HostLife => loadable(find(name))
  const approve = (plugin: HostedPlugin, found: PluginExports): PluginExports => {
    const { exports, withheld: left } = approvedParts(plugin, found)
    known.set(plugin.name, exports)
    withheld.set(plugin.name, left)
    return exports
  }
  const learn = async (plugin: HostedPlugin, found: PluginExports): Promise<PluginExports> => {
    const exports = approve(plugin, found)
    await kept.keep(plugin.tree_hash, found)
    guards.keep(plugin.name, found)
    return exports
  }
  const inSlot = createSlots(describedAtOnce)
  const describe = (life: HostLife, signal: AbortSignal): Promise<PluginExports> =>
    inSlot(signal, async () => learn(life.plugin(), await life.ask('describe', {}, { signal, timeoutMs: describeMs })))
  const takeOver: Held['takeOver'] = async (life, plugin, calls) => {
    let found: PluginExports | undefined
    await life.replace(plugin, async (link) => {
      found = await checked(link, plugin, calls)
    })
    if (found !== undefined) await learn(plugin, found)
  }
  for (const plugin of plugins) lives.set(plugin.name, lifeOf(plugin))
  await Promise.all(
    plugins.map(async (plugin) => {
      const found = await kept.find(plugin.tree_hash)
      if (found === null) return
      if (plugin.unloadable !== undefined) return guards.keep(plugin.name, found)
      approve(plugin, found)
      guards.keep(plugin.name, found)
    }),
  )
  return {
    plugins: () => plugins,
    ask: async (plugin, op, input, request) => findLoadable(plugin).ask(op, input, request),
    async exports(plugin, signal) {
      return known.get(plugin) ?? (await describe(findLoadable(plugin), signal))
    },
    known: (plugin) => known.get(plugin) ?? null,
    guards(name) {
      const plugin = known.has(name) ? undefined : lives.get(name)?.plugin()
      return guards.find(name).filter(({ step }) => plugin?.hooks?.includes(step) === true)
    },
    state(plugin) {
      const state = find(plugin).state()
      return { ...state, problem: find(plugin).plugin().unloadable ?? state.problem, withheld: withheld.get(plugin) ?? [] }
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
    async close() {
      closed = true
      await Promise.all([...lives.values()].map((life) => life.close(false)))
      for (const [name, life] of lives) logs.keep(name, life.state().log)
      await logs.written()
    },
  }
}

/** A plugin of which it is not known what it has may never have started. */
function startWatched(deps: PluginHostDeps, known: ReadonlyMap<string, PluginExports>): HostLifeDeps['start'] {
  return (plugin, onLog, isSuspect) => startHost(plugin, deps, onLog, isSuspect || !known.has(plugin.name))
}

async function dataOf(life: HostLife, deps: PluginHostDeps): Promise<PluginData> {
  const max = deps.maxDataBytes ?? defaultDataBytes
  // What cannot be counted is full, as it is for its host.
  return { bytes: await countData(dataFolder(life.plugin().name, deps)).catch(() => max + 1), max_bytes: max }
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
  readonly known: Map<string, PluginExports>
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
        setOwn(problems, plugin.name, error instanceof Error ? error.message : String(error))
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

/** @returns what plugins have, of those that have told it before */
export async function keptExports(stateFolder: string, plugins: readonly HostedPlugin[]): Promise<readonly DescribedPlugin[]> {
  const kept = keepExports(join(stateFolder, '.exports'))
  const startable = plugins.filter((plugin) => plugin.unloadable === undefined)
  const found = await Promise.all(startable.map(async (plugin) => ({ plugin, exports: await kept.find(plugin.tree_hash) })))
  return found.flatMap(({ plugin, exports }) => (exports === null ? [] : [{ plugin, exports: approvedParts(plugin, exports).exports }]))
}

/** @returns steps that are refused until the plugin starts; see `PluginHosts.guards`. It does not know which plugins have told what they have */
export function keptGuards(stateFolder: string, { name, hooks = [] }: HostedPlugin): readonly PluginHook[] {
  return keepGuards(join(stateFolder, '.exports'))
    .find(name)
    .filter(({ step }) => hooks.includes(step))
}

/**
 * Steps at which a plugin must look, by its name: a version that does not start leaves none of them unguarded. What is read is kept, since it
 * is asked for at every step.
 * @param folder of files, one for each plugin that has such hooks; agents do not see it
 */
function keepGuards(folder: string): {
  find(plugin: string): readonly PluginHook[]
  keep(plugin: string, found: PluginExports): void
} {
  const held = new Map<string, readonly PluginHook[]>()
  const pathOf = (plugin: string): string => join(folder, `${plugin}.guards.json`)
  const read = (plugin: string): readonly PluginHook[] => {
    try {
      return parseGuards(JSON.parse(readFileSync(pathOf(plugin), 'utf8')))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      // What cannot be read may have named any of them.
      return hookSteps.map((step) => ({ step, fail: 'closed' }))
    }
  }
  const find = (plugin: string): readonly PluginHook[] => {
    const found = held.get(plugin) ?? read(plugin)
    held.set(plugin, found)
    return found
  }
  return {
    find,
    keep(plugin, { hooks }) {
      const guards = hooks.filter(({ fail }) => fail === 'closed')
      if (JSON.stringify(guards) === JSON.stringify(find(plugin))) return
      held.set(plugin, guards)
      if (guards.length === 0) return rmSync(pathOf(plugin), { force: true })
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      writeWhole(pathOf(plugin), JSON.stringify(guards))
    },
  }
}

/** @param folder of files, one for each hash; agents do not see it */
function keepExports(folder: string): {
  find(hash: string): Promise<PluginExports | null>
  keep(hash: string, found: PluginExports): Promise<void>
} {
  const pathOf = (hash: string): string => join(folder, `${hash}.json`)
  return {
    find: (hash) =>
      readFile(pathOf(hash), 'utf8')
        .then(
          (text) => parseExports(JSON.parse(text)),
          () => null,
        )
        .catch(() => null),
    async keep(hash, found) {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      writeWhole(pathOf(hash), JSON.stringify(found))
    },
  }
}
