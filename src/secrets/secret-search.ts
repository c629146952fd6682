/**
 * Finds known secrets in text, in every spelling that a text is likely to have: as they are, escaped in JSON, URL-encoded, in hexadecimal,
 * and in base64 at any offset. Each spelling has a handle of its own, `[secret:NAME]` or `[secret:NAME|base64]`, so that a handle stands
 * for exactly the characters that it replaced.
 *
 * One pass finds all of them (Wu and Manber, "A fast algorithm for multi-pattern searching", 1994): the shortest spelling has 8
 * characters, so most steps skip 6, and the time does not depend on the number of secrets.
 */
import { Buffer } from 'node:buffer'
import { maxSpellingCharacters, minSecretCharacters } from './limits.ts'

interface Spelling {
  readonly text: string
  readonly handle: string
  readonly name: string
}

interface Found extends Spelling {
  readonly start: number
}

export interface SecretSearch {
  /** Of a value that has a name already, the handles of both stand for it. @returns false when it is too short to be looked for */
  add(name: string, value: string): boolean
  remove(name: string): void
  isEmpty(): boolean
  /** @returns the name of a value; undefined when it is not known */
  nameOf(value: string): string | undefined
  /** @returns the characters that a handle stands for, without its brackets; undefined for none */
  spelled(handle: string): { readonly name: string; readonly text: string } | undefined
  /** @param onFound called with the name of each secret that was replaced */
  hide(text: string, onFound?: (name: string) => void): string
  /** As `hide`, for a text that may have been cut from a longer one: the part of a secret at either end is replaced, too. */
  hideCut(text: string, onFound?: (name: string) => void): string
  /** For bytes in any encoding that includes ASCII. @returns the same bytes when they have no secret */
  hideBytes(bytes: Buffer): Buffer
  /** @returns where a secret may begin that the text cuts off; else the text's length */
  openAt(text: string): number
}

/** Characters that are hashed together. */
const block = 3
const firstShift = minSecretCharacters - block
const tableBits = 16
const tableMask: number = 2 ** tableBits - 1

function hashAt(text: string, at: number): number {
  return ((text.charCodeAt(at) * 0x9e3b) ^ (text.charCodeAt(at + 1) * 0x1f35) ^ (text.charCodeAt(at + 2) * 0x2f0b)) & tableMask
}

export function createSecretSearch(): SecretSearch {
  /** Names and values, in the order in which they came: the first name of a value is the one that replaces it. */
  let known: readonly (readonly [name: string, value: string])[] = []
  const names = new Map<string, string>()
  let text = createPatterns()
  let bytes = text
  const addTo = (name: string, value: string): void => {
    if (!names.has(value)) names.set(value, name)
    for (const spelling of spellings(name, value)) {
      text.add(spelling)
      const raw = Buffer.from(spelling.text).toString('latin1')
      if (bytes === text && raw !== spelling.text) {
        bytes = createPatterns()
        for (const each of text.all()) bytes.add({ ...each, text: Buffer.from(each.text).toString('latin1') })
      } else if (bytes !== text) bytes.add({ ...spelling, text: raw })
    }
  }
  return {
    isEmpty: () => known.length === 0,
    add(name, value) {
      if (value.length < minSecretCharacters) return false
      known = [...known, [name, value]]
      addTo(name, value)
      return true
    },
    remove(name) {
      known = known.filter(([each]) => each !== name)
      names.clear()
      text = createPatterns()
      bytes = text
      for (const [each, value] of known) addTo(each, value)
    },
    nameOf: (value) => names.get(value),
    spelled: (handle) => text.byHandle(handle),
    hide: (whole, onFound) => (known.length === 0 ? whole : text.replace(whole, onFound)),
    hideCut: (part, onFound) => (known.length === 0 ? part : text.replaceEnds(text.replace(part, onFound), onFound)),
    hideBytes(raw) {
      if (known.length === 0) return raw
      const latin = raw.toString('latin1')
      const hidden = bytes.replace(latin)
      return hidden === latin ? raw : Buffer.from(hidden, 'latin1')
    },
    openAt: (part) => (known.length === 0 ? part.length : text.openAt(part)),
  }
}

