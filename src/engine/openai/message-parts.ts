/**
 * The parts that both protocols of OpenAI share. Ids and arguments of earlier calls are repaired, because one refused call would
 * make the whole conversation unusable; media become data URIs or a note; usage gets one meaning; and JSON from an endpoint
 * is read without trusting its types or its depth.
 */
import {
  type Json,
  type JsonObject,
  type MediaPart,
  type ModelFacts,
  parseObject,
  type ToolCallPart,
  type Usage,
} from '../../types/index.ts'
import { isCount } from '../answer.ts'
import { openAiCallIdChars, sealedJsonDepth } from '../limits.ts'
import { sendableObject } from '../http/request-body.ts'

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

/** Usage of a chat completion. @returns null for what cannot be read. */
export function readChatUsage(value: unknown): Usage | null {
  const usage = recordOf(value)
  const { prompt_tokens: input, completion_tokens: output, total_tokens: total } = usage
  if (!isCount(input) || !isCount(output)) return null
  const prompt = recordOf(usage['prompt_tokens_details'])
  const completion = recordOf(usage['completion_tokens_details'])
  const reasoning = countOf(completion['reasoning_tokens'])
  // xAI does not count reasoning as completion; only the total shows it.
  const apart = reasoning > 0 && total === input + output + reasoning
  return usageWith(input, apart ? output + reasoning : output, {
    // DeepSeek's older models report the hit beside the prompt.
    read: countOf(prompt['cached_tokens']) || countOf(usage['prompt_cache_hit_tokens']),
    write: countOf(prompt['cache_write_tokens']),
    reasoning,
  })
}

/** Usage of a response. @returns null for what cannot be read. */
export function readResponseUsage(value: unknown): Usage | null {
  const usage = recordOf(value)
  const { input_tokens: input, output_tokens: output } = usage
  if (!isCount(input) || !isCount(output)) return null
  const details = recordOf(usage['input_tokens_details'])
  return usageWith(input, output, {
    read: countOf(details['cached_tokens']),
    write: countOf(details['cache_write_tokens']),
    reasoning: countOf(recordOf(usage['output_tokens_details'])['reasoning_tokens']),
  })
}

/** Parts never exceed the whole, whatever is reported: a price is made of them. */
function usageWith(input: number, output: number, parts: { read: number; write: number; reasoning: number }): Usage {
  const read = Math.min(parts.read, input)
  const write = Math.min(parts.write, input - read)
  const reasoning = Math.min(parts.reasoning, output)
  return {
    inputTokens: input,
    outputTokens: output,
    ...(read > 0 && { cacheReadTokens: read }),
    ...(write > 0 && { cacheWriteTokens: write }),
    ...(reasoning > 0 && { reasoningTokens: reasoning }),
    estimated: false,
  }
}

function countOf(value: unknown): number {
  return isCount(value) ? value : 0
}

/** @returns the fields of an object; of anything else none. */
export function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : []
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** @returns a copy without what lies too deep: text that was parsed may nest deeper than can be written again. */
export function boundedObject(value: object): JsonObject {
  return bounded(value as Json, sealedJsonDepth) as JsonObject
}

function bounded(value: Json, depth: number): Json {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return depth === 0 ? [] : (value as readonly Json[]).map((each) => bounded(each, depth - 1))
  return depth === 0 ? {} : Object.fromEntries(Object.entries(value).map(([name, each]) => [name, bounded(each, depth - 1)]))
}
