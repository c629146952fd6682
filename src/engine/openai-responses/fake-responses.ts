/** A server that plays event streams of the Responses protocol, and how such streams are built. For tests. */
import type { AddressInfo } from 'node:net'
import type { ResponseOutputItem, ResponseStreamEvent, ResponseUsage } from 'openai/resources/responses/responses'

export interface ResponsesMock {
  /** Base URL, to which `/responses` is added. */
  readonly url: string
  /** Bodies of the requests so far. */
  readonly bodies: unknown[]
  close(): Promise<void>
}

/** @param streams texts of event streams, one for each request in order, the last one again and again; or one by the request's body */
export async function startResponsesMock(streams: readonly string[] | ((body: string) => string)): Promise<ResponsesMock> {
  const bodies: unknown[] = []
  const server = process.getBuiltinModule('node:http').createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      const stream = typeof streams === 'function' ? streams(body) : (streams[Math.min(bodies.length, streams.length - 1)] ?? '')
      bodies.push(JSON.parse(body))
      const known = request.method === 'POST' && request.url === '/v1/responses'
      response.writeHead(known ? 200 : 404, { 'content-type': 'text/event-stream' })
      // An answer that is not over when its text is stays open, as of a service that hangs.
      if (stream.endsWith(stalls)) response.write(stream.slice(0, -stalls.length))
      else response.end(stream)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    bodies,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** At the end of a stream: the connection stays open. */
export const stalls = ': stalls\n\n'

export type MockUsage = Pick<ResponseUsage, 'input_tokens' | 'output_tokens'> & { cached_tokens?: number; reasoning_tokens?: number }

type Ended = { type: 'completed' | 'incomplete' | 'failed'; [field: string]: unknown }

/** @returns the stream in which the service sends these items, every event in its order and with its fields. */
export function responseStream(items: readonly ResponseOutputItem[], usage: MockUsage, ended: Ended = { type: 'completed' }): string {
  const { type, ...more } = ended
  const base = { id: 'resp_1', object: 'response', created_at: 0, model: 'mock', error: null, incomplete_details: null, usage: null }
  const begun = { ...base, status: 'in_progress', output: [] }
  const { input_tokens: input, output_tokens: output, cached_tokens = 0, reasoning_tokens = 0 } = usage
  const full = {
    input_tokens: input,
    input_tokens_details: { cached_tokens, cache_write_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens },
    total_tokens: input + output,
  }
  const events: object[] = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    ...items.flatMap((item, output_index) => eventsOf(item).map((event) => ({ output_index, ...event }))),
    { type: `response.${type}`, response: { ...base, status: type, output: items, usage: full, ...more } },
  ]
  return streamOf(events)
}

export function streamOf(events: readonly object[]): string {
  return events
    .map(
      (event, sequence_number) =>
        `event: ${(event as ResponseStreamEvent).type}\ndata: ${JSON.stringify({ ...event, sequence_number })}\n\n`,
    )
    .join('')
}

function eventsOf(item: ResponseOutputItem): object[] {
  const ends = { type: 'response.output_item.done', item }
  if (item.type === 'message') {
    const inner = item.content.flatMap((part, content_index) => {
      const at = { item_id: item.id, content_index }
      const [kind, text] = part.type === 'refusal' ? ['refusal', part.refusal] : ['output_text', part.text]
      const field = part.type === 'refusal' ? 'refusal' : 'text'
      return [
        { type: 'response.content_part.added', ...at, part: { ...part, [field]: '' } },
        ...piecesOf(text).map((delta) => ({ type: `response.${kind}.delta`, ...at, delta, ...(field === 'text' && { logprobs: [] }) })),
        { type: `response.${kind}.done`, ...at, [field]: text, ...(field === 'text' && { logprobs: [] }) },
        { type: 'response.content_part.done', ...at, part },
      ]
    })
    return [{ type: 'response.output_item.added', item: { ...item, status: 'in_progress', content: [] } }, ...inner, ends]
  }
  if (item.type === 'reasoning') {
    const inner = item.summary.flatMap((part, summary_index) => {
      const at = { item_id: item.id, summary_index }
      return [
        { type: 'response.reasoning_summary_part.added', ...at, part: { ...part, text: '' } },
        ...piecesOf(part.text).map((delta) => ({ type: 'response.reasoning_summary_text.delta', ...at, delta })),
        { type: 'response.reasoning_summary_text.done', ...at, text: part.text },
        { type: 'response.reasoning_summary_part.done', ...at, part },
      ]
    })
    return [{ type: 'response.output_item.added', item: { ...item, summary: [] } }, ...inner, ends]
  }
  if (item.type !== 'function_call') return [ends]
  const at = { item_id: item.id }
  return [
    { type: 'response.output_item.added', item: { ...item, status: 'in_progress', arguments: '' } },
    ...piecesOf(item.arguments).map((delta) => ({ type: 'response.function_call_arguments.delta', ...at, delta })),
    { type: 'response.function_call_arguments.done', ...at, arguments: item.arguments },
    ends,
  ]
}

/** Pieces of a few characters; never half of one. */
function piecesOf(text: string): string[] {
  const letters = Array.from(text)
  return Array.from({ length: Math.ceil(letters.length / 5) }, (_, place) => letters.slice(place * 5, place * 5 + 5).join(''))
}