interface Patterns {
  add(spelling: Spelling): void
  all(): Iterable<Spelling>
  byHandle(handle: string): Spelling | undefined
  replace(text: string, onFound?: (name: string) => void): string
  replaceEnds(text: string, onFound?: (name: string) => void): string
  openAt(text: string): number
}

/** By the hash of a block; the longest first. */
type Buckets = Map<number, Spelling[]>

function put(buckets: Buckets, hash: number, spelling: Spelling): void {
  const bucket = buckets.get(hash)
  if (bucket === undefined) buckets.set(hash, [spelling])
  else {
    const at = bucket.findIndex(({ text }) => text.length < spelling.text.length)
    bucket.splice(at < 0 ? bucket.length : at, 0, spelling)
  }
}

/** Where spellings are found by the hash of a block. */
interface Tables {
  readonly shifts: Uint8Array
  /** By the block that ends the first characters, by the first block, and by the last one. */
  readonly inside: Buckets
  readonly first: Buckets
  readonly last: Buckets
  /** Beginnings that are shorter than a block. */
  readonly begins: Set<string>
  longest: number
}

function createPatterns(): Patterns {
  const shifts = new Uint8Array(tableMask + 1).fill(firstShift + 1)
  const tables: Tables = { shifts, inside: new Map(), first: new Map(), last: new Map(), begins: new Set(), longest: 0 }
  const handles = new Map<string, Spelling>()
  return {
    add(spelling) {
      const { text, handle } = spelling
      if (handles.has(handle)) return
      handles.set(handle, spelling)
      if (matchAt(tables, text, 0)?.text === text) return
      for (let at = 0; at <= firstShift; at += 1) {
        const hash = hashAt(text, at)
        shifts[hash] = Math.min(shifts[hash]!, firstShift - at)
      }
      put(tables.inside, hashAt(text, firstShift), spelling)
      put(tables.first, hashAt(text, 0), spelling)
      put(tables.last, hashAt(text, text.length - block), spelling)
      for (let length = 1; length < block; length += 1) tables.begins.add(text.slice(0, length))
      tables.longest = Math.max(tables.longest, text.length)
    },
    all: () => handles.values(),
    byHandle: (handle) => handles.get(handle),
    replace(text, onFound) {
      let found = find(tables, text, 0)
      if (found === null) return text
      let result = ''
      let from = 0
      for (; found !== null; found = find(tables, text, from)) {
        const { start, text: spelled, handle, name } = found
        result += `${text.slice(from, start)}[secret:${handle}]`
        from = start + spelled.length
        onFound?.(name)
      }
      return result + text.slice(from)
    },
    replaceEnds: (text, onFound) => replaceBeginning(tables, replaceEnd(tables, text, onFound), onFound),
    openAt: (text) => openAt(tables, text, 1),
  }
}

function matchAt({ inside }: Tables, text: string, start: number): Spelling | undefined {
  return inside.get(hashAt(text, start + firstShift))?.find((spelling) => text.startsWith(spelling.text, start))
}

/**
 * A plain loop that makes nothing where there is nothing: every text of a turn passes here.
 *
 * @returns the first one that begins at `from` or behind it, the longest at its place
 */
function find(tables: Tables, text: string, from: number): Found | null {
  const { shifts } = tables
  const end = text.length - block
  for (let at = from + firstShift; at <= end;) {
    const shift = shifts[hashAt(text, at)]!
    if (shift > 0) {
      at += shift
      continue
    }
    const spelling = matchAt(tables, text, at - firstShift)
    if (spelling !== undefined) return { ...spelling, start: at - firstShift }
    at += 1
  }
  return null
}

