/**
 * Repairs the tool calls of one answer: names, arguments and ids, each only where a single reading is possible. Anything
 * ambiguous stays unchanged, and the gate tells the model precisely what is wrong with it. A valid call is never touched.
 *
 * Text that is not JSON is never completed when the answer was truncated: half a command must not run.
 */
import { isObject, type Json, type JsonObject, ownValue } from '../../base/index.ts'
import type { FinishReason, ModelEvent, ToolCallPart, ToolSpec } from '../../protocol/index.ts'
import { maxLikenessChars, maxRepairChars, maxRepairRounds, modelLimits } from '../limits.ts'
import { readLenientJson, readMembers } from './lenient-json.ts'

/**
 * Repairs the last batch of an answer: wires emit all tool calls together with `finish`, which then counts the repairs.
 *
 * @returns the same batch when it holds no call
 */
export function repairAnswer(
  batch: readonly ModelEvent[],
  tools: readonly ToolSpec[],
  finish: ModelEvent & { type: 'finish' },
  counts: RepairCounts,
): readonly ModelEvent[] {
  const calls = batch.flatMap((event) => (event.type === 'tool_call' ? [event.call] : []))
  if (calls.length === 0) return batch
  const last = calls.at(-1)!
  // Truncated before its first argument: it must not run as if it had none.
  if (finish.reason === 'length' && /^(?:\{\})?$/.test(last.arguments)) calls[calls.length - 1] = { ...last, arguments: '{' }
  const before = { ...counts }
  const repaired = repairToolCalls(calls, tools, finish.reason, counts).map(toEvent)
  const added = increase(before, counts)
  const end = added === null ? finish : { ...finish, repaired: added }
  return [...batch.filter((event) => event.type !== 'tool_call' && event !== finish), ...repaired, end]
}

const toEvent = (call: ToolCallPart): ModelEvent => ({ type: 'tool_call', call })

function increase(before: RepairCounts, after: RepairCounts): Readonly<Record<string, number>> | null {
  const kinds = (Object.keys(after) as (keyof RepairCounts)[]).filter((kind) => after[kind] > before[kind])
  return kinds.length === 0 ? null : Object.fromEntries(kinds.map((kind) => [kind, after[kind] - before[kind]]))
}

/**
 * @param tools the request's tools
 * @param ended how the answer ended: one that was cut is never completed into something that runs
 * @param counts goes up by what was done; see `createRepairCounts`
 * @returns the calls in order, the same objects where nothing was repaired. Never throws.
 */
export function repairToolCalls(
  calls: readonly ToolCallPart[],
  tools: readonly ToolSpec[],
  ended: FinishReason,
  counts: RepairCounts,
): readonly ToolCallPart[] {
  const byName = new Map(tools.map((tool) => [tool.name, tool]))
  const whole = ended === 'stop' || ended === 'tool_calls'
  let room = modelLimits.maxToolCalls - calls.length
  const repaired = calls.flatMap((call) => {
    const name = repairName(call.name, byName, counts)
    const found = repairArguments(call.arguments, { tool: byName.get(name), whole, maxObjects: 1 + Math.max(0, room) })
    if (found === null) counts.broken_arguments += 1
    else for (const kind of found.kinds) counts[kind] += 1
    const texts = found === null || found.kinds.length === 0 ? [call.arguments] : found.objects
    room -= texts.length - 1
    if (texts.length === 1) return [withChanges(call, name, texts[0] ?? call.arguments)]
    return texts.map((text, place) => split(call, name, text, place))
  })
  return repairIds(repaired, counts)
}

function repairName(name: string, byName: ReadonlyMap<string, ToolSpec>, counts: RepairCounts): string {
  if (byName.has(name)) return name
  const meant = matchToolName(name, byName.keys())
  counts[meant === null ? 'unknown_tool' : 'tool_name'] += 1
  return meant ?? name
}

function withChanges(call: ToolCallPart, name: string, text: string): ToolCallPart {
  return name === call.name && text === call.arguments ? call : { ...call, name, arguments: text }
}

/** One of several calls that came as one. Only the first keeps the seal: the wire sealed one call. */
function split(call: ToolCallPart, name: string, text: string, place: number): ToolCallPart {
  const id = call.id === '' ? '' : `${call.id}_${place}`
  const { sealed, ...rest } = call
  return { ...rest, ...(place === 0 && sealed !== undefined ? { sealed } : {}), id, name, arguments: text }
}

