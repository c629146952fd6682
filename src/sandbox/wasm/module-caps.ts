/**
 * Limits what a module can allocate, before it is compiled: the maxima in its memory and table sections are rewritten. V8 offers no limit
 * on the memory of one instance, and a worker's `resourceLimits` do not count it.
 *
 * Refused: memories that are shared, 64-bit or more than one (limiting them is not worth it for tools); types of the garbage collector,
 * whose objects would be in V8's heap, where one that is too large aborts the whole process; functions longer, and objects more numerous,
 * than any tool has; and components.
 */
import { failed, type Failed } from './tool-failure.ts'

interface ModuleCaps {
  readonly pages: number
  readonly tableEntries: number
  readonly tables: number
  readonly imports: number
  readonly exports: number
  readonly tags: number
  readonly sections: number
  /** Of the element section, whose entries have at least one byte. */
  readonly elementBytes: number
  /** Of one function: compiling it takes many hundred times as much, outside of every limit. */
  readonly functionBytes: number
}

const typeSection = 1
const importSection = 2
const tableSection = 4
const memorySection = 5
const exportSection = 7
const elementSection = 9
const codeSection = 10
const tagSection = 13
/** `funcref` and `externref`. */
const plainReferences: ReadonlySet<number> = new Set([0x70, 0x6f])
const magic = [0x00, 0x61, 0x73, 0x6d]

export function capModule(code: Uint8Array, caps: ModuleCaps): Uint8Array<ArrayBuffer> | Failed {
  if (code.length < 8 || magic.some((byte, at) => code[at] !== byte)) return broken('it does not begin as a WebAssembly module')
  if (code[4] !== 1) return broken('it is a component or of an unknown version; core modules of version 1 run here')
  const out: Uint8Array[] = [code.subarray(0, 8)]
  for (let at = 8; at < code.length;) {
    if (out.length > caps.sections) return broken(`it has more than ${caps.sections} sections`)
    const size = readNumber(code, at + 1)
    if (size === null || size.next + size.value > code.length) return broken('a section is longer than the file')
    const end = size.next + size.value
    const body = code.subarray(size.next, end)
    const capped = capSection(code[at] ?? 0, body, caps)
    if ('failure' in capped) return capped
    if (capped === body) out.push(code.subarray(at, end))
    else out.push(new Uint8Array([code[at] ?? 0, ...writeNumber(capped.length)]), capped)
    at = end
  }
  return join(out)
}

/** @returns the section itself, its rewritten body, or why it is refused. */
function capSection(id: number, body: Uint8Array, caps: ModuleCaps): Uint8Array | Failed {
  switch (id) {
    case typeSection:
      return hasPlainTypes(body) ? body : broken('it has types of the garbage collector, or typed references')
    case importSection:
      return countOf(body) <= caps.imports ? body : broken(`it has more than ${caps.imports} imports`)
    case tableSection:
      return capTables(body, caps)
    case memorySection:
      return capMemories(body, caps)
    case exportSection:
      return countOf(body) <= caps.exports ? body : broken(`it has more than ${caps.exports} exports`)
    case tagSection:
      return countOf(body) <= caps.tags ? body : broken(`it has more than ${caps.tags} tags`)
    case elementSection:
      return body.length <= caps.elementBytes ? body : broken(`its table elements have more than ${caps.elementBytes} bytes`)
    case codeSection:
      return hasShortFunctions(body, caps.functionBytes) ? body : broken(`it has a function of more than ${caps.functionBytes} bytes`)
    default:
      return body
  }
}

function hasShortFunctions(body: Uint8Array, maxBytes: number): boolean {
  for (let at = readNumber(body, 0)?.next ?? 0; at < body.length;) {
    const size = readNumber(body, at)
    if (size === null || size.value > maxBytes) return false
    at = size.next + size.value
  }
  return true
}

/** Of the items in a section; a truncated one counts as too many. */
const countOf = (body: Uint8Array): number => readNumber(body, 0)?.value ?? Infinity

