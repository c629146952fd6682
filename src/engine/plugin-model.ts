/**
 * Models that plugins serve, as models of conversations: `plugin:NAME`. The handler of a plugin gets the conversation as messages and as one
 * text, with the tools; it answers with a text and calls of tools, at once or in pieces that are shown as they come.
 */
import { type ErrorCode, type Failure, isObject, type Json, type JsonObject, toFailure } from '../base/index.ts'
import {
  type ErrorEvent,
  type GenerateRequest,
  type Message,
  type Model,
  type Provenance,
  type ModelEvent,
  textOf,
  type ToolCallPart,
  toolCallsOf,
  type Usage,
} from '../protocol/index.ts'
import { credibleUsage } from './answer.ts'
import { sendableObject } from './http/request-body.ts'
import { charsPerToken, maxPluginAnswerChars, maxToolCallIdChars, modelLimits } from './limits.ts'
import { noUsage } from './model-problem.ts'

/** Asks the handler of a plugin for a type of model. @param held labels of what it says @throws OxbowError */
export type AskPluginModel = (
  plugin: string,
  type: string,
  params: JsonObject,
  signal: AbortSignal,
  onPiece?: (piece: JsonObject) => void,
  held?: Provenance,
) => Promise<Json>

export function createPluginModel(plugin: string, ask: AskPluginModel): Model {
  return {
    generate: async function* (request, signal): AsyncGenerator<readonly ModelEvent[]> {
      const shown = createShown()
      try {
        const asked = ask(plugin, request.model, paramsOf(request), signal, shown.take, request.held)
        yield* shown.until(asked)
        yield eventsOf(plugin, request, await asked, shown.soFar())
      } catch (error) {
        const found = failed(toFailure(error, 'model_unreachable', ''), signal.aborted)
        // The plugin has asked its service all the same, as far as anybody knows here.
        const isStopped = found.failure.code === 'cancelled' || found.failure.code === 'timeout'
        yield [isStopped ? { ...found, usage: estimate(request, shown.soFar()) } : found]
      }
    },
  }
}

interface SoFar {
  readonly text: string
  readonly reasoning: string
}

const kinds = ['reasoning', 'text'] as const

/** @returns what of a text can be shown: the first half of a character waits for the second @param from where the last part ended */
function wholeFrom(text: string, from: number, isLast: boolean): string {
  const isHalf = /[\uD800-\uDBFF]$/.test(text)
  return text.slice(from, isHalf && !isLast ? -1 : undefined)
}

