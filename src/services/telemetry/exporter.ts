/**
 * Sends spans and metrics to a collector. Nothing waits for it: spans queue up to a limit, one request runs at a time, and what a collector
 * that hangs or is gone does not take is dropped and counted. A request that may be repeated is, after a pause that grows.
 */
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { errorMessage, isObject, type JsonObject } from '../../base/index.ts'
import type { Collector, Signal } from './collector.ts'
import { closeMs, firstRetryMs, maxAnswerBytes, maxRetryMs, maxWaitingSpans, sendMs, spansAtOnce } from './limits.ts'
import type { Metric } from './meters.ts'
import { metricsRequest, traceRequest } from './otlp.ts'
import type { Span } from './trace-fold.ts'

export interface ExportState {
  readonly sent: number
  readonly dropped: number
  readonly waiting: number
  /** Why the newest request failed; empty: it did not. */
  readonly problem: string
}

export interface Exporter {
  spans(spans: readonly Span[]): void
  /** Sends metrics now, unless the collector still has the ones before. */
  metrics(): void
  state(): ExportState
  /** Sends what waits, as far as the collector takes it at once. Never rejects. */
  close(): Promise<void>
}

interface ExporterDeps {
  readonly collector: Collector
  /** Unix milliseconds from which on metrics count. */
  readonly since: number
  readonly now: () => number
  readonly read: () => Promise<readonly Metric[]>
}

type Post = (signal: Signal, body: JsonObject) => Promise<Answer>

/** Metrics are sent at their times from now on. */
export function createExporter({ collector, since, now, read }: ExporterDeps): Exporter {
  const resource = { attributes: collector.resource }
  const ending = new AbortController()
  let problem = ''
  const post: Post = async (signal, body) => {
    const answer = await send(signal, body, collector, ending.signal)
    ;({ problem } = answer)
    return answer
  }
  const queue = createSpanQueue(collector.traces, (spans) => traceRequest(resource, spans), post, ending.signal)
  let sending: Promise<void> | null = null
  const metrics = (): void => {
    const signal = collector.metrics
    if (signal === null || sending !== null) return
    sending = read()
      .then(async (all) => void (await post(signal, metricsRequest(resource, all, since, now()))))
      .catch((error: unknown) => void (problem = errorMessage(error)))
      .finally(() => (sending = null))
  }
  const timer = setInterval(metrics, collector.metricsMs).unref()
  return {
    spans: queue.add,
    metrics,
    state: () => ({ ...queue.state(), problem }),
    async close() {
      clearInterval(timer)
      const limit = setTimeout(() => ending.abort(), closeMs)
      await Promise.allSettled([queue.last(problem !== ''), sending])
      clearTimeout(limit)
      ending.abort()
      queue.drop()
    },
  }
}

/** Spans that wait; one request with them runs at a time. */
function createSpanQueue(signal: Signal | null, requestOf: (spans: readonly Span[]) => JsonObject, post: Post, ending: AbortSignal) {
  let waiting: readonly Span[] = []
  let [sent, dropped, pauseMs] = [0, 0, firstRetryMs]
  let sending: Promise<void> | null = null
  let timer: NodeJS.Timeout | undefined

  const sendAll = async (to: Signal): Promise<void> => {
    while (waiting.length > 0 && !ending.aborted) {
      const batch = waiting.slice(0, spansAtOnce)
      const { isTaken, isRetryable, rejected, waitMs } = await post(to, requestOf(batch))
      if (isRetryable) {
        await sleep(waitMs ?? pauseMs, undefined, { signal: ending, ref: false }).catch(() => {})
        pauseMs = Math.min(pauseMs * 2, maxRetryMs)
        continue
      }
      pauseMs = firstRetryMs
      const gone = new Set(batch)
      waiting = waiting.filter((span) => !gone.has(span))
      if (isTaken) sent += batch.length - rejected
      dropped += isTaken ? rejected : batch.length
    }
  }
  const begin = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    return signal === null ? Promise.resolve() : (sending ??= sendAll(signal).finally(() => (sending = null)))
  }
  return {
    add(spans: readonly Span[]): void {
      if (signal === null || spans.length === 0) return
      const all = [...waiting, ...spans]
      waiting = all.slice(-maxWaitingSpans)
      dropped += all.length - waiting.length
      if (waiting.length >= spansAtOnce) void begin()
      else timer ??= setTimeout(() => void begin(), sendMs).unref()
    },
    /** @param hasFailed whether the collector did not take what came before: then nothing waits for it */
    last: async (hasFailed: boolean): Promise<void> => (hasFailed ? undefined : begin()),
    drop(): void {
      clearTimeout(timer)
      dropped += waiting.length
      waiting = []
    },
    state: () => ({ sent, dropped, waiting: waiting.length }),
  }
}

