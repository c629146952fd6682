/**
 * `configSchema` of a manifest: a part of JSON Schema that can be checked completely, without a library and without patterns, which could run
 * for ever. A schema with another keyword is refused, so that nobody relies on a rule that does not hold.
 */
import { isObject, type Json, type JsonObject, ownValue } from '../../base/index.ts'

const types = ['string', 'number', 'integer', 'boolean', 'array', 'object'] as const
const notes = ['title', 'description', '$schema', 'examples']
/** Keywords by the type whose values they concern. */
const keywords: Readonly<Record<(typeof types)[number], readonly string[]>> = {
  string: ['minLength', 'maxLength'],
  number: ['minimum', 'maximum'],
  integer: ['minimum', 'maximum'],
  boolean: [],
  array: ['items', 'minItems', 'maxItems'],
  object: ['properties', 'required', 'additionalProperties'],
}

/** @returns what is wrong with the schema, at most ten things; an empty schema takes no settings */
export function wrongSettingsSchema(schema: JsonObject): readonly string[] {
  if (Object.keys(schema).length === 0) return []
  if (schema['type'] !== 'object') return ['must have the type object']
  return wrongAt(schema, '').slice(0, 10)
}

function wrongAt(schema: Json | undefined, path: string): readonly string[] {
  const at = path === '' ? '' : `${path} `
  if (!isObject(schema)) return [`${at}must be a schema`]
  const type = types.find((each) => each === schema['type'])
  if (type === undefined) return [`${at}must have a type: ${types.join(', ')}`]
  const allowed = ['type', 'default', 'enum', ...notes, ...keywords[type]]
  const unknown = Object.keys(schema).filter((key) => !allowed.includes(key))
  const { properties = {}, required = [], items, default: preset, enum: choices, additionalProperties: rest } = schema
  const wrong = unknown.map((key) => `${at}has ${key}, which is not supported for ${type}`)
  for (const key of ['minLength', 'maxLength', 'minItems', 'maxItems', 'minimum', 'maximum'])
    if (ownValue(schema, key) !== undefined && typeof ownValue(schema, key) !== 'number') wrong.push(`${at}${key} must be a number`)
  if (choices !== undefined && !Array.isArray(choices)) wrong.push(`${at}enum must be a list`)
  if (rest !== undefined && typeof rest !== 'boolean') wrong.push(`${at}additionalProperties must be true or false`)
  if (type === 'array' && items !== undefined) wrong.push(...wrongAt(items, `${path}[]`))
  if (type === 'object') {
    if (!isObject(properties)) wrong.push(`${at}properties must be an object`)
    else for (const [key, each] of Object.entries(properties)) wrong.push(...wrongAt(each, path === '' ? key : `${path}.${key}`))
    if (!Array.isArray(required) || required.some((key) => typeof key !== 'string')) wrong.push(`${at}required must be a list of names`)
  }
  if (wrong.length === 0 && preset !== undefined) wrong.push(...checkAt(schema, preset, path).problems)
  return wrong
}

export interface CheckedSettings {
  /** With the defaults of the schema. */
  readonly value: JsonObject
  /** One for each wrong setting; the value is of no use then. */
  readonly problems: readonly string[]
}

/** @param schema as `wrongSettingsSchema` accepts it */
export function checkSettings(schema: JsonObject, settings: JsonObject): CheckedSettings {
  const whole = Object.keys(schema).length === 0 ? { type: 'object', properties: {} } : schema
  const { value, problems } = checkAt(whole, settings, '')
  return { value: isObject(value) ? value : {}, problems }
}

interface Checked {
  readonly value: Json
  readonly problems: readonly string[]
}

function checkAt(schema: JsonObject, value: Json, path: string): Checked {
  const at = path === '' ? 'the settings' : path
  const wrong = (why: string): Checked => ({ value, problems: [`${at} ${why}`] })
  const { type, enum: choices } = schema
  if (!isOfType(value, type)) return wrong(`must have the type ${JSON.stringify(type)}`)
  if (Array.isArray(choices) && !choices.some((each) => JSON.stringify(each) === JSON.stringify(value)))
    return wrong(`must be one of ${choices.map((each) => JSON.stringify(each)).join(', ')}`)
  const size = typeof value === 'string' || Array.isArray(value) ? value.length : typeof value === 'number' ? value : null
  if (size !== null) {
    const suffix = typeof value === 'string' ? 'Length' : Array.isArray(value) ? 'Items' : 'imum'
    const [least, most] = [schema[`min${suffix}`], schema[`max${suffix}`]]
    if (typeof least === 'number' && size < least) return wrong(`is below min${suffix}, ${least}`)
    if (typeof most === 'number' && size > most) return wrong(`is above max${suffix}, ${most}`)
  }
  if (Array.isArray(value) && isObject(schema['items'])) {
    const parts = value.map((each: Json, place) => checkAt(schema['items'] as JsonObject, each, `${path}[${place}]`))
    return { value: parts.map((part) => part.value), problems: parts.flatMap(({ problems }) => problems) }
  }
  return isObject(value) ? checkObject(schema, value, path) : { value, problems: [] }
}

function checkObject(schema: JsonObject, value: JsonObject, path: string): Checked {
  const properties = isObject(schema['properties']) ? schema['properties'] : {}
  const required = Array.isArray(schema['required']) ? schema['required'].map(String) : []
  const inner = (key: string): string => (path === '' ? key : `${path}.${key}`)
  const problems: string[] = []
  const entries: [string, Json][] = []
  for (const [key, each] of Object.entries(properties)) {
    if (!isObject(each)) continue
    const setting = Object.hasOwn(value, key) ? value[key] : each['default']
    if (setting === undefined) {
      if (required.includes(key)) problems.push(`${inner(key)} is missing`)
      continue
    }
    const part = checkAt(each, setting, inner(key))
    problems.push(...part.problems)
    entries.push([key, part.value])
  }
  for (const [key, each] of Object.entries(value)) {
    if (Object.hasOwn(properties, key)) continue
    if (schema['additionalProperties'] === true) entries.push([key, each])
    else problems.push(`${inner(key)} is not a setting of it`)
  }
  return { value: Object.fromEntries(entries), problems }
}

function isOfType(value: Json, type: Json | undefined): boolean {
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return isObject(value)
  if (type === 'integer') return Number.isSafeInteger(value)
  return typeof value === type
}
