/** The port to language models. Everything about wires, keys and retries is behind it. */
import type { Failure } from './error.ts'
import type { JsonObject } from './text.ts'
import type { Message, Sealed, ToolCallPart } from './message.ts'

/** A tool as a model sees it. `parameters` is JSON Schema. */
export interface ToolSpec {
  readonly name: string
  readonly description: string
  readonly parameters: JsonObject
}

export interface GenerateRequest {
  /** As `Engine.facts` takes it: `provider/model`, or a model of the configured provider. */
  readonly model: string
  readonly system: string
  readonly messages: readonly Message[]
  readonly tools: readonly ToolSpec[]
  readonly maxOutputTokens: number
  readonly settings?: GenerateSettings
  /** Requests with the same key begin alike; services route by it to where the beginning is cached. A session id. */
  readonly cacheKey?: string
  /** Told once for each exchange with an endpoint, failed ones too, before the last event. Unset: nothing is kept. */
  readonly onExchange?: (exchange: RawExchange) => void
  /**
   * Told when a part of the answer came that is not given out yet, as a piece of a tool call: a sign of life.
   * @param outputChars characters of the answer so far, where the wire counts them
   */
  readonly onProgress?: (outputChars?: number) => void
}

/** How hard a reasoning model thinks. A wire maps it to its own scale. */
export type Effort = 'none' | 'minimal' | 'low' | 'medium' | 'high'

/** What a model or wire does not know is left out of its request, never an error. */
export interface GenerateSettings {
  /** 0 to 2. */
  readonly temperature?: number
  /** 0 to 1. */
  readonly topP?: number
  readonly effort?: Effort
  readonly stop?: readonly string[]
  /** Unset: `auto`. */
  readonly toolChoice?: 'auto' | 'none' | 'required' | { readonly tool: string }
  /** The answer's text must be JSON of this schema. */
  readonly output?: { readonly name: string; readonly schema: JsonObject }
}

/** The bytes of one exchange, without headers that hold keys. */
export interface RawExchange {
  readonly wire: string
  readonly model: string
  /** Scheme, host, port and path; never a query, which may hold a key. */
  readonly url: string
  /** HTTP status; 0 when there was no answer. */
  readonly status: number
  /** In pieces; what requests share can be the same object in each. */
  readonly request: readonly Uint8Array[]
  readonly response: Uint8Array
}

/** Tokens as the endpoint reports them; an endpoint that reports none is estimated and says so. */
export interface Usage {
  /** All input, also what was read from or written to a prompt cache. */
  readonly inputTokens: number
  /** All output, reasoning included. */
  readonly outputTokens: number
  /** Part of `inputTokens`. */
  readonly cacheReadTokens?: number
  /** Part of `inputTokens`. */
  readonly cacheWriteTokens?: number
  /** Part of `outputTokens`. */
  readonly reasoningTokens?: number
  readonly estimated: boolean
}

/**
 * What a generation emits, in order: any of text, reasoning and complete tool calls, then exactly one `finish` or `error`,
 * and nothing after it. A stream never throws: failure and cancellation are its last event.
 *
 * Neighbouring `text` (or `reasoning`) events are one part until an event brings `sealed`: that one ends the part, its own
 * text included.
 */
export type ModelEvent =
  | { readonly type: 'text'; readonly text: string; readonly sealed?: Sealed }
  | { readonly type: 'reasoning'; readonly text: string; readonly sealed?: Sealed }
  | { readonly type: 'tool_call'; readonly call: ToolCallPart }
  /** Everything before is void: the answer begins anew, perhaps by another model. Made only by the reliability wrapper. */
  | { readonly type: 'restarted'; readonly model: string; readonly why: Failure; readonly usage: Usage }
  /** `repaired`: how often tool calls of the answer were mended, by kind; absent when none was. Put in by the engine, not by wires. */
  | { readonly type: 'finish'; readonly reason: FinishReason; readonly usage: Usage; readonly repaired?: Readonly<Record<string, number>> }
  /** `retry` is there when the same request may pass if it is made again; `waitMs` is what the endpoint asks for, or null. */
  | { readonly type: 'error'; readonly failure: Failure; readonly usage: Usage; readonly retry?: { readonly waitMs: number | null } }

