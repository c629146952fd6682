/** Installed plugins as a guest gets them: those that are enabled, can be loaded, and have settings that fit, in the order of loading. */
import { join } from 'node:path'
import { checkSettings, elizaCharacter, orderLoadable, rightEntries } from '../../plugins/index.ts'
import {
  type Config,
  grantOf,
  type HostedPlugin,
  isObject,
  type JsonObject,
  type LockedPlugin,
  ownValue,
  parseObject,
  pluginRight,
} from '../../types/index.ts'
import { setInFile } from '../config-file.ts'
import { configFiles, loadConfig, readLayer } from '../config-layers.ts'
import { readDefinitions } from '../definition-files.ts'
import type { Home, Workspace } from '../home.ts'
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

/** @param warn receives why a plugin is left out, and why all are */
export function listPlugins(home: Home, config: Config, warn: (text: string) => void): readonly HostedPlugin[] {
  const { plugins, problem } = readLock(home)
  if (problem !== '') warn(problem)
  const enabled = plugins.filter((plugin) => plugin.enabled)
  const byName = new Map(enabled.map((plugin) => [plugin.manifest.name, plugin]))
  const ordered = orderLoadable(
    enabled.map(({ manifest }) => manifest),
    (name, error) => warn(`the plugin ${name} is not loaded: ${error.message}`),
  )
  return ordered.flatMap(({ name }) => {
    const plugin = byName.get(name)!
    const { value, problems } = checkSettings(plugin.manifest.configSchema, settingsOf(config, name))
    if (problems.length === 0) return [hosted(home, plugin, value)]
    warn(`the plugin ${name} is not loaded: in [plugins.settings.${name}] of config.toml ${problems.join('; ')}`)
    return []
  })
}

/** @returns whether the agent of the configuration has the right to the plugin */
export function isGranted({ agent }: Config, plugin: string): boolean {
  const { rights } = grantOf(agent.rights)
  return rights.has('*') || rights.has(pluginRight(plugin))
}

/**
 * Gives `agent.rights` in the configuration the right to a plugin, or takes it away.
 * @returns the file that was changed; null: nothing had to be @throws OxbowError `bad_config`
 */
export function grantPlugin(home: Home, workspace: Workspace, plugin: string, isOn: boolean): string | null {
  const config = loadConfig(home, workspace)
  const right = pluginRight(plugin)
  if (isOn && isGranted(config, plugin)) return null
  // The file that decides: of the user if it has the key, else of all users.
  const files = configFiles(home, workspace).map(({ path }) => ({ path, agent: readLayer(path)['agent'] }))
  const { path, agent } = files.findLast((file) => isObject(file.agent) && file.agent['rights'] !== undefined) ?? files[0]!
  const written = isObject(agent) ? agent['rights'] : undefined
  const entries = typeof written === 'string' ? [written] : Array.isArray(written) ? written.map(String) : config.agent.rights
  const kept = entries.filter((entry) => entry !== right && entry !== `!${right}`)
  const next = isOn ? [...kept, right] : kept
  return next.length === entries.length && !isOn ? null : setInFile(path, ['agent', 'rights'], next) ? path : null
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
