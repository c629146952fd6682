/** One message of a conversation as chat-completions JSON. The shapes are those of the official package, by type only. */
import type {
  ChatCompletionAssistantMessageParam,
  ChatCompletionContentPart,
  ChatCompletionMessageFunctionToolCall,
  ChatCompletionMessageParam,
  ChatCompletionToolMessageParam,
} from 'openai/resources/chat/completions'
import type { AssistantMessage, JsonObject, MediaPart, ModelFacts, TextPart, ToolMessage, UserMessage } from '../../types/index.ts'
import { textOf, toolCallsOf } from '../../types/index.ts'
import { chatWireName } from './chat-thought.ts'
import { dataUri, fileName, leftOut, mediaKind } from '../openai/media-part.ts'
import { sendableArguments, sendableId, sendableIds, sendableName } from '../openai/sendable-call.ts'
import { ownSeal, type WriteMessage, type Written } from '../openai/written-messages.ts'

/** With the fields that services add to the vendor's. */
type AssistantParam = ChatCompletionAssistantMessageParam & {
  reasoning_content?: string
  reasoning?: string
  reasoning_details?: readonly unknown[]
}
type CallParam = ChatCompletionMessageFunctionToolCall & { extra_content?: JsonObject }

export function createMessageWrite(facts: (model: string) => ModelFacts): WriteMessage {
  return (message, model, resultId) => {
    if (message.role === 'assistant') return writeAssistant(message, model, demandsThoughts(facts(model)))
    if (message.role === 'user') return writeUser(message, model, facts)
    return writeResult(message, model, facts, resultId)
  }
}

const same = { after: '', model: null, renamed: null } as const

function writeUser(message: UserMessage, model: string, facts: (model: string) => ModelFacts): Written {
  if (!message.parts.some((part) => part.type === 'media')) {
    const plain: ChatCompletionMessageParam = { role: 'user', content: textOf(message) }
    return { ...same, json: JSON.stringify(plain) }
  }
  const parts = message.parts.map((part) => contentPart(part, facts(model)))
  const texts = parts.map((part) => (part.type === 'text' ? part.text : null))
  // Services for text alone often know only the plain form.
  const content = texts.includes(null) ? parts : texts.join('\n')
  return { ...same, json: JSON.stringify({ role: 'user', content } satisfies ChatCompletionMessageParam), model }
}

function contentPart(part: TextPart | MediaPart, facts: ModelFacts): ChatCompletionContentPart {
  if (part.type === 'text') return { type: 'text', text: part.text }
  const kind = mediaKind(part, facts)
  if (kind === 'image') return { type: 'image_url', image_url: { url: dataUri(part) } }
  if (kind === 'pdf') return { type: 'file', file: { filename: fileName(part), file_data: dataUri(part) } }
  return { type: 'text', text: leftOut(part) }
}

/** A tool message holds only text: media that the model takes follow in a user message after the results of the step. */
function writeResult(message: ToolMessage, model: string, facts: (model: string) => ModelFacts, resultId: string | null): Written {
  const { id, name, text, media = [] } = message.parts[0]
  const sentId = resultId ?? sendableId(id)
  const param = (content: string): ChatCompletionToolMessageParam => ({ role: 'tool', tool_call_id: sentId, content })
  if (media.length === 0) return { ...same, json: JSON.stringify(param(text)) }
  const known = facts(model)
  const missing = media.filter((part) => mediaKind(part, known) === null).map(leftOut)
  const shown = media.filter((part) => mediaKind(part, known) !== null).map((part) => contentPart(part, known))
  const after: ChatCompletionContentPart[] = [{ type: 'text', text: `Files of the result of ${name} (${sentId}):` }, ...shown]
  const json = JSON.stringify(param([text, ...missing].filter((line) => line !== '').join('\n')))
  return { json, after: shown.length === 0 ? '' : JSON.stringify(after).slice(1, -1), model, renamed: null }
}

function writeAssistant(message: AssistantMessage, model: string, demanded: boolean): Written {
  const calls = toolCallsOf(message)
  const text = textOf(message)
  // Some services refuse an answer without text and calls, and with it the whole conversation.
  if (text === '' && calls.length === 0) return { ...same, json: '' }
  const param: AssistantParam = { role: 'assistant', content: text === '' ? null : text }
  giveBackThoughts(param, message, model)
  if (demanded) param.reasoning_content ??= ''
  const { ids, renamed } = sendableIds(calls)
  if (calls.length > 0) param.tool_calls = calls.map((call, place) => callParam(call, ids[place]!, model))
  return { json: JSON.stringify(param), after: '', model, renamed }
}

function callParam(call: ReturnType<typeof toolCallsOf>[number], id: string, model: string): CallParam {
  const extra = ownSeal(call.sealed, chatWireName, model)?.['extra_content']
  return {
    id,
    type: 'function',
    function: { name: sendableName(call.name), arguments: sendableArguments(call.arguments) },
    ...(extra !== undefined && { extra_content: extra as JsonObject }),
  }
}

/**
 * DeepSeek and Moonshot refuse a conversation in which an answer has no reasoning, also one that another model gave; an empty
 * text is enough for them.
 */
function demandsThoughts({ name, provider, reasoning }: ModelFacts): boolean {
  return reasoning && (/^(?:deepseek|moonshot)/.test(provider) || /^(?:deepseek|kimi)-/.test(name))
}

/** Reasoning goes back in the field that it came in, to the model that thought it; all other reasoning stays behind. */
function giveBackThoughts(param: AssistantParam, message: AssistantMessage, model: string): void {
  for (const part of message.parts) {
    if (part.type !== 'reasoning') continue
    const own = ownSeal(part.sealed, chatWireName, model)
    const field = own?.['field']
    if (field === 'reasoning_content' || field === 'reasoning') param[field] = (param[field] ?? '') + part.text
    else if (field === 'reasoning_details' && Array.isArray(own?.['details'])) {
      param.reasoning_details = [...(param.reasoning_details ?? []), ...(own['details'] as unknown[])]
    }
  }
}
