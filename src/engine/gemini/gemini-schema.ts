/** JSON Schema as Gemini takes it: without `$schema`, and with a list of one value in place of `const`. */
import type { Json, JsonObject } from '../../types/index.ts'

/** Keywords whose value is a schema, a list of schemas, or schemas by name. A property may bear any of these names. */
const single = new Set(['items', 'additionalProperties', 'not', 'contains', 'if', 'then', 'else', 'propertyNames'])
const listed = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems'])
const named = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'])

export function geminiSchema(schema: JsonObject): JsonObject {
  const entries: [string, Json][] = []
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === '$schema') continue
    if (keyword !== 'const') entries.push([keyword, keywordValue(keyword, value)])
    // Lists of values hold texts and numbers only.
    else if (typeof value === 'string' || typeof value === 'number') entries.push(['enum', [value]])
  }
  return Object.fromEntries(entries)
}

function keywordValue(keyword: string, value: Json): Json {
  if (single.has(keyword) && isObject(value)) return geminiSchema(value)
  if (listed.has(keyword) && Array.isArray(value)) return value.map((each: Json) => (isObject(each) ? geminiSchema(each) : each))
  if (!named.has(keyword) || !isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, isObject(each) ? geminiSchema(each) : each]))
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
