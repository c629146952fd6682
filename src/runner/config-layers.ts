/**
 * Configuration in layers, the later one winning key by key: defaults, `<home>/config.toml`, the user's `config.toml`, the
 * command line. Each file is checked by itself before it is merged, so that an error can name the file and the line.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import { configSchema, parseConfig } from '../services/index.ts'
import { isObject, nearestNames, ownValue, OxbowError, protoKeys, setOwn } from '../base/index.ts'
import { builtinProviders, commonKeyEnv, type Config, configJsonSchema, plainIssue, searchKeyEnv } from '../config/index.ts'
import type { Home, HostEnv, Workspace } from './home.ts'
import { maxConfigBytes } from './limits.ts'

export type Table = { [key: string]: unknown }

/** Settings from the command line. */
export interface ConfigOverrides {
  readonly model?: string | undefined
  readonly baseUrl?: string | undefined
}

/** @returns the whole configuration. @throws OxbowError `bad_config` that names file, line and key. */
export function loadConfig(home: Home, workspace: Workspace, overrides: ConfigOverrides = {}): Config {
  return mergeLayers([...configFiles(home, workspace).map(({ path }) => readLayer(path)), overrideLayer(overrides)])
}

/** @param texts of files that are about to be saved, by path @returns what `loadConfig` will give. @throws as it does */
export function draftConfig(home: Home, workspace: Workspace, texts: ReadonlyMap<string, string>): Config {
  const layers = configFiles(home, workspace).map(({ path }) =>
    texts.has(path) ? checkConfigText(path, texts.get(path)!) : readLayer(path),
  )
  return mergeLayers(layers)
}

/** @param layers lowest first */
export function mergeLayers(layers: readonly Table[]): Config {
  return parseConfig(layers.reduce(mergeTables, {}), 'the configuration')
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
  return { model }
}

interface ConfigFile {
  readonly path: string
  readonly found: boolean
}

