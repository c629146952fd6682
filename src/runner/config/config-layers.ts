/**
 * Configuration in layers, the later one winning key by key: defaults, `/etc/oxbow/config.toml`, `<home>/config.toml`, the user's
 * `config.toml`, variables `OXBOW__SECTION__KEY`, the command line. A layer may say which keys the later ones may only tighten.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { configSchema, parseConfig } from '../../services/index.ts'
import { nearestNames, ownValue, OxbowError, setOwn } from '../../base/index.ts'
import {
  builtinProviders,
  commonKeyEnv,
  compareValues,
  type Config,
  type ConfigSource,
  flatConfig,
  keyParts,
  keyText,
  schemaAt,
  searchKeyEnv,
  valueIn,
} from '../../config/index.ts'
import { badConfig, checkConfigText, faultsOf, fileSchema, isTable, readLayer, type Table, tableOf, valueOf } from './config-text.ts'
import type { Home, HostEnv, Workspace } from '../home.ts'

/** Settings from the command line. */
export interface ConfigOverrides {
  readonly model?: string | undefined
  readonly baseUrl?: string | undefined
}

export interface ConfigFile {
  readonly source: 'machine' | 'all_users' | 'user'
  readonly path: string
  readonly found: boolean
}

export interface Layer {
  readonly source: Exclude<ConfigSource, 'default'>
  /** For people: the path of a file, or what it is. */
  readonly where: string
  readonly table: Table
  /** Of keys that a start leaves out. */
  readonly unknown: readonly string[]
}

/** @returns all configuration files, lowest layer first, whether they exist or not. */
export function configFiles(home: Pick<Home, 'root' | 'machineConfig'>, workspace: Pick<Workspace, 'root'>): readonly ConfigFile[] {
  const paths = { machine: home.machineConfig, all_users: configFileIn(home), user: configFileIn(workspace) } as const
  return (['machine', 'all_users', 'user'] as const).map((source) => ({ source, path: paths[source], found: existsSync(paths[source]) }))
}

/** @returns the path of the configuration file of all users in a home, or of one user in a workspace */
export function configFileIn({ root }: Pick<Home | Workspace, 'root'>): string {
  return join(root, 'config.toml')
}

/** @param read what a file gives, if not what it has now @returns the layers, lowest first. @throws OxbowError `bad_config` that names file, line and key */
export function readLayers(
  home: Home,
  workspace: Pick<Workspace, 'root'>,
  overrides: ConfigOverrides = {},
  read: (path: string) => Pick<Layer, 'table' | 'unknown'> = readLayer,
): readonly Layer[] {
  return [
    ...configFiles(home, workspace).map(({ source, path }) => ({ source, where: path, ...read(path) })),
    { source: 'environment', where: 'the environment', table: variableLayer(home.variables), unknown: [] },
    { source: 'command', where: 'the command line', table: overrideLayer(overrides), unknown: [] },
  ]
}

/** @returns the whole configuration. @throws OxbowError `bad_config` that names file, line and key. */
export function loadConfig(home: Home, workspace: Pick<Workspace, 'root'>, overrides: ConfigOverrides = {}): Config {
  return mergeLayers(readLayers(home, workspace, overrides))
}

/** @param texts of files that are about to be saved, by path @returns what `loadConfig` will give. @throws as it does */
export function draftConfig(
  home: Home,
  workspace: Pick<Workspace, 'root'>,
  texts: ReadonlyMap<string, string>,
  overrides: ConfigOverrides = {},
): Config {
  const draft = (path: string): Pick<Layer, 'table' | 'unknown'> =>
    texts.has(path) ? { table: checkConfigText(path, texts.get(path)!), unknown: [] } : readLayer(path)
  return mergeLayers(readLayers(home, workspace, overrides, draft))
}

/** @param layers lowest first @throws OxbowError `bad_config` also for a value that an earlier layer forbids */
export function mergeLayers(layers: readonly Layer[]): Config {
  const config = mergedOf(layers)
  for (const [at, { table }] of layers.entries()) if (table['only_tighten'] !== undefined) checkTightened(layers, at, config)
  return config
}

function mergedOf(layers: readonly Layer[]): Config {
  const merged = parseConfig(layers.map(({ table }) => table).reduce(mergeTables, {}), 'the configuration')
  const locks = layers.flatMap(({ table }) => (table['only_tighten'] ?? []) as readonly string[])
  return locks.length === 0 ? merged : { ...merged, only_tighten: [...new Set(locks)] }
}

