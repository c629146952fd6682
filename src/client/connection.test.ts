import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { WebSocketServer } from 'ws'
import { isOxbowError } from '../base/index.ts'
import { hasCode } from './client-fixture.ts'
import { connect } from './index.ts'

it('a frame without a payload ends the connection, not the program', async () => {
  for (const frame of ['{"type":"result","payload":null}', '{"type":"error","payload":[]}', 'null', '{"payload":{}}']) {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    await once(server, 'listening')
    server.on('connection', (socket) => socket.on('message', () => socket.send(frame)))
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`
    await assert.rejects(connect({ url, token: 't'.repeat(43), client: 'test' }), hasCode('guest_unreachable'), frame)
    for (const socket of server.clients) socket.terminate()
    server.close()
  }
})

it('an unknown error response means that the peer is not a gateway', async () => {
  for (const error of [
    { code: 'constructor', message: 'hi' },
    { code: 'not_found', message: { text: 'hi' } },
    { code: ['not_found'] },
    null,
  ]) {
    const server = createServer((_, response) => response.writeHead(403).end(JSON.stringify({ error })))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`
    const isOther = (thrown: unknown): boolean => isOxbowError(thrown, 'guest_unreachable') && /Something else/.test(thrown.message)
    await assert.rejects(connect({ url, token: 't'.repeat(43), client: 'test', reconnect: false }), isOther, JSON.stringify(error))
    server.close()
  }
})
