/** JSON Schema as the service takes it: a schema that it does not take refuses the whole request. */
import type { Tool } from '@anthropic-ai/sdk/resources/messages'
import { isObject, type Json, type JsonObject, ownValue, setOwn } from '../../base/index.ts'

const formats = ['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'uri', 'ipv4', 'ipv6', 'uuid']

/**
 * The subset for structured output: every object closed, no bounds on numbers, lengths or counts. What cannot be demanded is
 * dropped to the model in the description instead. The vendor's package does the same to its own schemas.
 */
export function outputSchema(schema: JsonObject): JsonObject {
  const { $defs, $ref, $schema: _dialect, ...rest } = schema
  const out: Record<string, Json> = {}
  if (isObject($defs)) out.$defs = mapped($defs)
  if ($ref !== undefined) return { ...out, $ref }
  const left: Record<string, Json> = { ...rest }
  const take = (name: string): Json | undefined => {
    const value = ownValue(left, name)
    delete left[name]
    return value
  }
  const keep = (...names: string[]): void => {
    for (const name of names) if (ownValue(left, name) !== undefined) setOwn(out, name, take(name)!)
  }

  const type = take('type')
  const literal = isScalarList(left['enum']) || ('const' in left && !isNested(left['const']))
  if (isScalarList(left['enum'])) keep('enum')
  if (!isNested(left['const'])) keep('const')
  const [any, one, all] = [take('anyOf'), take('oneOf'), take('allOf')]
  if (Array.isArray(any)) out['anyOf'] = any.map(part)
  else if (Array.isArray(one)) out['anyOf'] = one.map(part)
  else if (Array.isArray(all)) out['allOf'] = all.map(part)
  else if (!literal && type !== undefined) out['type'] = type
  keep('description', 'title')

  const is = (name: string): boolean => !literal && (type === name || (Array.isArray(type) && type.includes(name)))
  if (is('object')) {
    const properties = take('properties')
    out['properties'] = isObject(properties) ? mapped(properties) : {}
    take('additionalProperties')
    out['additionalProperties'] = false
    keep('required')
  }
  if (is('array')) {
    const items = take('items')
    if (items !== undefined) out['items'] = part(items)
    if (left['minItems'] === 0 || left['minItems'] === 1) keep('minItems')
  }
  if (is('string') && typeof left['format'] === 'string' && formats.includes(left['format'])) keep('format')
  const dropped = Object.entries(left).map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
  if (dropped.length > 0) {
    const before = typeof out['description'] === 'string' && out['description'] !== '' ? `${out['description']}\n\n` : ''
    out['description'] = `${before}{${dropped.join(', ')}}`
  }
  return out
}

const combinations = ['anyOf', 'oneOf', 'allOf'] as const

/**
 * A tool's input must be one object, not a choice of several. The properties of all choices become optional ones of one
 * object, and the choice itself is dropped in its description; the call checks it in the end.
 */
export function inputSchema(parameters: JsonObject): Tool.InputSchema {
  const { anyOf, oneOf, allOf, ...rest } = parameters
  const lists = { anyOf, oneOf, allOf }
  const used = combinations.filter((name) => Array.isArray(lists[name]))
  if (used.length === 0) return { ...parameters, type: 'object' }
  const properties = new Map<string, Json[]>()
  const required = new Set(namesIn(rest['required']))
  const add = (schema: Json): void => {
    if (!isObject(schema) || !isObject(schema['properties'])) return
    for (const [name, value] of Object.entries(schema['properties'])) properties.set(name, [...(properties.get(name) ?? []), value])
  }
  add(rest)
  for (const name of used) {
    const choices = lists[name] as readonly Json[]
    choices.forEach(add)
    const needed = choices.map((choice) => namesIn(isObject(choice) ? choice['required'] : undefined))
    for (const each of needed.flat()) if (name === 'allOf' || needed.every((names) => names.includes(each))) required.add(each)
  }
  const words = typeof rest['description'] === 'string' ? `${rest['description']}\n\n` : ''
  const description = `${words}${used.map((name) => `${name}: ${JSON.stringify(lists[name])}`).join('\n')}`
  const merged = [...properties].map(([name, schemas]) => [name, schemas.length === 1 ? schemas[0] : { anyOf: schemas }])
  return { ...rest, type: 'object', properties: Object.fromEntries(merged), required: [...required], description }
}

function namesIn(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((name) => typeof name === 'string') : []
}

function part(value: Json): Json {
  return isObject(value) ? outputSchema(value) : value
}

function mapped(schemas: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, part(schema)]))
}

function isNested(value: Json | undefined): boolean {
  return typeof value === 'object' && value !== null
}

function isScalarList(value: Json | undefined): boolean {
  return Array.isArray(value) && value.length > 0 && !value.some(isNested)
}