/** @returns where the text ends with at least so many first characters of a spelling; its length when it does not */
function openAt({ first, begins, longest }: Tables, text: string, fewest: number): number {
  for (let at = Math.max(0, text.length - longest + 1); at <= text.length - fewest; at += 1) {
    const isBeginning =
      text.length - at < block
        ? begins.has(text.slice(at))
        : first.get(hashAt(text, at))?.some((each) => each.text.startsWith(text.slice(at)))
    if (isBeginning === true) return at
  }
  return text.length
}

function replaceEnd(tables: Tables, text: string, onFound?: (name: string) => void): string {
  const at = openAt(tables, text, minSecretCharacters)
  const part = text.slice(at)
  const found = part === '' ? undefined : tables.first.get(hashAt(text, at))?.find((each) => each.text.startsWith(part))
  if (found === undefined) return text
  onFound?.(found.name)
  return `${text.slice(0, at)}[secret:${found.name}|${cut}]`
}

function replaceBeginning({ last, longest }: Tables, text: string, onFound?: (name: string) => void): string {
  for (let end = Math.min(longest - 1, text.length); end >= minSecretCharacters; end -= 1) {
    const found = last.get(hashAt(text, end - block))?.find((each) => each.text.endsWith(text.slice(0, end)))
    if (found === undefined) continue
    onFound?.(found.name)
    return `[secret:${found.name}|${cut}]${text.slice(end)}`
  }
  return text
}

/** The variant of a handle that stands for a part of a secret, which no call can have filled in. */
const cut = 'cut'

/** @returns every spelling of a value, the value's own first. Lines of a longer value have handles of their own. */
function spellings(name: string, value: string): readonly Spelling[] {
  const made: Spelling[] = []
  const add = (text: string, variant: string): void => {
    if (text.length < minSecretCharacters || text.length > maxSpellingCharacters) return
    if (made.every((each) => each.text !== text)) made.push({ text, handle: variant === '' ? name : `${name}|${variant}`, name })
  }
  const addAll = (text: string, prefix: string): void => {
    add(text, prefix.slice(0, -1))
    for (const [variant, spelled] of encodings(text)) add(spelled, `${prefix}${variant}`)
  }
  addAll(value, '')
  const trimmed = value.trim()
  if (trimmed !== value) addAll(trimmed, 'trimmed-')
  const lines = trimmed.split(/\r?\n/)
  if (lines.length > 1) for (const [i, line] of lines.entries()) if (isTelling(line)) addAll(line.trim(), `line${i + 1}-`)
  return made
}

/** Other lines, such as prose and the armour of a key, stand in other texts too. */
function isTelling(line: string): boolean {
  return /\S{16}/.test(line) && !line.trimStart().startsWith('-----')
}

function* encodings(value: string): Generator<readonly [variant: string, text: string]> {
  const json = JSON.stringify(value).slice(1, -1)
  yield ['json', json]
  yield ['json2', JSON.stringify(json).slice(1, -1)]
  yield ['json-slash', json.replaceAll('/', String.raw`\/`)]
  yield ['json-ascii', json.replaceAll(/[^\0-\x7f]/g, (unit) => String.raw`\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)]
  const url = encodeURIComponent(value.toWellFormed())
  const strict = url.replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
  const lower = (text: string): string => text.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())
  yield ['url', url]
  yield ['url-strict', strict]
  yield ['url-path', strict.replaceAll('%2F', '/')]
  yield ['url-form', strict.replaceAll('%20', '+')]
  yield ['url-lower', lower(url)]
  yield ['url-strict-lower', lower(strict)]
  const bytes = Buffer.from(value)
  yield ['url-all', bytes.toString('hex').toUpperCase().replaceAll(/../g, '%$&')]
  yield ['hex', bytes.toString('hex')]
  yield ['HEX', bytes.toString('hex').toUpperCase()]
  yield ['base64', bytes.toString('base64')]
  for (let offset = 0; offset < 3; offset += 1) {
    // The characters that depend on nothing but the value, whatever stands before and after it.
    const whole = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    const core = whole.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
    yield [`base64-${offset}`, core]
    yield [`base64url-${offset}`, core.replaceAll('+', '-').replaceAll('/', '_')]
  }
}
