/**
 * Cuts what a tool was asked and what it said in the middle: head and tail tell most, and the whole can be read again. Ids,
 * names and pairing stay; what a person wrote and what a model said is never cut.
 */
import { type AssistantMessage, headOf, type Message, type ToolCallPart, type ToolMessage } from '../../types/index.ts'

/** UTF-8 bytes that one piece may take; Infinity leaves it whole. Not under `minArgumentBytes` and `minResultBytes`. */
export interface Bounds {
  readonly argumentBytes: number
  readonly resultBytes: number
}

/** @returns the message itself when it is within the bounds, else a shorter one: for the same bounds the same object. */
export type Shorten = (message: Message, bounds: Bounds) => Message

/** Remembers what it made as long as the message lives: wires and counters know messages by identity. */
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
    // Without its seal, which holds for the arguments as they were.
    return { type: 'tool_call', id: part.id, name: part.name, arguments: cutArguments(part.arguments, maxBytes) } satisfies ToolCallPart
  })
  return changed ? { role: 'assistant', parts } : message
}

function shortenResult(message: ToolMessage, maxBytes: number): ToolMessage {
  const [part] = message.parts
  if (Buffer.byteLength(part.text) <= maxBytes) return message
  return { ...message, parts: [{ ...part, text: cutText(part.text, maxBytes) }] }
}

/** @returns a JSON object, whatever the arguments were: services parse them. */
function cutArguments(text: string, maxBytes: number): string {
  const bytes = Buffer.byteLength(text)
  // Escapes make it longer by an amount that only trying tells; it converges in a few rounds.
  for (let keep = Math.min(maxBytes, text.length - 1); ;) {
    const json = JSON.stringify({ shortened: headAndTail(text, keep), bytes })
    const size = Buffer.byteLength(json)
    if (size <= maxBytes || keep === 0) return json
    keep = Math.max(0, Math.floor((keep * maxBytes) / size) - 1)
  }
}

/** Cuts between characters, not inside a surrogate pair. */
function headAndTail(text: string, keep: number): string {
  const half = keep >> 1
  const head = headOf(text, half)
  const tail = text.slice(text.length - half).replace(/^[\udc00-\udfff]/, '')
  return `${head}…${tail}`
}

function cutText(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text)
  // The note's number is at its longest while all is missing.
  const half = Math.max(0, (maxBytes - Buffer.byteLength(note(bytes.length, text))) >> 1)
  let from = half
  while (from > 0 && isContinuation(bytes[from])) from--
  let to = bytes.length - half
  while (to < bytes.length && isContinuation(bytes[to])) to++
  return bytes.toString('utf8', 0, from) + note(to - from, text) + bytes.toString('utf8', to)
}

/** The kernel names the kept whole of a cut result in the text itself; that name must not get lost with the middle. */
const keptWhole = /output_read \{"id":"([0-9a-f]{64})"/

function note(missing: number, text: string): string {
  const id = keptWhole.exec(text)?.[1]
  const way =
    id === undefined
      ? 'make the call again for a smaller part of it'
      : `read any part of the whole with output_read {"id":"${id}","from_byte":0}`
  return `\n… ${missing} bytes are left out here, so that the conversation fits: ${way} …\n`
}

/** UTF-8 continuation bytes are 10xxxxxx. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}
