/**
 * What is derived from the description of a call: its reference for people, and the tool that a model sees.
 *
 * Tools are part of every request, so they are as short as a model needs them to be. A tool has no bounds, patterns or closed objects:
 * the gate validates the input against the full schema, and its error names the field. It has no description of a field that is
 * `evident`, and none of a field that several tools share: the system prompt explains those once, in `sharedFields`.
 */
import { z } from 'zod'
import { isObject, type Json, type JsonObject } from '../../base/index.ts'
import { type Call, jsonObjectSchema, jsonSchema, toolName, type ToolSpec } from '../../protocol/index.ts'

/**
 * Tools that requests offer from the start, and their bytes without the words of the wire; with more, the rare ones are found by
 * the call for it. A model chooses worse among more, and every request pays for each.
 */
const maxOfferedTools = 40
const maxOfferedBytes = 9_000

/** Names of tools of servers, for a model that may search them: at most 3 000 tokens. */
const maxNamedBytes = 9_000

/** Tools that one search loads: a family. */
export const maxLoadedTools = 10

/** Values of a field that its tool lists; of more, the description names examples. A wrong one is refused with the list. */
const maxListedValues = 8

export const callReference = z.strictObject({
  name: z.string(),
  summary: z.string(),
  tier: z.string(),
  right: z.string(),
  effect: z.string(),
  audience: z.array(z.enum(['model', 'terminal', 'runtime'])).readonly(),
  rare: z.boolean().describe('Whether models find it by `tool.search` where there are many tools.'),
  unavailable: z.string().describe('Why this guest cannot make it; empty if it can.'),
  timeout_ms: z.number().nullable(),
  input: jsonObjectSchema(),
  output: jsonObjectSchema(),
  example: jsonSchema(),
  routes: z
    .array(
      z.strictObject({
        method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
        path: z.string(),
        list: z.string().exactOptional(),
        status: z.literal([200, 201]).exactOptional(),
      }),
    )
    .readonly()
    .describe('Its addresses below `/api/v1`, in addition to `POST /calls/{name}`.'),
})

/** The reference of one call, for `oxbow calls` and the generated page. */
export type CallReference = z.infer<typeof callReference>

export function describeCall(call: Call): CallReference {
  return {
    name: call.name,
    summary: call.summary,
    tier: call.tier,
    right: call.right,
    effect: call.effect,
    audience: call.audience,
    rare: call.rare === true,
    unavailable: call.unavailable?.message ?? '',
    timeout_ms: Number.isFinite(call.timeoutMs) ? call.timeoutMs : null,
    input: withoutMarks(schemaOf(call)) as JsonObject,
    output: withoutMarks(schemaOf(call, 'output')) as JsonObject,
    example: call.example,
    routes: call.routes ?? [],
  }
}

/** The tools of a set of calls. */
interface Tools {
  /** Tools in every request. */
  readonly offered: readonly ToolSpec[]
  /** Tools that the call `search` loads. Empty when all are offered. */
  readonly later: readonly ToolSpec[]
  /** Name of the tool that finds others; empty: no tool does. */
  readonly search: string
  /** Section of the system prompt: fields that mean the same in several tools. Empty when no fields are shared. */
  readonly sharedFields: string
}

/** @public reached through the type of the module */
export function toTools(calls: readonly Call[], roomBytes: number = Infinity): Tools {
  const maxBytes = Math.min(maxOfferedBytes, roomBytes)
  const schemas = calls.map((call) => ({ call, schema: schemaOf(call) }))
  const uses = new Map<string, number>()
  for (const { call, schema } of schemas) {
    // What others wrote is left as it is: references in it are meant.
    if (call.parameters === undefined)
      for (const [name, field] of fieldsOf(schema)) {
        const key = sharedKey(name, field)
        if (key !== null) uses.set(key, (uses.get(key) ?? 0) + 1)
      }
  }
  const shared = new Set([...uses].filter(([, count]) => count > 1).map(([key]) => key))
  const specs = schemas.map(({ call, schema }) => ({
    name: toolName(call.name),
    description: call.summary,
    parameters: call.parameters ?? compactObject(schema, (name, field) => shared.has(sharedKey(name, field) ?? '')),
  }))
  return { ...split(calls, specs, maxBytes), sharedFields: describeShared(shared) }
}

/** Offers all tools, or, if they are too many or too large, leaves the rare ones to the call that finds tools. */
function split(calls: readonly Call[], specs: readonly ToolSpec[], maxBytes: number): Omit<Tools, 'sharedFields'> {
  const isSearch = ({ findsTools }: Call): boolean => findsTools === true
  const all = specs.filter((_, place) => !isSearch(calls[place]!))
  const later = specs.filter((_, place) => calls[place]!.rare === true)
  const search = specs[calls.findIndex(isSearch)]
  const fits = all.length <= maxOfferedTools && Buffer.byteLength(JSON.stringify(all)) <= maxBytes
  if (fits || later.length === 0 || search === undefined) return { offered: all, later: [], search: '' }
  const description = `${search.description} There are: ${later.length > maxLoadedTools ? familiesOf(later) : later.map(({ name }) => name).join(', ')}.`
  return { offered: [...all.filter((spec) => !later.includes(spec)), { ...search, description }], later, search: search.name }
}

