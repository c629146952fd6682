/**
 * What both protocols of OpenAI write into a request: ids and arguments of earlier calls, repaired, because one refused call would make
 * the whole conversation unusable; media as data URIs or a note; settings on the vendor's scale; and schemas for its strict mode.
 */
import type { ReasoningEffort } from 'openai/resources/shared'
import { isObject, type Json, type JsonObject, ownValue, parseObject, setOwn } from '../../base/index.ts'
import type { Effort, GenerateRequest, GenerateSettings, MediaPart, ModelFacts, ToolCallPart } from '../../protocol/index.ts'
import { sendableName, sendableObject } from '../http/request-body.ts'
import { openAiCacheKeyChars, openAiCallIdChars, openAiNameChars, strictSchemaDepth } from '../limits.ts'

/** @returns the id as it is sent when no other call of its message has the same. */
export function sendableId(id: string): string {
  return id === '' ? 'call' : id.slice(0, openAiCallIdChars)
}

interface SendableIds {
  /** One for each call, in order, all different. */
  readonly ids: readonly string[]
  /** By own id, for the results; null when each result finds its id alone. */
  readonly renamed: ReadonlyMap<string, readonly string[]> | null
}

export function sendableIds(calls: readonly ToolCallPart[]): SendableIds {
  const taken = new Set<string>()
  const byOwn = new Map<string, string[]>()
  let changed = false
  const ids = calls.map(({ id }) => {
    const plain = sendableId(id)
    let sent = plain
    for (let count = 2; taken.has(sent); count += 1) {
      const mark = `_${count}`
      sent = plain.slice(0, openAiCallIdChars - mark.length) + mark
    }
    changed ||= sent !== plain
    taken.add(sent)
    byOwn.set(id, [...(byOwn.get(id) ?? []), sent])
    return sent
  })
  return { ids, renamed: changed ? byOwn : null }
}

/** Some services parse the arguments of old calls and refuse the whole conversation over one broken text. @returns JSON text of an object */
export function sendableArguments(text: string): string {
  return parseObject(text) === null ? JSON.stringify(sendableObject(text)) : text
}

/** The picture formats that the vendor names; one that it does not know would be refused with the whole conversation. */
const pictures: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/webp', 'image/gif'])

/** @returns how the part is sent, or null when it is left out. */
export function mediaKind({ mediaType }: MediaPart, facts: ModelFacts): 'image' | 'pdf' | null {
  if (pictures.has(mediaType)) return facts.input.includes('image') ? 'image' : null
  return mediaType === 'application/pdf' && facts.input.includes('pdf') ? 'pdf' : null
}

/** Stands in the place of a part that is left out. */
export function leftOut({ mediaType }: MediaPart): string {
  if (mediaType === 'application/pdf') return '[document omitted: this model does not accept documents]'
  if (pictures.has(mediaType)) return '[image omitted: this model does not accept images]'
  return `[file omitted: ${mediaType} cannot be sent to this model]`
}

export function dataUri({ mediaType, data }: MediaPart): string {
  return `data:${mediaType};base64,${data}`
}

/** A document without a name is refused. */
export function fileName({ name }: MediaPart): string {
  return name === '' ? 'document.pdf' : name
}

/**
 * The nearest effort that the model knows; another one would be refused. Source: the vendor's reasoning guide and its error
 * messages. `minimal` is known only to gpt-5 itself and its mini and nano, `none` only from gpt-5.1 on and not to codex models.
 * @returns null when the model has only one
 */
export function effortOf(effort: Effort, model: string, official: boolean): ReasoningEffort {
  if (effort !== 'none' && effort !== 'minimal') return official && model.includes('-pro') ? null : effort
  if (!official) return effort === 'none' ? 'none' : 'low'
  if (model.includes('-pro')) return null
  if (/^gpt-5(?:-mini|-nano)?(?:-\d{4}-\d\d-\d\d)?$/.test(model)) return 'minimal'
  if (effort === 'minimal' || /^o\d|^gpt-5-|codex/.test(model)) return 'low'
  return 'none'
}

interface Sampling {
  temperature?: number
  top_p?: number
}

export function samplingOf(settings: GenerateSettings, facts: ModelFacts): Sampling {
  if (!facts.sampling) return {}
  const { temperature, topP } = settings
  return { ...(temperature !== undefined && { temperature }), ...(topP !== undefined && { top_p: topP }) }
}

interface OutputSchema {
  readonly name: string
  readonly schema: { [key: string]: unknown }
  readonly strict: boolean
}

/** @returns the schema of the answer, strict where it can be; null when none is asked for or the model cannot hold one. */
export function outputSchemaOf(settings: GenerateSettings, facts: ModelFacts): OutputSchema | null {
  if (settings.output === undefined || !facts.structuredOutput) return null
  const { name, schema } = settings.output
  const strict: JsonObject | null = strictSchema(schema)
  return { name: sendableName(name, openAiNameChars), schema: { ...(strict ?? schema) }, strict: strict !== null }
}

