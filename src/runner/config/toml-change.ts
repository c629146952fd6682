/**
 * Changes a key in the text of a configuration file and leaves the rest unchanged: comments, order and blank lines. The line of a key
 * is guessed; a guess is accepted only when the parsed result is the same document with that one key changed.
 */
import { isDeepStrictEqual } from 'node:util'
import { parse, stringify } from 'smol-toml'
import { OxbowError, ownValue, setOwn } from '../../base/index.ts'
import { type ConfigChange, keyParts, type TomlValue } from '../../config/index.ts'
import { isTable, type Table } from './config-text.ts'

/**
 * @param file names the text in errors
 * @returns the text with all changes @throws OxbowError `bad_config` for a key that cannot be changed without changing more
 */
export function changeText(file: string, text: string, changes: readonly ConfigChange[]): string {
  return changes.reduce((now, { key, value }) => {
    const next = setTomlKey(now, key, value)
    if (next !== null) return next
    const line = `${bareKey(key.at(-1) ?? '')} = ${value === null ? '…' : tomlText(value)}`
    throw new OxbowError('bad_config', `${key.join('.')} cannot be changed without changing more of ${file}.`, {
      hint: `The file writes it in an unusual way, or is not TOML: ${value === null ? 'remove' : 'write'} ${line} in the table [${key.slice(0, -1).join('.')}] yourself, with \`oxbow config edit\`.`,
    })
  }, text)
}

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
    if (found === null) continue
    if (written === null) yield* withoutLine(lines, at, end)
    else yield withLine(at, 1, `${found[1]}${written}${found[3]}`)
  }
  if (written === null) {
    yield withoutTable(lines, path).join(end)
    return
  }
  if (tables.length === 0) {
    yield `${key} = ${written}${end}${text}`
    return
  }
  const header = new RegExp(`^\\s*\\[\\s*${dotted(path.slice(0, -1))}\\s*\\]`)
  for (const [at, line] of lines.entries()) if (header.test(line)) yield withLine(at + 1, 0, `${key} = ${written}`)
  const gap = text === '' ? '' : text.endsWith(end) ? end : `${end}${end}`
  yield `${text}${gap}[${tables.join('.')}]${end}${key} = ${written}${end}`
}

const isHeader = (line: string): boolean => /^\s*\[/.test(line)

/** Its header goes, too, where nothing is left below it: an empty section says nothing. */
function* withoutLine(lines: readonly string[], at: number, end: string): Generator<string> {
  const rest = lines.toSpliced(at, 1)
  const isBlank = (line: string | undefined): boolean => line !== undefined && line.trim() === ''
  let [from, to] = [at - 1, at]
  while (isBlank(rest[from])) from -= 1
  while (isBlank(rest[to])) to += 1
  const isLast = rest[to] === undefined || isHeader(rest[to]!)
  if (from >= 0 && isHeader(rest[from]!) && isLast) {
    const left = rest.toSpliced(from, to - from).join(end)
    yield left === '' || left.endsWith(end) ? left : `${left}${end}`
  }
  yield rest.join(end)
}

/** Without the sections at a path and below it. */
function withoutTable(lines: readonly string[], path: readonly string[]): readonly string[] {
  let isBelow = false
  return lines.filter((line) => {
    const header = /^\s*\[\[?([^\]]+)\]/.exec(line)?.[1]
    if (header !== undefined) {
      const table = keyParts(header)
      isBelow = path.every((name, at) => table[at] === name)
    }
    return !isBelow
  })
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
