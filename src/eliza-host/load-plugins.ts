/** Plugins from their files, with the `@elizaos/core` that they import themselves, and what they have. */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { errorMessage, OxbowError } from '../base/index.ts'
import type { PluginExports } from '../protocol/index.ts'
import type { ElizaCore, Plugin } from './eliza-types.ts'

export interface LoadedPlugins {
  readonly core: ElizaCore
  /** Dependencies first. */
  readonly plugins: readonly Plugin[]
}

/** The version whose interface the runtime object has. */
const coreVersion = '1.7.2'

/** @param entries absolute paths @throws OxbowError `bad_config` for a file that is no plugin, or needs what core does not have */
export async function loadPlugins(entries: readonly string[]): Promise<LoadedPlugins> {
  const [first] = entries
  if (first === undefined)
    throw new OxbowError('bad_config', 'A plugin without an entry.', { hint: 'Name its file in oxbow.plugin.json: `entry`.' })
  const core = (await importFile(coreFile(first))) as unknown as ElizaCore
  const plugins: Plugin[] = []
  for (const entry of entries) plugins.push(pluginOf(await importFile(entry), entry))
  return { core, plugins: inOrder(plugins) }
}

function coreFile(entry: string): string {
  try {
    return createRequire(entry).resolve('@elizaos/core')
  } catch (cause) {
    // Versions 0.x can only be imported.
    if ((cause as NodeJS.ErrnoException).code === 'ERR_PACKAGE_PATH_NOT_EXPORTED')
      throw new OxbowError('bad_config', `The plugin does not load: it was made for an older @elizaos/core than ${coreVersion}.`, {
        hint: 'Install a version of the plugin that was made for it.',
        cause,
      })
    throw new OxbowError('bad_config', 'The package of the plugin does not contain @elizaos/core.', {
      hint: `Install it with its dependencies: \`oxbow plugin add npm:NAME@VERSION\` takes @elizaos/core ${coreVersion} along.`,
      cause,
    })
  }
}

async function importFile(file: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>
  } catch (cause) {
    const text = errorMessage(cause)
    const [, from, name] = /module '([^']+)' does not provide an export named '([^']+)'/.exec(text) ?? []
    if (from === undefined || name === undefined)
      throw new OxbowError('bad_config', `The plugin does not load: ${text}`, {
        hint: `Correct it, or install a version that was made for @elizaos/core ${coreVersion}.`,
        cause,
      })
    const known = from === '@elizaos/core' ? `@elizaos/core ${coreVersion}` : from
    throw new OxbowError('bad_config', `The plugin imports \`${name}\`, which ${known} does not export.`, {
      hint: 'Install a version of the plugin that was made for it.',
      cause,
    })
  }
}

/** The default export, or one whose name ends in `Plugin`; what it has decides, not what it is called. */
function pluginOf(module: Record<string, unknown>, entry: string): Plugin {
  const named = Object.entries(module).flatMap(([name, value]) => (/plugin$/i.test(name) ? [value] : []))
  const found = [module['default'], (module['default'] as { default?: unknown } | undefined)?.default, ...named].find(isPlugin)
  if (found !== undefined) return found
  throw new OxbowError('bad_config', `${entry} exports no plugin of elizaOS.`, {
    hint: 'It exports an object with `name` and one of actions, providers, evaluators, services, models, events, routes, init or description.',
  })
}

const partsOfPlugin = ['init', 'services', 'providers', 'actions', 'evaluators', 'models', 'routes', 'events', 'description'] as const

function isPlugin(value: unknown): value is Plugin {
  if (typeof value !== 'object' || value === null) return false
  const { name } = value as { name?: unknown }
  return typeof name === 'string' && name !== '' && partsOfPlugin.some((part) => part in value)
}

/** Plugins that others name as dependencies come first; else the order of the entries, then priority. */
function inOrder(plugins: readonly Plugin[]): readonly Plugin[] {
  const done: Plugin[] = []
  const short = (name: string): string => name.replace(/^@[^/]+\//, '').replace(/^plugin-/, '')
  const visit = (plugin: Plugin, path: readonly Plugin[]): void => {
    if (done.includes(plugin) || path.includes(plugin)) return
    for (const wanted of plugin.dependencies ?? []) {
      const dependency = plugins.find(({ name }) => short(name) === short(wanted))
      if (dependency !== undefined) visit(dependency, [...path, plugin])
    }
    done.push(plugin)
  }
  for (const plugin of plugins.toSorted((one, other) => (one.priority ?? 0) - (other.priority ?? 0))) visit(plugin, [])
  return done
}

const providerDeadlineMs = 2_000
/** While this task runs, services of plugins can make calls. */
export const backgroundTask = 'background'
const backgroundEveryS = 60

/** Read only from the objects: of the plugin's code, only its module has run. */
export function describePlugins(plugins: readonly Plugin[]): PluginExports {
  const all = <Item>(part: (plugin: Plugin) => readonly Item[] | undefined): readonly Item[] =>
    plugins.flatMap((plugin) => part(plugin) ?? [])
  const services = all((plugin) => plugin.services)
  return {
    actions: all(({ actions }) => actions).map(({ name, description = '', similes = [], ...more }) => ({
      name,
      description,
      similes,
      parameters: (more['parameters'] as typeof wordsOnly | undefined) ?? wordsOnly,
      effect: 'once',
      tier: 'side_effecting',
    })),
    providers: all(({ providers }) => providers).map((provider) => ({
      name: provider.name,
      description: provider.description ?? '',
      position: provider.position ?? 0,
      private: provider.private ?? false,
      dynamic: provider.dynamic ?? false,
      deadline_ms: providerDeadlineMs,
    })),
    evaluators: all(({ evaluators }) => evaluators).map(({ name, description = '', alwaysRun = false }) => ({
      name,
      description,
      always: alwaysRun,
    })),
    services: services.map(({ serviceType, name = '' }) => ({ type: serviceType, description: name })),
    models: plugins.flatMap(({ name, priority = 0, models }) =>
      Object.keys(models ?? {}).map((type) => ({ type, provider: name, priority })),
    ),
    routes: all(({ routes }) => routes).map((route) => ({
      method: route.type,
      path: route.path.startsWith('/') ? route.path : `/${route.path}`,
      public: route.public ?? false,
    })),
    tasks: services.length === 0 ? [] : [{ name: backgroundTask, every_s: backgroundEveryS, cron: null }],
    events: [...new Set(plugins.flatMap(({ events }) => Object.keys(events ?? {})))],
    hooks: [],
  }
}

/** Actions of elizaOS read what they need from the message. */
const wordsOnly = {
  type: 'object',
  properties: {
    text: { type: 'string', description: 'What to do, in words. Default: the message of the person.' },
    providers: { type: 'array', items: { type: 'string' }, description: 'Names of providers whose texts the action reads as well.' },
  },
  additionalProperties: true,
} as const
