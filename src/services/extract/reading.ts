/**
 * What a reading by `data.extract` can carry out of a hostile text. Values that a schema limits in number (booleans, numbers, dates,
 * enumerations, presence, lengths of arrays) are counted in bits, by the schema and never by the value, and become free of the label
 * `untrusted`; texts never do. So whoever writes a source decides at most these bits of what the reader's caller sees.
 */
import { isObject, type Json, type JsonObject, ownValue, OxbowError } from '../../base/index.ts'

/** Deepest nesting of a reading's schema. */
const maxReadingLevels: number = 8

/** A schema that a reading may have, with what each part of it carries. */
export type Reading =
  | { readonly kind: 'boolean' | 'number' | 'text'; readonly bits: number }
  | { readonly kind: 'date' | 'date-time' | 'time'; readonly bits: number }
  | { readonly kind: 'choice'; readonly values: readonly Json[]; readonly bits: number }
  | { readonly kind: 'nullable'; readonly of: Reading; readonly bits: number }
  | { readonly kind: 'list'; readonly of: Reading; readonly bits: number }
  | { readonly kind: 'object'; readonly fields: ReadonlyMap<string, Reading>; readonly bits: number }

/** Of the years 0000 to 9999, a second at a time. */
const dateBits = Math.log2(3_652_425)
const timeBits = Math.log2(86_400)
/** Of a JSON number, a double; an integer without bounds may be as large. */
const numberBits = 64

/**
 * @param schema JSON Schema of the answer: `type` boolean, integer, number, string, array or object, or one of these and null; `enum`, `const`,
 * `format` date, date-time or time, `minimum` and `maximum`, `maxItems`, `properties`
 * @throws OxbowError `bad_input` that names the part that is not one of these
 */
export function readingOf(schema: Json, path: string = '', level: number = 0): Reading {
  if (!isObject(schema)) throw unfit(path, 'is not an object')
  if (level > maxReadingLevels) throw unfit(path, `is nested deeper than ${maxReadingLevels}`)
  const unknown = Object.keys(schema).find((key) => !keywords.has(key))
  if (unknown !== undefined) throw unfit(path, `has ${unknown}, by which what it carries cannot be counted`)
  const values = 'const' in schema ? [schema['const']] : schema['enum']
  if (values !== undefined) {
    if (!Array.isArray(values) || values.length === 0 || values.some((value) => typeof value === 'object' && value !== null))
      throw unfit(path, 'has an enum that is not a list of plain values')
    return { kind: 'choice', values, bits: Math.log2(values.length) }
  }
  const types = [schema['type']].flat()
  const [type, ...more] = types.filter((each) => each !== 'null')
  if (typeof type !== 'string' || more.length > 0) throw unfit(path, 'needs one type, or one type and null')
  const reading = plainReading(type, schema, path, level)
  return types.length > 1 ? { kind: 'nullable', of: reading, bits: orNothing(reading.bits) } : reading
}

const keywords: ReadonlySet<string> = new Set(
  'type enum const format minimum maximum maxItems minItems items properties required additionalProperties maxLength minLength title description'.split(' '),
) // prettier-ignore

function plainReading(type: string, schema: JsonObject, path: string, level: number): Reading {
  switch (type) {
    case 'boolean':
      return { kind: 'boolean', bits: 1 }
    case 'integer':
      return { kind: 'number', bits: rangeBits(schema) ?? numberBits }
    case 'number':
      return { kind: 'number', bits: numberBits }
    case 'string':
      return textReading(schema)
    case 'array': {
      const most = schema['maxItems']
      if (typeof most !== 'number') throw unfit(path, 'is an array without maxItems')
      const of = readingOf(schema['items'] ?? null, `${path}/items`, level + 1)
      return { kind: 'list', of, bits: most * of.bits + Math.log2(most + 1) }
    }
    case 'object': {
      if (!isObject(schema['properties'])) throw unfit(path, 'is an object without properties')
      const required = Array.isArray(schema['required']) ? schema['required'] : []
      const fields = Object.entries(schema['properties']).map(
        ([name, part]) => [name, readingOf(part, `${path}/${name}`, level + 1)] as const,
      )
      const bits = fields.map(([name, part]) => (required.includes(name) ? part.bits : orNothing(part.bits)))
      return { kind: 'object', fields: new Map(fields), bits: bits.reduce((sum, each) => sum + each, 0) }
    }
    default:
      throw unfit(path, `has the type ${type}`)
  }
}

function textReading({ format }: JsonObject): Reading {
  if (format === 'date') return { kind: 'date', bits: dateBits }
  if (format === 'date-time') return { kind: 'date-time', bits: dateBits + timeBits }
  if (format === 'time') return { kind: 'time', bits: timeBits }
  return { kind: 'text', bits: 0 }
}

function rangeBits({ minimum, maximum }: JsonObject): number | null {
  if (typeof minimum !== 'number' || typeof maximum !== 'number' || maximum < minimum) return null
  return Math.log2(Math.floor(maximum) - Math.ceil(minimum) + 1)
}

/** Of a value that may be absent. */
function orNothing(bits: number): number {
  return Math.log2(2 ** bits + 1)
}

function unfit(path: string, why: string): OxbowError {
  return new OxbowError('bad_input', `The part ${path || '/'} of the schema ${why}.`, {
    hint: 'Use boolean, integer with minimum and maximum, number, string, enum, date, date-time, time, arrays with maxItems, and objects of these.',
  })
}

/**
 * The value as its caller may read it: canonical, with a handle for each text. What no field of the schema names is left out.
 * @param value that the schema matches @param keep makes the handle of a text
 * @throws OxbowError `bad_output` where a value does not match its schema after all
 */
export function release(reading: Reading, value: Json, keep: (text: string) => string): Json {
  switch (reading.kind) {
    case 'boolean':
      return value === true
    case 'number':
      return Number(value)
    case 'date':
    case 'date-time':
    case 'time':
      return canonicalTime(reading.kind, textOf(value))
    case 'text':
      return keep(textOf(value))
    case 'choice': {
      // The schema's own value, so that nothing of the answer's passes.
      const found = reading.values.find((each) => each === value)
      if (found === undefined) throw unreadable()
      return found
    }
    case 'nullable':
      return value === null ? null : release(reading.of, value, keep)
    case 'list':
      return Array.isArray(value) ? value.map((each) => release(reading.of, each, keep)) : []
    case 'object':
    default: {
      const fields = [...reading.fields].filter(([name]) => isObject(value) && Object.hasOwn(value, name))
      return Object.fromEntries(fields.map(([name, part]) => [name, release(part, ownValue(value as JsonObject, name) as Json, keep)]))
    }
  }
}

const textOf = (value: Json): string => (typeof value === 'string' ? value : '')

/** By the calendar, to the second, in UTC: leading zeros, fractions and zones would carry more. */
function canonicalTime(kind: 'date' | 'date-time' | 'time', text: string): string {
  const time = new Date(kind === 'time' ? `1970-01-01T${text}` : text)
  if (Number.isNaN(time.getTime()) || time.getUTCFullYear() < 0 || time.getUTCFullYear() > 9_999) throw unreadable()
  const iso = time.toISOString().replace(/\.\d+Z$/, 'Z')
  return kind === 'date' ? iso.slice(0, 10) : kind === 'time' ? iso.slice(11) : iso
}

function unreadable(): OxbowError {
  return new OxbowError('tool_failed', 'The reader gave no answer that fits the schema.', {
    hint: 'Ask a simpler question, or read the source yourself.',
  })
}
