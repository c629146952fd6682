/**
 * Builds the body of a request from parts that are made once. A message is converted to JSON once in its life, so a long
 * conversation costs a join, not a conversion. The tools are encoded to bytes once: they are most of a short request, and
 * copying them for each one would make most of a turn's garbage.
 */
import { createRecentMap, type JsonObject, parseObject } from '../../base/index.ts'
import type { GenerateRequest, Message, ModelFacts, Sealed, ToolSpec } from '../../protocol/index.ts'
import { maxHeldBodyChars } from '../limits.ts'

/** JSON text, in order. A buffer is the same object in every request that contains it. */
export type BodyPieces = readonly (string | Buffer)[]

/** @param write the tools as JSON text. @returns its bytes, made once for each list of tools while that list lives */
export function createToolsPiece(write: (tools: readonly ToolSpec[]) => string): (tools: readonly ToolSpec[]) => Buffer {
  const pieces = new WeakMap<readonly ToolSpec[], Buffer>()
  return (tools) => {
    let piece = pieces.get(tools)
    if (piece === undefined) pieces.set(tools, (piece = Buffer.from(write(tools))))
    return piece
  }
}

/** The pieces of a body as bytes, in order; texts in UTF-8. */
export function bytesOf(pieces: BodyPieces): readonly Buffer[] {
  return pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece))
}

interface EncodedEnd {
  /** Without the brackets that close it. */
  readonly text: string
  readonly bytes: readonly Buffer[]
}

/**
 * A request of a conversation mostly repeats the one before and adds to its end. Only the addition is encoded; the rest is the same buffers
 * as before, so that a recorder need not search and compare them again.
 *
 * @returns a function like `bytesOf`, which remembers the end of the last body of each conversation
 */
export function createBodyEncoder(): (body: BodyPieces, conversation: string | undefined) => readonly Buffer[] {
  const held = createRecentMap<string, EncodedEnd>(maxHeldBodyChars, ({ text }) => text.length)
  return (body, conversation) => {
    const end = body.at(-1)
    if (conversation === undefined || typeof end !== 'string') return bytesOf(body)
    const before = held.get(conversation)
    const isLonger = before !== undefined && end.startsWith(before.text)
    const open = end.slice(0, openLength(end))
    const added = Buffer.from(isLonger ? open.slice(before.text.length) : open)
    const bytes = isLonger ? merged([...before.bytes, added]) : [added]
    held.put(conversation, { text: open, bytes })
    return [...bytesOf(body.slice(0, -1)), ...bytes, Buffer.from(end.slice(open.length))]
  }
}

/** @returns the length without closing brackets */
function openLength(json: string): number {
  let length = json.length
  while (length > 0 && (json[length - 1] === ']' || json[length - 1] === '}')) length--
  return length
}

/** Joins the last pieces while they are of like size: the number of pieces stays small, and each byte is copied few times. */
function merged(pieces: Buffer[]): readonly Buffer[] {
  for (let last = pieces.pop(); last !== undefined; last = pieces.pop()) {
    const before = pieces.at(-1)
    if (before === undefined || before.length > 2 * last.length) return [...pieces, last]
    pieces[pieces.length - 1] = Buffer.concat([before, last])
  }
  return pieces
}

export function lengthOf(pieces: BodyPieces): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

/** A message as JSON text, for both protocols of OpenAI. */
export interface Written {
  /** One or more JSON values separated by commas; empty when nothing of the message is sent. */
  readonly json: string
  /** JSON values that follow the results of a step, for a protocol whose results hold only text; else empty. */
  readonly after: string
  /** The model that it was written for; null when it is the same for every model. */
  readonly model: string | null
  /** The ids as sent, for an assistant message whose own ids cannot be sent unchanged; else null. */
  readonly renamed: ReadonlyMap<string, readonly string[]> | null
}

/** @param resultId the id under which the call of a tool result was sent; null for its own. */
export type WriteMessage = (message: Message, model: string, resultId: string | null) => Written