/** @returns all configuration files, lowest layer first, whether they exist or not. */
export function configFiles(home: Home, workspace: Workspace): readonly ConfigFile[] {
  return [home.root, workspace.root].map((folder) => join(folder, 'config.toml')).map((path) => ({ path, found: existsSync(path) }))
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

/** @returns the table of the file; empty when the file does not exist. */
export function readLayer(path: string): Table {
  const text = readConfigFile(path)
  return text === null ? {} : checkConfigText(path, text)
}

/**
 * Of earlier versions: `session` had `max_idle` and `idle_s`. They mean nothing any more, and a file that still has them works; `config set`
 * takes them no longer.
 */
const retiredKeys: ReadonlySet<string> = new Set(['session', 'memory.summary.min_turns'])

const isRetired = ({ key }: KeyError): boolean => retiredKeys.has(key.join('.'))

function drop(table: Table, [first = '', ...path]: readonly string[]): void {
  const inner = ownValue(table, first)
  if (path.length === 0) delete table[first]
  else if (isObject(inner)) drop(inner, path)
}

/** @param path names the file in errors @returns the table @throws OxbowError `bad_config` that names each wrong line */
export function checkConfigText(path: string, text: string): Table {
  const table = parseToml(path, text)
  const { faults, variable } = faultsOf(table)
  const wrong = faults
    .filter((fault) => !isRetired(fault))
    .map(({ key, message }) => `line ${lineOfKey(text, key)}, ${key.join('.')}: ${message}`)
  if (wrong.length > 0) throw badConfig(`${path} cannot be used: ${wrong.join('; ')}`, undefined, variable)
  for (const fault of faults) drop(table, fault.key)
  anchorPaths(table, dirname(path))
  return table
}

/**
 * Checks a change before it is saved: a fault of a file without faults is in what was to be set, and not in a line that a person could find.
 * @throws OxbowError `bad_input` that names each wrong key; `bad_config` for a file that is faulty already
 */
export function checkConfigChange(path: string, before: string, after: string): void {
  const standing = faultsOf(parseToml(path, before)).faults
  if (standing.every(isRetired)) {
    const { faults, variable } = faultsOf(parseToml(path, after))
    const hint =
      variable === undefined
        ? '`oxbow config list --all` lists the keys; docs/configuration.md explains them.'
        : `Store the key: oxbow secret set ${variable}`
    const stands = new Set(standing.map(({ key }) => key.join('.')))
    const wrong = faults.filter(({ key }) => !stands.has(key.join('.'))).map(({ key, message }) => `${key.join('.')}: ${message}`)
    if (wrong.length > 0) throw new OxbowError('bad_input', `Nothing was changed. ${wrong.join('; ')}`, { hint })
  }
  checkConfigText(path, after)
}

/** @returns what is wrong, and of a key that does not belong in a file the variable for it */
function faultsOf(table: Table): { readonly faults: readonly KeyError[]; readonly variable: string | undefined } {
  const secrets = misplacedKeys(table)
  const named = protoKeys(table).map((key) => ({ key, message: 'nothing can have this name' }))
  return { faults: [...secrets, ...named, ...schemaErrors(table)], variable: secrets[0]?.variable }
}

interface KeyError {
  /** Path of the key, outermost table first. */
  readonly key: readonly string[]
  readonly message: string
}

function schemaErrors(table: Table): readonly KeyError[] {
  const checked = configSchema.safeParse(table)
  return (checked.error?.issues ?? []).flatMap((issue) => {
    const path = issue.path.map(String)
    if (issue.code !== 'unrecognized_keys') return [{ key: path, message: plainIssue(issue.message) }]
    const isService = path[0] === 'model' || path[0] === 'providers'
    const unknown = issue.keys.filter((name) => name !== 'api_key' || !isService)
    return unknown.map((name) => ({ key: [...path, name], message: `unknown key${meantKey(path, name)}` }))
  })
}

/** @returns `; did you mean …?` for a misspelt key of the table at this path, or nothing */
function meantKey(path: readonly string[], name: string): string {
  let place: unknown = configJsonSchema(configSchema)
  for (const part of path) {
    if (!isObject(place)) return ''
    const { properties, additionalProperties } = place
    place = (isObject(properties) ? ownValue(properties, part) : undefined) ?? additionalProperties
  }
  const keys = isObject(place) && isObject(place['properties']) ? Object.keys(place['properties']) : []
  const [nearest] = nearestNames(name, keys, 2)
  return nearest === undefined ? '' : `; did you mean ${nearest}?`
}

/** API keys written into the file itself, where backups and agents could read them. The messages do not repeat them. */
function misplacedKeys(table: Table): readonly (KeyError & { readonly variable: string })[] {
  const { model, providers } = table
  const sections: readonly (readonly [path: readonly string[], section: unknown, provider: string])[] = [
    [['model'], model, isTable(model) ? String(model['provider']) : ''],
    ...Object.entries(isTable(providers) ? providers : {}).map(([id, section]) => [['providers', id], section, id] as const),
  ]
  return sections.flatMap(([path, section, provider]) => {
    if (!isTable(section)) return []
    const variable = keyVariable(provider)
    const name = section['api_key_env']
    const isKey = typeof name === 'string' && name !== '' && !isVariableName(name)
    return [
      ...('api_key' in section ? [{ key: [...path, 'api_key'], message: 'does not belong in a file', variable }] : []),
      ...(isKey ? [{ key: [...path, 'api_key_env'], message: 'must be the name of a variable, not the key itself', variable }] : []),
    ]
  })
}

/** API keys of some services look like variable names, too. */
function isVariableName(text: string): boolean {
  return /^[A-Za-z_]\w*$/.test(text) && !/^(?:(?:sk|gsk|hf|xai)_|AIza)\w{16,}$/.test(text)
}

function keyVariable(provider: string): string {
  const id = ['', 'auto', 'undefined'].includes(provider) ? 'openai' : provider
  const builtin = Object.hasOwn(builtinProviders, id) ? builtinProviders[id]?.keyEnv[0] : undefined
  return builtin ?? `${id.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}_API_KEY`
}

/** @returns the file's text; null when there is no file. @throws OxbowError `bad_config` when it cannot be read, or is no UTF-8 */
export function readConfigFile(path: string): string | null {
  try {
    const bytes = readBounded(path, maxConfigBytes + 1)
    if (bytes.length > maxConfigBytes) throw badConfig(`${path} is larger than ${maxConfigBytes} bytes`)
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    if (cause instanceof OxbowError) throw cause
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw badConfig(`${path} cannot be read: ${(cause as Error).message}`, cause)
  }
}

/** Reads with a limit: a device may have no end. */
function readBounded(path: string, maxBytes: number): Buffer {
  // Without O_NONBLOCK a pipe would wait for whoever writes into it.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (fstatSync(file).isFIFO()) throw badConfig(`${path} is a pipe`)
    const bytes = Buffer.allocUnsafe(maxBytes)
    let length = 0
    for (let read = -1; read !== 0; length += read) read = readSync(file, bytes, length, maxBytes - length, null)
    return bytes.subarray(0, length)
  } finally {
    closeSync(file)
  }
}

