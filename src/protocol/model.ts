/** The port to language models, which hides wires, keys and retries. */
import type { Failure, JsonObject } from '../base/index.ts'
import type { Provenance } from './origin.ts'
import type { Embedded, FinishReason, ModelFacts, ModelPrice, RequestDifference, Usage } from './model-schema.ts'
import type { Message, Sealed, ToolCallPart } from './message-schema.ts'

/** A tool as a model sees it. `parameters` is JSON Schema. */
export interface ToolSpec {
  readonly name: string
  readonly description: string
  readonly parameters: JsonObject
}

export interface GenerateRequest {
  /** `provider/model`, or a model of the configured provider; see `Engine.facts`. */
  readonly model: string
  readonly system: string
  readonly messages: readonly Message[]
  readonly tools: readonly ToolSpec[]
  readonly maxOutputTokens: number
  readonly settings?: GenerateSettings
  /** Requests with the same key share a prefix; services use it to route to a prompt cache. A session id. */
  readonly cacheKey?: string
  /** The header of that name: the span that the request is part of. Absent: none is told. */
  readonly traceparent?: string
  /**
   * Called before the request leaves for a model, each time: for the chosen one, again for a retry, and for a fallback.
   * @returns why it must not be sent to this model; the next one of the chain is tried then
   */
  readonly onAsk?: (ask: ModelAsk) => Promise<Failure | null>
  /** Labels of what it says, for a plugin that is the model. Absent: none. */
  readonly held?: Provenance
  /** Called at the start of each exchange with an endpoint, also of one that will fail; the result receives the answer's bytes. */
  readonly onExchange?: (sent: SentRequest) => AnswerRecorder
  /**
   * Called when a part of the answer has arrived that emits no event yet, such as a piece of a tool call.
   * @param outputChars characters of the answer so far, if the wire counts them
   */
  readonly onProgress?: (outputChars?: number) => void
}

/** A model that is about to be asked. */
export interface ModelAsk {
  readonly facts: ModelFacts
  /** What is asked for: no more than the model can give. */
  readonly maxOutputTokens: number
  /** Tries of this generation that have ended and that no event has reported yet. */
  readonly unreported: readonly ModelUsage[]
}

/** What one try used. */
export interface ModelUsage {
  /** `provider/model` */
  readonly model: string
  readonly usage: Usage
}

/** How long a reasoning model thinks. A wire maps it to its own scale. */
export type Effort = 'none' | 'minimal' | 'low' | 'medium' | 'high'

/** Settings that a model or wire does not support are left out of its request; that is not an error. */
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

/** A request as it is sent, without headers, which contain keys. */
export interface SentRequest {
  readonly wire: string
  readonly model: string
  /** Scheme, host, port and path, without the query, which may contain a key. */
  readonly url: string
  /** The body in pieces; requests may share the same piece objects. */
  readonly body: readonly Uint8Array[]
}

/** Records the answer to a request as it arrives, so that nobody keeps a long answer whole. */
export interface AnswerRecorder {
  /** @param bytes the next ones; they do not change any more */
  readonly take: (bytes: Uint8Array) => void
  /** Called once, before the last event of the generation. @param status of HTTP; 0 if there was no answer */
  end(status: number): void
}

/**
 * What a generation emits, in order: any of text, reasoning and complete tool calls, then exactly one `finish` or `error`,
 * and nothing after it. A stream never throws: failure and cancellation are its last event.
 *
 * Adjacent `text` (or `reasoning`) events form one part, up to and including the first event with `sealed`.
 */
export type ModelEvent =
  | { readonly type: 'text'; readonly text: string; readonly sealed?: Sealed }
  | { readonly type: 'reasoning'; readonly text: string; readonly sealed?: Sealed }
  | { readonly type: 'tool_call'; readonly call: ToolCallPart }
  /** All previous events are void: the answer starts over, perhaps with another model. Emitted only by the retry layer. */
  | { readonly type: 'restarted'; readonly model: string; readonly why: Failure; readonly usage: Usage }
  /** `repaired`: number of repairs to tool calls, by kind; absent if none. Set by the engine, not by wires. */
  | { readonly type: 'finish'; readonly reason: FinishReason; readonly usage: Usage; readonly repaired?: Readonly<Record<string, number>> }
  | ErrorEvent

export interface ErrorEvent {
  readonly type: 'error'
  readonly failure: Failure
  /** Of the try whose text was shown last. */
  readonly usage: Usage
  /** Tries after that one, which showed nothing and cost something all the same. */
  readonly unseen?: readonly ModelUsage[]
  /** Set if the same request may succeed later; `waitMs` is the delay that the endpoint asks for, or null. */
  readonly retry?: { readonly waitMs: number | null }
}

/** A way to reach models. Events come in batches, one per read of the network, so that a fast stream costs fewer awaits. */
export interface Model {
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<readonly ModelEvent[]>
}

/**
 * @param price null for a model without a price: it costs 0 here, and a money budget must refuse it before it is asked
 * @returns whole micro-dollars, rounded up. Never negative and never over `Number.MAX_SAFE_INTEGER`, whatever an endpoint reports.
 */
export function priceOf(price: ModelPrice | null, usage: Usage): number {
  if (price === null) return 0
  const input = count(usage.inputTokens)
  const read = Math.min(count(usage.cacheReadTokens), input)
  const write = Math.min(count(usage.cacheWriteTokens), input - read)
  const rates = price.tiers?.findLast((tier) => input > tier.aboveInputTokens) ?? price
  const total =
    (input - read - write) * rates.inputPerMillion +
    read * (rates.cacheReadPerMillion ?? rates.inputPerMillion) +
    write * (rates.cacheWritePerMillion ?? rates.inputPerMillion) +
    count(usage.outputTokens) * rates.outputPerMillion
  return Math.min(Math.ceil(total / 1_000_000), Number.MAX_SAFE_INTEGER)
}