/** @returns the tools that the model supports: all or none */
export function toolsOf(request: GenerateRequest, facts: ModelFacts): GenerateRequest['tools'] {
  return facts.tools ? request.tools : []
}

export function cacheKeyOf(request: GenerateRequest, official: boolean): { prompt_cache_key?: string } {
  const { cacheKey } = request
  return official && cacheKey !== undefined ? { prompt_cache_key: cacheKey.slice(0, openAiCacheKeyChars) } : {}
}

const kept: ReadonlySet<string> = new Set(
  'title description type enum const pattern multipleOf minimum maximum exclusiveMinimum exclusiveMaximum minItems maxItems'.split(' '),
)
/** They do not restrict the value. */
const dropped: ReadonlySet<string> = new Set('$schema $comment default examples readOnly writeOnly deprecated'.split(' '))
const formats: ReadonlySet<unknown> = new Set('date-time time date duration email hostname ipv4 ipv6 uuid'.split(' '))

/**
 * JSON Schema for OpenAI's strict mode: every object closed, every property required, only supported keywords. It only narrows:
 * a value that fits the strict schema fits the original, except that `oneOf` becomes `anyOf`.
 * Rules: https://platform.openai.com/docs/guides/structured-outputs, "Supported schemas".
 *
 * @returns null for a schema that strict mode cannot express
 */
export function strictSchema(schema: JsonObject): JsonObject | null {
  return schema['type'] === 'object' ? strictOf(schema, 1) : null
}

function strictOf(value: Json | undefined, depth: number): JsonObject | null {
  if (!isObject(value) || depth > strictSchemaDepth) return null
  if (typeof value['$ref'] === 'string') return referenceOf(value)
  if (value['type'] === undefined && value['anyOf'] === undefined && value['oneOf'] === undefined) return null
  const made: Record<string, Json> = {}
  for (const [keyword, content] of Object.entries(value)) {
    if (dropped.has(keyword) || isOfObjects(keyword)) continue
    const strict = kept.has(keyword) ? content : strictKeyword(keyword, content, depth)
    if (strict === null) return null
    setOwn(made, keyword === 'oneOf' ? 'anyOf' : keyword, strict)
  }
  if (!mayBe(value, 'object')) return isOpenArray(value) ? null : made
  const closed = closedObject(value, depth)
  return closed === null ? null : { ...made, ...closed }
}

/** A reference stands alone in strict mode, without even a description. */
function referenceOf(value: JsonObject): JsonObject | null {
  const others = Object.keys(value).filter((keyword) => !['$ref', 'title', 'description'].includes(keyword) && !dropped.has(keyword))
  return others.length === 0 ? { $ref: value['$ref'] as string } : null
}

function strictKeyword(keyword: string, content: Json, depth: number): Json | null {
  if (keyword === 'format') return formats.has(content) ? content : null
  if (keyword === 'items') return strictOf(content, depth + 1)
  if (keyword === '$defs' || keyword === 'definitions') return isObject(content) ? strictMap(content, depth + 1) : null
  if ((keyword !== 'anyOf' && keyword !== 'oneOf') || !Array.isArray(content)) return null
  const choices: JsonObject[] = []
  for (const choice of content as readonly Json[]) {
    const strict = strictOf(choice, depth + 1)
    if (strict === null) return null
    choices.push(strict)
  }
  return choices
}

function strictMap(schemas: JsonObject, depth: number): JsonObject | null {
  const made: [string, JsonObject][] = []
  for (const [name, schema] of Object.entries(schemas)) {
    const strict = strictOf(schema, depth)
    if (strict === null) return null
    made.push([name, strict])
  }
  return Object.fromEntries(made)
}

function closedObject(value: JsonObject, depth: number): JsonObject | null {
  const { properties, required, additionalProperties: more } = value
  // A map of unknown keys cannot be closed without losing its meaning.
  if (more !== undefined && more !== false) return null
  if (!isObject(properties)) return more === false ? { properties: {}, required: [], additionalProperties: false } : null
  const must = new Set<unknown>(Array.isArray(required) ? required : [])
  const strict = strictMap(properties, depth + 1)
  if (strict === null) return null
  const names = Object.keys(strict)
  if ([...must].some((name) => typeof name !== 'string' || !Object.hasOwn(strict, name))) return null
  // A property that may be missing can end a recursion; required, it would never end.
  if (names.some((name) => !must.has(name) && JSON.stringify(ownValue(strict, name)).includes('"$ref"'))) return null
  return { properties: strict, required: names, additionalProperties: false }
}

function isOfObjects(keyword: string): boolean {
  return keyword === 'properties' || keyword === 'required' || keyword === 'additionalProperties'
}

function isOpenArray(value: JsonObject): boolean {
  return mayBe(value, 'array') && value['items'] === undefined
}

function mayBe({ type }: JsonObject, name: string): boolean {
  return type === name || (Array.isArray(type) && type.includes(name))
}
