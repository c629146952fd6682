/**
 * Test support: a small server on loopback that speaks Gemini's streaming wire. It says what it is told, byte for byte, and
 * keeps what it was asked; what answer a request gets is the test's choice.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface MockRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface MockAnswer {
  /** 200 unless it is given. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** The body as it is written, piece by piece. */
  readonly pieces: readonly (string | Uint8Array)[]
  /** After the last piece: a regular end, a dropped connection, or nothing at all. */
  readonly end?: 'regular' | 'drop' | 'hang'
}

export interface GeminiMock {
  /** Scheme, host and port: what the official client takes. */
  readonly origin: string
  /** What our wire's path follows. */
  readonly baseUrl: URL
  /** So far, in order. */
  readonly requests: readonly MockRequest[]
  close(): Promise<void>
}

/** @param answerTo chooses the answer; what it throws fails the request with 500 and its message. */
export async function startGeminiMock(answerTo: (request: MockRequest) => MockAnswer): Promise<GeminiMock> {
  const requests: MockRequest[] = []
  const server = process.getBuiltinModule('node:http').createServer((incoming, response) => {
    void readBody(incoming).then((body) => {
      const request = { method: incoming.method ?? '', path: incoming.url ?? '', headers: incoming.headers, body }
      requests.push(request)
      let answer: MockAnswer
      try {
        answer = answerTo(request)
      } catch (error) {
        answer = { status: 500, pieces: [String(error)] }
      }
      return play(answer, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    origin,
    baseUrl: new URL(`${origin}/v1beta`),
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** @returns the chunks as the service frames them: one `data:` line each, CRLF. */
export function sseOf(...chunks: readonly unknown[]): string {
  return chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`).join('')
}

/** @returns a chunk with these parts, in the shape in which the service sends it. @param more fields of the candidate */
export function chunkOf(parts: readonly unknown[], more: object = {}, usage: object = { promptTokenCount: 8 }): object {
  return {
    candidates: [{ content: { parts, role: 'model' }, index: 0, ...more }],
    usageMetadata: usage,
    modelVersion: 'gemini-2.5-flash',
    responseId: 'r-1',
  }
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of incoming) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString()
}

async function play({ status = 200, headers, pieces, end = 'regular' }: MockAnswer, response: ServerResponse): Promise<void> {
  response.writeHead(status, headers ?? { 'content-type': 'text/event-stream' })
  for (const piece of pieces) await new Promise((resolve) => response.write(piece, resolve))
  if (end === 'regular') response.end()
  else if (end === 'drop') response.destroy()
  else response.flushHeaders()
}
