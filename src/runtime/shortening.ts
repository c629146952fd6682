/**
 * Shortens one step, a generation with the results of its tool calls, until it fits: arguments first, then the largest results. Each
 * is cut in the middle, because head and tail say the most and the whole can be read again. Ids, names and pairing stay; the text of
 * users and models is never cut.
 */
import { headOf, tailOf } from '../base/index.ts'
import type { AssistantMessage, Message, ToolCallPart, ToolMessage } from '../protocol/index.ts'
import { minArgumentBytes, minResultBytes, shortArgumentBytes } from './limits.ts'

interface ShortenDeps {
  readonly shorten: Shorten
  /** @returns tokens of the messages. */
  readonly measure: (messages: readonly Message[]) => Promise<number>
}

export interface Shortened {
  readonly messages: readonly Message[]
  /** More than requested when nothing more can be cut. */
  readonly tokens: number
}

/** @param tokens of `messages` @returns the longest form that takes at most `room` tokens, or the shortest there is */
export async function shortenStep(messages: readonly Message[], tokens: number, room: number, deps: ShortenDeps): Promise<Shortened> {
  let shortest: Shortened = { messages, tokens }
  for (const bounds of ladder(messages)) {
    if (shortest.tokens <= room) break
    const shorter = messages.map((message) => deps.shorten(message, bounds))
    const measured = await deps.measure(shorter)
    // A tokenizer may need more tokens for less text.
    if (measured < shortest.tokens) shortest = { messages: shorter, tokens: measured }
  }
  return shortest
}

/** Results are cut to powers of two, so that the largest are cut first and a slightly smaller room changes nothing. */
function* ladder(messages: readonly Message[]): Generator<Bounds> {
  let longest = 0
  for (const { role, parts } of messages) if (role === 'tool') longest = Math.max(longest, Buffer.byteLength(parts[0].text))
  yield { argumentBytes: shortArgumentBytes, resultBytes: Infinity }
  let resultBytes = 2 ** Math.ceil(Math.log2(Math.max(longest, minResultBytes)))
  while (resultBytes > minResultBytes) yield { argumentBytes: shortArgumentBytes, resultBytes: (resultBytes /= 2) }
  yield { argumentBytes: minArgumentBytes, resultBytes: minResultBytes }
}

/** UTF-8 bytes that one piece may take, at least `minArgumentBytes` and `minResultBytes`; Infinity leaves it whole. */
interface Bounds {
  readonly argumentBytes: number
  readonly resultBytes: number
}

/** @returns the message itself if it is within the bounds, otherwise a shorter one; the same object for the same bounds */
export type Shorten = (message: Message, bounds: Bounds) => Message

/** Keeps its results as long as the message lives: wires and counters identify messages by reference. */
export function createShortener(): Shorten {
  const made = new WeakMap<Message, Map<number, Message>>()
  return (message, { argumentBytes, resultBytes }) => {
    if (message.role === 'user') return message
    const bound = message.role === 'assistant' ? argumentBytes : resultBytes
    const known = made.get(message)?.get(bound)
    if (known !== undefined) return known
    const shorter = message.role === 'assistant' ? shortenCalls(message, bound) : shortenResult(message, bound)
    if (shorter === message) return message
    const before = made.get(message)
    if (before === undefined) made.set(message, new Map([[bound, shorter]]))
    else before.set(bound, shorter)
    return shorter
  }
}

function shortenCalls(message: AssistantMessage, maxBytes: number): AssistantMessage {
  let changed = false
  const parts = message.parts.map((part) => {
    if (part.type !== 'tool_call' || Buffer.byteLength(part.arguments) <= maxBytes) return part
    changed = true
    // Without its seal, which is valid only for the original arguments.
    return { type: 'tool_call', id: part.id, name: part.name, arguments: cutArguments(part.arguments, maxBytes) } satisfies ToolCallPart
  })
  return changed ? { role: 'assistant', parts } : message
}

function shortenResult(message: ToolMessage, maxBytes: number): ToolMessage {
  const [part] = message.parts
  if (Buffer.byteLength(part.text) <= maxBytes) return message
  return { ...message, parts: [{ ...part, text: cutText(part.text, maxBytes) }] }
}

/** @returns a JSON object, whatever the arguments were, because services parse them */
function cutArguments(text: string, maxBytes: number): string {
  const bytes = Buffer.byteLength(text)
  // Escaping adds an unpredictable amount; this converges in a few rounds.
  for (let keep = Math.min(maxBytes, text.length - 1); ;) {
    const json = JSON.stringify({ shortened: headAndTail(text, keep), bytes })
    const size = Buffer.byteLength(json)
    if (size <= maxBytes || keep === 0) return json
    keep = Math.max(0, Math.floor((keep * maxBytes) / size) - 1)
  }
}

function headAndTail(text: string, keep: number): string {
  return `${headOf(text, keep >> 1)}…${tailOf(text, keep >> 1)}`
}

function cutText(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text)
  // The note is longest when everything is missing.
  const half = Math.max(0, (maxBytes - Buffer.byteLength(note(bytes.length, text))) >> 1)
  let from = half
  while (from > 0 && isContinuation(bytes[from])) from--
  let to = bytes.length - half
  while (to < bytes.length && isContinuation(bytes[to])) to++
  return bytes.toString('utf8', 0, from) + note(to - from, text) + bytes.toString('utf8', to)
}

/** The text of a truncated result names the id of its full output; that must not be lost with the middle. */
const fullOutput = /output_read \{"id":"([0-9a-f]{64})"/

function note(missing: number, text: string): string {
  const id = fullOutput.exec(text)?.[1]
  const way =
    id === undefined ? 'call again for a smaller part' : `read any part of the full output with output_read {"id":"${id}","from_byte":0}`
  return `\n… ${missing} bytes are omitted here to fit the conversation: ${way} …\n`
}

/** UTF-8 continuation bytes are 10xxxxxx. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}
