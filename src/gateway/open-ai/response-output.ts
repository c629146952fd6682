/** What a turn becomes as a response: its object, its items, and the events of its stream, numbered from 0. */
import { type Failure, failureSentences, type JsonObject } from '../../base/index.ts'
import type { ClientTools } from '../../protocol/index.ts'
import { isFailed, type Place, placeId, toolCallIdOf, type TurnAnswer } from './agent-turn.ts'
import type { Sender } from './asking.ts'

/** What is known of a response before its answer. */
export interface ResponseBase {
  readonly place: Place
  /** Milliseconds. */
  readonly at: number
  readonly model: string
  readonly instructions: string | null
  readonly previous: string | null
  readonly client: ClientTools | undefined
  readonly metadata: JsonObject
  readonly background: boolean
}

type Status = 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled'

/** @param answer null while the turn runs */
export function responseOf(
  base: ResponseBase,
  answer: TurnAnswer | null,
  output: readonly JsonObject[] = answer === null ? [] : itemsOf(base, answer),
): JsonObject {
  const { place, at, model, instructions, previous, client, metadata, background } = base
  const choice = client?.choice ?? 'auto'
  const status = statusOf(answer)
  return {
    id: placeId('resp', place),
    object: 'response',
    created_at: Math.floor(at / 1_000),
    status,
    background,
    error: answer === null || status !== 'failed' ? null : errorOf(answer.failure),
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    instructions,
    max_output_tokens: null,
    metadata,
    model,
    output: [...output],
    parallel_tool_calls: client?.serial !== true,
    previous_response_id: previous,
    reasoning: { effort: null, summary: null },
    store: true,
    temperature: null,
    text: { format: client?.output === undefined ? { type: 'text' } : { type: 'json_schema', ...client.output } },
    tool_choice: typeof choice === 'string' ? choice : { type: 'function', name: choice.tool },
    tools: (client?.tools ?? []).map(({ name, description, parameters }) => ({
      type: 'function',
      name,
      description,
      parameters,
      strict: null,
    })),
    top_p: null,
    truncation: 'disabled',
    usage: answer === null ? null : usageOf(answer),
    user: null,
  }
}

function statusOf(answer: TurnAnswer | null): Status {
  if (answer === null) return 'in_progress'
  if (answer.status === 'cancelled') return 'cancelled'
  if (isFailed(answer)) return 'failed'
  return answer.failure === null ? 'completed' : 'incomplete'
}

function errorOf(failure: Failure | null): JsonObject {
  return {
    code: failure?.code ?? null,
    message: failure === null ? 'The turn failed.' : failureSentences(failure),
  }
}

function usageOf({ usage }: TurnAnswer): JsonObject {
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: { cached_tokens: usage.cachedTokens },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.inputTokens + usage.outputTokens,
  }
}

function messageItem({ place }: ResponseBase, at: number, text: string | null): JsonObject {
  return {
    id: placeId('msg', place, `.${at}`),
    type: 'message',
    role: 'assistant',
    status: text === null ? 'in_progress' : 'completed',
    content: text === null ? [] : [textPart(text)],
  }
}

function textPart(text: string): JsonObject {
  return { type: 'output_text', text, annotations: [], logprobs: [] }
}

function callItems({ place }: ResponseBase, { calls }: TurnAnswer, from: number): JsonObject[] {
  return calls.map(({ call, name, arguments: args }, at) => ({
    id: placeId('fc', place, `.${from + at}`),
    type: 'function_call',
    call_id: toolCallIdOf(place.session, call),
    name,
    arguments: args,
    status: 'completed',
  }))
}

/** One message for each answer of the model that has text, then the calls of the program's tools. */
function itemsOf(base: ResponseBase, answer: TurnAnswer): JsonObject[] {
  const texts = answer.texts.length === 0 && answer.reply !== '' ? [answer.reply] : answer.texts
  return [...texts.map((text, at) => messageItem(base, at, text)), ...callItems(base, answer, texts.length)]
}

interface ResponseStream {
  /** @param message counts the answers of the model that have text */
  text(delta: string, message: number): void
  /** The turn waits for a person. */
  asked(fields: JsonObject): void
  end(answer: TurnAnswer): void
}

/** Sends a response as the events of a stream. */
export function createResponseStream(sender: Sender, base: ResponseBase): ResponseStream {
  let sequence = 0
  const items: JsonObject[] = []
  let open: { readonly id: string; text: string } | null = null
  const send = (type: string, fields: JsonObject): void => sender.data({ type, sequence_number: sequence++, ...fields }, type)
  const closeText = (): void => {
    if (open === null) return
    const at = { item_id: open.id, output_index: items.length, content_index: 0 }
    send('response.output_text.done', { ...at, text: open.text, logprobs: [] })
    send('response.content_part.done', { ...at, part: textPart(open.text) })
    const item = messageItem(base, items.length, open.text)
    send('response.output_item.done', { output_index: items.length, item })
    items.push(item)
    open = null
  }
  send('response.created', { response: responseOf(base, null) })
  send('response.in_progress', { response: responseOf(base, null) })
  const text = (delta: string, message: number): void => {
    if (message !== items.length) closeText()
    if (open === null) {
      open = { id: placeId('msg', base.place, `.${items.length}`), text: '' }
      send('response.output_item.added', { output_index: items.length, item: messageItem(base, items.length, null) })
      send('response.content_part.added', { item_id: open.id, output_index: items.length, content_index: 0, part: textPart('') })
    }
    open.text += delta
    send('response.output_text.delta', { item_id: open.id, output_index: items.length, content_index: 0, delta, logprobs: [] })
  }
  return {
    text,
    // An event of a type of our own would end the stream in clients that know all types.
    asked: (fields) => send('response.in_progress', { response: { ...responseOf(base, null, items), x_oxbow: fields } }),
    end(answer: TurnAnswer): void {
      // A reply that was not streamed, as of an agent that gave up.
      if (items.length === 0 && open === null && answer.reply !== '') text(answer.reply, 0)
      closeText()
      for (const item of callItems(base, answer, items.length)) {
        const at = { item_id: item['id'] ?? '', output_index: items.length }
        send('response.output_item.added', { output_index: items.length, item: { ...item, arguments: '', status: 'in_progress' } })
        send('response.function_call_arguments.delta', { ...at, delta: item['arguments'] ?? '' })
        send('response.function_call_arguments.done', { ...at, name: item['name'] ?? '', arguments: item['arguments'] ?? '' })
        send('response.output_item.done', { output_index: items.length, item })
        items.push(item)
      }
      const response = responseOf(base, answer, items)
      const status = statusOf(answer)
      send(`response.${status === 'completed' || status === 'incomplete' ? status : 'failed'}`, { response })
      sender.end()
    },
  }
}