type EachWritten = (messages: readonly Message[], model: string, take: (written: Written, role: Message['role']) => void) => void

/** Passes the messages to `take` in order. Results of calls whose ids were changed are sent under the new ids. */
export function createWrittenMessages(write: WriteMessage): EachWritten {
  const cache = new WeakMap<Message, Written>()
  return (messages, model, take) => {
    let waiting = null as Map<string, string[]> | null
    for (const message of messages) {
      const resultId: string | undefined = message.role === 'tool' ? waiting?.get(message.parts[0].id)?.shift() : undefined
      let written: Written | undefined = resultId === undefined ? cache.get(message) : undefined
      if (written === undefined || (written.model !== null && written.model !== model)) {
        written = write(message, model, resultId ?? null)
        if (resultId === undefined) cache.set(message, written)
      }
      if (message.role === 'assistant') {
        waiting = written.renamed === null ? null : new Map([...written.renamed].map(([id, ids]) => [id, [...ids]]))
      }
      take(written, message.role)
    }
  }
}

/** @returns a function that encodes a system prompt, once for as long as it stays the same: it is the longest text of most requests */
export function createWrittenSystem(message: (system: string) => object): (system: string) => string {
  let last = { system: '', json: '' }
  return (system) => {
    if (system !== last.system) last = { system, json: JSON.stringify(message(system)) }
    return last.json
  }
}

type WriteHead<Head> = (request: GenerateRequest, facts: ModelFacts) => Head

/**
 * @param of all fields of a request but its tools and messages
 * @returns a function that encodes them, once for requests that follow each other with the same ones, as the steps of a turn do
 */
export function createWrittenHead(of: WriteHead<object>): WriteHead<string> {
  let last: readonly unknown[] = []
  let json = ''
  return (request, facts) => {
    const { model, system, settings, tools, maxOutputTokens, cacheKey } = request
    const fields = [facts, model, system, settings, tools, maxOutputTokens, cacheKey]
    if (fields.some((field, place) => field !== last[place])) [last, json] = [fields, JSON.stringify(of(request, facts))]
    return json
  }
}

/** @returns the data that this wire sealed for this model, or null for any other seal. */
export function ownSeal(sealed: Sealed | undefined, wire: string, model: string): JsonObject | null {
  return sealed !== undefined && sealed.wire === wire && sealed.model === model ? sealed.data : null
}

/**
 * @param head a JSON object of all other fields, from `createWrittenHead`
 * @param tools from `createToolsMember`; null for none
 * @param list name and JSON values of the conversation. It comes last, so that requests of one conversation share a prefix.
 */
export function requestBody(
  head: string,
  tools: Buffer | null,
  list: { readonly name: string; readonly values: readonly string[] },
): BodyPieces {
  const begin = head.slice(0, -1)
  const end = `,"${list.name}":[${list.values.join(',')}]}`
  return tools === null ? [begin, end] : [begin, tools, end]
}

/** @returns a function that makes the `tools` of `requestBody`, once for each list of tools */
export function createToolsMember(convert: (tool: ToolSpec) => object): (tools: readonly ToolSpec[]) => Buffer | null {
  const piece = createToolsPiece((tools) => `,"tools":${JSON.stringify(tools.map(convert))}`)
  return (tools) => (tools.length === 0 ? null : piece(tools))
}

/**
 * The name of a call of an earlier answer, in a form that the vendor accepts. The call may come from another vendor's model, or
 * the model may have invented the name; one refused call would make the whole conversation unusable.
 *
 * @param notAllowed characters that the vendor refuses in a name, with the flag `g`
 * @returns a name of at least one character
 */
export function sendableName(name: string, maxChars: number, notAllowed: RegExp = /[^\w-]/g): string {
  return name.replaceAll(notAllowed, '_').slice(0, maxChars) || 'unnamed'
}

/** @returns the arguments as an object. Anything else is wrapped in one, so that the model can still read what it wrote. */
export function sendableObject(text: string): JsonObject {
  return parseObject(text) ?? (text.trim() === '' ? {} : { invalid_arguments: text })
}
