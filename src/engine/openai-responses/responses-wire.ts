/**
 * OpenAI Responses, without state at the vendor: each request carries the whole conversation, encrypted reasoning included,
 * so that nothing of one session can reach another and any answer can be made again from the journal.
 */
import type {
  FunctionTool,
  ResponseCreateParamsStreaming,
  ResponseFunctionCallOutputItem,
  ResponseInputContent,
  ResponseInputItem,
  ResponseOutputMessage,
  ResponseReasoningItem,
  ToolChoiceFunction,
  ToolChoiceOptions,
} from 'openai/resources/responses/responses'
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
import { isCount } from '../answer.ts'
import {
  createToolsMember,
  createWrittenHead,
  createWrittenMessages,
  ownSeal,
  requestBody,
  sendableName,
  type WriteMessage,
  type Written,
} from '../http/request-body.ts'
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
import { createResponseReader, responsesWireName } from './responses-answer.ts'
import { openAiNameChars } from '../limits.ts'

export const responsesWire: Wire = {
  name: responsesWireName,
  path: () => '/responses',
  headers: (key) => (key === '' ? {} : { authorization: `Bearer ${key}` }),
  createWriter: createResponsesWriter,
  createReader: createResponseReader,
}

type Head = Omit<ResponseCreateParamsStreaming, 'input' | 'tools'>

export function createResponsesWriter({ facts, official }: WriterOptions): RequestWriter {
  const eachWritten = createWrittenMessages(createInputWrite(facts))
  const toolsMember = createToolsMember(toolParam)
  const writeHead = createWrittenHead((request, known) => headOf(request, known, official))
  return {
    write: (request) => {
      const known = facts(request.model)
      const tools = toolsMember(toolsOf(request, known))
      const input: string[] = []
      eachWritten(request.messages, request.model, ({ json }) => {
        if (json !== '') input.push(json)
      })
      return requestBody(writeHead(request, known), tools, { name: 'input', values: input })
    },
  }
}

function headOf(request: GenerateRequest, facts: ModelFacts, official: boolean): Head {
  const { model, system, settings = {} } = request
  const output = outputSchemaOf(settings, facts)
  const choice = toolsOf(request, facts).length > 0 ? toolChoice(settings) : null
  return {
    model,
    stream: true,
    store: false,
    max_output_tokens: request.maxOutputTokens,
    ...(system !== '' && { instructions: system }),
    ...(facts.reasoning && { include: ['reasoning.encrypted_content'], reasoning: reasoningOf(settings, model, official) }),
    ...samplingOf(settings, facts),
    ...(choice !== null && { tool_choice: choice }),
    ...(output !== null && { text: { format: { type: 'json_schema', ...output } } }),
    ...cacheKeyOf(request, official),
  }
}

function reasoningOf({ effort }: GenerateSettings, model: string, official: boolean): NonNullable<Head['reasoning']> {
  const sent = effort === undefined ? null : effortOf(effort, model, official)
  // Where nothing is thought there is nothing to sum up.
  return { ...(sent !== null && { effort: sent }), ...(sent !== 'none' && { summary: 'auto' }) }
}

/** @returns null for the protocol's own default. */
function toolChoice({ toolChoice: choice = 'auto' }: GenerateSettings): ToolChoiceOptions | ToolChoiceFunction | null {
  if (choice === 'auto') return null
  return typeof choice === 'string' ? choice : { type: 'function', name: sendableName(choice.tool, openAiNameChars) }
}

/** Left unsaid, `strict` is true here: the service would change the schema or refuse it. */
function toolParam(tool: ToolSpec): FunctionTool {
  return { type: 'function', name: tool.name, description: tool.description, parameters: { ...tool.parameters }, strict: false }
}

export function createInputWrite(facts: (model: string) => ModelFacts): WriteMessage {
  return (message, model, resultId) => {
    if (message.role === 'assistant') return writeAssistant(message, model)
    if (message.role === 'user') return writeUser(message, model, facts)
    return writeResult(message, model, facts, resultId)
  }
}

function written(items: readonly ResponseInputItem[], model: string | null, renamed: Written['renamed'] = null): Written {
  return { json: JSON.stringify(items).slice(1, -1), after: '', model, renamed }
}

function writeUser(message: UserMessage, model: string, facts: (model: string) => ModelFacts): Written {
  if (!message.parts.some((part) => part.type === 'media')) return written([{ role: 'user', content: textOf(message) }], null)
  const known = facts(model)
  return written([{ role: 'user', content: message.parts.map((part) => contentPart(part, known)) }], model)
}

