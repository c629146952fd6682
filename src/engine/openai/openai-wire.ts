/**
 * The chat-completions wire as a Model: writes the request, sends it, reads the answer, and tries again while nobody has
 * seen anything of it. After the first event there is no second try: text that was shown is never shown twice.
 */
import type { Clock, Model, ModelEvent, Random, Usage } from '../../types/index.ts'
import type { BatchQueue } from '../batch-queue.ts'
import { createBatchQueue } from '../batch-queue.ts'
import type { ModelLimits } from '../limits.ts'
import { cancelled, noUsage } from '../model-problem.ts'
import type { Problem } from '../model-problem.ts'
import type { Endpoint, Exchange } from './http-exchange.ts'
import { createEndpoint, startExchange } from './http-exchange.ts'
import { createRequestWriter } from './openai-request.ts'
import { createAnswerReader } from './openai-stream.ts'

export interface OpenAiOptions {
  /** Where `/chat/completions` follows; a query is kept. */
  readonly baseUrl: URL
  /** Empty for services without one. */
  readonly key: string
  readonly clock: Clock
  readonly random: Random
  readonly limits: ModelLimits
}

export interface OpenAiModel extends Model {
  close(): void
}

export function createOpenAiModel(options: OpenAiOptions): OpenAiModel {
  const url = new URL(options.baseUrl)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/chat/completions`
  const endpoint = createEndpoint({ url, key: options.key, clock: options.clock, limits: options.limits })
  const ownModels = /(?:^|\.)(?:openai\.com|azure\.com)$/.test(url.hostname)
  const writer = createRequestWriter(ownModels ? 'max_completion_tokens' : 'max_tokens')
  return {
    generate: (request, signal) => ({
      [Symbol.asyncIterator]: () => startAnswer({ endpoint, random: options.random }, writer.write(request), signal),
    }),
    close: () => endpoint.close(),
  }
}

interface AnswerDeps {
  readonly endpoint: Endpoint
  readonly random: Random
}

/** The events of one generation. All state of its attempts lives here. */
function startAnswer(deps: AnswerDeps, bodyText: string, signal: AbortSignal): BatchQueue<ModelEvent> {
  const { limits } = deps.endpoint
  const body = Buffer.from(bodyText)
  let exchange: Exchange | null = null
  let retryTimer: NodeJS.Timeout | undefined
  let tries = 0
  let shown = false
  let ahead = 0
  let paused = false
  let usage: () => Usage = () => noUsage

  const release = (): void => {
    clearTimeout(retryTimer)
    signal.removeEventListener('abort', cancel)
  }
  const queue = createBatchQueue<ModelEvent>({
    onTake: () => {
      ahead = 0
      if (!paused) return
      paused = false
      exchange?.resume()
    },
    onReturn: () => {
      release()
      exchange?.stop()
    },
  })
  const last = (events: readonly ModelEvent[]): void => {
    release()
    queue.batch.push(...events)
    queue.end()
  }
  const cancel = (): void => {
    exchange?.stop()
    last([{ type: 'error', failure: cancelled, usage: usage() }])
  }
  const attempt = (): void => {
    tries += 1
    const { url, key } = deps.endpoint
    const reader = createAnswerReader({ limits, origin: url.origin, key, requestChars: bodyText.length })
    usage = () => (shown ? reader.usage() : noUsage)
    const settle = (cut: Problem | null, stale: boolean): void => {
      const found = reader.problem(cut)
      if (found === null) return last(reader.finish())
      const wait = shown ? null : stale && tries === 1 ? 0 : retryWait(found, tries, deps)
      if (wait === null) return last([{ type: 'error', failure: found.failure, usage: usage() }])
      retryTimer = setTimeout(attempt, wait)
    }
    exchange = startExchange(deps.endpoint, body, {
      onText: (text) => {
        const more = reader.feed(text, queue.batch)
        if (queue.batch.length > 0) shown = true
        if (!more) {
          settle(null, false)
          return false
        }
        ahead += text.length
        queue.flush()
        if (ahead > limits.pauseAtChars) {
          paused = true
          exchange?.pause()
        }
        return true
      },
      onEnd: settle,
    })
  }

  if (signal.aborted) cancel()
  else {
    signal.addEventListener('abort', cancel)
    attempt()
  }
  return queue
}

/** @returns milliseconds to wait before the next try, or null when there is none. */
function retryWait(found: Problem, tries: number, deps: AnswerDeps): number | null {
  const { limits } = deps.endpoint
  if (!found.retry || tries >= limits.maxTries) return null
  if (found.waitMs !== null) return found.waitMs <= limits.retryAfterCapMs ? found.waitMs : null
  const ceiling = Math.min(limits.backoffCapMs, limits.backoffBaseMs * 2 ** (tries - 1))
  const [a = 0, b = 0] = deps.random.bytes(2)
  return ((a * 256 + b) / 65_536) * ceiling
}
