/**
 * Mends the arguments of one tool call where it is certain what was meant. What comes out is JSON objects; what is not
 * certain is null, and the call stays as it was: the gate tells the model precisely what is wrong with it.
 *
 * An answer that was cut is never completed: a half command must not run. So nothing is mended in text that is no JSON when
 * the answer did not end by itself.
 */
import type { Json, JsonObject, ToolSpec } from '../../types/index.ts'
import { maxRepairChars, maxRepairRounds } from '../limits.ts'
import { readMembers } from './json-members.ts'
import { readLenientJson } from './lenient-json.ts'
import type { RepairKind } from './repair-counts.ts'
import { sameToolName } from './repair-name.ts'

export interface MendedArguments {
  /** JSON objects, at least one: each is a call of its own. */
  readonly objects: readonly string[]
  /** Empty when nothing had to be done. */
  readonly kinds: readonly RepairKind[]
}

export interface MendOptions {
  /** Unset for a tool that nobody knows: its wrapping cannot be told from its arguments. */
  readonly tool: ToolSpec | undefined
  /** The answer ended by itself. */
  readonly whole: boolean
  /** Most calls that may come of this one. */
  readonly maxObjects: number
}

/** @returns null when the arguments must stay as they are. Never throws. */
export function mendArguments(text: string, options: MendOptions): MendedArguments | null {
  const kinds: RepairKind[] = []
  let current = text
  for (let round = 0; round <= maxRepairRounds; round++) {
    const step = mendOnce(current, options)
    if (step === null) return null
    if (step.kind === null) return { objects: step.objects, kinds }
    if (!kinds.includes(step.kind)) kinds.push(step.kind)
    if ('objects' in step) return several(step.objects, options, kinds)
    current = step.text
  }
  return null
}

/** `kind` null: these are the arguments. Else what was mended, and the text, or the several objects, that came of it. */
type Step =
  | { readonly kind: null; readonly objects: readonly [string] }
  | { readonly kind: RepairKind; readonly text: string }
  | { readonly kind: 'split_calls'; readonly objects: readonly string[] }

function mendOnce(text: string, options: MendOptions): Step | null {
  const parsed = parse(text)
  if (parsed === undefined) return options.whole ? mendText(text, options) : null
  if (typeof parsed === 'string') return { kind: 'double_encoded', text: parsed }
  if (parsed === null) return options.whole ? { kind: 'empty_arguments', text: '{}' } : null
  if (!isObject(parsed)) return null
  const inner = unwrap(text, parsed, options.tool)
  return inner === null ? { kind: null, objects: [text] } : { kind: 'wrapped_arguments', text: inner }
}

/** Text that is no JSON, of an answer that ended by itself. */
function mendText(text: string, { maxObjects }: MendOptions): Step | null {
  const trimmed = text.trim()
  if (trimmed === '') return { kind: 'empty_arguments', text: '{}' }
  if (trimmed.length > maxRepairChars) return null
  if (trimmed.length > 6 && trimmed.startsWith('```') && trimmed.endsWith('```')) {
    return { kind: 'code_fence', text: trimmed.slice(3, -3).replace(/^[\w+-]*/, '') }
  }
  const objects = readObjects(trimmed, maxObjects)
  if (objects === null) return null
  const [only] = objects
  return objects.length === 1 && only !== undefined ? { kind: 'syntax', text: only } : { kind: 'split_calls', objects }
}

/** @returns the objects that the text consists of, or null when it does not consist of objects. */
function readObjects(text: string, most: number): readonly string[] | null {
  const objects: string[] = []
  for (let at = 0; at < text.length;) {
    if (text[at] !== '{' || objects.length === most) return null
    // Only one that stands alone may lack its brackets: among several, nobody knows where the first was to end.
    const value = readLenientJson(text, at, objects.length === 0)
    if (value === null) return null
    objects.push(value.json)
    at = value.end
    if (objects.length === 1 && /^[\s}\]]*$/.test(text.slice(at))) break
    const gap = /\s*,?\s*/y
    gap.lastIndex = at
    gap.exec(text)
    at = gap.lastIndex
    // A comma at the end promises an object that is not there.
    if (at >= text.length && text.endsWith(',')) return null
  }
  return objects
}

/** Several objects, each a call. Services that send arguments once in pieces and once whole, or begin with `{}`, mean one. */
function several(objects: readonly string[], options: MendOptions, kinds: RepairKind[]): MendedArguments | null {
  const distinct = objects.filter((json, place) => json !== objects[place - 1])
  if (distinct.length > 1 && distinct[0] === '{}' && needsArguments(options.tool)) distinct.shift()
  if (distinct.length < objects.length) kinds.push('echoed_arguments')
  if (distinct.length === 1) kinds.splice(kinds.indexOf('split_calls'), 1)
  const mended: string[] = []
  for (const json of distinct) {
    const one = mendArguments(json, { ...options, maxObjects: 1 })
    if (one === null) return null
    mended.push(...one.objects)
    for (const kind of one.kinds) if (!kinds.includes(kind)) kinds.push(kind)
  }
  return { objects: mended, kinds }
}

function needsArguments(tool: ToolSpec | undefined): boolean {
  const required = tool?.parameters['required']
  return Array.isArray(required) && required.length > 0
}

/** Keys under which models put all arguments, and those beside which they put the tool's name. */
const wrappers: ReadonlySet<string> = new Set(['arguments', 'args', 'parameters', 'params', 'input', 'tool_input'])
const namings: ReadonlySet<string> = new Set(['name', 'tool', 'tool_name', 'function'])

/** @returns the arguments inside of a wrapping that the tool's own schema rules out, or null. */
function unwrap(text: string, value: JsonObject, tool: ToolSpec | undefined): string | null {
  const known = knownFields(tool)
  const names = Object.keys(value)
  if (tool === undefined || known === null || names.length > 2 || names.some((name) => Object.hasOwn(known, name))) return null
  const wrapper = names.find((name) => wrappers.has(name))
  const naming = names.find((name) => name !== wrapper)
  if (wrapper === undefined) return null
  if (naming !== undefined && !(namings.has(naming) && isNameOf(value[naming], tool))) return null
  // A name that stands there twice has two values: which one was meant?
  const members = readMembers(text, 2)
  if (members === null || members.length !== names.length) return null
  const inner = members.find((member) => member.name === wrapper)?.json
  return inner !== undefined && isObjectText(inner) ? inner : null
}

/** The fields of a tool's schema; null when it takes any field, or does not say. */
function knownFields(tool: ToolSpec | undefined): JsonObject | null {
  const { properties, additionalProperties, patternProperties } = tool?.parameters ?? {}
  if (additionalProperties !== undefined && additionalProperties !== false) return null
  return isObject(properties) && patternProperties === undefined ? properties : null
}

function isNameOf(value: Json | undefined, tool: ToolSpec): boolean {
  return typeof value === 'string' && sameToolName(value, tool.name)
}

/** An object, or a string that holds one. */
function isObjectText(json: string): boolean {
  const value = parse(json)
  return isObject(typeof value === 'string' ? parse(value) : value)
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @returns undefined for what is no JSON. */
function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
