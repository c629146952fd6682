/**
 * Messages of a conversation as JSON text, each made once in its life: a long conversation costs a join, not a conversion.
 * Shared by both protocols of OpenAI.
 */
import type { JsonObject, Message, Sealed, ToolSpec } from '../../types/index.ts'
import { type BodyPieces, createToolsPiece } from '../http/request-body.ts'

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

export type EachWritten = (messages: readonly Message[], model: string, take: (written: Written, role: Message['role']) => void) => void

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
