/**
 * The embedding program as the model. It gets the conversation with the tools and answers with a text and calls of tools, at once or in pieces.
 * Its answers are recorded as any other model's.
 */
import { isObject, type Json, type JsonObject, OxbowError } from '../base/index.ts'
import { appPlugin } from '../protocol/index.ts'

export interface ModelMessage {
  readonly role: 'user' | 'assistant' | 'tool'
  readonly content: string
  /** Of the assistant. */
  readonly toolCalls?: readonly { readonly id: string; readonly name: string; readonly input: JsonObject }[]
  /** Of a result: the call that it answers, the tool, and whether it worked. */
  readonly toolCallId?: string
  readonly name?: string
  readonly ok?: boolean
}

export interface ModelRequest {
  readonly system: string
  /** Oldest first. */
  readonly messages: readonly ModelMessage[]
  /** `parameters` is a JSON Schema. */
  readonly tools: readonly { readonly name: string; readonly description: string; readonly parameters: JsonObject }[]
  /** At most so many tokens are asked for. */
  readonly maxTokens: number
  readonly temperature?: number
  readonly topP?: number
  readonly stop?: readonly string[]
  readonly toolChoice?: 'auto' | 'none' | 'required' | { readonly tool: string }
}

export interface ModelAnswer {
  readonly text?: string
  readonly reasoning?: string
  /** Calls of tools of the request. Without an id it gets one. */
  readonly toolCalls?: readonly { readonly id?: string; readonly name: string; readonly input: JsonObject }[]
  /** Absent: it is estimated. */
  readonly usage?: { readonly inputTokens: number; readonly outputTokens: number }
  /** The answer was cut at `maxTokens`. */
  readonly truncated?: boolean
}

/** A text stands for an answer that has nothing else. */
export type Answered = string | ModelAnswer

/** An answer, or pieces as they come: texts are shown at once, tool calls and usage count when the last piece is there. */
export type Generate = (
  request: ModelRequest,
  options: { readonly signal: AbortSignal },
) => Answered | Promise<Answered> | AsyncIterable<Answered>

export interface OwnModel {
  readonly generate: Generate
  /** In the journal: `plugin:app/NAME`. Default: `model`. */
  readonly name?: string
  /** Default: 128 000. */
  readonly contextTokens?: number
  /** Default: 8 192. */
  readonly maxOutputTokens?: number
  /** Micro-dollars per million tokens. Absent: the price is not known, and a budget in money refuses the model. */
  readonly price?: { readonly input: number; readonly output: number }
}

const namePattern = /^[\w.:-]{1,60}$/

/** @returns the settings that make it the model of the guest @throws OxbowError `bad_input` */
export function modelSettings({ name = 'model', contextTokens, maxOutputTokens, price }: OwnModel): JsonObject {
  if (!namePattern.test(name))
    throw new OxbowError('bad_input', `${JSON.stringify(name)} cannot be the name of a model.`, { hint: 'Use letters, digits and . _ : -' })
  const provider = `plugin:${appPlugin}`
  return {
    provider,
    name: `${provider}/${name}`,
    ...(contextTokens !== undefined && { context_tokens: contextTokens }),
    ...(maxOutputTokens !== undefined && { max_output_tokens: maxOutputTokens }),
    ...(price !== undefined && { input_price: price.input, output_price: price.output }),
  }
}

/** @returns the answer as the guest reads it; see `src/engine/plugin-model.ts` */
export async function askModel(
  generate: Generate,
  params: JsonObject,
  signal: AbortSignal,
  onPiece: (piece: JsonObject) => void,
): Promise<Json> {
  const { prompt: _prompt, stream: _stream, stopSequences: _stops, ...request } = params
  const given = generate(request as unknown as ModelRequest, { signal })
  if (!isPieces(given)) return wireAnswer(answerOf(await given))
  let whole: ModelAnswer = {}
  for await (const piece of given) {
    const next = answerOf(piece)
    for (const type of ['reasoning', 'text'] as const) if (next[type] !== undefined) onPiece({ [type]: next[type] })
    whole = joined(whole, next)
  }
  return wireAnswer(whole)
}

const isPieces = (given: unknown): given is AsyncIterable<Answered> =>
  typeof given === 'object' && given !== null && Symbol.asyncIterator in given

function answerOf(given: unknown): ModelAnswer {
  if (typeof given === 'string') return { text: given }
  if (isObject(given)) return given
  throw new OxbowError('model_garbled', 'The model of this program answered with neither a text nor an answer.', {
    hint: 'Return a text, or an object with text or toolCalls.',
  })
}

function joined(whole: ModelAnswer, piece: ModelAnswer): ModelAnswer {
  const text = (type: 'text' | 'reasoning') => piece[type] !== undefined && { [type]: (whole[type] ?? '') + piece[type] }
  const { toolCalls } = piece
  return { ...whole, ...piece, ...text('text'), ...text('reasoning'), toolCalls: [...(whole.toolCalls ?? []), ...(toolCalls ?? [])] }
}

function wireAnswer({ text = '', reasoning, toolCalls = [], usage, truncated }: ModelAnswer): Json {
  return {
    text,
    ...(reasoning !== undefined && { reasoning }),
    toolCalls: toolCalls.map(({ id, name, input }) => ({ ...(id !== undefined && { id }), name, input })),
    ...(usage !== undefined && { usage: { promptTokens: usage.inputTokens, completionTokens: usage.outputTokens } }),
    ...(truncated === true && { finishReason: 'length' }),
  }
}