function parseToml(path: string, text: string): Table {
  try {
    return parse(text)
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause
    // The library's message continues with a drawing of the line; only its first line is used.
    const what = cause.message.split('\n')[0] ?? ''
    throw badConfig(`${path} is not TOML: line ${cause.line}, column ${cause.column}: ${what}`, cause)
  }
}

/** Resolves relative paths against the file's folder, or, where nothing exists there, against the working directory. */
function anchorPaths(table: Table, folder: string): void {
  const { model, memory } = table
  if (isTable(model)) {
    for (const key of ['scenario', 'replay']) {
      const path = ownValue(model, key)
      if (typeof path === 'string' && path !== '') setOwn(model, key, existingPath(path, folder))
    }
  }
  if (isTable(memory) && typeof memory['embedder'] === 'string') {
    memory['embedder'] = memory['embedder'].replace(
      /^(folder|onnx):(.+)$/s,
      (_, kind: string, path: string) => `${kind}:${resolve(folder, path)}`,
    )
  }
}

function existingPath(path: string, folder: string): string {
  const [beside, here] = [resolve(folder, path), resolve(path)]
  return !existsSync(beside) && existsSync(here) ? here : beside
}

function mergeTables(low: Table, high: Table): Table {
  const merged = { ...low }
  for (const [key, value] of Object.entries(high)) {
    const below = ownValue(merged, key)
    setOwn(merged, key, isTable(below) && isTable(value) ? mergeTables(below, value) : value)
  }
  return merged
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @param secret name under which to store an API key that was found in the file */
function badConfig(message: string, cause?: unknown, secret?: string): OxbowError {
  const hint =
    secret === undefined
      ? 'Correct the lines named above; docs/configuration.md lists every key with its default.'
      : `Remove the key from the file, then store it: oxbow secret set ${secret}`
  return new OxbowError('bad_config', message, { hint, cause })
}

/**
 * Finds the line of a key, because the parser reports no positions.
 * @param key path of the key, outermost table first
 * @returns the number, from 1, of the first line that matches most of the path; 1 when none does. An approximation for error messages:
 * it does not parse inline tables and multi-line strings.
 */
function lineOfKey(text: string, key: readonly string[]): number {
  let best = { line: 1, depth: 0 }
  let table: readonly string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[\[?([^\]]+)\]/.exec(line)?.[1]
    const assigned = header === undefined ? /^\s*([^=#]+?)\s*=/.exec(line)?.[1] : undefined
    if (header !== undefined) table = partsOf(header)
    if ((header ?? assigned) === undefined) continue
    const path = assigned === undefined ? table : [...table, ...partsOf(assigned)]
    // The header of a subtable counts as the key itself.
    const depth = Math.min(path.length, key.length)
    const fits = path.slice(0, depth).every((part, at) => part === key[at])
    if (fits && depth > best.depth) best = { line: index + 1, depth }
  }
  return best.line
}

/** Parts of a dotted key; a quoted part may hold dots. */
function partsOf(dotted: string): readonly string[] {
  return [...dotted.matchAll(/"([^"]*)"|'([^']*)'|([^.\s"']+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}
