/**
 * The text of one configuration file: read with a limit, parsed, and checked by itself, so that an error can name the file and the line.
 *
 * A start takes a file with a key that nobody knows, as a newer version may have written it, and says so. A change of the file is refused
 * for it, and so is a start where the key seems to be a wall: a mistyped wall is no wall.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parse, TomlError } from 'smol-toml'
import { configSchema } from '../../services/index.ts'
import { isObject, type JsonObject, nearestNames, OxbowError, ownValue, protoKeys, setOwn } from '../../base/index.ts'
import {
  builtinProviders,
  configJsonSchema,
  flatConfig,
  isWall,
  keyParts,
  keyText,
  plainIssue,
  schemaAt,
  type TomlValue,
  valueIn,
} from '../../config/index.ts'
import { maxConfigBytes, maxConfigDepth } from '../limits.ts'
import { assertKnownVersion, movedTable } from './config-versions.ts'

export type Table = { [key: string]: unknown }

/** What a start reads of a file. */
export interface ReadText {
  readonly table: Table
  /** Of keys that were left out, because nobody knows them: for people. */
  readonly unknown: readonly string[]
}

/** @returns what a start takes of the file; nothing when it does not exist. @throws OxbowError `bad_config` */
export function readLayer(path: string): ReadText {
  const text = readConfigFile(path)
  return text === null ? { table: {}, unknown: [] } : readText(path, text)
}

/** Removes a key. */
export function drop(table: Table, [first = '', ...path]: readonly string[]): void {
  const inner = ownValue(table, first)
  if (path.length === 0) delete table[first]
  else if (isObject(inner)) drop(inner, path)
}

/** @param path names the file in errors @returns the table @throws OxbowError `bad_config` that names each wrong line */
export function checkConfigText(path: string, text: string): Table {
  return take(path, text, () => false).table
}

/** @returns what the file says, checked or not: a person mends a faulty key. @throws OxbowError `bad_config` for what is not TOML */
export function uncheckedLayer(path: string): Table {
  return parseToml(path, readConfigFile(path) ?? '')
}

/** The same for a start, which leaves out what nobody knows. */
export function readText(path: string, text: string): ReadText {
  return take(path, text, (fault) => fault.isUnknown === true && !seemsWall(fault))
}

function take(path: string, text: string, isLeftOut: (fault: KeyError) => boolean): ReadText {
  const table = movedTable(path, parseToml(path, text))
  const { faults, variable } = faultsOf(table)
  const said = ({ key, message }: KeyError): string => `line ${lineOfKey(text, key)}, ${key.join('.')}: ${message}`
  // Of more faults than are looked at, the next may be a wall.
  const wrong = faults.length < maxFaults ? faults.filter((fault) => !isLeftOut(fault)) : faults
  if (wrong.length > 0)
    throw badConfig(
      `${path} cannot be used: ${wrong.map(said).join('; ')}${wrong.length < maxFaults ? '' : '; and perhaps more'}`,
      undefined,
      variable,
    )
  for (const { key } of faults) drop(table, key)
  anchorPaths(table, dirname(path))
  return { table, unknown: faults.map((fault) => `${path}, ${said(fault)}`) }
}

/** Of what is below a wall, or is written nearly like one. */
export function seemsWall({ key, nearest }: Pick<KeyError, 'key' | 'nearest'>): boolean {
  return isWall(key) || (nearest !== undefined && isWall([...key.slice(0, -1), nearest]))
}

/**
 * Checks a change before it is saved: what is wrong with it is in what was to be set, and not in a line that a person could find. Faults that
 * stand stay, since a person mends one after the other.
 * @throws OxbowError `bad_input` that names each wrong key; `bad_config` for a file that is no TOML
 */
export function checkConfigChange(path: string, before: string, after: string): void {
  const table = parseToml(path, after)
  assertKnownVersion(path, table)
  const old = tableOrEmpty(path, before)
  const standing = new Set(faultsOf(old).faults.map(({ key }) => key.join('.')))
  const stands = ({ key }: KeyError): boolean => standing.has(key.join('.')) && isDeepStrictEqual(valueIn(old, key), valueIn(table, key))
  const { faults, variable } = faultsOf(table)
  const wrong = faults.filter((fault) => !stands(fault))
  if (wrong.length === 0) return
  const said = wrong.map(({ key, message }) => `${key.join('.')}: ${message}`)
  throw new OxbowError('bad_input', `Nothing was changed. ${said.join('; ')}`, { hint: changeHint(table, wrong, variable) })
}