/** @param at of the layer whose `only_tighten` counts for those behind it */
function checkTightened(layers: readonly Layer[], at: number, config: Config): void {
  const { table, where } = layers[at]!
  const locked = (table['only_tighten'] as readonly string[]).map(keyParts)
  const schema = fileSchema()
  for (const lock of locked) {
    if (schemaAt(schema, lock) !== undefined) continue
    const [nearest] = nearestNames(
      lock.join('.'),
      Array.from(flatConfig(configSchema.parse({})), ([key]) => key.join('.')),
      2,
    )
    throw badConfig(
      `${where} cannot be used: only_tighten names ${lock.join('.')}, and there is no such key${nearest === undefined ? '' : `; did you mean ${nearest}?`}`,
    )
  }
  const isLocked = (key: readonly string[]): boolean => locked.some((lock) => lock.every((name, part) => key[part] === name))
  const byKey = (of: Config) =>
    new Map(
      flatConfig(of)
        .filter(([key]) => isLocked(key))
        .map(([key, value]) => [JSON.stringify(key), value]),
    )
  const [before, after] = [byKey(mergedOf(layers.slice(0, at + 1))), byKey(config)]
  const wrong = [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const key = JSON.parse(name) as readonly string[]
    const compared = compareValues(schema, key, before.get(name), after.get(name))
    if (compared === 'same' || compared === 'tighter') return []
    const by = layers.findLast((layer) => valueIn(layer.table, key) !== undefined)?.where ?? 'a later layer'
    const value = JSON.stringify(after.get(name) ?? null)
    return [
      `${keyText(key)} = ${value} of ${by} ${compared === 'looser' ? 'is looser than' : 'is not'} ${JSON.stringify(before.get(name) ?? null)}`,
    ]
  })
  if (wrong.length === 0) return
  throw new OxbowError(
    'bad_config',
    `${wrong.join('; ')}: ${where} lets later layers only tighten ${wrong.length === 1 ? 'it' : 'them'}.`,
    {
      hint: `Remove the looser value, or have only_tighten in ${where} changed.`,
    },
  )
}

/** @returns the layer above all files */
function overrideLayer(overrides: ConfigOverrides): Table {
  const model: Table = {}
  if (overrides.model !== undefined) model['name'] = overrides.model
  // A model named with its provider overrides the provider in the files.
  const provider = overrides.model?.split('/')[0] ?? ''
  const isNamed = overrides.model?.includes('/') === true && Object.hasOwn(builtinProviders, provider)
  if (isNamed || provider === 'offline') model['provider'] = provider
  if (overrides.baseUrl !== undefined) model['base_url'] = overrides.baseUrl
  return { model }
}

/** `OXBOW__APPROVAL__MODE=manual` is `approval.mode = "manual"`: keys in small letters. @throws OxbowError `bad_config` that names the variable */
function variableLayer(variables: Home['variables']): Table {
  const table: Table = {}
  for (const [name, text] of Object.entries(variables)) {
    const key = name.slice('OXBOW__'.length).toLowerCase().split('__')
    const layer = tableOf(key, valueOf(key, text))
    checkVariable(name, layer)
    Object.assign(table, mergeTables(table, layer))
  }
  return table
}

function checkVariable(name: string, layer: Table): void {
  const wrong = faultsOf(layer).faults.map(({ key, message }) => `${key.join('.')}: ${message}`)
  if (wrong.length === 0) return
  throw new OxbowError('bad_config', `The variable ${name} cannot be used: ${wrong.join('; ')}`, {
    hint: `Correct it, or remove it: unset ${name}`,
  })
}

/**
 * Environment variables that are passed to a guest: keys and addresses of the built-in model providers, and those that the
 * configuration names, when they are set. No other variable of the host reaches a guest.
 */
export function keysFor(config: Config, env: HostEnv): Readonly<Record<string, string>> {
  const names = keyNames(config)
  const keys: Record<string, string> = {}
  for (const name of names) {
    const value = ownValue(env, name)?.trim()
    if (value) setOwn(keys, name, value)
  }
  return keys
}

/** Names of those variables. */
export function keyNames(config: Config): readonly string[] {
  const names = new Set([config.model.api_key_env, commonKeyEnv, searchKeyEnv(config.web)])
  names.add(config.store.url_env)
  for (const { keyEnv, baseUrlEnv } of Object.values(builtinProviders)) for (const name of [...keyEnv, baseUrlEnv ?? '']) names.add(name)
  for (const { api_key_env: name, headers } of Object.values(config.providers)) {
    names.add(name)
    for (const value of Object.values(headers)) for (const [, variable = ''] of value.matchAll(/\$(\w+)/g)) names.add(variable)
  }
  for (const { env, headers, client_secret } of Object.values(config.mcp.servers))
    for (const value of [...Object.values({ ...env, ...headers }), client_secret])
      for (const [, variable = ''] of value.matchAll(/\$(\w+)/g)) names.add(variable)
  return [...names].filter((name) => name !== '')
}

function mergeTables(low: Table, high: Table): Table {
  const merged = { ...low }
  for (const [key, value] of Object.entries(high)) {
    const below = ownValue(merged, key)
    setOwn(merged, key, isTable(below) && isTable(value) ? mergeTables(below, value) : value)
  }
  return merged
}
