/**
 * Gemini's generateContent, streamed. The key is sent in a header, never in the address, which may be logged.
 *
 * Each message is converted and serialised once in its life and kept as JSON text. The API requires alternating roles, so
 * adjacent messages of one role become one content; and all responses of a step in one content, in the order of the calls.
 */
import type { Content } from '@google/genai'
import {
  type AssistantMessage,
  type GenerateRequest,
  type Message,
  type ModelFacts,
  toolCallsOf,
  type ToolMessage,
} from '../../protocol/index.ts'
import { createToolsPiece } from '../http/request-body.ts'
import type { RequestWriter, Wire, WriterOptions } from '../wire.ts'
import { createGeminiReader } from './gemini-answer.ts'
import { modelParts, ownId, type PartContext, resultParts, userParts, wireName } from './gemini-parts.ts'
import { declarationOf, generationOf, takesSystem, toolConfigOf, type GenerationBody, type ToolConfigBody } from './gemini-settings.ts'

export const geminiWire: Wire = {
  name: wireName,
  path: (model) => `/${resourceOf(model)}:streamGenerateContent?alt=sse`,
  headers: (key) => (key === '' ? {} : { 'x-goog-api-key': key }),
  createWriter: createGeminiWriter,
  createReader: createGeminiReader,
}

/** A plain name is a model of the vendor; `models/…` and `tunedModels/…` name their collection themselves. */
function resourceOf(model: string): string {
  const resource = /^(?:models|tunedModels)\//.test(model) ? model : `models/${model}`
  return resource.split('/').map(encodeURIComponent).join('/')
}

/** A message as it was written for one model; for another one it is written anew. */
interface Written {
  readonly model: string
  readonly json: string
  /** Of an assistant's message: id of each call, and as the endpoint knows it. */
  readonly calls: readonly CallIds[]
  /** Of a result: the id it was written with, and media that follow all results of the step. */
  readonly sentId: string
  readonly after: string
}

interface CallIds {
  readonly id: string
  readonly own: string
}

/** Fields besides `contents` and `tools`. */
interface Rest {
  systemInstruction?: Content
  toolConfig?: ToolConfigBody
  generationConfig: GenerationBody
}

type WrittenOf = (message: Message, context: PartContext, sentId: string) => Written

export function createGeminiWriter({ facts }: Pick<WriterOptions, 'facts'>): RequestWriter {
  const messages = new WeakMap<Message, Written>()

  const written: WrittenOf = (message, context, sentId) => {
    const known = messages.get(message)
    if (known !== undefined && known.model === context.model && known.sentId === sentId) return known
    const made = writeMessage(message, context, sentId)
    messages.set(message, made)
    return made
  }
  const declared = createToolsPiece((tools) => `,"tools":[{"functionDeclarations":${JSON.stringify(tools.map(declarationOf))}}]`)

  return {
    write: (request) => {
      const known = facts(request.model)
      const tools = known.tools && request.tools.length > 0
      // The contents come last: requests of one conversation then begin alike for as long as they can.
      const rest = JSON.stringify(restOf(request, known, tools)).slice(0, -1)
      const out = [',"contents":[']
      addContents(request, { model: request.model, facts: known }, written, out)
      out.push(']}')
      const contents = out.join('')
      return tools ? [rest, declared(request.tools), contents] : [rest, contents]
    },
  }
}

function restOf(request: GenerateRequest, facts: ModelFacts, tools: boolean): Rest {
  const rest: Rest = { generationConfig: generationOf(request, facts, tools) }
  if (request.system !== '' && takesSystem(request.model)) rest.systemInstruction = { parts: [{ text: request.system.toWellFormed() }] }
  const choice = tools ? toolConfigOf(request.settings?.toolChoice) : null
  if (choice !== null) rest.toolConfig = choice
  return rest
}

/** Adds all messages, in order, neighbours of one role as one content. */
function addContents({ messages, system, model }: GenerateRequest, context: PartContext, written: WrittenOf, out: string[]): void {
  let role = ''
  const put = (next: 'user' | 'model', parts: string): void => {
    if (parts === '') return
    if (next === role) out.push(',', parts)
    else out.push(role === '' ? '' : ']},', `{"role":"${next}","parts":[`, parts)
    role = next
  }
  if (system !== '' && !takesSystem(model)) put('user', JSON.stringify({ text: `${system.toWellFormed()}\n\n` }))
  let calls: readonly CallIds[] = []
  for (let at = 0; at < messages.length; at += 1) {
    const message = messages[at]!
    if (message.role === 'tool') {
      const end = endOfResults(messages, at)
      const results = inCallOrder(messages.slice(at, end) as ToolMessage[], calls).map((each) => written(each.message, context, each.own))
      for (const { json } of results) put('user', json)
      for (const { after } of results) put('user', after)
      calls = []
      at = end - 1
      continue
    }
    const made = written(message, context, '')
    if (message.role === 'assistant') calls = made.calls
    put(message.role === 'assistant' ? 'model' : 'user', made.json)
  }
  if (role !== '') out.push(']}')
}

function endOfResults(messages: readonly Message[], from: number): number {
  let end = from
  while (messages[end]?.role === 'tool') end += 1
  return end
}

/** Results in the order of their calls, each with the id that the endpoint knows; results of no call keep their own ids, at the end. */
function inCallOrder(results: readonly ToolMessage[], calls: readonly CallIds[]): { message: ToolMessage; own: string }[] {
  const waiting = new Map<string, ToolMessage[]>()
  for (const message of results) {
    const { id } = message.parts[0]
    const same = waiting.get(id)
    if (same === undefined) waiting.set(id, [message])
    else same.push(message)
  }
  const ordered: { message: ToolMessage; own: string }[] = []
  for (const { id, own } of calls) {
    const message = waiting.get(id)?.shift()
    if (message !== undefined) ordered.push({ message, own })
  }
  for (const message of [...waiting.values()].flat()) ordered.push({ message, own: '' })
  return ordered
}

function writeMessage(message: Message, context: PartContext, sentId: string): Written {
  const { model } = context
  const plain = { model, calls: [], sentId, after: '' }
  if (message.role === 'user') return { ...plain, json: userParts(message, context) }
  if (message.role === 'assistant') return { ...plain, json: modelParts(message, context), calls: callIds(message, model) }
  const { response, after } = resultParts(message, sentId, context)
  return { ...plain, json: response, after }
}

function callIds(message: AssistantMessage, model: string): CallIds[] {
  return toolCallsOf(message).map((call) => ({ id: call.id, own: ownId(call, model) }))
}
