/** What a model of a plugin answers: a value, or pieces that it yields while it has them, which are put together here and sent on meanwhile. */
import type { Json, JsonObject } from '../base/index.ts'

/** A piece of an answer; a plain text is one, too. */
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

/** Text that comes so shortly after the last that was sent waits, and goes with what comes meanwhile: a long answer is fewer messages. */
const pieceMs = 40

type Send = (piece: { readonly text: string; readonly reasoning: string }) => Promise<unknown>

/**
 * @param send null: nobody follows
 * @param signal ends the answer: no piece is asked for or sent after it aborts, whatever the handler goes on to do
 * @returns the answer as one value @throws what the plugin throws, and the reason of `signal`
 */
export async function gatherAnswer(answer: unknown, send: Send | null, signal: AbortSignal): Promise<Json> {
  if (!isIterable(answer)) return (answer ?? null) as Json
  const sender = createSender(send)
  const toolCalls: ModelToolCall[] = []
  let rest: JsonObject = {}
  const iterator = answer[Symbol.asyncIterator]()
  const aborted = Promise.withResolvers<never>()
  aborted.promise.catch(() => {})
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    for (;;) {
      const { done, value } = await Promise.race([aborted.promise, iterator.next()])
      if (done === true) break
      const { text = '', reasoning = '', toolCall, finishReason, usage }: ModelPiece = typeof value === 'string' ? { text: value } : value
      sender.add({ text, reasoning })
      if (toolCall !== undefined) toolCalls.push(toolCall)
      rest = { ...rest, ...(finishReason !== undefined && { finishReason }), ...(usage !== undefined && { usage: { ...usage } }) }
    }
    return { ...(await sender.end()), ...rest, toolCalls: toolCalls.map((call) => ({ ...call })) }
  } finally {
    signal.removeEventListener('abort', abort)
    sender.stop()
    // A generator ends at its next yield; nobody waits for that.
    if (signal.aborted) void Promise.resolve(iterator.return?.()).catch(() => {})
  }
}

interface Sender {
  add(piece: { readonly text: string; readonly reasoning: string }): void
  /** @returns all that was added, when what was sent of it has been taken */
  end(): Promise<{ readonly text: string; readonly reasoning: string }>
  stop(): void
}

/** Sends what is added: at once, or a moment after the last piece, also when the handler yields nothing more meanwhile. */
function createSender(send: Send | null): Sender {
  const whole = { text: '', reasoning: '' }
  const sent = { text: 0, reasoning: 0, at: -Infinity }
  let sending: Promise<unknown> | null = null
  let timer: NodeJS.Timeout | undefined
  const flush = (): void => {
    timer = undefined
    if (send === null || sending !== null || (whole.text.length === sent.text && whole.reasoning.length === sent.reasoning)) return
    const waitMs = sent.at + pieceMs - performance.now()
    if (waitMs > 0) return void (timer = setTimeout(flush, waitMs))
    const piece = { text: whole.text.slice(sent.text), reasoning: whole.reasoning.slice(sent.reasoning) }
    Object.assign(sent, { text: whole.text.length, reasoning: whole.reasoning.length, at: performance.now() })
    sending = send(piece).finally(() => {
      sending = null
      timer ??= setTimeout(flush, pieceMs)
    })
  }
  const stop = (): void => clearTimeout(timer)
  return {
    add({ text, reasoning }) {
      // Services send null for what is absent.
      if (typeof text === 'string') whole.text += text
      if (typeof reasoning === 'string') whole.reasoning += reasoning
      if (timer === undefined) flush()
    },
    async end() {
      stop()
      await sending
      return whole
    },
    stop,
  }
}

function isIterable(answer: unknown): answer is AsyncIterable<string | ModelPiece> {
  return typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer
}