/** What is no TOML has no faults that may stand. */
function tableOrEmpty(path: string, text: string): Table {
  try {
    return parseToml(path, text)
  } catch {
    return {}
  }
}

function changeHint(table: Table, wrong: readonly KeyError[], variable: string | undefined): string {
  if (variable !== undefined) return `Store the key: oxbow secret set ${variable}`
  const quoted = wrong.flatMap(({ key }) => leavesOf(table, key).flatMap((leaf) => quotedKey(leaf) ?? []))
  if (quoted.length > 0) return `A name with a dot stands in quotes: ${quoted.map((key) => `'${key}'`).join(', ')}`
  if (wrong.some(({ isUnknown }) => isUnknown === true))
    return '`oxbow config list --all` lists the keys; docs/configuration.md explains them.'
  return `\`oxbow config explain ${keyText(wrong[0]?.key ?? [])}\` shows the value that counts; docs/configuration.md says which ones there are.`
}

const leavesOf = (table: Table, key: readonly string[]): readonly (readonly string[])[] =>
  Array.from(flatConfig(valueIn(table, key)), ([rest]) => [...key, ...rest])

/** @returns the key as it is written where some of its parts are one name with dots, such as a call; null where that makes no key either */
export function quotedKey(key: readonly string[]): string | null {
  const schema = fileSchema()
  const isKey = (parts: readonly string[]): boolean => {
    const place = schemaAt(schema, parts)
    return isObject(place) && place['properties'] === undefined && place['additionalProperties'] === undefined
  }
  if (key.length > 8 || isKey(key)) return null
  for (let from = 1; from < key.length - 1; from += 1)
    for (let to = from + 2; to <= key.length; to += 1) {
      const joined = [...key.slice(0, from), key.slice(from, to).join('.'), ...key.slice(to)]
      if (isKey(joined)) return keyText(joined)
    }
  return null
}

/** @returns what is wrong, and of a key that does not belong in a file the variable for it */
export function faultsOf(table: Table): { readonly faults: readonly KeyError[]; readonly variable: string | undefined } {
  const secrets = misplacedKeys(table)
  const named = protoKeys(table).map((key) => ({ key, message: 'nothing can have this name' }))
  return { faults: [...secrets, ...named, ...schemaErrors(table)].slice(0, maxFaults), variable: secrets[0]?.variable }
}

/** A person mends the first faults and looks again; to place each in the text takes a search of it. */
const maxFaults = 50

export interface KeyError {
  /** Path of the key, outermost table first. */
  readonly key: readonly string[]
  readonly message: string
  /** The schema has no such key; and the key that may be meant. */
  readonly isUnknown?: boolean
  readonly nearest?: string | undefined
}

function schemaErrors(table: Table): readonly KeyError[] {
  const checked = configSchema.safeParse(table)
  return (checked.error?.issues ?? []).slice(0, maxFaults).flatMap((issue) => {
    const path = issue.path.map(String)
    if (issue.code !== 'unrecognized_keys') return [{ key: path, message: plainIssue(issue.message) }]
    const isService = path[0] === 'model' || path[0] === 'providers'
    const unknown = issue.keys.filter((name) => name !== 'api_key' || !isService).slice(0, maxFaults)
    const schema = unknown.length === 0 ? {} : fileSchema()
    return unknown.map((name) => unknownKey(schema, path, name))
  })
}

/** The JSON Schema of a file. Making it takes some 20 ms: for what is seldom asked. */
export const fileSchema: () => JsonObject = madeOnce(() => configJsonSchema(configSchema))

function madeOnce<Value>(make: () => Value): () => Value {
  let made: Value | undefined
  return () => (made ??= make())
}