interface Answer {
  readonly isTaken: boolean
  readonly isRetryable: boolean
  /** As the collector asks; null: it does not. */
  readonly waitMs: number | null
  /** Spans or points that it did not take. */
  readonly rejected: number
  readonly problem: string
}

/** Statuses after which the protocol has a request repeated. */
const retryable: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** Never rejects. */
async function send({ url, headers }: Signal, body: JsonObject, { gzip, timeoutMs }: Collector, ending: AbortSignal): Promise<Answer> {
  const text = Buffer.from(JSON.stringify(body))
  const bytes = gzip ? await promisify(process.getBuiltinModule('node:zlib').gzip)(text) : text
  const limit = AbortSignal.any([ending, AbortSignal.timeout(timeoutMs)])
  try {
    const { status, retryAfter, answer } = await ask(url, bytes, { ...headers, ...(gzip && { 'content-encoding': 'gzip' }) }, limit)
    if (status >= 200 && status < 300) return { isTaken: true, isRetryable: false, waitMs: null, ...partOf(answer) }
    const problem = `${url.origin} answered ${status}`
    return { isTaken: false, isRetryable: retryable.has(status), waitMs: retryAfter, rejected: 0, problem }
  } catch (error) {
    const why = limit.aborted && !ending.aborted ? `no answer within ${timeoutMs} ms` : codeOf(error)
    return { isTaken: false, isRetryable: true, waitMs: null, rejected: 0, problem: `${url.origin}: ${why}` }
  }
}

/** No message of a network error: it may repeat a header. */
function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  return typeof code === 'string' ? code : 'the request failed'
}

/** What a collector did not take of a request that it took. */
function partOf(answer: string): Pick<Answer, 'rejected' | 'problem'> {
  try {
    const { partialSuccess: part } = JSON.parse(answer) as { partialSuccess?: unknown }
    if (!isObject(part)) return { rejected: 0, problem: '' }
    const rejected = Number(part['rejectedSpans'] ?? part['rejectedDataPoints'] ?? 0)
    if (!Number.isSafeInteger(rejected) || rejected <= 0) return { rejected: 0, problem: '' }
    return { rejected, problem: `the collector rejected ${rejected}` }
  } catch {
    return { rejected: 0, problem: '' }
  }
}

interface Answered {
  readonly status: number
  readonly retryAfter: number | null
  readonly answer: string
}

/** No redirect is followed: the headers may hold a key. */
function ask(url: URL, body: Buffer, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answered> {
  const http = url.protocol === 'https:' ? process.getBuiltinModule('node:https') : process.getBuiltinModule('node:http')
  return new Promise((resolve, reject) => {
    const request = http.request(
      url,
      {
        method: 'POST',
        signal,
        headers: { 'user-agent': 'oxbow', ...headers, 'content-type': 'application/json', 'content-length': body.length },
      },
      (response) => void readAnswer(response).then((answer) => resolve({ ...headOf(response), answer }), reject),
    )
    request.on('error', reject)
    request.end(body)
  })
}

function headOf({ statusCode = 0, headers }: IncomingMessage): Omit<Answered, 'answer'> {
  const seconds = Number(headers['retry-after'])
  return { status: statusCode, retryAfter: Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds * 1_000, maxRetryMs) : null }
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > maxAnswerBytes) break
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
