/**
 * A small HTTP server that speaks the chat-completions wire and answers from a scenario: statuses, HTML, drops, stalls
 * and split characters included. Answers without pauses are one prepared buffer, so that it is no brake under load.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ChatCompletionChunk } from 'openai/resources/chat/completions'
import { isObject, ownValue } from '../../base/index.ts'
import { maxScriptedRequestBytes } from '../limits.ts'
import { argumentsText, chooseStep, chunksOf, type Scenario, type ScenarioEvent, type ScenarioStep, viewRequest } from './scenario.ts'

export interface ScriptedServer {
  /** Base URL, to which `/chat/completions` is added. */
  readonly url: string
  /** Requests so far. */
  readonly requests: number
  close(): Promise<void>
}

export interface ScriptedServerOptions {
  /** 0, the default, lets the system choose. */
  readonly port?: number
  /** Sees each request that can be answered, before it is. */
  readonly onRequest?: (body: unknown, headers: NodeJS.Dict<string | string[]>) => void
}

interface WireMessage {
  readonly role: string
  readonly content: unknown
}

/** Serves a scenario over HTTP on loopback, for tests and benchmarks. */
export async function startScriptedServer(scenario: Scenario, options: ScriptedServerOptions = {}): Promise<ScriptedServer> {
  const asked = new Map<ScenarioStep, number>()
  const prepared = new Map<ScenarioStep, readonly WirePart[]>()
  let requests = 0

  const partsOf = (step: ScenarioStep, last: string): readonly WirePart[] => {
    const known = prepared.get(step)
    if (known !== undefined) return known
    const made = wireParts(step, last)
    const depends = JSON.stringify(step.events).includes('{{last}}')
    if (!depends) prepared.set(step, made)
    return made
  }
  const answer = (text: string, request: IncomingMessage, response: ServerResponse): void => {
    const body = parseBody(text)
    if (body === null) return refuse(response, 400, 'The body is not a chat-completions request.')
    options.onRequest?.(body, request.headers)
    const view = viewRequest(body.messages.map((message) => ({ role: message.role, text: textIn(message.content) })))
    const step = chooseStep(scenario, view)
    if (typeof step === 'string') return refuse(response, 400, step)
    const before = asked.get(step) ?? 0
    asked.set(step, before + 1)
    if (step.http !== undefined && before < (step.http.times ?? Infinity)) {
      response.writeHead(step.http.status, { 'content-type': 'application/json', ...step.http.headers })
      response.end(step.http.body ?? JSON.stringify({ error: { message: `scripted status ${step.http.status}` } }))
      return
    }
    void play(partsOf(step, view.lastText), response)
  }
  const server: Server = process.getBuiltinModule('node:http').createServer((request, response) => {
    requests += 1
    const { models } = scenario
    if (models !== undefined && request.method === 'GET' && request.url === '/v1/models') {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ object: 'list', data: models.map((id) => ({ id, object: 'model' })) }))
      return
    }
    if (request.method !== 'POST' || request.url?.split('?')[0]?.endsWith('/chat/completions') !== true) {
      return refuse(response, 404, 'Only POST …/chat/completions is here.')
    }
    readBody(request, (text) => answer(text, request, response))
  })
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    get requests() {
      return requests
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function play(parts: readonly WirePart[], response: ServerResponse): Promise<void> {
  const head = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }
  const only = parts[0]
  if (parts.length === 1 && only !== undefined && typeof only !== 'string' && 'bytes' in only) {
    response.writeHead(200, { ...head, 'content-length': only.bytes.length })
    response.end(only.bytes)
    return
  }
  response.writeHead(200, head)
  response.flushHeaders()
  response.socket?.setNoDelay(true)
  for (const part of parts) {
    if (response.destroyed) return
    if (part === 'stall') return
    if (part === 'drop') {
      // A regular end of the socket after what was written: the other side sees all of it and then the cut.
      response.socket?.end()
      return
    }
    if ('delayMs' in part) await pause(response, part.delayMs)
    else await send(response, part.bytes)
  }
  response.end()
}

/** Writes and lets the bytes leave, so that the next write is another packet. */
function send(response: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    response.write(bytes, () => setImmediate(resolve))
  })
}

/** Waits, or less when the other side is gone. */
function pause(response: ServerResponse, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      response.off('close', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    response.on('close', done)
  })
}