function unknownKey(schema: JsonObject, path: readonly string[], name: string): KeyError {
  const place = schemaAt(schema, path)
  const keys = isObject(place) && isObject(place['properties']) ? Object.keys(place['properties']) : []
  const [nearest] = nearestNames(name, keys, 2)
  const message = `unknown key${nearest === undefined ? '' : `; did you mean ${nearest}?`}`
  return { key: [...path, name], message, isUnknown: true, nearest }
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
export function readConfigFile(path: string, maxBytes: number = maxConfigBytes): string | null {
  try {
    const bytes = readBounded(path, maxBytes + 1)
    if (bytes.length > maxBytes) throw badConfig(`${path} is larger than ${maxBytes} bytes`)
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    if (cause instanceof OxbowError) throw cause
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw badConfig(`${path} cannot be read: ${(cause as Error).message}`, cause)
  }
}

/** Whoever owns the file says what agents may do: the administrator, or whoever runs this. */
function assertOwned(path: string, owner: number): void {
  const self = process.getuid?.() ?? 0
  if (self !== 0 && owner !== 0 && owner !== self) throw badConfig(`${path} belongs to another user (uid ${owner})`)
}

/** Reads with a limit: a device may have no end. */
function readBounded(path: string, maxBytes: number): Buffer {
  // Without O_NONBLOCK a pipe would wait for whoever writes into it.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const found = fstatSync(file)
    if (found.isFIFO()) throw badConfig(`${path} is a pipe`)
    assertOwned(path, found.uid)
    // A device says that it has no bytes.
    const bytes = Buffer.allocUnsafe(found.isFile() ? Math.min(found.size + 1, maxBytes) : maxBytes)
    let length = 0
    for (let read = -1; read !== 0; length += read) read = readSync(file, bytes, length, bytes.length - length, null)
    return bytes.subarray(0, length)
  } finally {
    closeSync(file)
  }
}

export function parseToml(path: string, text: string): Table {
  try {
    const table = parse(text, { maxDepth: maxConfigDepth })
    if (isDeeper(table, maxConfigDepth)) throw badConfig(`${path} has tables in tables more than ${maxConfigDepth} deep`)
    return table
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause
    // The library's message continues with a drawing of the line; only its first line is used.
    const what = cause.message.split('\n')[0] ?? ''
    throw badConfig(`${path} is not TOML: line ${cause.line}, column ${cause.column}: ${what}`, cause)
  }
}

/** Without recursion, which such a table would end. */
function isDeeper(table: Table, depth: number): boolean {
  let level: readonly unknown[] = [table]
  for (let at = 0; at <= depth; at += 1) {
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []))
    if (level.length === 0) return false
  }
  return true
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

/** @param secret name under which to store an API key that was found in the file */
export function badConfig(message: string, cause?: unknown, secret?: string): OxbowError {
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
export function lineOfKey(text: string, key: readonly string[]): number {
  let best = { line: 1, depth: 0 }
  let table: readonly string[] = []
  const counts = new Map<string, number>()
  for (const [index, line] of text.split('\n').entries()) {
    const [, opening = '', header] = /^\s*(\[\[?)([^\]]+)\]/.exec(line) ?? []
    const assigned = header === undefined ? /^\s*([^=#]+?)\s*=/.exec(line)?.[1] : undefined
    if (header !== undefined) table = keyParts(header)
    if (header !== undefined && opening === '[[') {
      const at = counts.get(header) ?? 0
      counts.set(header, at + 1)
      table = [...table, String(at)]
    }
    if ((header ?? assigned) === undefined) continue
    const path = assigned === undefined ? table : [...table, ...keyParts(assigned)]
    // The header of a subtable counts as the key itself.
    const depth = Math.min(path.length, key.length)
    const fits = path.slice(0, depth).every((part, at) => part === key[at])
    if (fits && depth > best.depth) best = { line: index + 1, depth }
  }
  return best.line
}

/** @returns the value of a key for one line of a file: as TOML where it is that, else as text. @param text as a person typed it */
export function valueOf(key: readonly string[], text: string): TomlValue {
  const literal = parsedLine(text)
  // A number that is refused is told so, and not that it is a text.
  const isPlain = literal !== undefined && isTomlValue(literal) && (fitsSchema(key, literal) || !fitsSchema(key, text))
  return isPlain ? literal : text
}

function isTomlValue(value: unknown): value is TomlValue {
  return ['string', 'number', 'boolean'].includes(typeof value) || (Array.isArray(value) && value.every(isTomlValue))
}

function fitsSchema(key: readonly string[], value: TomlValue): boolean {
  return configSchema.safeParse(tableOf(key, value)).success
}

function parsedLine(text: string): unknown {
  try {
    return parse(`value = ${text}`)['value']
  } catch {
    return undefined
  }
}

/** @returns a table in which only this key stands */
export function tableOf(key: readonly string[], value: unknown): Table {
  return key.reduceRight((inner, name) => {
    const table: Table = {}
    setOwn(table, name, inner)
    return table
  }, value) as Table
}

export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