/** Gives `call_{n}` to calls without an id, and to all but the first with the same. */
function repairIds(calls: readonly ToolCallPart[], counts: RepairCounts): readonly ToolCallPart[] {
  const taken = new Set(calls.map((call) => call.id))
  const seen = new Set<string>([''])
  return calls.map((call, place) => {
    if (!seen.has(call.id)) {
      seen.add(call.id)
      return call
    }
    let n = place
    while (taken.has(`call_${n}`)) n += 1
    const id = `call_${n}`
    taken.add(id)
    seen.add(id)
    counts.call_id += 1
    return { ...call, id }
  })
}

interface RepairedArguments {
  /** JSON objects, at least one: each is a call of its own. */
  readonly objects: readonly string[]
  /** Empty when nothing was repaired. */
  readonly kinds: readonly RepairKind[]
}

interface RepairOptions {
  /** Unset for an unknown tool: a wrapper cannot be told from its arguments. */
  readonly tool: ToolSpec | undefined
  /** The answer ended by itself. */
  readonly whole: boolean
  /** Maximum number of calls that this one may become. */
  readonly maxObjects: number
}

/** @returns JSON objects, or null when the arguments must stay as they are. Never throws. */
function repairArguments(text: string, options: RepairOptions): RepairedArguments | null {
  const kinds: RepairKind[] = []
  let current = text
  for (let round = 0; round <= maxRepairRounds; round++) {
    const step = repairOnce(current, options)
    if (step === null) return null
    if (step.kind === null) return { objects: step.objects, kinds }
    if (!kinds.includes(step.kind)) kinds.push(step.kind)
    if ('objects' in step) return several(step.objects, options, kinds)
    current = step.text
  }
  return null
}

/** `kind` null: nothing had to be repaired. Otherwise what was repaired, and the resulting text or objects. */
type Step =
  | { readonly kind: null; readonly objects: readonly [string] }
  | { readonly kind: RepairKind; readonly text: string }
  | { readonly kind: 'split_calls'; readonly objects: readonly string[] }

function repairOnce(text: string, options: RepairOptions): Step | null {
  const parsed = parse(text)
  if (parsed === undefined) return options.whole ? repairText(text, options) : null
  if (typeof parsed === 'string') return { kind: 'double_encoded', text: parsed }
  if (parsed === null) return options.whole ? { kind: 'empty_arguments', text: '{}' } : null
  if (!isObject(parsed)) return null
  const inner = unwrap(text, parsed, options.tool)
  return inner === null ? { kind: null, objects: [text] } : { kind: 'wrapped_arguments', text: inner }
}

/** Repairs text that is not JSON, of an answer that was not truncated. */
function repairText(text: string, { maxObjects }: RepairOptions): Step | null {
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
function readObjects(text: string, maxObjects: number): readonly string[] | null {
  const objects: string[] = []
  for (let at = 0; at < text.length;) {
    if (text[at] !== '{' || objects.length === maxObjects) return null
    // Only a single object may lack closing brackets: among several, the end of the first would be a guess.
    const value = readLenientJson(text, at, objects.length === 0)
    if (value === null) return null
    objects.push(value.json)
    at = value.end
    if (objects.length === 1 && /^[\s}\]]*$/.test(text.slice(at))) break
    const gap = /\s*,?\s*/y
    gap.lastIndex = at
    gap.exec(text)
    at = gap.lastIndex
    // After a trailing comma an object is missing.
    if (at >= text.length && text.endsWith(',')) return null
  }
  return objects
}

/** Several objects, each a call. Some services send one call twice, in pieces and whole, or precede it with `{}`. */
function several(objects: readonly string[], options: RepairOptions, kinds: RepairKind[]): RepairedArguments | null {
  const distinct = objects.filter((json, place) => json !== objects[place - 1])
  if (distinct.length > 1 && distinct[0] === '{}' && needsArguments(options.tool)) distinct.shift()
  if (distinct.length < objects.length) kinds.push('echoed_arguments')
  if (distinct.length === 1) kinds.splice(kinds.indexOf('split_calls'), 1)
  const repaired: string[] = []
  for (const json of distinct) {
    const one = repairArguments(json, { ...options, maxObjects: 1 })
    if (one === null) return null
    repaired.push(...one.objects)
    for (const kind of one.kinds) if (!kinds.includes(kind)) kinds.push(kind)
  }
  return { objects: repaired, kinds }
}

