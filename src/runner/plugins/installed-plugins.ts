/** Installed plugins as a guest gets them: those that are enabled, can be loaded, and have settings that fit, in the order of loading. */
import { join } from 'node:path'
import { checkSettings, elizaCharacter, orderLoadable, rightEntries } from '../../plugins/index.ts'
import { isObject, type JsonObject, ownValue, parseObject } from '../../base/index.ts'
import type { HostedPlugin, LockedPlugin } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import { readDefinitions } from '../definition-files.ts'
import type { Home } from '../home.ts'
import { maxHandedCharacters } from '../limits.ts'
import { readLock } from './lock-file.ts'

/** Folder of all versions of a plugin. */
export function pluginFolder(home: Pick<Home, 'root'>, name: string): string {
  return join(home.root, 'plugins', name)
}

/** Folder of the installed version. */
export function versionFolder(home: Pick<Home, 'root'>, { manifest, folder }: LockedPlugin): string {
  return join(pluginFolder(home, manifest.name), folder)
}

/**
 * One that cannot be loaded comes last, with the reason, if it has hooks: what it guards must not go unguarded.
 * @param warn receives why a plugin is not loaded, and why all are not
 */
export function listPlugins(home: Home, config: Config, warn: (text: string) => void): readonly HostedPlugin[] {
  const { plugins, problem } = readLock(home)
  if (problem !== '') warn(problem)
  const enabled = plugins.filter((plugin) => plugin.enabled)
  const byName = new Map(enabled.map((plugin) => [plugin.manifest.name, plugin]))
  const left = new Map<string, string>()
  const leaveOut = (name: string, why: string): void => {
    warn(`the plugin ${name} is not loaded: ${why}`)
    left.set(name, why)
  }
  const ordered = orderLoadable(
    enabled.map(({ manifest }) => manifest),
    (name, error) => leaveOut(name, error.message),
  )
  const loaded = ordered.flatMap(({ name }) => {
    const plugin = byName.get(name)!
    const { value, problems } = checkSettings(plugin.manifest.configSchema, settingsOf(config, name))
    if (problems.length === 0) return [hosted(home, plugin, value)]
    leaveOut(name, `in [plugins.settings.${name}] of config.toml ${problems.join('; ')}`)
    return []
  })
  const guards = [...left].flatMap(([name, why]) => {
    const plugin = byName.get(name)!
    return plugin.manifest.rights.hooks.length === 0 ? [] : [{ ...hosted(home, plugin, {}), unloadable: why }]
  })
  return [...loaded, ...guards]
}

function settingsOf({ plugins }: Config, name: string): JsonObject {
  const own = ownValue(plugins.settings, name)
  return isObject(own) ? own : {}
}

function hosted(home: Home, plugin: LockedPlugin, config: JsonObject): HostedPlugin {
  const { manifest, root, tree_hash } = plugin
  const { name, version, program, entry, rights } = manifest
  return {
    name,
    version,
    program,
    folder: versionFolder(home, plugin),
    tree_hash,
    entries: entry.map((file) => (root === '' ? file : `${root}/${file}`)),
    rights: rightEntries(manifest),
    spend_per_day: rights.spend_per_day,
    hosts: rights.hosts,
    secrets: rights.secrets,
    hooks: rights.hooks,
    public_routes: rights.public_routes,
    paths: rights.paths.map(({ path, mode }) => ({ path, writable: mode === 'write' })),
    config,
    ...(program === 'eliza-host' && { characters: readCharacters(home) }),
  }
}

/** The person's characters by the name of their agents, as plugins of elizaOS read them; those that would not fit a message are left out. */
function readCharacters(home: Home): JsonObject {
  let left = maxHandedCharacters
  const found = readDefinitions([home.root]).flatMap(({ kind, name, character }) => {
    const file = kind === 'agents' && character !== undefined ? parseObject(character) : null
    const read = file === null ? null : elizaCharacter(file)
    const size = read === null ? 0 : JSON.stringify(read).length
    if (read === null || size > left) return []
    left -= size
    return [[name, read] as const]
  })
  return Object.fromEntries(found)
}