export type FinishReason = 'stop' | 'tool_calls' | 'length' | 'refusal'

/** One way to reach models. Events come in batches, one for each read of the network, so that a fast stream costs one hop. */
export interface Model {
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<readonly ModelEvent[]>
}

/** Prices in micro-dollars for a million tokens. What is not there costs as input does. */
export interface ModelPrice {
  readonly inputPerMillion: number
  readonly outputPerMillion: number
  readonly cacheReadPerMillion?: number
  readonly cacheWritePerMillion?: number
  /** Other prices for the whole request when its input is larger than `aboveInputTokens`; smallest bound first. */
  readonly tiers?: readonly (Omit<ModelPrice, 'tiers'> & { readonly aboveInputTokens: number })[]
}

export type InputKind = 'text' | 'image' | 'pdf' | 'audio' | 'video'

/** What is known of a model before it is asked. `price` is null when nobody has said what it costs. */
export interface ModelFacts {
  /** As the endpoint knows it, e.g. `gpt-5-mini`. */
  readonly name: string
  /** Id of the provider, e.g. `openai`, `anthropic`, `ollama`, `offline`, `scripted`. */
  readonly provider: string
  readonly contextTokens: number
  readonly maxOutputTokens: number
  readonly price: ModelPrice | null
  readonly input: readonly InputKind[]
  readonly tools: boolean
  readonly reasoning: boolean
  /** Takes temperature and top-p. */
  readonly sampling: boolean
  readonly structuredOutput: boolean
  readonly deprecated: boolean
}

/** Facts of a model of which nobody has said anything but what is handed in: it takes pictures and tools, and does not reason. */
export function plainFacts(known: Pick<ModelFacts, 'name' | 'provider' | 'contextTokens' | 'maxOutputTokens' | 'price'>): ModelFacts {
  return {
    input: ['text', 'image'],
    tools: true,
    reasoning: false,
    sampling: true,
    structuredOutput: true,
    deprecated: false,
    ...known,
  }
}

/** @returns the name by which a model is asked for: `provider/model`. */
export function modelLabel({ provider, name }: ModelFacts): string {
  return `${provider}/${name}`
}

export interface EmbedOptions {
  /** Fewer dimensions than the model's own, where it knows how. */
  readonly dimensions?: number
  /** What the vectors are for, where the model tells them apart. */
  readonly purpose?: 'query' | 'document'
}

export interface Embedded {
  readonly vectors: readonly Float32Array[]
  /** As the service names it, else as it was asked for. */
  readonly model: string
  /** 0 when there were no texts. */
  readonly dimensions: number
  readonly usage: Usage
}

export interface Engine extends Model {
  /** The model of the configuration. */
  readonly model: ModelFacts
  /** @param model `provider/model`, a model of the configured provider, or empty for the configured model. @throws OxbowError `bad_config` for one that cannot be used. */
  facts(model: string): Promise<ModelFacts>
  /** Exact counts of a real tokenizer, in a worker that starts on first use. One number for each text, in order. */
  countTokens(texts: readonly string[]): Promise<readonly number[]>
  /** Input tokens of a request: exact where the model's tokenizer is public, else the upper end of an estimate. */
  estimateInput(request: Pick<GenerateRequest, 'model' | 'system' | 'messages' | 'tools' | 'cacheKey'>): Promise<number>
  /**
   * Vectors for texts, one each, in order, all of one size.
   * @param model of a provider that has embeddings, as `provider/model`
   * @throws OxbowError of the endpoint, `bad_config`, or `cancelled`; nothing is given in part
   */
  embed(model: string, texts: readonly string[], options: EmbedOptions, signal: AbortSignal): Promise<Embedded>
  /** How often tool calls were mended since the start, by kind. */
  repairs(): Readonly<Record<string, number>>
  close(): Promise<void>
}
