/** What strangers send through a door, and what a guest or another node may answer: neither ends the node that forwards it. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect, createServer as createRawServer, type Server as RawServer, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../../base/index.ts'
import { loadDoorParts } from '../../gateway/index.ts'
import { createClusterView } from '../cluster-view.ts'
import { maxWaitingOfUser } from '../limits.ts'
import type { ClusterNode } from '../node.ts'
import { createDoorAnswers } from './door-answers.ts'
import { createForwarding, type Forwarding } from './forwarding.ts'

async function listening(t: TestContext, server: Server | RawServer): Promise<number> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

/** @returns the first line and the content of what comes back for these bytes */
function send(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'))
    socket.on('data', (piece) => (text += piece.toString('latin1')))
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
}

/** A door whose guest is a program of the test. */
async function openDoor(t: TestContext, guest: Server | RawServer): Promise<number> {
  return openDoorTo(t, `ws://127.0.0.1:${await listening(t, guest)}/ws`)
}

/** @param guestUrl null: no guest starts */
async function openDoorTo(t: TestContext, guestUrl: string | null): Promise<number> {
  return (await openDoorOf(t, () => guestUrl)).port
}

async function openDoorOf(
  t: TestContext,
  guestUrl: () => string | null,
): Promise<{ readonly port: number; readonly forwarding: Forwarding }> {
  const node: ClusterNode = {
    name: 'node-1',
    view: createClusterView(systemClock, 10_000),
    guestUrl,
    wake: async () => assert.equal(guestUrl(), null),
    close: async () => {},
    abandon: async () => [],
  }
  const answers = createDoorAnswers(await loadDoorParts())
  const forwarding = createForwarding({ answers, node: () => node, agentTo: () => assert.fail('the guest is here') })
  t.after(forwarding.close)
  const door = createServer()
  door.on('request', (request, response) => {
    forwarding.web(visitOf(request), response).catch((error: unknown) => answers.refuse(request, response, error))
  })
  door.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    forwarding.ws(visitOf(request), socket, head).catch((error: unknown) => answers.refuseUpgrade(socket, error))
  })
  return { port: await listening(t, door), forwarding }
}

const visitOf = (request: IncomingMessage) => ({
  request,
  user: String(request.headers['for'] ?? 'ann'),
  isForwarded: false,
  admit: async () => {},
})

const upgrade = 'Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

test('no header of a stranger ends the node', async (t) => {
  const guest = createServer((request, response) => {
    request.resume().once('end', () => response.setHeader('connection', 'close').end(JSON.stringify(request.headers)))
  })
  const port = await openDoor(t, guest)
  for (const [method, headers, body = ''] of [
    ['GET', 'Trailer: X\r\n'],
    ['DELETE', 'Trailer: X\r\nTE: trailers\r\n'],
    ['POST', 'Trailer: X\r\nContent-Length: 2\r\n', '{}'],
    ['POST', 'Trailer: X\r\nTransfer-Encoding: chunked\r\n', '2\r\n{}\r\n0\r\nX: 1\r\n\r\n'],
    ['GET', 'Keep-Alive: timeout=-1\r\nProxy-Connection: keep-alive\r\n'],
    ['GET', 'X-Odd: \u00e9\u00ff\t\r\n__proto__: x\r\nconstructor: y\r\n'],
    ['GET', 'HTTP2-Settings: AA\r\n'],
  ] as const) {
    const text = await send(port, `${method} /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${headers}\r\n${body}`)
    assert.match(text, /^HTTP\/1\.1 200 /, headers)
    assert.doesNotMatch(text, /"(?:trailer|te|keep-alive|proxy-connection|http2-settings)":/, headers)
  }
  for (const headers of ['Trailer: X\r\n', 'Trailer: X\r\nContent-Length: 5\r\n'])
    assert.match(
      await send(port, `GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n${upgrade}${headers}\r\nhello`),
      /^HTTP\/1\.1 200 |^$/,
    )
})

test('no answer of a guest or of another node ends the node', async (t) => {
  let answer = ''
  const guest = createRawServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(answer, 'latin1'))
  })
  const port = await openDoor(t, guest)
  const ask = () => send(port, 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  for (const [given, got] of [
    ['HTTP/1.1 200 OK\r\nTrailer: X\r\nContent-Length: 2\r\n\r\n{}', /^HTTP\/1\.1 200 OK\r\n[^]*\{\}$/],
    ['HTTP/1.1 000 X\r\nContent-Length: 2\r\n\r\n{}', /^HTTP\/1\.1 502 /],
    ['HTTP/1.1 099 X\r\nContent-Length: 2\r\n\r\n{}', /^HTTP\/1\.1 502 /],
    ['HTTP/1.1 200 \u0001\u007f\r\nContent-Length: 2\r\n\r\n{}', /^HTTP\/1\.1 (?:200|503) /],
    ['HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\n{}', /^HTTP\/1\.1 999 /],
    ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n', /^HTTP\/1\.1 503 /],
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', /^HTTP\/1\.1 503 /],
    ['nonsense', /^HTTP\/1\.1 503 /],
    ['', /^HTTP\/1\.1 503 /],
  ] as const) {
    answer = given
    assert.match(await ask(), got, given)
  }
})

test('a user whose guest does not start keeps nobody else from waiting', async (t) => {
  const port = await openDoorTo(t, null)
  const waiting: Socket[] = []
  const ask = (user: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(`GET /x HTTP/1.1\r\nHost: a\r\nFor: ${user}\r\n\r\n`))
      waiting.push(socket)
      socket.on('error', () => {})
      socket.once('data', (bytes) => resolve(bytes.toString().split('\r\n', 1)[0]!))
    })
  const answers = Array.from({ length: maxWaitingOfUser + 20 }, () => ask('ann'))
  const refused: string[] = []
  for (const answer of answers) void answer.then((line) => refused.push(line))
  while (refused.length < 20) await pause(10)
  assert.equal(await Promise.race([ask('bob'), pause(200, 'waits')]), 'waits')
  assert.deepEqual(new Set(refused), new Set(['HTTP/1.1 429 Too Many Requests']))
  assert.equal(refused.length, 20)
  for (const socket of waiting) socket.destroy()
})

test('whoever goes while a guest is woken is under way no more', async (t) => {
  let asked = 0
  const guest = createServer((_request, response) => void response.end(String((asked += 1))))
  const url = `ws://127.0.0.1:${await listening(t, guest)}/ws`
  let guestUrl: string | null = null
  const { port, forwarding } = await openDoorOf(t, () => guestUrl)
  for (const more of ['', `Connection: Upgrade\r\n${upgrade}`]) {
    guestUrl = null
    const socket = connect(port, '127.0.0.1', () => socket.write(`GET /x HTTP/1.1\r\nHost: a\r\n${more}\r\n`))
    await pause(100)
    socket.destroy()
    await pause(100)
    guestUrl = url
    const answer = await send(port, 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    assert.match(answer, /^HTTP\/1\.1 200 /)
    await pause(3_500)
    assert.equal(forwarding.underWay('ann'), 0)
    // That a socket has gone from which nobody reads is only noticed later.
    if (more === '') assert.equal(asked, 1)
  }
})