function count(tokens: number | undefined): number {
  return tokens === undefined || !(tokens > 0) ? 0 : Math.min(Math.ceil(tokens), Number.MAX_SAFE_INTEGER)
}

/** @returns facts of a model with defaults for all others: it supports pictures and tools, and does not reason */
export function plainFacts(facts: Pick<ModelFacts, 'name' | 'provider' | 'contextTokens' | 'maxOutputTokens' | 'price'>): ModelFacts {
  return {
    input: ['text', 'image'],
    tools: true,
    reasoning: false,
    sampling: true,
    structuredOutput: true,
    deprecated: false,
    ...facts,
  }
}

/** @returns `provider/model` */
export function modelLabel({ provider, name }: ModelFacts): string {
  return `${provider}/${name}`
}

export interface EmbedOptions {
  /** Fewer dimensions than the default, if the model supports it. */
  readonly dimensions?: number
  /** What the vectors are for, if the model distinguishes that. */
  readonly purpose?: 'query' | 'document'
}

/** The program that has started the guest, as a provider of models: `plugin:app/NAME`. */
export const appPlugin = 'app'

export interface Engine extends Model {
  /** The configured model. */
  readonly model: ModelFacts
  /** @param model `provider/model`, a model of the configured provider, or empty for the configured model. @throws OxbowError `bad_config` for a model that cannot be used */
  facts(model: string): Promise<ModelFacts>
  /** Exact counts by a tokenizer, in a worker that starts on first use. One number per text, in order. */
  countTokens(texts: readonly string[]): Promise<readonly number[]>
  /** The text of each list of tokens, as OpenAI's embedders count them; null for what are no such tokens. */
  decodeTokens(lists: readonly (readonly number[])[]): Promise<readonly (string | null)[]>
  /** Input tokens of a request: exact if the model's tokenizer is public, otherwise an upper estimate. */
  estimateInput(request: Pick<GenerateRequest, 'model' | 'system' | 'messages' | 'tools' | 'cacheKey'>): Promise<number>
  /**
   * Computes one vector per text, in order, all of the same size.
   * @param model `provider/model`, of a provider with embeddings
   * @throws OxbowError for an error of the endpoint, `bad_config` or `cancelled`; there are no partial results
   */
  embed(model: string, texts: readonly string[], options: EmbedOptions, signal: AbortSignal): Promise<Embedded>
  /** Opens a model that hears or speaks; absent: it has none. @param model `provider/model` @throws OxbowError `bad_config`, `bad_input` */
  voice?(model: string): Promise<ModelVoice>
  /** Number of repairs to tool calls since the start, by kind. */
  repairs(): Readonly<Record<string, number>>
  /** Reads recorded exchanges again, without a network; absent: it cannot. */
  exchanges?(): Promise<ExchangeReader>
  close(): Promise<void>
}

/** What is spoken comes as: Opus in Ogg, as voice messages are; MP3; or WAV. */
export type SpeechFormat = 'ogg' | 'mp3' | 'wav'

/** What was heard. */
export interface Heard {
  /** Hostile text. Empty: no words. */
  readonly text: string
  /** As the service has counted them; null: it does not say. */
  readonly seconds: number | null
}

export interface TranscribeOptions {
  /** Media type of the audio, as its bytes say. */
  readonly mime: string
  /** ISO 639-1; absent: whatever is heard. */
  readonly language?: string | undefined
}

export interface SpeakOptions {
  /** Name of a voice; absent: the usual one. */
  readonly voice?: string | undefined
  readonly format: SpeechFormat
}

/**
 * The port to whatever hears and speaks: models of a service (`src/engine/voice/`), or programs of the person in a sandbox
 * (`src/services/voice/`). It is here with the port to models, which both layers see.
 */
export interface Voice {
  /** @throws OxbowError of the service or the sandbox, `bad_config`, `cancelled`; nothing is given in part */
  transcribe(audio: Uint8Array, options: TranscribeOptions, signal: AbortSignal): Promise<Heard>
  /** @returns audio in that format @throws as `transcribe` */
  speak(text: string, options: SpeakOptions, signal: AbortSignal): Promise<Uint8Array>
}

/** A model of a service that hears or speaks. */
export interface ModelVoice extends Voice {
  readonly provider: string
  /** As the service knows it. */
  readonly model: string
  /** At the vendor's own address, whose prices are known. */
  readonly isOfficial: boolean
}

/** Reads the recorded exchanges of one session, in order. */
export interface ExchangeReader {
  /** @param body of the record @returns null for one that was erased, or whose wire is another program's @throws OxbowError `bad_config` */
  take(body: unknown): Promise<RecordedAsk | null>
}

/** A request that was sent, and its answer. */
export interface RecordedAsk {
  /** Id of the generation; its tries have the same one. */
  readonly generation: string
  /** As the endpoint knows it. */
  readonly model: string
  /** The system prompt that was sent; empty where it was erased or not sent. */
  readonly system: string
  /** @returns the first difference between the recorded request and this one; null: they are the same */
  compare(now: GenerateRequest): Promise<RequestDifference | null>
  /** @returns the first difference to another recorded request, which is `now` in it; null: they are the same, or not readable */
  differs(other: RecordedAsk): RequestDifference | null
  /** Its bytes, as far as they are known. */
  readonly request: Uint8Array
  /** @returns the events of its answer, read from its bytes again; null: the endpoint refused the request */
  answer(): Promise<readonly ModelEvent[] | null>
}