function needsArguments(tool: ToolSpec | undefined): boolean {
  const required = tool?.parameters['required']
  return Array.isArray(required) && required.length > 0
}

/** Keys under which models put all arguments, and keys under which they put the tool's name next to them. */
const wrappers: ReadonlySet<string> = new Set(['arguments', 'args', 'parameters', 'params', 'input', 'tool_input'])
const namings: ReadonlySet<string> = new Set(['name', 'tool', 'tool_name', 'function'])

/** @returns the arguments inside a wrapper key that the tool's schema does not have, or null. */
function unwrap(text: string, value: JsonObject, tool: ToolSpec | undefined): string | null {
  const known = knownFields(tool)
  const names = Object.keys(value)
  if (tool === undefined || known === null || names.length > 2 || names.some((name) => Object.hasOwn(known, name))) return null
  const wrapper = names.find((name) => wrappers.has(name))
  const naming = names.find((name) => name !== wrapper)
  if (wrapper === undefined) return null
  if (naming !== undefined && !(namings.has(naming) && isNameOf(ownValue(value, naming), tool))) return null
  // A name that occurs twice has two values, which is ambiguous.
  const members = readMembers(text, 2)
  if (members === null || members.length !== names.length) return null
  const inner = members.find((member) => member.name === wrapper)?.json
  return inner !== undefined && holdsObject(inner) ? inner : null
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
function holdsObject(json: string): boolean {
  const value = parse(json)
  return isObject(typeof value === 'string' ? parse(value) : value)
}

/** @returns undefined for anything but JSON. */
function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/**
 * Finds the tool that a misspelt name must mean, ignoring case, separators and the affixes of chat templates.
 *
 * @param names all available tools
 * @returns the only match, or null for no match or several
 */
function matchToolName(name: string, names: Iterable<string>): string | null {
  if (name.length > maxLikenessChars) return null
  const all = [...names]
  for (const spelling of [name, stripTemplate(name)]) {
    const key = keyOf(spelling)
    const found = key === '' ? [] : all.filter((known) => keyOf(known) === key)
    if (found.length === 1) return found[0] ?? null
    if (found.length > 1) return null
  }
  return null
}

function sameToolName(name: string, known: string): boolean {
  return matchToolName(name, [known]) === known
}

/** Letters and digits alone, in lower case: `File.Read`, `file-read` and `fileRead` are `file_read`. */
function keyOf(name: string): string {
  return name.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '')
}

/** Without `functions.` before it (OpenAI), `default_api:` (Gemini), `:0` (Kimi) or `<|channel|>…` (gpt-oss) behind it. */
function stripTemplate(name: string): string {
  return name
    .trim()
    .replace(/<\|[^]*$/, '')
    .replace(/^(?:functions?|tools?|default_api)[.:/]+/i, '')
    .replace(/:\d+$/, '')
}

/** Kinds of repairs, and of calls that could not be repaired; counted for the status and for metrics. */
export type RepairKind =
  /** No arguments, or `null`: read as an empty object. */
  | 'empty_arguments'
  /** The arguments were in a Markdown code fence. */
  | 'code_fence'
  /** The arguments were JSON inside a JSON string. */
  | 'double_encoded'
  /** Quotes, commas, raw line breaks, names or closing brackets were repaired. */
  | 'syntax'
  /** Several objects in one call became several calls. */
  | 'split_calls'
  /** A repeated object, or an empty one before the real one, was dropped. */
  | 'echoed_arguments'
  /** The arguments were wrapped under a key that the tool does not know. */
  | 'wrapped_arguments'
  | 'tool_name'
  /** An id was missing or not unique. */
  | 'call_id'
  /** Unchanged because the meaning is ambiguous. The gate answers with what is wrong. */
  | 'broken_arguments'
  /** Unchanged because no tool, or more than one, matches. The registry answers with the nearest names. */
  | 'unknown_tool'

/** Counts only grow. */
export type RepairCounts = Record<RepairKind, number>

export function createRepairCounts(): RepairCounts {
  return {
    empty_arguments: 0,
    code_fence: 0,
    double_encoded: 0,
    syntax: 0,
    split_calls: 0,
    echoed_arguments: 0,
    wrapped_arguments: 0,
    tool_name: 0,
    call_id: 0,
    broken_arguments: 0,
    unknown_tool: 0,
  }
}
