/**
 * Anthropic Messages, for a base URL like `https://api.anthropic.com/v1`, and the services that are compatible with it.
 *
 * Each message and tool is converted and serialised once in its life and kept as JSON text: a long conversation costs a join,
 * not a conversion. Structured output uses `output_config.format`, with the schema reduced to the subset that the service
 * accepts. The service's own features (server tools, citations, containers) are neither requested nor read.
 */
import type {
  MessageCreateParamsStreaming,
  OutputConfig,
  ThinkingConfigParam,
  Tool,
  ToolChoice,
} from '@anthropic-ai/sdk/resources/messages'
import type { Effort, GenerateRequest, Message, ModelFacts, ToolSpec } from '../../protocol/index.ts'
import { createToolsPiece } from '../http/request-body.ts'
import { minThinkingTokens } from '../limits.ts'
import type { RequestWriter, Wire, WriterOptions } from '../wire.ts'
import { inUnthoughtTurn, jsonOf, type Turn, turnsOf, writeMessage, type Written } from './message-blocks.ts'
import { createMessageReader } from './message-answer.ts'
import { inputSchema, outputSchema } from './sendable-schema.ts'

export const anthropicWire: Wire = {
  name: 'anthropic',
  path: () => '/messages',
  headers: (key) => ({ 'anthropic-version': '2023-06-01', ...(key === '' ? {} : { 'x-api-key': key }) }),
  createWriter: createMessageWriter,
  createReader: createMessageReader,
}

/**
 * Writes Messages requests, with the four cache markers that the service allows: the last tool, the system prompt, and the end of
 * the last two user turns. The earlier of these is where the previous request ended, so its cache is found; the later one is
 * where the next request will look.
 */
export function createMessageWriter({ facts, official }: WriterOptions): RequestWriter {
  const messages = new WeakMap<Message, Written>()

  const written = (message: Message, model: string, known: ModelFacts): Written => {
    const kept = messages.get(message)
    if (kept !== undefined && (kept.model === null || kept.model === model)) return kept
    const made = writeMessage(message, { facts: known, model, official })
    messages.set(message, made)
    return made
  }
  const writtenTools = createToolsPiece((tools) => {
    const pieces: string[] = []
    pushList(
      pieces,
      'tools',
      tools.map((tool) => jsonOf(toolParam(tool))),
      true,
    )
    return pieces.join('')
  })

  return {
    write: (request) => {
      const { model } = request
      const known = facts(model)
      const dialect = modelDialect(model)
      const turns = turnsOf(request.messages, (message) => written(message, model, known), dialect.prefill)
      const head = jsonOf(requestHead(request, { facts: known, dialect, turns })).slice(0, -1)
      const pieces: string[] = []
      pushTurns(pieces, turns)
      const end = `${pieces.join('')}}`
      return known.tools && request.tools.length > 0 ? [head, writtenTools(request.tools), end] : [head, end]
    },
  }
}

function toolParam({ name, description, parameters }: ToolSpec): Tool {
  return { name, description, input_schema: inputSchema(parameters) }
}

function pushTurns(pieces: string[], turns: readonly Turn[]): void {
  const lastUser = turns.findLastIndex(({ role }) => role === 'user')
  const userBefore = turns.findLastIndex(({ role }, place) => role === 'user' && place < lastUser)
  pieces.push(',"messages":[')
  for (const [place, { role, blocks }] of turns.entries()) {
    pieces.push(place === 0 ? '{"role":"' : ',{"role":"', role, '"')
    pushList(pieces, 'content', blocks, place === lastUser || place === userBefore)
    pieces.push('}')
  }
  pieces.push(']')
}

/** @param list JSON objects; the last one is marked by opening it again. */
function pushList(pieces: string[], name: string, list: readonly string[], marked: boolean): void {
  pieces.push(',"', name, '":[')
  for (const [place, json] of list.entries()) {
    if (place > 0) pieces.push(',')
    if (marked && place === list.length - 1) pieces.push(json.slice(0, -1), marker)
    else pieces.push(json)
  }
  pieces.push(']')
}

const cacheMarker = { type: 'ephemeral' } as const
const marker = `,"cache_control":${JSON.stringify(cacheMarker)}}`

/** Gone from the package's types, because its newest models refuse both; the others still take them. */
interface SamplingParams {
  temperature?: number
  top_p?: number
}

export type RequestHead = Omit<MessageCreateParamsStreaming, 'messages' | 'tools'> & SamplingParams

export interface SettingsOptions {
  readonly facts: ModelFacts
  readonly dialect: ModelDialect
  readonly turns: readonly Turn[]
}

export function requestHead(request: GenerateRequest, options: SettingsOptions): RequestHead {
  const { model, system, maxOutputTokens, settings = {} } = request
  const { facts } = options
  const head: RequestHead = { model, max_tokens: maxOutputTokens, stream: true }
  if (system.trim() !== '') head.system = [{ type: 'text', text: system, cache_control: cacheMarker }]
  const choice = toolChoice(request, options)
  if (choice !== null) head.tool_choice = choice

  const { thinking, effort } = thinkingOf(request, options)
  if (thinking !== undefined) head.thinking = thinking
  const output: OutputConfig = {}
  if (effort !== undefined) output.effort = effort
  if (settings.output !== undefined && facts.structuredOutput) {
    output.format = { type: 'json_schema', schema: outputSchema(settings.output.schema) }
  }
  if (Object.keys(output).length > 0) head.output_config = output

  const thinks = thinking !== undefined && thinking.type !== 'disabled'
  if (facts.sampling && !thinks) Object.assign(head, samplingOf(request))
  // The service refuses sequences of white space alone.
  const stop = settings.stop?.filter((sequence) => sequence.trim() !== '') ?? []
  if (stop.length > 0) head.stop_sequences = stop
  return head
}

