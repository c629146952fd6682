/** A server that speaks this wire, for tests: it plays the answers that it is given, byte by byte, and keeps what it was asked. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ModelFacts } from '../../protocol/index.ts'

export interface MockAnswer {
  /** Raw server-sent events, or a body for another status. */
  readonly body: string | Uint8Array
  /** Unset: 200. */
  readonly status?: number
  /** Go over `content-type: text/event-stream`. */
  readonly headers?: Readonly<Record<string, string>>
  /** Bytes of each write; unset: all at once. Each is flushed before the next. */
  readonly pieceBytes?: number
  /** After the body: `end` (unset) as HTTP has it, `drop` the connection, or `hang` and never end. */
  readonly after?: 'end' | 'drop' | 'hang'
}

export interface MockRequest {
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** JSON text. */
  readonly body: string
}

export interface AnthropicMock {
  /** Base URL for the wire: the path `/messages` follows it. */
  readonly url: string
  /** For the vendor's client, which adds `/v1/messages` itself. */
  readonly origin: string
  /** In the order in which they came. */
  readonly requests: readonly MockRequest[]
  close(): Promise<void>
}

/** @param answers raw event streams played in order, the last one again and again; or a choice by request and its place. */
export async function startAnthropicMock(
  answers: readonly (string | MockAnswer)[] | ((request: MockRequest, place: number) => string | MockAnswer),
): Promise<AnthropicMock> {
  const { createServer } = process.getBuiltinModule('node:http')
  const requests: MockRequest[] = []
  const choose = (request: MockRequest): MockAnswer => {
    const place = requests.length
    requests.push(request)
    const chosen = typeof answers === 'function' ? answers(request, place) : (answers[Math.min(place, answers.length - 1)] ?? '')
    return typeof chosen === 'string' ? { body: chosen } : chosen
  }
  const server = createServer((incoming, outgoing) => void serve(incoming, outgoing, choose))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `${origin}/v1`,
    origin,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function serve(incoming: IncomingMessage, outgoing: ServerResponse, choose: (request: MockRequest) => MockAnswer): Promise<void> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
  } catch {
    return // The client went away before it had asked.
  }
  const path = (incoming.url ?? '').split('?')[0] ?? ''
  if (incoming.method !== 'POST' || path !== '/v1/messages') {
    outgoing.writeHead(404, { 'content-type': 'application/json' })
    outgoing.end('{"type":"error","error":{"type":"not_found_error","message":"Not Found"}}')
    return
  }
  const answer = choose({ path, headers: incoming.headers, body: Buffer.concat(chunks).toString() })
  outgoing.writeHead(answer.status ?? 200, { 'content-type': 'text/event-stream', ...answer.headers })
  await play(outgoing, answer)
}

async function play(outgoing: ServerResponse, { body, pieceBytes, after = 'end' }: MockAnswer): Promise<void> {
  const bytes = Buffer.from(body)
  const size = pieceBytes ?? Math.max(1, bytes.length)
  for (let at = 0; at < bytes.length && !outgoing.destroyed; at += size) {
    await new Promise((resolve) => outgoing.write(bytes.subarray(at, at + size), resolve))
  }
  if (after === 'end') outgoing.end()
  if (after === 'drop') outgoing.destroy()
}

/** @returns raw events as the service writes them: the name of each is the type of its data. */
export function sseOf(...events: readonly ({ readonly type: string } & Readonly<Record<string, unknown>>)[]): string {
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
}

export type MockBlock =
  | { readonly text: string }
  | { readonly thinking: string; readonly signature: string }
  | { readonly redacted: string }
  /** @param input JSON text, broken or not */
  | { readonly id: string; readonly name: string; readonly input: string }

export interface MockMessage {
  readonly blocks: readonly MockBlock[]
  /** Unset: `tool_use` where there is a call, else `end_turn`. */
  readonly stop?: string
  /** Characters of each delta. */
  readonly pieceChars?: number
  readonly usage?: Readonly<Record<string, unknown>>
}

/** @returns the stream of one message as the service sends it, a ping and a keep-alive comment included. */
export function messageSse({ blocks, stop, pieceChars = 7, usage = {} }: MockMessage): string {
  const calls = blocks.some((block) => 'name' in block)
  const start = { input_tokens: 11, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 1, ...usage }
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [], stop_reason: null, stop_sequence: null }
  return [
    sseOf({ type: 'message_start', message: { ...message, usage: start } }),
    sseOf({ type: 'ping' }),
    ': keep-alive\n\n',
    ...blocks.map((block, index) => blockSse(block, index, pieceChars)),
    sseOf({
      type: 'message_delta',
      delta: { stop_reason: stop ?? (calls ? 'tool_use' : 'end_turn'), stop_sequence: null },
      usage: { output_tokens: 22, ...usage },
    }),
    sseOf({ type: 'message_stop' }),
  ].join('')
}

function blockSse(block: MockBlock, index: number, pieceChars: number): string {
  const deltas = (type: string, field: string, text: string): string =>
    // Cut by characters, as the service does: no delta holds half of one.
    (text.match(new RegExp(`.{1,${pieceChars}}`, 'gsu')) ?? [])
      .map((piece) => sseOf({ type: 'content_block_delta', index, delta: { type, [field]: piece } }))
      .join('')
  const start = (content: object): string => sseOf({ type: 'content_block_start', index, content_block: content })
  const stop = sseOf({ type: 'content_block_stop', index })
  if ('text' in block) return start({ type: 'text', text: '' }) + deltas('text_delta', 'text', block.text) + stop
  if ('redacted' in block) return start({ type: 'redacted_thinking', data: block.redacted }) + stop
  if ('name' in block) {
    const { id, name, input } = block
    return start({ type: 'tool_use', id, name, input: {} }) + deltas('input_json_delta', 'partial_json', input) + stop
  }
  const sign = sseOf({ type: 'content_block_delta', index, delta: { type: 'signature_delta', signature: block.signature } })
  return start({ type: 'thinking', thinking: '', signature: '' }) + deltas('thinking_delta', 'thinking', block.thinking) + sign + stop
}

/** Facts of a model that knows everything, but for the one that is named `text-only`. */
export function factsOf(model: string): ModelFacts {
  const all = model !== 'text-only'
  return {
    name: model,
    provider: 'anthropic',
    contextTokens: 200_000,
    maxOutputTokens: 64_000,
    price: null,
    input: all ? ['text', 'image', 'pdf'] : ['text'],
    tools: all,
    reasoning: all,
    sampling: all,
    structuredOutput: all,
    deprecated: false,
  }
}
