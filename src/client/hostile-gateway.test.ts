import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { WebSocketServer } from 'ws'
import { hasCode } from './house-fixture.ts'
import { connect } from './index.ts'

it('frames without a payload are no frames of a gateway: the connection ends, and the program does not', async () => {
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
