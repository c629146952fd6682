/**
 * Models that plugins serve, as models of conversations: `plugin:NAME`. The handler of a plugin gets the conversation as one text, and answers
 * with one text: it sees no tools, and nothing of its answer is shown before all of it is there.
 */
import {
  type ErrorCode,
  type ErrorEvent,
  type Failure,
  type GenerateRequest,
  isObject,
  type Json,
  type JsonObject,
  type Message,
  type Model,
  type ModelEvent,
  textOf,
  toFailure,
  type Usage,
} from '../types/index.ts'
import { credibleUsage } from './answer.ts'
import { charsPerToken, maxPluginAnswerChars } from './limits.ts'
import { noUsage } from './model-problem.ts'

/** Asks the handler of a plugin for a type of model. @throws OxbowError */
export type AskPluginModel = (plugin: string, type: string, params: JsonObject, signal: AbortSignal) => Promise<Json>

export function createPluginModel(plugin: string, ask: AskPluginModel): Model {
  return {
    generate: async function* (request, signal): AsyncGenerator<readonly ModelEvent[]> {
      try {
        yield eventsOf(plugin, request, await ask(plugin, request.model, paramsOf(request), signal))
      } catch (error) {
        const found = failed(toFailure(error, 'model_unreachable', ''), signal.aborted)
        // The plugin has asked its service all the same, as far as anybody knows here.
        const isStopped = found.failure.code === 'cancelled' || found.failure.code === 'timeout'
        yield [isStopped ? { ...found, usage: estimate(promptOf(request), '') } : found]
      }
    },
  }
}

function eventsOf(plugin: string, request: GenerateRequest, result: Json): readonly ModelEvent[] {
  const answer = readAnswer(result)
  if (answer === null) return [failed({ ...garbled, message: `The plugin ${plugin} answered with no text.` })]
  const { text, usage, isCut } = answer
  const guess = estimate(promptOf(request), text)
  return [
    { type: 'text', text },
    { type: 'finish', reason: isCut ? 'length' : 'stop', usage: usage === null ? guess : credibleUsage(usage, guess) },
  ]
}

const garbled: Failure = { code: 'model_garbled', message: '', hint: 'Its log may say why: oxbow plugin logs NAME.' }

/** What a handler of elizaOS expects: one prompt. The messages are there for those that can use them. */
function paramsOf(request: GenerateRequest): JsonObject {
  const { system, maxOutputTokens, settings = {} } = request
  const { temperature, topP, stop } = settings
  return {
    prompt: promptOf(request),
    system,
    messages: spoken(request),
    maxTokens: maxOutputTokens,
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    ...(stop !== undefined && { stop: [...stop], stopSequences: [...stop] }),
  }
}

const spoken = ({ messages }: GenerateRequest): { readonly role: Message['role']; readonly content: string }[] =>
  messages.map((message) => ({ role: message.role, content: textOf(message) })).filter(({ content }) => content !== '')

function promptOf(request: GenerateRequest): string {
  const lines = spoken(request).map(({ role, content }) => `${speakers[role]}: ${content}`)
  return [request.system, ...lines, `${speakers.assistant}:`].join('\n\n')
}

const speakers: Readonly<Record<Message['role'], string>> = { user: 'User', assistant: 'Assistant', tool: 'Result' }

interface Answer {
  readonly text: string
  /** Null: it does not say. */
  readonly usage: Usage | null
  readonly isCut: boolean
}

/** @param result a text, or an object with `text`, `finishReason` and `usage` as ZoeyOS has it; null: it is neither */
function readAnswer(result: Json): Answer | null {
  const { text, usage, finishReason } = isObject(result) ? result : { text: result }
  if (typeof text !== 'string') return null
  const shown = text.slice(0, maxPluginAnswerChars).toWellFormed()
  const isCut = finishReason === 'length' || shown.length < text.length
  const counts = isObject(usage ?? null) ? (usage as JsonObject) : {}
  const { promptTokens: input, completionTokens: output } = counts
  return { text: shown, usage: isCount(input) && isCount(output) ? usageOf(input, output, false) : null, isCut }
}

const isCount = (value: Json | undefined): value is number => typeof value === 'number' && value >= 0 && Number.isSafeInteger(value)

const usageOf = (inputTokens: number, outputTokens: number, estimated: boolean): Usage => ({ inputTokens, outputTokens, estimated })

const estimate = (prompt: string, text: string): Usage =>
  usageOf(Math.ceil(prompt.length / charsPerToken), Math.ceil(text.length / charsPerToken), true)

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
