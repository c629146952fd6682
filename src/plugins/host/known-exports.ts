/**
 * What plugins have, which is kept by the hash of their files so that no host is started to tell it, and what they guard, which is kept by
 * their names: a version that does not start leaves no step unguarded.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeWhole } from '../../base/index.ts'
import { type DescribedPlugin, type HostedPlugin, hookSteps, type PluginExports, type PluginHook } from '../../protocol/index.ts'
import { approvedParts } from '../package/rights.ts'
import { parseExports, parseGuards } from './frame-schemas.ts'

/** By the names of plugins, without what a person has not approved. */
export interface KnownExports {
  get(plugin: string): PluginExports | undefined
  has(plugin: string): boolean
  delete(plugin: string): void
  /** What of it is left out, for people. */
  withheld(plugin: string): readonly string[]
  /** See `PluginHosts.guards`. @param plugin undefined: no plugin has this name */
  guards(plugin: HostedPlugin | undefined): readonly PluginHook[]
  /** Keeps what a plugin has told. @returns what of it is approved */
  learn(plugin: HostedPlugin, found: PluginExports): Promise<PluginExports>
}

/** @param plugins whose earlier answers are read */
export async function openKnownExports(stateFolder: string, plugins: readonly HostedPlugin[]): Promise<KnownExports> {
  const folder = join(stateFolder, '.exports')
  const kept = keepExports(folder)
  const guards = keepGuards(folder)
  const known = new Map<string, PluginExports>()
  const withheld = new Map<string, readonly string[]>()
  const approve = (plugin: HostedPlugin, found: PluginExports): PluginExports => {
    const { exports, withheld: left } = approvedParts(plugin, found)
    known.set(plugin.name, exports)
    withheld.set(plugin.name, left)
    guards.keep(plugin.name, found)
    return exports
  }
  await Promise.all(
    plugins.map(async (plugin) => {
      const found = await kept.find(plugin.tree_hash)
      if (found === null) return
      // One that cannot be loaded offers nothing, and guards what it did.
      if (plugin.unloadable !== undefined) guards.keep(plugin.name, found)
      else approve(plugin, found)
    }),
  )
  return {
    get: (plugin) => known.get(plugin),
    has: (plugin) => known.has(plugin),
    delete: (plugin) => void known.delete(plugin),
    withheld: (plugin) => withheld.get(plugin) ?? [],
    guards(plugin) {
      if (plugin === undefined || known.has(plugin.name)) return []
      return guards.find(plugin.name).filter(({ step }) => plugin.hooks?.includes(step) === true)
    },
    async learn(plugin, found) {
      const exports = approve(plugin, found)
      await kept.keep(plugin.tree_hash, found)
      return exports
    },
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
 * Steps at which a plugin must look, by its name: even if a version does not start, every step stays guarded. What is read is kept, since it
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
