/** A door that closes waits for nobody. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { test } from 'node:test'
import { closeServer, listen, originOf } from './listening.ts'

test('closes with a terminal that is connected to a guest on another node', { timeout: 10_000 }, async () => {
  const server = createServer()
  server.on('upgrade', (_request, socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'))
  await listen(server, { host: '127.0.0.1', port: 0 }, 'cluster.door')
  const asked = request(originOf('127.0.0.1', server, false), { headers: { connection: 'Upgrade', upgrade: 'x' } }).end()
  const [, socket] = await once(asked, 'upgrade')
  const ended = once(socket, 'close')
  await closeServer(server)
  await ended
  assert.equal(server.listening, false)
})
