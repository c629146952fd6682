/** Fields of the input of a call as arguments and options, and their values as people type them. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { isObject, type Json, type JsonObject, OxbowError, ownValue } from '../base/index.ts'
import type { ServiceVerb, TypedField } from '../protocol/index.ts'
import { collect, parseAmount, parseCount } from './verb-parts.ts'

/** A field, or an option for no field. */
export interface Field {
  /** Where it stands in the input; empty: nowhere. */
  readonly path: readonly string[]
  readonly schema: JsonObject
  readonly isRequired: boolean
  /** `<scope>`, or `--per <window>`. */
  readonly usage: string
  readonly typed: TypedField
}

const isArgument = ({ usage }: Pick<Field, 'usage'>): boolean => !usage.startsWith('--')
/** @returns the name of an argument */
export const nameOf = (usage: string): string => usage.replaceAll(/[<>[\].]/g, '')
const isVariadic = ({ usage }: Pick<Field, 'usage'>): boolean => usage.includes('...')

/** @param input JSON Schema of the input of the verb's call. @returns the arguments, then the options */
export function fieldsOf(
  { words, typed = {}, omit = [], fixed = {}, input: completes, find, agree, preview }: ServiceVerb,
  input: JsonObject = {},
): readonly Field[] {
  const isComplete = completes === undefined && find === undefined && agree === undefined
  const fieldOf = (usage: string, said: string | TypedField): Field => {
    const field = typeof said === 'string' ? { field: said } : said
    const path = field.field === '' ? [] : field.field.split('.')
    const { required } = input
    const isRequired = isComplete && path.length === 1 && Array.isArray(required) && required.includes(path[0]!)
    return { path, schema: schemaAt(input, path), isRequired, usage, typed: field }
  }
  const named = [
    ...(words.match(/[<[][^>\]]+[>\]]/g) ?? []).map((usage) => {
      const name = nameOf(usage)
      return fieldOf(usage, ownValue(typed, name) ?? name.replaceAll('-', '_'))
    }),
    ...Object.entries(typed).flatMap(([usage, said]) => (usage.startsWith('--') ? [fieldOf(usage, said)] : [])),
  ]
  if (omit === true) return named
  // A preview has an option of its own, and asks the call itself.
  const known = new Set([
    ...omit,
    ...(preview === undefined ? [] : ['dry_run']),
    ...Object.keys(fixed),
    ...named.flatMap(({ path }) => path.slice(0, 1)),
  ])
  const others = Object.keys(propertiesOf(input)).filter((name) => !known.has(name))
  return [...named, ...others.map((name) => fieldOf(flagsOf(name, schemaAt(input, [name])), name))]
}

/** For a union, the properties of all variants. */
function propertiesOf({ properties, anyOf, oneOf }: JsonObject): JsonObject {
  const variants = [anyOf ?? oneOf ?? []].flat().filter(isObject)
  return { ...(isObject(properties) ? properties : {}), ...Object.assign({}, ...variants.map(propertiesOf)) }
}

/** Null is what is not typed. */
function schemaAt(input: JsonObject, path: readonly string[]): JsonObject {
  return path.reduce<JsonObject>((schema, name) => {
    const found = ownValue(propertiesOf(schema), name)
    if (!isObject(found)) return {}
    const variants = [found['anyOf'] ?? []].flat().filter((one) => isObject(one) && one['type'] !== 'null')
    return variants.length === 1 && isObject(variants[0]) ? { ...found, ...variants[0] } : found
  }, input)
}

/** Seconds and amounts of money are named for what people type. */
function flagsOf(name: string, schema: JsonObject): string {
  const { type, default: usual, enum: choices } = schema
  const flag = name.replace(/_s$/, '').replaceAll('_', '-')
  if (type === 'boolean') return usual === true ? `--no-${flag}` : `--${flag}`
  if (name === 'micro_dollars') return '--money <dollars>'
  if (name !== flag && name.endsWith('_s')) return `--${flag} <seconds>`
  if (choices !== undefined) return `--${flag} <${flag}>`
  return `--${flag} <${type === 'integer' || type === 'number' ? 'n' : type === 'string' ? 'text' : type === 'array' ? 'value' : 'json'}>`
}

/** As the help has it: a sentence of a schema without its capital and its full stop. */
function helpOf({ typed, schema }: Field): string {
  if (typed.help !== undefined) return typed.help
  const text = typeof schema['description'] === 'string' ? schema['description'] : ''
  return text.replace(/^[A-Z](?![A-Z])/, (letter) => letter.toLowerCase()).replace(/\.$/, '')
}

export function addFields(command: Command, fields: readonly Field[]): void {
  for (const field of fields) {
    const { usage, schema, typed, isRequired } = field
    const parse = isVariadic(field) ? undefined : parserOf(field)
    if (isArgument(field)) {
      if (parse === undefined) command.argument(usage, helpOf(field))
      else command.argument(usage, helpOf(field), parse)
      continue
    }
    const option = new Option(usage, helpOf(field))
    if (parse !== undefined) option.argParser(parse as (text: string) => string)
    if (Array.isArray(schema['enum']) && typed.value === undefined)
      option.choices(schema['enum'].map(String).filter((choice) => choice !== ''))
    const usual = typed.default ?? inTypedUnit(schema['default'], typed.unit)
    if ((typeof usual === 'number' || typeof usual === 'string') && usual !== '' && typed.value === undefined) option.default(usual)
    command.addOption(option.makeOptionMandatory(isRequired && usage.includes('<')))
  }
}

