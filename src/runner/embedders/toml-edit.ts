/**
 * Sets one key in the text of a TOML file, and leaves everything else of it as a person wrote it: comments, order, blank lines. The place
 * is guessed line by line, and a guess counts only when the parser finds the same document with that one key changed.
 */
import { isDeepStrictEqual } from 'node:util'
import { parse } from 'smol-toml'

type Table = { [key: string]: unknown }

/**
 * @param value a string, written as a basic one
 * @returns the new text; null when no place was found where it can be set without changing anything else, or the text is no TOML
 */
export function setTomlKey(text: string, [table, key]: readonly [table: string, key: string], value: string): string | null {
  const before = parsed(text)
  if (before === null) return null
  const wanted = structuredClone(before)
  const inner = wanted[table] ?? {}
  if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return null
  wanted[table] = { ...(inner as Table), [key]: value }
  for (const guess of guesses(text, table, key, value)) {
    const after = parsed(guess)
    if (after !== null && isDeepStrictEqual(after, wanted)) return guess
  }
  return null
}

/** Where the key stands; behind the header of its table; a table of its own at the end. */
function* guesses(text: string, table: string, key: string, value: string): Generator<string> {
  // As the file ends its lines, so does what is put between them.
  const end = text.includes('\r\n') ? '\r\n' : '\n'
  const lines = text.split(end)
  const written = tomlString(value)
  const withLine = (at: number, removed: number, line: string): string => lines.toSpliced(at, removed, line).join(end)
  const assigned = new RegExp(`^(\\s*(?:"?${table}"?\\s*\\.\\s*)?"?${key}"?\\s*=\\s*)(?:"(?:[^"\\\\]|\\\\.)*"|'[^']*')(.*)$`)
  for (const [at, line] of lines.entries()) {
    const found = assigned.exec(line)
    if (found !== null) yield withLine(at, 1, `${found[1]}${written}${found[2]}`)
  }
  const header = new RegExp(`^\\s*\\[\\s*"?${table}"?\\s*\\]`)
  for (const [at, line] of lines.entries()) if (header.test(line)) yield withLine(at + 1, 0, `${key} = ${written}`)
  const gap = text === '' ? '' : text.endsWith(end) ? end : `${end}${end}`
  yield `${text}${gap}[${table}]${end}${key} = ${written}${end}`
}

/** JSON writes a string as TOML reads it, but for one sign. */
function tomlString(value: string): string {
  return JSON.stringify(value).replaceAll('\u007f', '\\u007F')
}

function parsed(text: string): Table | null {
  try {
    // The parser's tables are no plain objects: only copies of both can be compared.
    return structuredClone(parse(text))
  } catch {
    return null
  }
}