function contentPart(part: TextPart | MediaPart, facts: ModelFacts): ResponseInputContent & ResponseFunctionCallOutputItem {
  if (part.type === 'text') return { type: 'input_text', text: part.text }
  const kind = mediaKind(part, facts)
  if (kind === 'image') return { type: 'input_image', image_url: dataUri(part), detail: 'auto' }
  if (kind === 'pdf') return { type: 'input_file', filename: fileName(part), file_data: dataUri(part) }
  return { type: 'input_text', text: leftOut(part) }
}

function writeResult(message: ToolMessage, model: string, facts: (model: string) => ModelFacts, resultId: string | null): Written {
  const { id, text, media = [] } = message.parts[0]
  const result = { type: 'function_call_output', call_id: resultId ?? sendableId(id) } as const
  if (media.length === 0) return written([{ ...result, output: text }], null)
  const parts: readonly (TextPart | MediaPart)[] = text === '' ? media : [{ type: 'text', text }, ...media]
  const known = facts(model)
  return written([{ ...result, output: parts.map((part) => contentPart(part, known)) }], model)
}

interface Placed {
  /** Where the item stood in its answer; of what nobody placed, where the one before it stood. */
  readonly at: number
  readonly item: ResponseInputItem
}

/**
 * What this wire made for this model goes back as it came: every item, under its id, in its place. The service refuses an id
 * whose reasoning is missing, and reasoning whose next item is missing or another one: an answer that lost anything
 * goes without reasoning and without ids, and reasoning at the end of one that broke off is left out.
 */
function writeAssistant(message: AssistantMessage, model: string): Written {
  const { ids, renamed } = sendableIds(toolCallsOf(message))
  const parts = joinedText(message)
  const whole = parts.every((part) => isWhole(part, model))
  const placed: Placed[] = []
  let at = 0
  let calls = 0
  for (const part of parts) {
    const own = ownSeal(part.sealed, responsesWireName, model)
    if (isCount(own?.['at'])) at = own['at']
    const itemId = whole && typeof own?.['id'] === 'string' ? own['id'] : null
    if (part.type === 'reasoning') {
      const item = whole ? reasoningItem(part.sealed, model) : null
      if (item !== null) placed.push({ at, item })
    } else if (part.type === 'text') {
      if (part.text !== '' || itemId !== null) placed.push({ at, item: textItem(part.text, itemId, own?.['phase']) })
    } else {
      const { name, arguments: args } = part
      const call = {
        type: 'function_call',
        call_id: ids[calls]!,
        name: sendableName(name, openAiNameChars),
        arguments: sendableArguments(args),
      } as const
      placed.push({ at, item: itemId === null ? call : { ...call, id: itemId } })
      calls += 1
    }
  }
  const items = placed.sort((a, b) => a.at - b.at).map(({ item }) => item)
  while (items.at(-1)?.type === 'reasoning') items.pop()
  const bound = message.parts.some((part) => part.sealed !== undefined)
  return written(items, bound ? model : null, renamed)
}

/** The item of this part can go back as the service made it. */
function isWhole(part: AssistantMessage['parts'][number], model: string): boolean {
  if (part.type === 'reasoning') return reasoningItem(part.sealed, model) !== null
  return typeof ownSeal(part.sealed, responsesWireName, model)?.['id'] === 'string'
}

/** Parts of the message; neighbouring text that nobody sealed is one. */
function joinedText(message: AssistantMessage): AssistantMessage['parts'] {
  const parts: AssistantMessage['parts'][number][] = []
  for (const part of message.parts) {
    const last = parts.at(-1)
    if (part.type === 'text' && last?.type === 'text' && last.sealed === undefined)
      parts[parts.length - 1] = { ...part, text: last.text + part.text }
    else parts.push(part)
  }
  return parts
}

function textItem(text: string, id: string | null, phase: unknown): ResponseInputItem {
  const labelled = phase === 'commentary' || phase === 'final_answer' ? ({ phase } as const) : {}
  if (id === null) return { role: 'assistant', content: text, ...labelled }
  const content: ResponseOutputMessage['content'] = [{ type: 'output_text', text, annotations: [] }]
  return { type: 'message', id, role: 'assistant', status: 'completed', content, ...labelled }
}

/** @returns the item as it was sealed, or null for reasoning that another wire or model made or that nobody sealed. */
function reasoningItem(sealed: TextPart['sealed'], model: string): ResponseReasoningItem | null {
  const item = ownSeal(sealed, responsesWireName, model)?.['item']
  // It was checked when it was sealed.
  return typeof item === 'object' && item !== null ? (item as unknown as ResponseReasoningItem) : null
}
