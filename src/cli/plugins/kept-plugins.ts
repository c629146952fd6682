/** What plugins have told before, from files, without a guest: which of those with hooks have never started, and which models plugins serve. */
import { join } from 'node:path'
import { type GuestSetup, loadPlugins } from '../../runner/index.ts'
import type { DescribedPlugin, HostedPlugin } from '../../protocol/index.ts'
import { unservedModel } from '../../config/index.ts'

export interface UnstartedPlugin {
  readonly name: string
  /** What follows, for people; one sentence. */
  readonly says: string
  readonly fix: string
}

type Place = Pick<GuestSetup, 'home' | 'config' | 'workspace'>

const folderOf = ({ workspace }: Place): string => join(workspace.root, 'internal', 'plugins')

/** @returns the enabled plugins, and those that have told what they have */
async function keptPlugins(
  place: Place,
): Promise<{ readonly plugins: readonly HostedPlugin[]; readonly described: readonly DescribedPlugin[] }> {
  const { listPlugins, readLock, keptExports } = await loadPlugins()
  if (readLock(place.home).plugins.length === 0) return { plugins: [], described: [] }
  const plugins = listPlugins(place.home, place.config, () => {})
  return { plugins, described: await keptExports(folderOf(place), plugins) }
}

/**
 * Checks a plugin's model that is named for a start: no start looks it up, and the turn would fail.
 * @param model as `--model` has it; ignored if it is not a plugin's, or the plugin has not told yet what it has
 * @throws OxbowError `not_found` with the nearest names
 */
export async function assertServed(model: string, place: Place): Promise<void> {
  const [, plugin = '', type = 'TEXT_LARGE'] = /^plugin:([^/]*)(?:\/(.*))?$/.exec(model) ?? []
  if (plugin === '') return
  const { plugins, described } = await keptPlugins(place)
  const isSilent = plugins.some(({ name }) => name === plugin) && !described.some((each) => each.plugin.name === plugin)
  const { conversationModels } = await loadPlugins()
  const served = conversationModels(described)
  if (!isSilent && !served.includes(`plugin:${plugin}/${type}`)) throw unservedModel(plugin, type, served)
}

/** @returns enabled plugins with hooks that have not told yet what they have, or cannot be loaded; read also while a guest runs */
export async function unstartedPlugins(place: Place): Promise<readonly UnstartedPlugin[]> {
  const { plugins, described } = await keptPlugins(place)
  const { keptGuards } = await loadPlugins()
  return plugins
    .filter(({ name, hooks = [] }) => hooks.length > 0 && !described.some(({ plugin }) => plugin.name === name))
    .map((plugin) => {
      const { name, version, hooks = [], unloadable } = plugin
      const guarded = keptGuards(folderOf(place), plugin).map(({ step }) => step)
      const state = unloadable === undefined ? 'has not started' : `is not loaded: ${unloadable.replace(/\.$/, '')}`
      const effect =
        guarded.length > 0
          ? `What happens at ${guarded.join(', ')} is refused until it starts`
          : `Its hooks look at nothing until it starts: ${hooks.join(', ')}`
      return { name, says: `The plugin ${name} ${version} ${state}. ${effect}.`, fix: `oxbow plugin info ${name} says why.` }
    })
}
