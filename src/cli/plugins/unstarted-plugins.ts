/** Plugins with hooks whose installed version has not started: a person must know what is refused for that, or what nobody looks at. */
import { join } from 'node:path'
import { type GuestSetup, loadPlugins } from '../../runner/index.ts'

export interface UnstartedPlugin {
  readonly name: string
  /** What follows, for people; one sentence. */
  readonly says: string
  readonly fix: string
}

type Place = Pick<GuestSetup, 'home' | 'config' | 'workspace'>

/** Reads files only, also while a guest runs. @returns enabled plugins with hooks that have not told yet what they have, or cannot be loaded */
export async function unstartedPlugins({ home, config, workspace }: Place): Promise<readonly UnstartedPlugin[]> {
  const { listPlugins, readLock, keptExports, keptGuards } = await loadPlugins()
  if (readLock(home).plugins.length === 0) return []
  const plugins = listPlugins(home, config, () => {})
  const folder = join(workspace.root, 'internal', 'plugins')
  const described = await keptExports(folder, plugins)
  return plugins
    .filter(({ name, hooks = [] }) => hooks.length > 0 && !described.some(({ plugin }) => plugin.name === name))
    .map((plugin) => {
      const { name, version, hooks = [], unloadable } = plugin
      const guarded = keptGuards(folder, plugin).map(({ step }) => step)
      const state = unloadable === undefined ? 'has not started' : `is not loaded: ${unloadable.replace(/\.$/, '')}`
      const effect =
        guarded.length > 0
          ? `What happens at ${guarded.join(', ')} is refused until it starts`
          : `Its hooks look at nothing until it starts: ${hooks.join(', ')}`
      return { name, says: `The plugin ${name} ${version} ${state}. ${effect}.`, fix: `oxbow plugin info ${name} says why.` }
    })
}