/**
 * @returns the tools by family: servers' tools by name, after the prefix that a server's names share, as far as space allows for
 * all servers alike; for other families their number
 */
function familiesOf(tools: readonly ToolSpec[]): string {
  const families = new Map<string, string[]>()
  for (const { name } of tools) {
    const [family = name] = /^(?:mcp_[^_]*_|[^_]*)/.exec(name) ?? []
    families.set(family, [...(families.get(family) ?? []), name.slice(family.length)])
  }
  const textOf = (most: number): string =>
    [...families]
      .map(([family, names]) => (family.startsWith('mcp_') ? namesText(family, names, most) : `${family} (${names.length})`))
      .join(', ')
  let most = Math.max(0, ...[...families.values()].map(({ length }) => length))
  let text = textOf(most)
  while (most > 0 && Buffer.byteLength(text) > maxNamedBytes) text = textOf((most = Math.floor(most * 0.8)))
  return text
}

function namesText(family: string, names: readonly string[], most: number): string {
  const shown = names.slice(0, most)
  const more = names.length - shown.length
  return `${family}{${[...shown, ...(more > 0 ? [`${more} more`] : [])].join(',')}}`
}

function schemaOf(call: Call, side: 'input' | 'output' = 'input'): JsonObject {
  if (side === 'input' && call.parameters !== undefined) return call.parameters
  const { $schema: _, ...schema } = z.toJSONSchema(call[side], {
    io: side,
    unrepresentable: 'any',
    // Every output is read-only: said of each array, it says nothing.
    override: (made) => void delete made.jsonSchema.readOnly,
  })
  return schema as JsonObject
}

/** Without `evident` and `type_name`, which are no keywords of JSON Schema. */
function withoutMarks(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutMarks)
  if (!isObject(value)) return value
  const kept = Object.entries(value).filter(
    ([key, each]) => (key !== 'evident' || each !== true) && (key !== 'type_name' || typeof each !== 'string'),
  )
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutMarks(each)]))
}

const fieldsOf = ({ properties }: JsonObject): readonly (readonly [string, Json])[] =>
  isObject(properties) ? Object.entries(properties) : []

/** @returns null for a field that is not described to a model */
function sharedKey(name: string, field: Json): string | null {
  return isObject(field) && field['evident'] !== true && typeof field['description'] === 'string'
    ? `\`${name}\`: ${field['description']}`
    : null
}

function describeShared(shared: ReadonlySet<string>): string {
  return shared.size === 0 ? '' : `Arguments that several tools share:\n${[...shared].join('\n')}`
}

/** What the gate checks and a model does without. References occur only in `z.json()`, which takes any value. */
const unneeded: ReadonlySet<string> = new Set([
  '$defs',
  '$ref',
  'additionalProperties',
  'evident',
  'exclusiveMaximum',
  'exclusiveMinimum',
  'maxItems',
  'maxLength',
  'maximum',
  'minItems',
  'minLength',
  'minimum',
  'pattern',
])

function compactObject(schema: JsonObject, isShared: (name: string, field: Json) => boolean): JsonObject {
  const properties = fieldsOf(schema).map(([name, field]) => [name, compact(field, isShared(name, field))] as const)
  return { ...(compact(schema) as JsonObject), properties: Object.fromEntries(properties) }
}

/** @param isExplained the description stands elsewhere */
function compact(schema: Json, isExplained = false): Json {
  if (Array.isArray(schema)) return schema.map((each) => compact(each))
  if (!isObject(schema)) return schema
  const isEvident = schema['evident'] === true
  const entries = Object.entries(schema).filter(([key, value]) => {
    if (unneeded.has(key)) return false
    if (key === 'description') return !isEvident && !isExplained
    if (key === 'default') return value === true || (!isEvident && !isExplained && !isNatural(value))
    return key !== 'enum' || !Array.isArray(value) || value.length <= maxListedValues
  })
  const nested = ([key, value]: readonly [string, Json]): readonly [string, Json] => {
    if (key === 'properties' && isObject(value))
      return [key, Object.fromEntries(Object.entries(value).map(([name, field]) => [name, compact(field)]))]
    return key === 'default' || key === 'enum' || key === 'const' ? [key, value] : [key, compact(value, isEvident || isExplained)]
  }
  return Object.fromEntries(entries.map(nested))
}

/** The default that anyone expects of a field that may be left out. */
function isNatural(value: Json): boolean {
  return value === false || value === 0 || value === '' || value === null || (Array.isArray(value) && value.length === 0)
}
