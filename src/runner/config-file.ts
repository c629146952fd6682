/**
 * Changes configuration files for a person and leaves the rest of each file unchanged: comments, order and blank lines. The line of a key
 * is guessed; a guess is accepted only when the parsed result is the same document with that one key changed.
 */
import { closeSync, existsSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parse, stringify } from 'smol-toml'
import { isObject, OxbowError, ownValue, setOwn } from '../base/index.ts'
import { grantOf } from '../protocol/index.ts'
import type { Config, ConfigChange, TomlValue } from '../config/index.ts'
import { configSchema } from '../services/index.ts'
import { checkConfigText, configFiles, loadConfig, readConfigFile, readLayer } from './config-layers.ts'
import type { Home, Workspace } from './home.ts'
import { maxConfigBytes } from './limits.ts'

/**
 * @param key path of the key, outermost table first
 * @returns whether the file changed
 * @throws OxbowError `bad_config` for a value that the schema refuses, or a file that cannot be changed safely
 */
export function setInFile(file: string, key: readonly string[], value: TomlValue): boolean {
  const text = readConfigFile(file) ?? ''
  const next = setTomlKey(text, key, value)
  if (next === null || Buffer.byteLength(next) > maxConfigBytes) {
    throw new OxbowError('bad_config', `${file} cannot be changed safely: it is not valid, or writes the key in an unusual way.`, {
      hint: `Add this line to the table [${key.slice(0, -1).join('.')}] yourself: ${key.at(-1)} = ${tomlText(value)}`,
    })
  }
  checkConfigText(file, next)
  if (next === text) return false
  replaceFile(file, next)
  return true
}

/**
 * @param file names the text in errors
 * @returns the text with all changes @throws OxbowError `bad_config` for a key that cannot be changed without changing more
 */
export function changeText(file: string, text: string, changes: readonly ConfigChange[]): string {
  return changes.reduce((now, { key, value }) => {
    const next = setTomlKey(now, key, value)
    if (next !== null) return next
    throw new OxbowError('bad_config', `${key.join('.')} cannot be changed without changing more of ${file}.`, {
      hint: 'The file writes it in an unusual way: edit it as text.',
    })
  }, text)
}

/** Changes several keys at once, or none. @returns whether the file changed @throws OxbowError `bad_config` */
export function changeFile(file: string, changes: readonly ConfigChange[]): boolean {
  const text = readConfigFile(file) ?? ''
  const next = changeText(file, text, changes)
  if (next !== text) replaceConfig(file, next)
  return next !== text
}

/** Replaces the file by an edited text, if that can be used. @throws OxbowError `bad_config` that names the lines */
export function replaceConfig(file: string, text: string): void {
  checkConfigText(file, text)
  replaceFile(file, text)
}

/** @returns the value of a key for one line of a file: as TOML where it is that, else as text. @param text as a person typed it */
export function valueOf(key: readonly string[], text: string): TomlValue {
  const literal = parsed(`value = ${text}`)?.['value']
  // A number that is refused is told so, and not that it is a text.
  const isPlain = literal !== undefined && isTomlValue(literal) && (fitsSchema(key, literal) || !fitsSchema(key, text))
  return isPlain ? literal : text
}

function isTomlValue(value: unknown): value is TomlValue {
  return ['string', 'number', 'boolean'].includes(typeof value) || (Array.isArray(value) && value.every(isTomlValue))
}

function fitsSchema(key: readonly string[], value: TomlValue): boolean {
  return configSchema.safeParse(key.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value)).success
}

/** Replaces the file atomically. A link stays a link. */
function replaceFile(path: string, text: string): void {
  const target = existsSync(path) ? realpathSync(path) : path
  const mode = existsSync(target) ? statSync(target).mode & 0o777 : 0o600
  const beside = join(dirname(target), `.config.toml.${process.pid}`)
  try {
    writeFileSync(beside, text, { mode, flag: 'wx' })
    const file = openSync(beside, 'r')
    fsyncSync(file)
    closeSync(file)
    renameSync(beside, target)
  } catch (cause) {
    rmSync(beside, { force: true })
    throw new OxbowError('bad_config', `${path} cannot be written: ${(cause as Error).message}`, {
      hint: 'Nothing was changed. Check its permissions and the free disk space.',
      cause,
    })
  }
}

type Table = { [key: string]: unknown }

/**
 * @param value null removes the key
 * @returns the new text; null when the key cannot be set without changing anything else, or the text is not TOML
 */
export function setTomlKey(text: string, key: readonly string[], value: TomlValue | null): string | null {
  const before = parsed(text)
  if (before === null || key.includes('__proto__')) return null
  const wanted = structuredClone(before)
  const tables = [wanted]
  for (const name of key.slice(0, -1)) {
    const inner = tables.at(-1)!
    const next = ownValue(inner, name) ?? {}
    if (typeof next !== 'object' || next === null || Array.isArray(next)) return null
    setOwn(inner, name, next as Table)
    tables.push(next as Table)
  }
  const [inner, last] = [tables.at(-1)!, key.at(-1)!]
  if (value === null && !Object.hasOwn(inner, last)) return text
  if (value === null) delete inner[last]
  else setOwn(inner, last, value)
  for (const guess of guesses(text, key, value)) {
    const after = parsed(guess)
    if (after !== null && isSame(after, wanted)) return guess
  }
  return null
}

