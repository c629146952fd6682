/**
 * Reads one JSON value out of text that is nearly JSON, and only where one reading is possible. Taken are: strings in single
 * quotes, raw line breaks in strings, `\'`, a comma before a closing bracket, names without quotes before a colon, Python's
 * `True`, `False` and `None`, and, where the caller allows it, closing brackets that are missing after a finished value.
 *
 * Everything else is refused: a quote inside a string that is not escaped, an unknown escape (`\d`: a pattern or a path?), a
 * string or a number that the end of the text may have cut, a value that is not there. Libraries that mend JSON guess at all
 * of these (jsonrepair 3.15 makes `"\d+"` to `"d+"`, `foo(1)` to `1`, and completes a half command), and what is read here is
 * run. The output is built from pieces of the input, so numbers keep their digits and no member is made up.
 */
import { maxLenientDepth } from '../limits.ts'

interface LenientValue {
  /** The value as strict JSON, without white space. */
  readonly json: string
  /** Where reading stopped. */
  readonly end: number
  /** Closing brackets had to be added. */
  readonly closed: boolean
}

/** The state of one reading. `out` is what was read so far, as strict JSON. */
interface Reading {
  readonly text: string
  at: number
  out: string
  readonly open: ('}' | ']')[]
}

/** What may come next: a value, a member's name, or what follows a value. */
type Expected = 'value' | 'value or end' | 'name or end' | 'comma or end'

/** @param mayClose closing brackets may be missing at the end of the text. @returns null when there is no single reading. Never throws. */
export function readLenientJson(text: string, from: number, mayClose: boolean): LenientValue | null {
  const reading: Reading = { text, at: from, out: '', open: [] }
  let expected: Expected = 'value'
  let finished: Finished = null
  for (;;) {
    skipSpace(reading)
    if (reading.at >= text.length) {
      const complete = mayClose && expected === 'comma or end' && finished !== 'number'
      if (!complete) return null
      while (reading.open.length > 0) reading.out += reading.open.pop()
      return { json: reading.out, end: reading.at, closed: true }
    }
    if (expected === 'comma or end') {
      const next = readComma(reading)
      if (next === null) return null
      expected = next
    } else if (expected !== 'value' && text[reading.at] === reading.open.at(-1)) {
      close(reading)
      finished = 'other'
      expected = 'comma or end'
    } else if (expected === 'name or end') {
      if (!readName(reading)) return null
      expected = 'value'
    } else {
      const read = readValue(reading)
      if (read === null) return null
      if (read !== 'opened') finished = read
      expected = read !== 'opened' ? 'comma or end' : reading.open.at(-1) === '}' ? 'name or end' : 'value or end'
    }
    if (expected === 'comma or end' && reading.open.length === 0) return { json: reading.out, end: reading.at, closed: false }
  }
}

/** The kind of the value that was read last: a number at the very end may go on after it. */
type Finished = 'number' | 'other' | null

function readValue(reading: Reading): 'opened' | 'number' | 'other' | null {
  const { text, at, open } = reading
  const char = text[at]
  if (char === '{' || char === '[') {
    if (open.length >= maxLenientDepth) return null
    open.push(char === '{' ? '}' : ']')
    reading.out += char
    reading.at += 1
    return 'opened'
  }
  if (char === '"' || char === "'") return readString(reading) ? 'other' : null
  const word = /[\w.+-]+/y
  word.lastIndex = at
  const found = word.exec(text)?.[0] ?? ''
  const literal = literals.get(found)
  if (literal === undefined && !/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(found)) return null
  reading.out += literal ?? found
  reading.at += found.length
  return literal === undefined ? 'number' : 'other'
}

const literals: ReadonlyMap<string, string> = new Map([
  ['true', 'true'],
  ['false', 'false'],
  ['null', 'null'],
  ['True', 'true'],
  ['False', 'false'],
  ['None', 'null'],
])

/** After a value: a comma with something behind it, a comma too many, or the end of the object or list. */
function readComma(reading: Reading): Expected | null {
  const { text, open } = reading
  if (text[reading.at] === open.at(-1)) {
    close(reading)
    return 'comma or end'
  }
  if (text[reading.at] !== ',') return null
  reading.at += 1
  skipSpace(reading)
  // A comma at the very end promises a member that is not there.
  if (reading.at >= text.length) return null
  if (text[reading.at] === open.at(-1)) {
    close(reading)
    return 'comma or end'
  }
  reading.out += ','
  return open.at(-1) === '}' ? 'name or end' : 'value'
}

function close(reading: Reading): void {
  reading.out += reading.open.pop()
  reading.at += 1
}

/** A member's name and its colon. */
function readName(reading: Reading): boolean {
  const { text, at } = reading
  if (text[at] === '"' || text[at] === "'") {
    if (!readString(reading)) return false
  } else {
    const word = /[A-Za-z_$][\w$]*/y
    word.lastIndex = at
    const found = word.exec(text)?.[0]
    if (found === undefined) return false
    reading.out += `"${found}"`
    reading.at += found.length
  }
  skipSpace(reading)
  if (text[reading.at] !== ':') return false
  reading.out += ':'
  reading.at += 1
  return true
}

/** A string in either quotes, written with double ones. It ends at the first quote: what must follow a string is checked after it. */
function readString(reading: Reading): boolean {
  const { text } = reading
  const quote = text[reading.at]
  let out = '"'
  for (let at = reading.at + 1; at < text.length; at++) {
    const char = text[at]!
    if (char === quote) {
      reading.out += `${out}"`
      reading.at = at + 1
      return true
    }
    if (char === '\\') {
      const escape = readEscape(text, at)
      if (escape === null) return false
      out += escape.json
      at = escape.last
    } else if (char === '"') out += '\\"'
    else out += char < ' ' ? JSON.stringify(char).slice(1, -1) : char
  }
  return false
}

function readEscape(text: string, at: number): { readonly json: string; readonly last: number } | null {
  const char = text[at + 1]
  if (char === undefined) return null
  if (char === "'") return { json: "'", last: at + 1 }
  if ('"\\/bfnrt'.includes(char)) return { json: `\\${char}`, last: at + 1 }
  const unicode = text.slice(at, at + 6)
  return /^\\u[\dA-Fa-f]{4}$/.test(unicode) ? { json: unicode, last: at + 5 } : null
}

function skipSpace(reading: Reading): void {
  while (reading.at < reading.text.length && /\s/.test(reading.text[reading.at]!)) reading.at += 1
}

/** The members of an object in its JSON text, as text: a value that is taken out keeps every digit. */

interface Member {
  readonly name: string
  /** The value as JSON text. */
  readonly json: string
}

/**
 * @param text a JSON object
 * @param most more members than this are not read
 * @returns null when there are more, or what is read is no object.
 */
export function readMembers(text: string, most: number): readonly Member[] | null {
  const members: Member[] = []
  let at = text.indexOf('{') + 1
  for (;;) {
    at = afterSpace(text, at)
    if (text[at] === '}') return members
    if (members.length === most) return null
    const name = readLenientJson(text, at, false)
    if (name === null) return null
    at = afterSpace(text, name.end)
    if (text[at] !== ':') return null
    const value = readLenientJson(text, afterSpace(text, at + 1), false)
    if (value === null) return null
    members.push({ name: String(JSON.parse(name.json)), json: value.json })
    at = afterSpace(text, value.end)
    if (text[at] === ',') at += 1
    else if (text[at] !== '}') return null
  }
}

function afterSpace(text: string, from: number): number {
  let at = from
  while (at < text.length && /\s/.test(text[at]!)) at += 1
  return at
}
