/** Endpoints on this machine in place of the web's: each request is kept, and a function answers it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import type { JsonObject } from '../../src/base/index.ts'

export interface LoopbackRequest {
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** The body, where it is JSON. */
  readonly body: JsonObject
}

export interface Loopback {
  readonly url: string
  readonly requests: LoopbackRequest[]
  close(): Promise<void>
}

/** @param answer the body of the answer; a number is a status of failure, bytes are sent as they are */
export async function openLoopback(answer: (request: LoopbackRequest) => unknown): Promise<Loopback> {
  const requests: LoopbackRequest[] = []
  const server = createServer((incoming, outgoing) => {
    void readText(incoming).then((text) => {
      const isJson = incoming.headers['content-type']?.includes('json') === true
      const request = {
        path: incoming.url ?? '',
        headers: incoming.headers,
        text,
        body: (isJson ? JSON.parse(text || '{}') : {}) as JsonObject,
      }
      requests.push(request)
      const answered = answer(request)
      if (typeof answered === 'number')
        return outgoing.writeHead(answered, { 'content-type': 'application/json' }).end('{"error":{"message":"refused"}}')
      if (answered instanceof Uint8Array) return outgoing.writeHead(200, { 'content-type': 'audio/mpeg' }).end(answered)
      return outgoing.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answered))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