/** Empty tables do not count: the line that is removed may have been the only mention of its table. */
function isSame(a: Table, b: Table): boolean {
  return isDeepStrictEqual(withoutEmpty(a), withoutEmpty(b))
}

function withoutEmpty(table: Table): Table {
  const entries = Object.entries(table).map(([name, value]) => [name, isTable(value) ? withoutEmpty(value) : value] as const)
  return Object.fromEntries(entries.filter(([, value]) => !isTable(value) || Object.keys(value).length > 0))
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

/** Tries to replace or remove the key, to insert it after the header of its table, and to append a new table. */
function* guesses(text: string, path: readonly string[], value: TomlValue | null): Generator<string> {
  // Keeps the file's line endings.
  const end = text.includes('\r\n') ? '\r\n' : '\n'
  const lines = text.split(end)
  const written = value === null ? null : tomlText(value)
  const withLine = (at: number, removed: number, line: string): string => lines.toSpliced(at, removed, line).join(end)
  const [key, tables] = [bareKey(path.at(-1)!), path.slice(0, -1).map(bareKey)]
  const dotted = (names: readonly string[]): string => names.map((name) => `(?:${escaped(name)}|"${escaped(name)}")`).join('\\s*\\.\\s*')
  // The key by itself below the header of its table, or with some of its tables before it; the value is all but a comment behind it.
  const names = path.map((_, at) => dotted(path.slice(at))).join('|')
  const assigned = new RegExp(`^(\\s*(?:${names})\\s*=\\s*)((?:"(?:[^"\\\\]|\\\\.)*"|'[^']*'|[^"'#])*?)(\\s*(?:#.*)?)$`)
  for (const [at, line] of lines.entries()) {
    const found = assigned.exec(line)
    if (found !== null) yield written === null ? lines.toSpliced(at, 1).join(end) : withLine(at, 1, `${found[1]}${written}${found[3]}`)
  }
  if (written === null) return
  if (tables.length === 0) {
    yield `${key} = ${written}${end}${text}`
    return
  }
  const header = new RegExp(`^\\s*\\[\\s*${dotted(path.slice(0, -1))}\\s*\\]`)
  for (const [at, line] of lines.entries()) if (header.test(line)) yield withLine(at + 1, 0, `${key} = ${written}`)
  const gap = text === '' ? '' : text.endsWith(end) ? end : `${end}${end}`
  yield `${text}${gap}[${tables.join('.')}]${end}${key} = ${written}${end}`
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function bareKey(name: string): string {
  return /^[\w-]+$/.test(name) ? name : tomlText(name)
}

/** @returns the value as TOML writes it, on one line */
function tomlText(value: TomlValue): string {
  // JSON strings are valid TOML strings but for one character.
  if (typeof value === 'string') return JSON.stringify(value).replaceAll('\u007f', '\\u007F')
  if (Array.isArray(value)) return `[${value.map((each: TomlValue) => tomlText(each)).join(', ')}]`
  return stringify({ value }).trim().slice('value = '.length)
}

function parsed(text: string): Table | null {
  try {
    // The parser's tables are not plain objects, so they are copied for comparison.
    return structuredClone(parse(text))
  } catch {
    return null
  }
}

// Rights of the agent of the configuration, which come and go with plugins and servers of tools.

export function hasRight({ agent }: Config, right: string): boolean {
  const { rights } = grantOf(agent.rights)
  return rights.has('*') || rights.has(right)
}

/**
 * Gives the agent a right by `agent.rights` in the configuration, or takes it away.
 * @returns the file that was changed; null: nothing had to be @throws OxbowError `bad_config`
 */
export function grantRight(home: Home, workspace: Workspace, right: string, isOn: boolean): string | null {
  const config = loadConfig(home, workspace)
  if (isOn && hasRight(config, right)) return null
  // The file that decides: of the user if it has the key, else of all users.
  const files = configFiles(home, workspace).map(({ path }) => ({ path, agent: readLayer(path)['agent'] }))
  const { path, agent } = files.findLast((file) => isObject(file.agent) && file.agent['rights'] !== undefined) ?? files[0]!
  const written = isObject(agent) ? agent['rights'] : undefined
  const entries = typeof written === 'string' ? [written] : Array.isArray(written) ? written.map(String) : config.agent.rights
  const kept = entries.filter((entry) => entry !== right && entry !== `!${right}`)
  const next = isOn ? [...kept, right] : kept
  if (next.length === entries.length && !isOn) return null
  // Rights that are written out would keep later defaults away.
  const isUsual = isDeepStrictEqual(next, configSchema.parse({}).agent.rights)
  return changeFile(path, [{ key: ['agent', 'rights'], value: isUsual ? null : next }]) ? path : null
}