const functionType = 0x60
/** i32, i64, f32, f64, v128, funcref and externref. */
const plainValues: ReadonlySet<number> = new Set([0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f])

/** Functions over numbers and plain references, as compilers for WASI emit. */
function hasPlainTypes(body: Uint8Array): boolean {
  const count = readNumber(body, 0)
  let at = count?.next ?? 0
  for (let left = count?.value ?? Infinity; left > 0; left -= 1) {
    if (body[at] !== functionType) return false
    at += 1
    // Parameters, then results.
    for (let half = 0; half < 2; half += 1) {
      const values = readNumber(body, at)
      if (values === null) return false
      const end = values.next + values.value
      for (at = values.next; at < end; at += 1) if (!plainValues.has(body[at] ?? -1)) return false
    }
  }
  return at === body.length
}

function capMemories(body: Uint8Array, { pages }: ModuleCaps): Uint8Array | Failed {
  const count = readNumber(body, 0)
  if (count === null) return broken('its memory section is cut')
  if (count.value > 1) return broken('it has more than one memory')
  if (count.value === 0) return body
  const limits = readLimits(body, count.next)
  if (limits === null) return broken('its memory is 64-bit, shared or badly written')
  const mib = Math.floor(pages / 16)
  if (limits.min > pages) {
    return failed(
      'limit_reached',
      `The module wants ${Math.ceil(limits.min / 16)} MiB of memory at once; its limit is ${mib} MiB.`,
      'Link it with less initial memory, or give it a higher memory limit.',
    )
  }
  return new Uint8Array([1, ...writeLimits(limits, pages)])
}

function capTables(body: Uint8Array, { tableEntries, tables }: ModuleCaps): Uint8Array | Failed {
  const count = readNumber(body, 0)
  if (count === null) return broken('its table section is cut')
  if (count.value > tables) return broken(`it has more than ${tables} tables`)
  const out = [...writeNumber(count.value)]
  let at = count.next
  for (let left = count.value; left > 0; left -= 1) {
    const kind = body[at]
    if (kind === undefined || !plainReferences.has(kind)) return broken('it has a table of typed references')
    const limits = readLimits(body, at + 1)
    if (limits === null) return broken('a table is 64-bit, shared or badly written')
    if (limits.min > tableEntries) {
      return failed(
        'limit_reached',
        `The module needs a table of ${limits.min} entries; the limit is ${tableEntries}.`,
        'Link it with a smaller table.',
      )
    }
    out.push(kind, ...writeLimits(limits, tableEntries))
    at = limits.next
  }
  return new Uint8Array(out)
}

interface Limits {
  readonly min: number
  readonly max: number
  readonly next: number
}

/** Only the two plain forms: with and without a maximum. */
function readLimits(bytes: Uint8Array, at: number): Limits | null {
  const flags = bytes[at]
  if (flags !== 0 && flags !== 1) return null
  const min = readNumber(bytes, at + 1)
  if (min === null || flags === 0) return min && { min: min.value, max: Infinity, next: min.next }
  const max = readNumber(bytes, min.next)
  return max && { min: min.value, max: max.value, next: max.next }
}

function writeLimits({ min, max }: Limits, cap: number): readonly number[] {
  return [1, ...writeNumber(min), ...writeNumber(Math.min(max, cap))]
}

/** An unsigned LEB128 of at most 32 bits. */
function readNumber(bytes: Uint8Array, at: number): { readonly value: number; readonly next: number } | null {
  let value = 0
  for (let i = 0; i < 5; i += 1) {
    const byte = bytes[at + i]
    if (byte === undefined) return null
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return value < 2 ** 32 ? { value, next: at + i + 1 } : null
  }
  return null
}

function writeNumber(value: number): readonly number[] {
  const out: number[] = []
  for (let left = value; ;) {
    const low = left % 128
    left = Math.floor(left / 128)
    if (left === 0) return [...out, low]
    out.push(low + 128)
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

const broken = (why: string): Failed => failed('bad_input', `The module cannot run: ${why}.`, 'Build it for wasm32-wasip1.')
