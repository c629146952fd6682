/**
 * The text of one configuration file: read with a limit, parsed, and checked by itself, so that an error can name the file and the line.
 *
 * A start takes a file with a key that nobody knows, as a newer version may have written it, and says so. A change of the file is refused
 * for it, and so is a start where the key seems to be a wall: a mistyped wall is no wall.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import { configSchema } from '../../services/index.ts'
import { isObject, type JsonObject, nearestNames, OxbowError, ownValue, protoKeys, setOwn } from '../../base/index.ts'
import { builtinProviders, configJsonSchema, isWall, keyParts, plainIssue, schemaAt, type TomlValue } from '../../config/index.ts'
import { maxConfigBytes } from '../limits.ts'

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
  return take(path, text, isRetired).table
}

/** @returns what the file says, checked or not: a person mends a faulty key. @throws OxbowError `bad_config` for what is not TOML */
export function uncheckedLayer(path: string): Table {
  return parseToml(path, readConfigFile(path) ?? '')
}

/** The same for a start, which leaves out what nobody knows. */
export function readText(path: string, text: string): ReadText {
  return take(path, text, (fault) => isRetired(fault) || (fault.isUnknown === true && !seemsWall(fault)))
}

function take(path: string, text: string, isLeftOut: (fault: KeyError) => boolean): ReadText {
  const table = parseToml(path, text)
  const { faults, variable } = faultsOf(table)
  const said = ({ key, message }: KeyError): string => `line ${lineOfKey(text, key)}, ${key.join('.')}: ${message}`
  const wrong = faults.filter((fault) => !isLeftOut(fault))
  if (wrong.length > 0) throw badConfig(`${path} cannot be used: ${wrong.map(said).join('; ')}`, undefined, variable)
  for (const { key } of faults) drop(table, key)
  anchorPaths(table, dirname(path))
  return { table, unknown: faults.filter((fault) => !isRetired(fault)).map((fault) => `${path}, ${said(fault)}`) }
}

/** Of what is below a wall, or is written nearly like one. */
function seemsWall({ key, nearest }: KeyError): boolean {
  return isWall(key) || (nearest !== undefined && isWall([...key.slice(0, -1), nearest]))
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
export function faultsOf(table: Table): { readonly faults: readonly KeyError[]; readonly variable: string | undefined } {
  const secrets = misplacedKeys(table)
  const named = protoKeys(table).map((key) => ({ key, message: 'nothing can have this name' }))
  return { faults: [...secrets, ...named, ...schemaErrors(table)], variable: secrets[0]?.variable }
}

interface KeyError {
  /** Path of the key, outermost table first. */
  readonly key: readonly string[]
  readonly message: string
  /** The schema has no such key; and the key that may be meant. */
  readonly isUnknown?: boolean
  readonly nearest?: string | undefined
}

function schemaErrors(table: Table): readonly KeyError[] {
  const checked = configSchema.safeParse(table)
  return (checked.error?.issues ?? []).flatMap((issue) => {
    const path = issue.path.map(String)
    if (issue.code !== 'unrecognized_keys') return [{ key: path, message: plainIssue(issue.message) }]
    const isService = path[0] === 'model' || path[0] === 'providers'
    const unknown = issue.keys.filter((name) => name !== 'api_key' || !isService)
    const schema = unknown.length === 0 ? {} : fileSchema()
    return unknown.map((name) => unknownKey(schema, path, name))
  })
}

/** @returns the JSON Schema of a file, which takes some 20 ms: for what is seldom asked */
export function fileSchema(): JsonObject {
  return configJsonSchema(configSchema)
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
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[\[?([^\]]+)\]/.exec(line)?.[1]
    const assigned = header === undefined ? /^\s*([^=#]+?)\s*=/.exec(line)?.[1] : undefined
    if (header !== undefined) table = keyParts(header)
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
