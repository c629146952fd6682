/**
 * The body of a request, in pieces: what many requests share is a piece of its own, encoded once. The tools of an agent are most
 * of what a short conversation sends, and copied for each request they would be most of what a turn leaves for the garbage collector.
 */
import { type JsonObject, type Message, parseObject, type Sealed, type ToolSpec } from '../../types/index.ts'

/** JSON text, in order; bytes are the same object in every request that has them. */
export type BodyPieces = readonly (string | Buffer)[]

/** @param write JSON text for the tools of a request. @returns its bytes, made once for each list of tools as long as that lives */
export function createToolsPiece(write: (tools: readonly ToolSpec[]) => string): (tools: readonly ToolSpec[]) => Buffer {
  const known = new WeakMap<readonly ToolSpec[], Buffer>()
  return (tools) => {
    let made = known.get(tools)
    if (made === undefined) known.set(tools, (made = Buffer.from(write(tools))))
    return made
  }
}

export function bytesOf(pieces: BodyPieces): readonly Buffer[] {
  return pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece))
}

export function lengthOf(pieces: BodyPieces): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

/**
 * Messages of a conversation as JSON text, each made once in its life: a long conversation costs a join, not a conversion.
 * Shared by both protocols of OpenAI.
 */

export interface Written {
  /** One or more JSON values with commas between them; empty for a message of which nothing is sent. */
  readonly json: string
  /** JSON values that must follow the results of a step, for a protocol whose results hold only text; else empty. */
  readonly after: string
  /** The model that it was written for; null when it is the same for every model. */
  readonly model: string | null
  /** Ids as sent, for an assistant message whose own ids cannot be sent as they are; null otherwise. */
  readonly renamed: ReadonlyMap<string, readonly string[]> | null
}

/** @param resultId id under which the call of a tool result was sent; null: its own. */
export type WriteMessage = (message: Message, model: string, resultId: string | null) => Written

type EachWritten = (messages: readonly Message[], model: string, take: (written: Written, role: Message['role']) => void) => void

/** Gives the messages in order; results of calls whose ids were renamed go under the same new ids as the calls, in order. */
export function createWrittenMessages(write: WriteMessage): EachWritten {
  const known = new WeakMap<Message, Written>()
  return (messages, model, take) => {
    let waiting = null as Map<string, string[]> | null
    for (const message of messages) {
      const resultId: string | undefined = message.role === 'tool' ? waiting?.get(message.parts[0].id)?.shift() : undefined
      let written: Written | undefined = resultId === undefined ? known.get(message) : undefined
      if (written === undefined || (written.model !== null && written.model !== model)) {
        written = write(message, model, resultId ?? null)
        if (resultId === undefined) known.set(message, written)
      }
      if (message.role === 'assistant') {
        waiting = written.renamed === null ? null : new Map([...written.renamed].map(([id, ids]) => [id, [...ids]]))
      }
      take(written, message.role)
    }
  }
}

/** @returns what this wire sealed for this model, or null for what others sealed. */
export function ownSeal(sealed: Sealed | undefined, wire: string, model: string): JsonObject | null {
  return sealed !== undefined && sealed.wire === wire && sealed.model === model ? sealed.data : null
}

/**
 * @param head a JSON object of all other fields
 * @param tools the member that holds them, with a comma before it; null for none
 * @param list name and JSON values of the conversation; it comes last: requests of one conversation then begin alike for as long as they can
 */
export function requestBody(
  head: object,
  tools: Buffer | null,
  list: { readonly name: string; readonly values: readonly string[] },
): BodyPieces {
  const begin = JSON.stringify(head).slice(0, -1)
  const end = `,"${list.name}":[${list.values.join(',')}]}`
  return tools === null ? [begin, end] : [begin, tools, end]
}

/** @returns what `requestBody` takes as tools, made once for each list of them */
export function createToolsMember(convert: (tool: ToolSpec) => object): (tools: readonly ToolSpec[]) => Buffer | null {
  const piece = createToolsPiece((tools) => `,"tools":${JSON.stringify(tools.map(convert))}`)
  return (tools) => (tools.length === 0 ? null : piece(tools))
}

/**
 * Tool calls of earlier answers in the form that vendors accept. A call may come from another vendor's model, or from one that wrote
 * nonsense; one call that an endpoint refuses would make the whole conversation unusable, so it is repaired instead.
 */

/** @param notAllowed what the vendor refuses in a name, with the flag `g` @returns a name of at least one character */
export function sendableName(name: string, maxChars: number, notAllowed: RegExp = /[^\w-]/g): string {
  return name.replaceAll(notAllowed, '_').slice(0, maxChars) || 'unnamed'
}

/** @returns the arguments as an object: what is none is wrapped, so that the model can still read what it wrote */
export function sendableObject(text: string): JsonObject {
  return parseObject(text) ?? (text.trim() === '' ? {} : { invalid_arguments: text })
}