/** The protocol's temperature ends at 1, and its newer models take one of the two, not both. */
function samplingOf({ settings = {} }: GenerateRequest): SamplingParams {
  if (settings.temperature !== undefined) return { temperature: Math.min(1, settings.temperature) }
  return settings.topP === undefined ? {} : { top_p: settings.topP }
}

/** Unset is `auto`, and so is a forced call where the model refuses to be forced. */
function toolChoice({ tools, settings }: GenerateRequest, { facts, dialect }: SettingsOptions): ToolChoice | null {
  const choice = settings?.toolChoice ?? 'auto'
  if (tools.length === 0 || !facts.tools || choice === 'auto') return null
  if (choice === 'none') return { type: 'none' }
  if (!dialect.forcedTools) return null
  return choice === 'required' ? { type: 'any' } : { type: 'tool', name: choice.tool }
}

interface Thinking {
  readonly thinking?: ThinkingConfigParam
  readonly effort?: 'low' | 'medium' | 'high'
}

function thinkingOf(request: GenerateRequest, options: SettingsOptions): Thinking {
  const effort = request.settings?.effort
  const { facts, dialect } = options
  if (effort === undefined || !facts.reasoning) return {}
  if (effort === 'none') return dialect.off === null ? { effort: 'low' } : { thinking: { type: dialect.off } }
  if (dialect.thinking === 'adaptive') {
    return { thinking: { type: 'adaptive', display: 'summarized' }, effort: effort === 'minimal' ? 'low' : effort }
  }
  const tokens = mayThink(request, options) ? budgetOf(effort, request.maxOutputTokens) : 0
  return tokens === 0 ? {} : { thinking: { type: 'enabled', budget_tokens: tokens } }
}

/** False where the service refuses a budget: with a forced call, a prefilled answer, or a chain of calls begun without thinking. */
function mayThink(request: GenerateRequest, options: SettingsOptions): boolean {
  const choice = toolChoice(request, options)?.type
  const { turns } = options
  return choice !== 'any' && choice !== 'tool' && turns.at(-1)?.role === 'user' && !inUnthoughtTurn(turns)
}

/** Share of the output limit that thinking may take; the answer needs the rest. */
const thinkingShare: Readonly<Record<Exclude<Effort, 'none'>, number>> = { minimal: 0.1, low: 0.2, medium: 0.5, high: 0.8 }

/** @returns 0 when the output limit is too small for the minimum budget. */
function budgetOf(effort: Exclude<Effort, 'none'>, maxOutputTokens: number): number {
  if (maxOutputTokens <= minThinkingTokens) return 0
  return Math.max(minThinkingTokens, Math.floor(maxOutputTokens * thinkingShare[effort]))
}

/**
 * What a model takes that the catalog does not say. The protocol changed with its models, and a model refuses the whole
 * request for a way of thinking that it does not know, so it is told from the name: since version 4.6 a model decides itself
 * how long it thinks, and an effort guides it; before, and on compatible services, a number of tokens is set.
 *
 * A name that is newer than this table gets only what every model takes. The table agrees with the AI SDK's,
 * which `model-dialect.test.ts` asks about every model.
 */
export interface ModelDialect {
  readonly thinking: 'adaptive' | 'budget'
  /** What turns thinking off; null where nothing does. */
  readonly off: 'disabled' | 'between_tools' | null
  /** A tool choice may force a call. */
  readonly forcedTools: boolean
  /** Goes on from an assistant turn at the end of the conversation. */
  readonly prefill: boolean
}

const budget: ModelDialect = { thinking: 'budget', off: 'disabled', forcedTools: true, prefill: true }
const adaptive: ModelDialect = { thinking: 'adaptive', off: 'disabled', forcedTools: true, prefill: false }
const newest: ModelDialect = { thinking: 'adaptive', off: null, forcedTools: false, prefill: false }

/** @param model as an endpoint knows it: `claude-opus-4-6`, `us.anthropic.claude-sonnet-4-5-20250929-v1:0`, `anthropic/claude-opus-4.6` */
export function modelDialect(model: string): ModelDialect {
  const claude = claudeOf(model)
  if (claude === null) return budget
  const { family, version } = claude
  // Other families began after the change.
  if (['opus', 'sonnet', 'haiku'].includes(family)) {
    if (version < 406) return budget
    if (version < 505 || (version === 505 && family === 'haiku')) return adaptive
    if (version === 505 && family === 'sonnet') return { ...newest, off: 'between_tools' }
  }
  if (family === 'fable' && version < 501) return { ...newest, forcedTools: true }
  return newest
}

/** @returns family and version, 4.6 as 406; a name without a number counts as the newest. Null for other models, and older ones. */
function claudeOf(model: string): { readonly family: string; readonly version: number } | null {
  if (/claude-(?:instant|v?[123](?!\d))/.test(model)) return null
  const found = /claude-([a-z]+)(?:-(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?)?/.exec(model)
  if (found === null) return null
  const [, family = '', major, minor = '0'] = found
  return { family, version: major === undefined ? Number.POSITIVE_INFINITY : Number(major) * 100 + Number(minor) }
}
