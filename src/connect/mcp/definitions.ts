/**
 * Definitions of tools as servers send them: checked, made visible, and hashed. What a person approves is the hash over all that a model or
 * a person could be misled by: name, texts, schemas, annotations, and the instructions and identity of the server. Nothing here follows a
 * reference or runs a pattern of a schema.
 */
import { z } from 'zod'
import { canonicalJson, isObject, type Json, type JsonObject } from '../../base/index.ts'
import { jsonObjectSchema } from '../../protocol/index.ts'
import { maxDescriptionBytes, maxModelNameChars, maxSchemaBytes, maxSchemaDepth, maxToolNameChars } from './limits.ts'

/** Last parts of the names of calls for what a server offers besides tools; a tool with such a name gets another. */
const offerParts: readonly string[] = ['resource_list', 'resource_read', 'resource_wait', 'prompt_list', 'prompt_get']

/** Lower-case hex. */
export type HashText = (text: string) => string

export const toolDefinition = z.strictObject({
  name: z.string().describe('As the server calls it.'),
  title: z.string(),
  description: z.string().describe('With invisible characters escaped, at most 2 KiB.'),
  inputSchema: jsonObjectSchema(),
  outputSchema: jsonObjectSchema().nullable().describe('Null: none.'),
  annotations: jsonObjectSchema().describe('Claims of the server, which change nothing.'),
})

export type ToolDefinition = z.infer<typeof toolDefinition>

export interface FoundTool {
  readonly definition: ToolDefinition
  readonly hash: string
  /** Why it cannot be offered, whoever approves it; empty if it can. */
  readonly problem: string
}

export interface ServerFacts {
  readonly instructions: string
  /** What was started, or the address. */
  readonly identity: string
}

export function readTools(tools: readonly JsonObject[], { instructions, identity }: ServerFacts, hash: HashText): readonly FoundTool[] {
  const names = new Set<string>()
  return tools.map((raw) => {
    const problem = problemOf(raw, names)
    const name = textOf(raw['name']).slice(0, maxToolNameChars)
    names.add(name)
    const { title, description, inputSchema, outputSchema, annotations } = raw
    const definition: ToolDefinition = {
      name,
      title: visible(textOf(title)).slice(0, 200),
      description: truncated(visible(textOf(description))),
      inputSchema: problem === '' && isObject(inputSchema) ? escapedSchema(inputSchema) : {},
      outputSchema: problem === '' && isObject(outputSchema) ? escapedSchema(outputSchema) : null,
      annotations: problem === '' && isObject(annotations) && sizeOf(annotations) <= maxDescriptionBytes ? annotations : {},
    }
    const facts = { name: raw['name'], title, description, inputSchema, outputSchema, annotations, instructions, identity }
    // Hashes that a person has approved count what is missing as null.
    const whole = Object.fromEntries(Object.entries(facts).map(([part, said]) => [part, said ?? null]))
    return { definition, problem, hash: hash(depthOf(raw) > maxSchemaDepth ? name : canonicalJson(whole)) }
  })
}

function problemOf(raw: JsonObject, before: ReadonlySet<string>): string {
  const { name, inputSchema, outputSchema } = raw
  if (typeof name !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(name)) return 'its name is not 1 to 128 visible ASCII characters'
  if (before.has(name)) return 'another tool of the server has the same name'
  if (depthOf(raw) > maxSchemaDepth) return `its schema is nested deeper than ${maxSchemaDepth}`
  for (const schema of [inputSchema, outputSchema]) {
    if (schema === undefined || schema === null) continue
    if (!isObject(schema) || schema['type'] !== 'object') return 'its schema does not describe an object'
    if (sizeOf(schema) > maxSchemaBytes) return `its schema has more than ${maxSchemaBytes} bytes`
    const wrong = wrongPart(schema)
    if (wrong !== '') return wrong
  }
  return ''
}

/** @returns what of a schema that is not too deep cannot be accepted; empty when all can */
function wrongPart(value: Json, key = ''): string {
  if (typeof value === 'string') {
    if (/^\$(?:dynamic|recursive)?ref$/i.test(key) && !value.startsWith('#')) return 'its schema refers to another document'
    return key !== 'description' && key !== 'title' && visible(value) !== value ? 'its schema has invisible characters' : ''
  }
  const entries = Array.isArray(value) ? value.map((each) => [key, each] as const) : isObject(value) ? Object.entries(value) : []
  for (const [name, each] of entries) {
    if (visible(name) !== name) return 'its schema has invisible characters'
    const wrong = wrongPart(each, name)
    if (wrong !== '') return wrong
  }
  return ''
}

/** A schema as models and people see it. */
function escapedSchema(schema: JsonObject): JsonObject {
  const each = (value: Json): Json =>
    typeof value === 'string'
      ? visible(value)
      : Array.isArray(value)
        ? value.map(each)
        : isObject(value)
          ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, each(inner)]))
          : value
  return each(schema) as JsonObject
}

/**
 * Controls, formats (among them joiners, tags and marks of direction), private and unassigned characters; line separators; blanks that are
 * none of the keyboard; fillers; the grapheme joiner; selectors of variations.
 */
const invisible = [
  /[^\P{C}\n\t]|[\p{Zl}\p{Zp}]/gu,
  /[\u00a0\u115f\u1160\u2000-\u200a\u202f\u205f\u3000\u3164\uffa0]/g,
  /\p{Variation_Selector}|\u034f/gu,
]

/** Escapes what a person cannot see, so that a diff shows all that a model reads. */
export function visible(text: string): string {
  const escaped = (char: string): string => `\\u{${char.codePointAt(0)!.toString(16)}}`
  return invisible.reduce((shown, chars) => shown.replaceAll(chars, escaped), text.toWellFormed())
}

function truncated(text: string): string {
  if (Buffer.byteLength(text) <= maxDescriptionBytes) return text
  return `${Buffer.from(text)
    .subarray(0, maxDescriptionBytes - 3)
    .toString()
    .replace(/\uFFFD+$/, '')}…`
}

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '')
const sizeOf = (value: Json): number => Buffer.byteLength(JSON.stringify(value))

/** Level by level, since a hostile value may be deeper than the stack. Stops above the limit. */
function depthOf(value: Json): number {
  let level: Json[] = [value]
  for (let depth = 0; ; depth += 1) {
    if (level.length === 0 || depth > maxSchemaDepth) return depth
    level = level.flatMap((each) => (Array.isArray(each) ? each : isObject(each) ? Object.values(each) : []))
  }
}

/** @returns the last part of the name of a tool's call, the same whenever it is asked; a name that had to be changed ends with a hash */
export function callPart(server: string, tool: string, hash: HashText): string {
  const plain = tool.replaceAll(/[^A-Za-z0-9_-]/g, '_')
  const longest = maxModelNameChars - `mcp_${server}_`.length
  return plain === tool && plain.length <= longest && !offerParts.includes(plain)
    ? plain
    : `${plain.slice(0, longest - 9)}_${hash(tool).slice(0, 8)}`
}