function readBody(request: IncomingMessage, done: (text: string) => void): void {
  const chunks: Buffer[] = []
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    chunks.push(chunk)
    if (bytes > maxScriptedRequestBytes) request.destroy()
  })
  request.on('end', () => done(chunks.length === 1 ? String(chunks[0]) : Buffer.concat(chunks).toString()))
  request.on('error', () => request.destroy())
}

function parseBody(text: string): { messages: WireMessage[] } | null {
  try {
    const value = JSON.parse(text) as { messages?: unknown } | null
    if (value === null || !Array.isArray(value.messages)) return null
    return value as { messages: WireMessage[] }
  } catch {
    return null
  }
}

function textIn(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.map((part: unknown) => (isObject(part) && typeof part['text'] === 'string' ? part['text'] : '')).join('')
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ error: { message, type: 'invalid_request_error' } }))
}

export type WirePart = { readonly bytes: Buffer } | { readonly delayMs: number } | 'drop' | 'stall'

type Choice = ChatCompletionChunk['choices'][number]
type Delta = Choice['delta'] & { reasoning_content?: string }

/** Turns a step into the bytes of an answer and the pauses between them. @param last text of the request's last message, for `{{last}}` */
export function wireParts(step: ScenarioStep, last: string): readonly WirePart[] {
  const parts: WirePart[] = []
  let text = [sse(completionChunk({ role: 'assistant', content: '' }, null))]
  const flush = (): void => {
    const bytes = Buffer.from(text.join(''))
    text = []
    const size = step.split_bytes ?? bytes.length
    for (let from = 0; from < bytes.length; from += size) parts.push({ bytes: bytes.subarray(from, from + size) })
  }
  let calls = 0
  for (const event of step.events) {
    if ('delay_ms' in event) {
      flush()
      parts.push({ delayMs: event.delay_ms })
    } else if ('drop' in event || 'stall' in event) {
      flush()
      return [...parts, 'drop' in event ? 'drop' : 'stall']
    } else if ('error' in event) {
      text.push(sse({ error: { message: event.message ?? 'scripted error', code: statusOf(event.error) } }))
      flush()
      return parts
    } else {
      for (const piece of pieces(event, calls, last)) text.push(piece)
      if ('tool_call' in event) calls += 1
    }
  }
  if (step.finish !== 'none') {
    text.push(sse(completionChunk({}, step.finish ?? (calls > 0 ? 'tool_calls' : 'stop'))))
    if (step.usage !== null) text.push(usageChunk(step))
    text.push('data: [DONE]\n\n')
  }
  flush()
  return parts
}

function pieces(event: ScenarioEvent, place: number, last: string): string[] {
  if ('garbage' in event) return [event.garbage]
  if ('reasoning' in event) {
    return chunksOf(event.reasoning, event).map((reasoning) => sse(completionChunk({ reasoning_content: reasoning }, null)))
  }
  if ('tool_call' in event) {
    const call = event.tool_call
    const args = argumentsText(call.arguments, last)
    const size = Math.max(1, Math.ceil(args.length / (call.pieces ?? 1)))
    const index = call.no_index === true ? {} : { index: place }
    const head = { ...index, id: call.id ?? `call_${place}`, type: 'function', function: { name: call.name, arguments: '' } }
    const deltas = [head, ...chunksOf(args, { chunk: size }).map((piece) => ({ ...index, function: { arguments: piece } }))]
    return deltas.map((delta) => sse(completionChunk({ tool_calls: [delta as NonNullable<Delta['tool_calls']>[number]] }, null)))
  }
  if (!('text' in event)) return []
  const filled = event.text.replaceAll('{{last}}', () => last)
  // A repeated text is serialised once: a step of 100 000 chunks is made in no time.
  const once = chunksOf(filled, { chunk: event.chunk }).map((content) => sse(completionChunk({ content }, null)))
  return [once.join('').repeat(event.count ?? 1)]
}

function completionChunk(delta: Delta, finish: Choice['finish_reason']): ChatCompletionChunk {
  return { ...envelope, choices: [{ index: 0, delta, finish_reason: finish }] }
}

const envelope = { id: 'chatcmpl-scripted', object: 'chat.completion.chunk', created: 0, model: 'scripted' } as const

function usageChunk(step: ScenarioStep): string {
  const { input, output } = step.usage ?? { input: 10, output: 10 }
  const usage = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output }
  return sse({ ...envelope, choices: [], usage } satisfies ChatCompletionChunk)
}

function sse(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`
}

function statusOf(code: string): number {
  const statuses: Record<string, number> = { model_auth: 401, model_refused: 400, model_rate_limited: 429 }
  return ownValue(statuses, code) ?? 500
}
