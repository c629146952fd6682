import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { systemClock } from '../../base/index.ts'
import { modelLimits } from '../limits.ts'
import { createEndpoint, type JsonAnswer, postJson } from './http-exchange.ts'

/** A server that answers each request by what the function says; null drops the connection. */
async function withServer(
  answer: (request: number) => string | null,
  run: (post: (maxChars?: number) => Promise<JsonAnswer>) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>()
  let requests = 0
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('data', () => {
      const body = answer(++requests)
      if (body === null) socket.resetAndDestroy()
      else socket.write(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const baseUrl = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const endpoint = createEndpoint({ baseUrl, key: '', headers: {}, clock: systemClock, limits: modelLimits })
  try {
    await run((maxChars = 1000) => postJson(endpoint, '/x', '{}', maxChars, new AbortController().signal))
  } finally {
    endpoint.close()
    server.close()
    for (const socket of sockets) socket.destroy()
  }
}

const codeOf = (answer: JsonAnswer): string => ('problem' in answer ? answer.problem.failure.code : 'none')

void describe('an exchange of JSON', () => {
  void it('refuses an answer that is too long', async () => {
    await withServer(
      () => '{"a":"0123456789"}',
      async (post) => {
        assert.deepEqual(await post(18), { value: { a: '0123456789' } })
        assert.equal(codeOf(await post(17)), 'model_garbled')
      },
    )
  })

  void it('is made again, once and at once, when a connection that was kept open is dead', async () => {
    await withServer(
      (request) => (request === 2 ? null : '{"a":1}'),
      async (post) => {
        for (let time = 0; time < 3; time += 1) assert.deepEqual(await post(), { value: { a: 1 } })
      },
    )
    await withServer(
      (request) => (request === 1 ? '{"a":1}' : null),
      async (post) => {
        await post()
        assert.equal(codeOf(await post()), 'model_unreachable')
      },
    )
  })
})
