/**
 * The order in which plugins are loaded: by level of dependency, so that each comes after those that it needs, then by priority, then by name.
 * It depends on nothing else, and stays the same on every machine.
 */
import { OxbowError } from '../../base/index.ts'
import type { PluginManifest } from '../../protocol/index.ts'

export type Ordered = Pick<PluginManifest, 'name' | 'dependencies' | 'optional' | 'priority'>

/** @throws OxbowError `bad_input` with the path, such as `a → b → c → a`, of what is missing or depends on itself */
export function orderPlugins<Plugin extends Ordered>(plugins: readonly Plugin[]): readonly Plugin[] {
  const byName = new Map<string, Plugin>()
  // The first of two with one name counts, as the first action of a name does.
  for (const plugin of plugins) if (!byName.has(plugin.name)) byName.set(plugin.name, plugin)
  const levels = new Map<string, number>()
  for (const name of [...byName.keys()].toSorted()) findLevel(name, byName, levels)
  return [...byName.values()].toSorted(
    (a, b) => (levels.get(a.name) ?? 0) - (levels.get(b.name) ?? 0) || a.priority - b.priority || (a.name < b.name ? -1 : 1),
  )
}

/** Without recursion: a chain of dependencies may be as long as there are plugins. */
function findLevel(first: string, byName: ReadonlyMap<string, Ordered>, levels: Map<string, number>): void {
  const path: string[] = [first]
  const isOpen = new Set(path)
  while (path.length > 0) {
    const name = path.at(-1)!
    const plugin = byName.get(name)
    if (plugin === undefined) throw broken('is not installed or not enabled', path)
    const before = beforeIt(plugin, byName)
    const next = before.find((each) => !levels.has(each))
    if (next === undefined) {
      levels.set(name, 1 + Math.max(-1, ...before.map((each) => levels.get(each) ?? 0)))
      isOpen.delete(name)
      path.pop()
    } else if (isOpen.has(next)) {
      throw broken(next === name ? 'depends on itself' : 'depends on itself through others', [...path.slice(path.indexOf(next)), next])
    } else {
      isOpen.add(next)
      path.push(next)
    }
  }
}

function beforeIt({ dependencies, optional }: Ordered, byName: ReadonlyMap<string, Ordered>): readonly string[] {
  return [...dependencies, ...optional.filter((name) => byName.has(name))]
}

function broken(why: string, path: readonly string[]): OxbowError {
  return new OxbowError('bad_input', `The plugin ${path.at(-1)} ${why}: ${path.join(' → ')}.`, {
    hint: why.startsWith('is not')
      ? `Add it, or enable it: oxbow plugin enable ${path.at(-1)}`
      : 'Disable one of them: oxbow plugin disable NAME',
    data: { path: [...path] },
  })
}

/**
 * As `orderPlugins`, but what cannot be loaded is left out instead of stopping the rest.
 * @param report receives each that is left out, and why
 */
export function orderLoadable<Plugin extends Ordered>(
  plugins: readonly Plugin[],
  report: (name: string, error: OxbowError) => void,
): readonly Plugin[] {
  let rest = plugins
  for (;;) {
    try {
      return orderPlugins(rest)
    } catch (error) {
      if (!(error instanceof OxbowError)) throw error
      const path = (error.data['path'] ?? []) as readonly string[]
      const isCycle = path.length > 1 && path[0] === path.at(-1)
      // Of a missing plugin, what needs it directly; of a cycle, all of it.
      const dropped = new Set(isCycle ? path : path.slice(-2))
      for (const { name } of rest) if (dropped.has(name)) report(name, error)
      rest = rest.filter(({ name }) => !dropped.has(name))
    }
  }
}
