/** Everything of a request beside its conversation and tools. */
import type { MessageCreateParamsStreaming, OutputConfig, ThinkingConfigParam, ToolChoice } from '@anthropic-ai/sdk/resources/messages'
import type { Effort, GenerateRequest, ModelFacts } from '../../types/index.ts'
import { minThinkingTokens } from '../limits.ts'
import type { Turn } from './conversation-turns.ts'
import { inUnthoughtTurn } from './conversation-turns.ts'
import type { ModelDialect } from './model-dialect.ts'
import { outputSchema } from './sendable-schema.ts'

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

export const cacheMarker = { type: 'ephemeral' } as const

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

/**
 * A budget excludes a forced call, an answer begun by us, and a chain of calls that was begun without thinking; there the
 * effort gives way.
 */
function mayThink(request: GenerateRequest, options: SettingsOptions): boolean {
  const choice = toolChoice(request, options)?.type
  const { turns } = options
  return choice !== 'any' && choice !== 'tool' && turns.at(-1)?.role === 'user' && !inUnthoughtTurn(turns)
}

/** Part of the output limit that thinking may take, of which the answer needs the rest. */
const thinkingShare: Readonly<Record<Exclude<Effort, 'none'>, number>> = { minimal: 0.1, low: 0.2, medium: 0.5, high: 0.8 }

/** @returns 0 where the output limit leaves no room for the least budget. */
function budgetOf(effort: Exclude<Effort, 'none'>, maxOutputTokens: number): number {
  if (maxOutputTokens <= minThinkingTokens) return 0
  return Math.max(minThinkingTokens, Math.floor(maxOutputTokens * thinkingShare[effort]))
}
