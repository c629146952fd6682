import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { it } from 'node:test'
import { startHouse } from './house-fixture.ts'

it('sockets that say nothing, or drip, are cut off before long and keep nobody out', { timeout: 120_000 }, async () => {
  await using house = await startHouse({ limits: { requestTimeoutMs: 1_000, maxConnections: 4 } })
  const sockets = Array.from({ length: 8 }, (_, i) => {
    const socket = connect(Number(new URL(house.http).port), '127.0.0.1')
    const gone = Promise.withResolvers<void>()
    socket
      .on('error', () => {})
      .on('close', gone.resolve)
      .resume()
    if (i % 2 === 0) socket.write('GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n')
    return { socket, gone: gone.promise }
  })
  await Promise.all(sockets.map(({ gone }) => gone))
  const terminal = await house.open()
  terminal.socket.terminate()
  assert.deepEqual(house.bugs, [])
})
