/**
 * Configuration in layers, the later one winning key by key: defaults, `/etc/oxbow/config.toml`, `<home>/config.toml`, the user's
 * `config.toml`, variables `OXBOW__SECTION__KEY`, the command line. A layer may say which keys the later ones may only tighten.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { collectorVariables, configSchema, parseConfig } from '../../services/index.ts'
import { nearestNames, ownValue, OxbowError, setOwn } from '../../base/index.ts'
import {
  areRightsWithin,
  builtinProviders,
  commonKeyEnv,
  compareConfigs,
  type Config,
  type ConfigSource,
  flatByText,
  flatConfig,
  heldBy,
  keyParts,
  keyText,
  schemaAt,
  searchKeyEnv,
  tightenedTo,
  valueIn,
} from '../../config/index.ts'
import { finishLeftChange } from './config-file.ts'
import { badConfig, checkConfigText, drop, faultsOf, fileSchema, isTable, readLayer, type Table, tableOf, valueOf } from './config-text.ts'
import type { Home, HostEnv, Workspace } from '../home.ts'
import { maxConfigDepth } from '../limits.ts'

/** Settings from the command line. */
export interface ConfigOverrides {
  readonly model?: string | undefined
  readonly baseUrl?: string | undefined
  /** Keys set by a program that starts a guest of its own. */
  readonly table?: Table
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
  finishLeftChange(home)
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
  return withCeiling(layers, config)
}

/**
 * For layers whose files cannot be used as they are.
 * @returns their values, with an earlier layer's where a later one is looser than it allows; a value that fits no other is left out
 */
export function clampedConfig(layers: readonly Layer[]): Config {
  let config = usableMerge(layers)
  for (const [at, { table }] of layers.entries()) {
    if (table['only_tighten'] === undefined) continue
    const [isLocked, before] = [lockedBy(layers[at]!), usableMerge(layers.slice(0, at + 1))]
    config = configSchema.safeParse(tightenedTo(fileSchema(), config, before, isLocked)).data ?? before
  }
  return withCeiling(layers, config)
}

/** Values of layers that fit each by itself may not fit together. */
function usableMerge(layers: readonly Layer[]): Config {
  const table = structuredClone(mergedTable(layers.map((layer) => layer.table)))
  for (let tries = 0; tries < 20; tries += 1) {
    const parsed = configSchema.safeParse(table)
    if (parsed.success) return withLocks(layers, parsed.data)
    for (const { path } of parsed.error.issues) drop(table, path.map(String))
  }
  return withLocks(layers, configSchema.parse({}))
}

function mergedOf(layers: readonly Layer[]): Config {
  return withLocks(layers, parseConfig(mergedTable(layers.map(({ table }) => table)), 'the configuration'))
}

/** The lists of all layers count. */
function withLocks(layers: readonly Layer[], config: Config): Config {
  const locks = layers.flatMap(({ table }) => (table['only_tighten'] ?? []) as readonly string[])
  return locks.length === 0 ? config : { ...config, only_tighten: [...new Set(locks)] }
}

const lockedBy = ({ table }: Layer): ((key: readonly string[]) => boolean) => heldBy(table['only_tighten'] as readonly string[])

/** Where the rights of the agent may only be tightened, no agent that a person makes has more than that. */
function withCeiling(layers: readonly Layer[], config: Config): Config {
  const at = layers.findLastIndex((layer) => layer.table['only_tighten'] !== undefined && lockedBy(layer)(['agent', 'rights']))
  if (at < 0) return config
  const { rights } = usableMerge(layers.slice(0, at + 1)).agent
  const { max_rights: own } = config.agent
  return { ...config, agent: { ...config.agent, max_rights: own !== null && areRightsWithin(own, rights) ? own : rights } }
}

/** @param at of the layer whose `only_tighten` counts for those behind it */
function checkTightened(layers: readonly Layer[], at: number, config: Config): void {
  const { table, where } = layers[at]!
  const schema = fileSchema()
  for (const lock of (table['only_tighten'] as readonly string[]).map(keyParts)) {
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
  const isLocked = lockedBy(layers[at]!)
  const [before, after] = [flatByText(mergedOf(layers.slice(0, at + 1))), flatByText(config)]
  const wrong = compareConfigs(schema, before, after).flatMap(({ key, before: most, after: value, is }) => {
    if (is === 'tighter' || !isLocked(key)) return []
    const by = layers.findLast((layer) => valueIn(layer.table, key) !== undefined)?.where ?? 'a later layer'
    return [
      `${keyText(key)} = ${JSON.stringify(value ?? null)} of ${by} ${is === 'looser' ? 'is looser than' : 'is not'} ${JSON.stringify(most ?? null)}`,
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
export function overrideLayer(overrides: ConfigOverrides): Table {
  const model: Table = {}
  if (overrides.model !== undefined) model['name'] = overrides.model
  // A model named with its provider overrides the provider in the files.
  const provider = overrides.model?.split('/')[0] ?? ''
  const isNamed = overrides.model?.includes('/') === true && Object.hasOwn(builtinProviders, provider)
  if (isNamed || provider === 'offline') model['provider'] = provider
  if (overrides.baseUrl !== undefined) model['base_url'] = overrides.baseUrl
  return mergeTables(overrides.table ?? {}, { model })
}

/** `OXBOW__APPROVAL__MODE=manual` is `approval.mode = "manual"`: keys in small letters. @throws OxbowError `bad_config` that names the variable */
function variableLayer(variables: Home['variables']): Table {
  const tables = variableTables(variables)
  for (const [name, table] of tables) checkVariable(name, table)
  return mergedTable(tables.map(([, table]) => table))
}

/** @returns what each of the variables says, checked or not */
export function variableTables(variables: Home['variables']): readonly (readonly [name: string, table: Table])[] {
  return Object.entries(variables).map(([name, text]) => {
    const key = name.slice('OXBOW__'.length).toLowerCase().split('__').slice(0, maxConfigDepth)
    return [name, tableOf(key, valueOf(key, text))]
  })
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
  if (config.cluster.blobs.bucket !== '')
    for (const name of [config.cluster.blobs.key_env, config.cluster.blobs.secret_env]) names.add(name)
  if (config.oidc.issuer !== '') names.add(config.oidc.client_secret_env)
  names.add(collectorVariables(config, {})?.secret ?? '')
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

/** @param tables lowest first */
export function mergedTable(tables: readonly Table[]): Table {
  return tables.reduce(mergeTables, {})
}

function mergeTables(low: Table, high: Table): Table {
  const merged = { ...low }
  for (const [key, value] of Object.entries(high)) {
    const below = ownValue(merged, key)
    setOwn(merged, key, isTable(below) && isTable(value) ? mergeTables(below, value) : joinedByName(key, below, value))
  }
  return merged
}

/** Tables `[[schedule]]` of all layers count; a later one replaces the one of its name. */
function joinedByName(key: string, below: unknown, value: unknown): unknown {
  if (key !== 'schedule' || !Array.isArray(below) || !Array.isArray(value)) return value
  const names = new Set(value.map((each: unknown) => valueIn(each, ['name'])))
  return [...below.filter((each: unknown) => !names.has(valueIn(each, ['name']))), ...value]
}
