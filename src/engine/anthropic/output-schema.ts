/**
 * The subset of JSON Schema that structured output takes: every object closed, no bounds on numbers, lengths or counts. What
 * cannot be demanded is told to the model in the description instead. The vendor's package does the same to its own schemas.
 */
import type { Json, JsonObject } from '../../types/index.ts'

const formats = ['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'uri', 'ipv4', 'ipv6', 'uuid']

/** @param schema JSON Schema without cycles, as JSON has none */
export function outputSchema(schema: JsonObject): JsonObject {
  const { $defs, $ref, $schema: _dialect, ...rest } = schema
  const out: Record<string, Json> = {}
  if (isObject($defs)) out.$defs = mapped($defs)
  if ($ref !== undefined) return { ...out, $ref }
  const left: Record<string, Json> = { ...rest }
  const take = (name: string): Json | undefined => {
    const value = left[name]
    delete left[name]
    return value
  }
  const keep = (...names: string[]): void => {
    for (const name of names) if (left[name] !== undefined) out[name] = take(name)!
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
  const told = Object.entries(left).map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
  if (told.length > 0) {
    const before = typeof out['description'] === 'string' && out['description'] !== '' ? `${out['description']}\n\n` : ''
    out['description'] = `${before}{${told.join(', ')}}`
  }
  return out
}

function part(value: Json): Json {
  return isObject(value) ? outputSchema(value) : value
}

function mapped(schemas: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, part(schema)]))
}

function isObject(value: Json | undefined): value is JsonObject {
  return isNested(value) && !Array.isArray(value)
}

function isNested(value: Json | undefined): boolean {
  return typeof value === 'object' && value !== null
}

function isScalarList(value: Json | undefined): boolean {
  return Array.isArray(value) && value.length > 0 && !value.some(isNested)
}
