/** The port to language models. Everything about wires, keys and retries is behind it. */
import type { Failure } from './error.ts'
import type { JsonObject } from './json.ts'
import type { Message, ToolCallPart } from './message.ts'

/** A tool as a model sees it. `parameters` is JSON Schema. */
export interface ToolSpec {
  readonly name: string
  readonly description: string
  readonly parameters: JsonObject
}

export interface GenerateRequest {
  readonly model: string
  readonly system: string
  readonly messages: readonly Message[]
  readonly tools: readonly ToolSpec[]
  readonly maxOutputTokens: number
}

/** Tokens as the endpoint reports them; an endpoint that reports none is estimated and says so. */
export interface Usage {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly estimated: boolean
}

/**
 * What a generation emits, in order: any of text, reasoning and complete tool calls, then exactly one `finish` or `error`,
 * and nothing after it. A stream never throws: failure and cancellation are its last event.
 */
export type ModelEvent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'reasoning'; readonly text: string }
  | { readonly type: 'tool_call'; readonly call: ToolCallPart }
  | { readonly type: 'finish'; readonly reason: FinishReason; readonly usage: Usage }
  | { readonly type: 'error'; readonly failure: Failure; readonly usage: Usage }

export type FinishReason = 'stop' | 'tool_calls' | 'length' | 'refusal'

/** One way to reach models. Events come in batches, one for each read of the network, so that a fast stream costs one hop. */
export interface Model {
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<readonly ModelEvent[]>
}

/** Prices in micro-dollars for a million tokens. */
export interface ModelPrice {
  readonly inputPerMillion: number
  readonly outputPerMillion: number
}

/** What is known of a model before it is asked. `price` is null when nobody has said what it costs. */
export interface ModelFacts {
  readonly name: string
  readonly provider: 'openai' | 'offline' | 'scripted'
  readonly contextTokens: number
  readonly maxOutputTokens: number
  readonly price: ModelPrice | null
}

export interface Engine extends Model {
  /** @throws OxbowError `bad_config` for a model that cannot be used. */
  facts(model: string): ModelFacts
  /** Exact counts of a real tokenizer, in a worker that starts on first use. One number for each text, in order. */
  countTokens(texts: readonly string[]): Promise<readonly number[]>
  close(): Promise<void>
}
