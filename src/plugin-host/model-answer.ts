/** What a model of a plugin answers: a value, or pieces that it yields while it has them, which are put together here and sent on meanwhile. */
import type { Json, JsonObject } from '../types/index.ts'

/** A piece of an answer; a text alone is one, too. */
export interface ModelPiece {
  readonly text?: string
  readonly reasoning?: string
  /** A call of one of `params.tools`. Its result is in the messages of the next request. */
  readonly toolCall?: ModelToolCall
  /** `length`: the answer was cut. */
  readonly finishReason?: string
  readonly usage?: { readonly promptTokens: number; readonly completionTokens: number }
}

export interface ModelToolCall {
  /** As the service names it; absent: Oxbow gives one. */
  readonly id?: string
  readonly name: string
  readonly input: JsonObject
}

/** Text that came so shortly after the last that was sent goes with the next that is yielded: a long answer is fewer messages. */
const pieceMs = 40

type Send = (piece: { readonly text: string; readonly reasoning: string }) => Promise<unknown>

/** @param send null: nobody follows @returns the answer as one value @throws what the plugin throws */
export async function gatherAnswer(answer: unknown, send: Send | null): Promise<Json> {
  if (!isIterable(answer)) return (answer ?? null) as Json
  const whole = { text: '', reasoning: '' }
  const toolCalls: ModelToolCall[] = []
  let rest: JsonObject = {}
  let [sentText, sentReasoning, sentAt] = [0, 0, -Infinity]
  let sending: Promise<unknown> | null = null
  for await (const yielded of answer) {
    const {
      text = '',
      reasoning = '',
      toolCall,
      finishReason,
      usage,
    }: ModelPiece = typeof yielded === 'string' ? { text: yielded } : yielded
    // Services send null for what there is none of.
    if (typeof text === 'string') whole.text += text
    if (typeof reasoning === 'string') whole.reasoning += reasoning
    if (toolCall !== undefined) toolCalls.push(toolCall)
    rest = { ...rest, ...(finishReason !== undefined && { finishReason }), ...(usage !== undefined && { usage: { ...usage } }) }
    const isNew = whole.text.length > sentText || whole.reasoning.length > sentReasoning
    if (send === null || !isNew || sending !== null || performance.now() - sentAt < pieceMs) continue
    sending = send({ text: whole.text.slice(sentText), reasoning: whole.reasoning.slice(sentReasoning) }).finally(() => (sending = null))
    sentText = whole.text.length
    sentReasoning = whole.reasoning.length
    sentAt = performance.now()
  }
  await sending
  return { ...whole, ...rest, toolCalls: toolCalls.map((call) => ({ ...call })) }
}

function isIterable(answer: unknown): answer is AsyncIterable<string | ModelPiece> {
  return typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer
}