/** The default of a field as a person would type it. */
const inTypedUnit = (usual: Json | undefined, unit = 1): Json | undefined => (typeof usual === 'number' ? usual / unit : usual)

function parserOf({ schema, path, usage, typed }: Field): ((text: string, earlier?: readonly string[]) => unknown) | undefined {
  const { type, minimum, maximum } = schema
  if (typed.value !== undefined || !/[<[]/.test(usage)) return undefined
  if (isRecord(schema)) return collectPairs
  if (type === 'array') return collect
  // What is no field has no schema.
  const isNumber = type === 'integer' || type === 'number' || (path.length === 0 && /<(?:n|seconds)>/.test(usage))
  if (!isNumber) return undefined
  const most = typeof maximum === 'number' ? maximum : Number.MAX_SAFE_INTEGER
  const least = typeof minimum === 'number' ? minimum : 0
  if (path.at(-1) === 'micro_dollars') return parseAmount
  if (typed.unit !== undefined) return parseCount(Math.floor(most / typed.unit), 1)
  return usage.includes('<seconds>') ? (text) => parseCount(most, least)(String(secondsOf(text))) : parseCount(most, least)
}

function collectPairs(text: string, earlier?: readonly string[]): readonly string[] {
  if (text.indexOf('=') < 1) throw new InvalidArgumentError('Give a name and its value: name=value.')
  return collect(text, earlier)
}

/** Its fields are typed as `name=value`. */
const isRecord = ({ additionalProperties }: JsonObject): boolean => isObject(additionalProperties)

const unitSeconds: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3_600, d: 86_400 }

/** @returns the seconds of `90`, `90s`, `15m`, `2h` or `7d`. @throws InvalidArgumentError */
export function secondsOf(text: string): number {
  const [, count, unit = ''] = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(text.trim()) ?? []
  if (count === undefined) throw new InvalidArgumentError('Give seconds, or a time such as 15m, 2h or 7d.')
  return Math.round(Number(count) * ownValue(unitSeconds, unit)!)
}

const inCamelCase = (flags: string): string =>
  flags
    .split(' ')[0]!
    .replace(/^--(?:no-)?/, '')
    .replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())

/** @returns arguments that are no field, by name */
export function argumentsOf(fields: readonly Field[], given: readonly unknown[]): Readonly<Record<string, unknown>> {
  const own = fields.filter(isArgument).map(({ usage, path }, at) => ({ name: nameOf(usage), value: given[at], isField: path.length > 0 }))
  return Object.fromEntries(own.flatMap(({ name, value, isField }) => (isField ? [] : [[name, value]])))
}

/** @param given arguments in their order. @returns the input of the call, as far as it was typed. @throws OxbowError `bad_input` */
export function inputOf(fields: readonly Field[], given: readonly unknown[], options: Readonly<Record<string, unknown>>): JsonObject {
  let argument = 0
  return fields.reduce<JsonObject>((input, field) => {
    const raw = isArgument(field) ? given[argument++] : ownValue(options, inCamelCase(field.usage))
    const isAbsent = raw === undefined || field.path.length === 0 || (Array.isArray(raw) && raw.length === 0)
    return isAbsent ? input : withValue(input, field.path, valueOf(field, raw))
  }, {})
}

function withValue(input: JsonObject, [name = '', ...rest]: readonly string[], value: Json): JsonObject {
  const inner = ownValue(input, name)
  return { ...input, [name]: rest.length === 0 ? value : withValue(isObject(inner) ? inner : {}, rest, value) }
}

/** What was typed, as the schema has it. */
function valueOf({ typed, schema, path, usage }: Field, raw: unknown): Json {
  const { type } = schema
  if (typed.value !== undefined) return typed.value
  if (Array.isArray(raw) && isRecord(schema)) return recordOf(schema, pairs(raw as readonly string[]))
  if (Array.isArray(raw)) return type === 'array' ? ([...raw] as Json) : raw.join(' ')
  if (path.at(-1) === 'micro_dollars') return Math.round((raw as number) * 1_000_000)
  if (typed.unit !== undefined) return (raw as number) * typed.unit
  if (typeof raw !== 'string' || type === 'string') return raw as Json
  try {
    return JSON.parse(raw) as Json
  } catch {
    if (type === undefined) return raw
    throw new OxbowError('bad_input', `${usage} is JSON; ${JSON.stringify(raw.slice(0, 100))} cannot be read as that.`, {
      hint: '`--help` behind the verb shows what it takes.',
    })
  }
}

/** Values that need not be texts may be JSON. */
function recordOf({ additionalProperties }: JsonObject, texts: Readonly<Record<string, string>>): JsonObject {
  if (isObject(additionalProperties) && additionalProperties['type'] === 'string') return texts
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, jsonOr(text)]))
}

function jsonOr(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}

/** @returns `name=value` as fields */
export function pairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=')
      return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}
