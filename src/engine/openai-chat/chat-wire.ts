/** OpenAI chat completions, the protocol that most services are compatible with. */
import type {
  ChatCompletionAssistantMessageParam,
  ChatCompletionContentPart,
  ChatCompletionCreateParamsStreaming,
  ChatCompletionFunctionTool,
  ChatCompletionMessageFunctionToolCall,
  ChatCompletionMessageParam,
  ChatCompletionToolChoiceOption,
  ChatCompletionToolMessageParam,
} from 'openai/resources/chat/completions'
import type { JsonObject } from '../../base/index.ts'
import {
  type AssistantMessage,
  type GenerateRequest,
  type GenerateSettings,
  type MediaPart,
  type ModelFacts,
  textOf,
  type TextPart,
  toolCallsOf,
  type ToolMessage,
  type ToolSpec,
  type UserMessage,
} from '../../protocol/index.ts'
import {
  createToolsMember,
  createWrittenHead,
  createWrittenMessages,
  createWrittenSystem,
  ownSeal,
  requestBody,
  sendableName,
  type WriteMessage,
  type Written,
} from '../http/request-body.ts'
import { openAiNameChars, openAiStops } from '../limits.ts'
import {
  cacheKeyOf,
  dataUri,
  effortOf,
  fileName,
  leftOut,
  mediaKind,
  outputSchemaOf,
  samplingOf,
  sendableArguments,
  sendableId,
  sendableIds,
  toolsOf,
} from '../openai/openai-request.ts'
import type { RequestWriter, Wire, WriterOptions } from '../wire.ts'
import { chatWireName, createChatAnswerReader } from './chat-answer.ts'

/** The wire of Chat Completions, which most services speak. */
export const chatWire: Wire = {
  name: chatWireName,
  path: () => '/chat/completions',
  headers: (key) => (key === '' ? {} : { authorization: `Bearer ${key}` }),
  createWriter: createChatWriter,
  createReader: createChatAnswerReader,
}

type Head = Omit<ChatCompletionCreateParamsStreaming, 'messages' | 'tools'>

export function createChatWriter({ facts, official }: WriterOptions): RequestWriter {
  const eachWritten = createWrittenMessages(createMessageWrite(facts))
  const toolsMember = createToolsMember(toolParam)
  const writeHead = createWrittenHead((request, known) => headOf(request, known, official))
  const writeSystem = createWrittenSystem((content) => ({ role: 'system', content }) satisfies ChatCompletionMessageParam)
  return {
    write: (request) => {
      const known = facts(request.model)
      const tools = toolsMember(toolsOf(request, known))
      return requestBody(writeHead(request, known), tools, {
        name: 'messages',
        values: writeMessages(request, writeSystem, eachWritten),
      })
    },
  }
}

function writeMessages(
  request: GenerateRequest,
  writeSystem: (system: string) => string,
  eachWritten: ReturnType<typeof createWrittenMessages>,
): string[] {
  const all = request.system === '' ? [] : [writeSystem(request.system)]
  let waiting: string[] = []
  // What tool results show must not stand between the results of one step: services want those together.
  const flush = (): void => {
    if (waiting.length > 0) all.push(`{"role":"user","content":[${waiting.join(',')}]}`)
    waiting = []
  }
  eachWritten(request.messages, request.model, (written, role) => {
    if (role !== 'tool') flush()
    if (written.json !== '') all.push(written.json)
    if (written.after !== '') waiting.push(written.after)
  })
  flush()
  return all
}

function headOf(request: GenerateRequest, facts: ModelFacts, official: boolean): Head {
  const { model, settings = {} } = request
  const output = outputSchemaOf(settings, facts)
  const effort = settings.effort !== undefined && facts.reasoning ? effortOf(settings.effort, model, official) : null
  // The vendor's reasoning models refuse stop sequences.
  const stop = official && facts.reasoning ? [] : (settings.stop ?? []).slice(0, openAiStops)
  const choice = toolsOf(request, facts).length > 0 ? toolChoice(settings) : null
  return {
    model,
    stream: true,
    stream_options: { include_usage: true },
    // The newest models of the vendor know only the first; many compatible services only the second.
    [official ? 'max_completion_tokens' : 'max_tokens']: request.maxOutputTokens,
    ...samplingOf(settings, facts),
    ...(effort !== null && { reasoning_effort: effort }),
    ...(stop.length > 0 && { stop }),
    ...(choice !== null && { tool_choice: choice }),
    ...(output !== null && { response_format: { type: 'json_schema', json_schema: output } }),
    ...cacheKeyOf(request, official),
  }
}

/** @returns null for the protocol's own default. */
function toolChoice({ toolChoice: choice = 'auto' }: GenerateSettings): ChatCompletionToolChoiceOption | null {
  if (choice === 'auto') return null
  return typeof choice === 'string' ? choice : { type: 'function', function: { name: sendableName(choice.tool, openAiNameChars) } }
}

function toolParam(tool: ToolSpec): ChatCompletionFunctionTool {
  return { type: 'function', function: { name: tool.name, description: tool.description, parameters: { ...tool.parameters } } }
}

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
    function: { name: sendableName(call.name, openAiNameChars), arguments: sendableArguments(call.arguments) },
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