/** What has come of an answer before its end, bounded as the whole is. */
function createShown() {
  const came = { text: '', reasoning: '' }
  const whole = { text: '', reasoning: '' }
  let waiting: ModelEvent[] = []
  let wake = (): void => {}
  return {
    take(piece: JsonObject): void {
      for (const type of kinds) {
        const { [type]: more } = piece
        if (typeof more !== 'string' || more === '') continue
        came[type] += more.slice(0, maxPluginAnswerChars - came[type].length)
        const text = wholeFrom(came[type], whole[type].length, false)
        whole[type] += text
        if (text !== '') waiting.push({ type, text: text.toWellFormed() })
      }
      wake()
    },
    /** As it came: what is shown of it has U+FFFD for lone halves of characters. */
    soFar: (): SoFar => whole,
    /** Yields what comes until the answer has; never throws for it. */
    async *until(answer: Promise<unknown>): AsyncGenerator<readonly ModelEvent[]> {
      const end = { isThere: false }
      const ended = (): void => {
        end.isThere = true
        wake()
      }
      answer.then(ended, ended)
      while (!end.isThere || waiting.length > 0) {
        const batch = waiting
        waiting = []
        if (batch.length > 0) yield batch
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
}

function eventsOf(plugin: string, request: GenerateRequest, result: Json, shown: SoFar): readonly ModelEvent[] {
  const garbled = (message: string): readonly ModelEvent[] => [
    failed({ code: 'model_garbled', message, hint: `Its log may say why: oxbow plugin logs ${plugin}.` }),
  ]
  const answer = readAnswer(result)
  if (typeof answer === 'string') return garbled(`The plugin ${plugin} answered with ${answer}.`)
  const { calls, usage, isCut } = answer
  if (kinds.some((type) => !answer[type].startsWith(shown[type])))
    return garbled(`The final answer of the plugin ${plugin} does not match what it streamed.`)
  const guess = estimate(request, answer, calls)
  return [
    ...kinds.flatMap((type): readonly ModelEvent[] => {
      const left = answer[type].slice(shown[type].length).toWellFormed()
      return left !== '' || (type === 'text' && answer.text === '' && calls.length === 0) ? [{ type, text: left }] : []
    }),
    ...calls.map((call): ModelEvent => ({ type: 'tool_call', call })),
    {
      type: 'finish',
      reason: isCut ? 'length' : calls.length > 0 ? 'tool_calls' : 'stop',
      usage: usage === null ? guess : credibleUsage(usage, guess),
    },
  ]
}

/** What a handler of elizaOS expects is one prompt; messages and tools are there for those that can use them. */
function paramsOf(request: GenerateRequest): JsonObject {
  const { system, maxOutputTokens, tools, settings = {} } = request
  const { temperature, topP, stop, toolChoice } = settings
  return {
    prompt: promptOf(request),
    system,
    messages: request.messages.map(messageParam),
    tools: tools.map(({ name, description, parameters }) => ({ name, description, parameters })),
    // Pieces of the answer are shown as they are yielded.
    stream: true,
    maxTokens: maxOutputTokens,
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    ...(toolChoice !== undefined && { toolChoice: typeof toolChoice === 'string' ? toolChoice : { ...toolChoice } }),
    ...(stop !== undefined && { stop: [...stop], stopSequences: [...stop] }),
  }
}

function messageParam(message: Message): JsonObject {
  const base = { role: message.role, content: contentOf(message) }
  if (message.role === 'tool') return { ...base, toolCallId: message.parts[0].id, name: message.parts[0].name, ok: message.parts[0].ok }
  if (message.role === 'user') return base
  const toolCalls = toolCallsOf(message).map(({ id, name, arguments: text }) => ({ id, name, input: sendableObject(text) }))
  return toolCalls.length === 0 ? base : { ...base, toolCalls }
}

const contentOf = (message: Message): string => (message.role === 'tool' ? message.parts[0].text : textOf(message))

/** With the calls of tools in words, for handlers that only know the prompt. */
const spoken = ({ messages }: GenerateRequest): { readonly role: Message['role']; readonly content: string }[] =>
  messages
    .map((message) => {
      const calls = message.role === 'assistant' ? toolCallsOf(message).map(({ name, arguments: text }) => `${name} ${text}`) : []
      return { role: message.role, content: [contentOf(message), ...calls].filter((line) => line !== '').join('\n') }
    })
    .filter(({ content }) => content !== '')

function promptOf(request: GenerateRequest): string {
  const lines = spoken(request).map(({ role, content }) => `${speakers[role]}: ${content}`)
  return [request.system, ...lines, `${speakers.assistant}:`].join('\n\n')
}

const speakers: Readonly<Record<Message['role'], string>> = { user: 'User', assistant: 'Assistant', tool: 'Result' }

interface Answer {
  readonly text: string
  readonly reasoning: string
  readonly calls: readonly ToolCallPart[]
  /** Null: it does not say. */
  readonly usage: Usage | null
  readonly isCut: boolean
}

/** @param result a text, or an object with `text`, `toolCalls`, `finishReason` and `usage` as ZoeyOS has it @returns what is wrong with it, in words */
function readAnswer(result: Json): Answer | string {
  const { text, reasoning, toolCalls, usage, finishReason }: JsonObject = isObject(result) ? result : { text: result }
  const calls = callsIn(toolCalls ?? [])
  if (typeof calls === 'string') return calls
  if (typeof text !== 'string' && calls.length === 0) return 'no text'
  const all = typeof text === 'string' ? text : ''
  const shown = all.slice(0, maxPluginAnswerChars)
  const isCut = finishReason === 'length' || shown.length < all.length
  const counts = isObject(usage ?? null) ? (usage as JsonObject) : {}
  const { promptTokens: input, completionTokens: output } = counts
  return {
    text: shown,
    reasoning: typeof reasoning === 'string' ? reasoning.slice(0, maxPluginAnswerChars) : '',
    calls,
    usage: isCount(input) && isCount(output) ? usageOf(input, output, false) : null,
    isCut,
  }
}

/** @returns what is wrong with them, in words */
function callsIn(toolCalls: Json): readonly ToolCallPart[] | string {
  if (!Array.isArray(toolCalls)) return 'calls of tools that are not a list'
  if (toolCalls.length > modelLimits.maxToolCalls) return `${toolCalls.length} calls of tools; ${modelLimits.maxToolCalls} are allowed`
  const calls: ToolCallPart[] = []
  for (const [place, call] of toolCalls.entries()) {
    const { id, name, input, arguments: text }: JsonObject = isObject(call) ? call : {}
    if (typeof name !== 'string' || name === '') return `a call of a tool without a name (number ${place + 1})`
    // OpenAI calls it `arguments`. One that is no object is corrected as for any other model.
    const given = input ?? text ?? {}
    calls.push({
      type: 'tool_call',
      id: typeof id === 'string' && id !== '' ? id.slice(0, maxToolCallIdChars) : `call_${place}`,
      name,
      arguments: typeof given === 'string' ? given : JSON.stringify(given),
    })
  }
  return calls
}

const isCount = (value: Json | undefined): value is number => typeof value === 'number' && value >= 0 && Number.isSafeInteger(value)

const usageOf = (inputTokens: number, outputTokens: number, estimated: boolean): Usage => ({ inputTokens, outputTokens, estimated })

function estimate(request: GenerateRequest, { text, reasoning }: SoFar, calls: readonly ToolCallPart[] = []): Usage {
  const asked = promptOf(request).length + (request.tools.length === 0 ? 0 : JSON.stringify(request.tools).length)
  const said = calls.reduce((sum, call) => sum + call.name.length + call.arguments.length, text.length + reasoning.length)
  return usageOf(Math.ceil(asked / charsPerToken), Math.ceil(said / charsPerToken), true)
}

/** A plugin that fails is an endpoint that fails: it may be asked again, and a fallback may answer. */
function failed(failure: Failure, isCancelled = false): ErrorEvent {
  const code = isCancelled ? 'cancelled' : (sameCodes[failure.code] ?? 'model_unreachable')
  const retry = code === 'model_unreachable' && { retry: { waitMs: null } }
  return { type: 'error', failure: { ...failure, code }, usage: noUsage, ...retry }
}

const sameCodes: Partial<Record<ErrorCode, ErrorCode>> = {
  cancelled: 'cancelled',
  timeout: 'timeout',
  limit_reached: 'limit_reached',
  bad_config: 'bad_config',
  model_garbled: 'model_garbled',
  not_found: 'bad_config',
}
