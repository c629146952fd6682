/** The gateway over real sockets on loopback, in front of a kernel in memory. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { describe, test } from 'node:test'
import { type CallId, createIdMaker, OxbowError, type ServerFrame, systemClock, systemRandom } from '../types/index.ts'
import { createFakeKernel, type FakeKernel } from './fake-kernel.ts'
import { type FakeTerminal, openTerminal } from './fake-terminal.ts'
import { type Gateway, type GatewayOptions, startGateway } from './gateway.ts'
import { createToken } from './token.ts'

const newId = createIdMaker(systemClock, systemRandom)

interface House extends AsyncDisposable {
  readonly kernel: FakeKernel
  readonly gateway: Gateway
  readonly token: string
  readonly http: string
  readonly bugs: unknown[]
  open(): Promise<FakeTerminal>
}

async function start(options: Partial<GatewayOptions> = {}): Promise<House> {
  const kernel = createFakeKernel()
  const token = createToken(systemRandom)
  const bugs: unknown[] = []
  const gateway = await startGateway({ kernel, host: '127.0.0.1', port: 0, token, onBug: (error) => bugs.push(error), ...options })
  const http = gateway.url.replace('ws:', 'http:').replace('/ws', '')
  return { kernel, gateway, token, http, bugs, open: () => openTerminal(gateway.url, token), [Symbol.asyncDispose]: gateway.close }
}

function failureOf(frame: ServerFrame) {
  assert.ok(frame.type === 'error')
  return frame.payload
}

/** Speaks HTTP by hand: `fetch` would choose the Host header itself. */
async function request(house: House, text: string): Promise<string> {
  const { port } = new URL(house.http)
  const socket = connectTcp(Number(port), '127.0.0.1')
  socket.setEncoding('utf8')
  socket.write(text.replaceAll('\n', '\r\n'))
  let answer = ''
  socket.on('data', (part: string) => (answer += part))
  await once(socket, 'close')
  return answer
}

void describe('who is let in', () => {
  void test('health is told to anyone and says nothing else; all other paths are not found', async () => {
    await using house = await start()
    const ask = (line: string) => request(house, `${line} HTTP/1.1\nHost: localhost\nConnection: close\n\n`)
    assert.match(await ask('GET /health'), /^HTTP\/1\.1 200 [^]*\r\n\r\n\{"ok":true\}$/)
    for (const line of ['GET /', 'POST /health', 'GET /ws', 'GET /health/x', 'GET //health']) {
      assert.match(await ask(line), /^HTTP\/1\.1 404 [^]*"code":"not_found"/, line)
    }
  })

  void test('a request for another host is refused, also for health', async () => {
    await using house = await start()
    assert.match(
      await request(house, 'GET /health HTTP/1.1\nHost: evil.example\nConnection: close\n\n'),
      /^HTTP\/1\.1 403 [^]*"code":"denied"/,
    )
  })

  void test('no connection is made without the token, with a wrong one, from a strange page, for a strange host or at another path', async () => {
    await using house = await start()
    const { url } = house.gateway
    await assert.rejects(openTerminal(url, ''), /HTTP 401/)
    await assert.rejects(openTerminal(url, createToken(systemRandom)), /HTTP 401/)
    await assert.rejects(openTerminal(`${url}?token=${house.token}`, ''), /HTTP 401/)
    await assert.rejects(openTerminal(url, house.token, { headers: { origin: 'http://evil.example' } }), /HTTP 403/)
    await assert.rejects(openTerminal(url, house.token, { headers: { host: 'evil.example' } }), /HTTP 403/)
    await assert.rejects(openTerminal(url.replace('/ws', '/other'), house.token), /HTTP 404/)
  })

  void test('a browser page of the gateway itself comes in with the token among its protocols', async () => {
    await using house = await start()
    const headers = { origin: house.http, 'sec-websocket-protocol': `oxbow, bearer.${house.token}`, 'sec-websocket-version': '13' }
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`)
    const { port } = new URL(house.http)
    const socket = connectTcp(Number(port), '127.0.0.1')
    socket.setEncoding('utf8')
    const host = house.http.replace('http://', '')
    socket.write(
      `GET /ws HTTP/1.1\nHost: ${host}\nUpgrade: websocket\nConnection: Upgrade\n${key}\n${lines.join('')}\n`.replaceAll('\n', '\r\n'),
    )
    const [answer] = (await once(socket, 'data')) as [string]
    assert.match(answer, /^HTTP\/1\.1 101 [^]*Sec-WebSocket-Protocol: oxbow\r\n/)
    socket.destroy()
  })

  void test('more connections than the limit are turned away until one leaves', async () => {
    await using house = await start({ limits: { maxConnections: 1 } })
    const first = await house.open()
    await assert.rejects(house.open(), /HTTP 413/)
    first.socket.close()
    await first.closed
    // The server sees the end of its side at most one exchange later.
    await request(house, 'GET /health HTTP/1.1\nHost: localhost\nConnection: close\n\n')
    await house.open()
  })

  void test('a gateway without a token does not start', async () => {
    for (const token of ['', 'short']) await assert.rejects(start({ token }), (error: OxbowError) => error.code === 'bad_config')
  })

  void test('an address that is taken is an error of the configuration that names it', async () => {
    await using house = await start()
    const port = Number(new URL(house.http).port)
    await assert.rejects(start({ port }), (error: OxbowError) => error.code === 'bad_config' && error.message.includes(`127.0.0.1:${port}`))
  })
})

void describe('hello', () => {
  void test('is answered with the protocol and the status of the guest', async () => {
    await using house = await start()
    const terminal = await house.open()
    const [ack] = terminal.frames
    assert.deepEqual(ack, { type: 'hello_ack', payload: { request_id: 'ask-1', protocol: 1, status: house.kernel.status() } })
  })

  void test('with another protocol ends the connection and says which end to update', async () => {
    await using house = await start()
    const terminal = await openTerminal(house.gateway.url, house.token, { greet: false })
    const failure = failureOf(await terminal.ask('hello', { protocol: 99, client: 'test' }))
    assert.match(failure.hint, /protocol: must be 1/)
    assert.equal((await terminal.closed).code, 1008)
  })

  void test('must come first: anything else, garbage too, ends the connection', async () => {
    await using house = await start()
    for (const frame of [{ type: 'status', payload: { request_id: 'r' } }, 'garbage', Buffer.from([0, 1, 2])]) {
      const terminal = await openTerminal(house.gateway.url, house.token, { greet: false })
      terminal.send(frame)
      assert.equal((await terminal.take('error')).code, 'bad_input')
      assert.equal((await terminal.closed).code, 1008)
    }
  })

  void test('is an error the second time, and the connection goes on', async () => {
    await using house = await start()
    const terminal = await house.open()
    assert.equal(failureOf(await terminal.ask('hello', { protocol: 1, client: 'again' })).code, 'bad_input')
    assert.equal((await terminal.ask('status', {})).type, 'result')
  })
})

void describe('requests', () => {
  void test('each get exactly one answer under their own id', async () => {
    await using house = await start()
    const terminal = await house.open()
    const created = (await terminal.ask('create_session', { title: 'Taxes' })) as Extract<ServerFrame, { type: 'result' }>
    const { id: session } = created.payload.result as { id: string }
    const call = house.kernel.park(session as never)
    const answers = await Promise.all([
      terminal.ask('status', {}),
      terminal.ask('list_sessions', {}),
      terminal.ask('send_turn', { session, client_id: newId(), text: 'hi' }),
      terminal.ask('subscribe', { session, cursor: 0 }),
      terminal.ask('unsubscribe', { session }),
      terminal.ask('cancel_turn', { session }),
      terminal.ask('approve', { call, allow: true }),
      terminal.ask('approve', { call, allow: true }),
      terminal.ask('call', { name: 'test.echo', input: { a: [1] } }),
      terminal.ask('call', { name: 'no.such', input: null }),
    ])
    const types = answers.map((frame) => frame.type)
    assert.deepEqual(types, ['result', 'result', 'ack', 'error', 'result', 'result', 'result', 'error', 'result', 'result'])
    assert.equal(failureOf(answers[3]).code, 'cancelled')
    assert.equal(failureOf(answers[7]).code, 'not_found')
    assert.deepEqual(house.kernel.decisions, [{ call, allow: true }])
    await terminal.ask('status', {})
    const ids = terminal.frames.flatMap((frame) => ('request_id' in frame.payload ? [frame.payload.request_id] : []))
    assert.equal(new Set(ids).size, ids.length)
    assert.equal(ids.length, 13)
  })

  void test('a message that is sent twice, at once or later, is one turn', async () => {
    await using house = await start()
    const terminal = await house.open()
    const { id: session } = await house.kernel.createSession()
    const frame = { session, client_id: newId(), text: 'once' }
    const [first, second] = await Promise.all([terminal.ask('send_turn', frame), terminal.ask('send_turn', frame)])
    const third = await terminal.ask('send_turn', frame)
    const acks = [first, second, third].map((answer) => answer.payload as Extract<ServerFrame, { type: 'ack' }>['payload'])
    assert.deepEqual(
      acks.map(({ duplicate }) => duplicate),
      [false, true, true],
    )
    assert.equal(new Set(acks.map(({ turn }) => turn)).size, 1)
    assert.equal(new Set(acks.map(({ cursor }) => cursor)).size, 1)
    assert.deepEqual(house.kernel.messages, ['once'])
  })

  void test('garbage is answered with what is wrong, and the connection goes on', async () => {
    await using house = await start()
    const terminal = await house.open()
    for (const garbage of ['{"type":', Buffer.from([0xff, 0, 1]), '[]', { type: 'nope', payload: {} }]) terminal.send(garbage)
    for (let i = 0; i < 4; i++) {
      const { code, hint, request_id } = await terminal.take('error')
      assert.equal(code, 'bad_input')
      assert.equal(request_id, null)
      assert.notEqual(hint, '')
    }
    assert.equal((await terminal.ask('status', {})).type, 'result')
  })

  void test('an oversized frame is named and closes with 1009; an enormous one just closes', async () => {
    await using house = await start({ limits: { maxFrameBytes: 1_000 } })
    const terminal = await house.open()
    terminal.send('x'.repeat(1_001))
    const failure = await terminal.take('error')
    assert.equal(failure.code, 'limit_reached')
    assert.match(failure.message, /1001 bytes; 1000/)
    assert.equal((await terminal.closed).code, 1009)
    const second = await house.open()
    second.send('x'.repeat(100_000))
    assert.equal((await second.closed).code, 1009)
  })

  void test('text that is not UTF-8 closes the connection', async () => {
    await using house = await start()
    const terminal = await house.open()
    terminal.socket.send(Buffer.from([0xc3, 0x28]), { binary: false })
    assert.equal((await terminal.closed).code, 1007)
  })

  void test('a fault of ours is reported to us and never blamed on the caller', async () => {
    await using house = await start()
    const terminal = await house.open()
    house.kernel.failNextList(new TypeError('secret is undefined'))
    const failure = failureOf(await terminal.ask('list_sessions', {}))
    assert.equal(failure.code, 'internal_failure')
    assert.ok(!JSON.stringify(failure).includes('secret'))
    assert.equal(house.bugs.length, 1)
    house.kernel.failNextList(new OxbowError('store_failed', 'The store failed.', { hint: 'Restart.' }))
    assert.deepEqual(failureOf(await terminal.ask('list_sessions', {})).code, 'store_failed')
    assert.equal(house.bugs.length, 1)
  })

  void test('over the limit in flight are refused at once, the others answered', async () => {
    const gate = Promise.withResolvers<void>()
    let held = false
    const kernel = createFakeKernel(async () => {
      if (held) await gate.promise
    })
    await using house = await start({ kernel, limits: { maxInFlight: 2 } })
    const { id: session } = await kernel.createSession()
    held = true
    const terminal = await house.open()
    const send = () => terminal.ask('send_turn', { session, client_id: newId(), text: 'hi' })
    const [one, two, three] = [send(), send(), send()]
    assert.equal(failureOf(await three).code, 'limit_reached')
    gate.resolve()
    assert.deepEqual(
      (await Promise.all([one, two])).map(({ type }) => type),
      ['ack', 'ack'],
    )
    assert.equal((await send()).type, 'ack')
  })
})

void describe('following', () => {
  void test('tells the past by cursor, then a snapshot of the running reply, then what comes', async () => {
    await using house = await start()
    const { kernel } = house
    const { id: session } = await kernel.createSession()
    const [first, second] = [kernel.record(session, 'a.b', { n: 1 }), kernel.record(session, 'a.b', { n: 2 })]
    const call = kernel.say(session, 'Hel')
    const terminal = await house.open()
    assert.equal((await terminal.ask('subscribe', { session, cursor: first.seq })).type, 'snapshot')
    kernel.say(session, 'lo')
    kernel.progress(session)
    kernel.finish(session)
    await terminal.take('progress')
    await terminal.take('record')
    const { record } = await terminal.take('record')
    assert.equal(record.call, call)
    const seen = terminal.frames
      .slice(1)
      .map(({ type, payload }) => [type, 'cursor' in payload ? payload.cursor : 'text' in payload ? payload.text : ''])
    assert.deepEqual(seen, [
      ['record', second.seq],
      ['snapshot', second.seq],
      ['delta', 'lo'],
      ['progress', ''],
      ['record', second.seq + 1],
    ])
  })

  void test('two terminals on one session see the same', async () => {
    await using house = await start()
    const { id: session } = await house.kernel.createSession()
    const terminals = await Promise.all([house.open(), house.open()])
    await Promise.all(terminals.map((terminal) => terminal.ask('subscribe', { session, cursor: 0 })))
    await terminals[0]?.ask('send_turn', { session, client_id: newId() as CallId, text: 'hi' })
    house.kernel.say(session, 'Hello')
    house.kernel.finish(session)
    for (const terminal of terminals) {
      assert.deepEqual((await terminal.take('record')).record.body, { text: 'hi' })
      assert.equal((await terminal.take('delta')).text, 'Hello')
      assert.equal((await terminal.take('record')).record.name, 'model.generate')
    }
  })

  void test('ends with unsubscribe or with the connection', async () => {
    await using house = await start()
    const { id: session } = await house.kernel.createSession()
    const terminal = await house.open()
    await terminal.ask('subscribe', { session, cursor: 0 })
    await terminal.ask('unsubscribe', { session })
    assert.equal(house.kernel.followers(session), 0)
    house.kernel.record(session, 'a.b')
    await terminal.ask('subscribe', { session, cursor: 1 })
    assert.equal(house.kernel.followers(session), 1)
    assert.ok(terminal.frames.every(({ type }) => type !== 'record'))
    terminal.socket.terminate()
    const other = await house.open()
    while (house.kernel.followers(session) > 0) await other.ask('status', {})
  })

  void test('of an unknown session, twice, or of too many is refused', async () => {
    await using house = await start({ limits: { maxSubscriptions: 1 } })
    const [one, two] = [await house.kernel.createSession(), await house.kernel.createSession()]
    const terminal = await house.open()
    assert.equal(failureOf(await terminal.ask('subscribe', { session: newId(), cursor: 0 })).code, 'not_found')
    assert.equal((await terminal.ask('subscribe', { session: one.id, cursor: 0 })).type, 'snapshot')
    assert.equal(failureOf(await terminal.ask('subscribe', { session: one.id, cursor: 0 })).code, 'bad_input')
    assert.equal(failureOf(await terminal.ask('subscribe', { session: two.id, cursor: 0 })).code, 'limit_reached')
  })
})

void describe('the length of a connection', () => {
  void test('a reader that falls behind is sent away with advice, and its memory is given back', async () => {
    await using house = await start({ limits: { maxBufferedBytes: 64 * 1024 } })
    const { id: session } = await house.kernel.createSession()
    const slow = await house.open()
    const quick = await house.open()
    await Promise.all([slow, quick].map((terminal) => terminal.ask('subscribe', { session, cursor: 0 })))
    slow.socket.pause()
    // More than the buffers of both sockets hold. The other one reads on, so it keeps up.
    while (house.kernel.followers(session) === 2) {
      house.kernel.say(session, 'x'.repeat(32 * 1024))
      await quick.ask('status', {})
    }
    slow.socket.resume()
    assert.deepEqual(await slow.closed, { code: 1013, reason: 'too slow: reconnect with your cursor' })
    // All that was sent before the goodbye arrived, in order.
    const offsets = slow.frames.flatMap((frame) => (frame.type === 'delta' ? [frame.payload.offset] : []))
    assert.deepEqual(
      offsets,
      offsets.map((_, i) => i * 32 * 1024),
    )
    assert.equal((await quick.ask('status', {})).type, 'result')
  })

  void test('a peer that does not answer pings is cut off', async () => {
    await using house = await start({ limits: { keepAliveMs: 20 } })
    const { id: session } = await house.kernel.createSession()
    const dead = await house.open()
    await dead.ask('subscribe', { session, cursor: 0 })
    // It neither reads nor answers from here on, as a machine that sleeps does.
    dead.stream.pause()
    const alive = await house.open()
    while (house.kernel.followers(session) > 0) await once(alive.socket, 'ping')
    assert.equal((await alive.ask('status', {})).type, 'result')
  })

  void test('a connection that never says hello is closed', async () => {
    await using house = await start({ limits: { keepAliveMs: 20 } })
    const silent = await openTerminal(house.gateway.url, house.token, { greet: false })
    assert.equal((await silent.closed).code, 1008)
  })

  void test('a stopping gateway says goodbye to all and waits for none that is dead', async () => {
    const house = await start({ limits: { closeGraceMs: 50 } })
    const [polite, dead] = [await house.open(), await house.open()]
    dead.stream.pause()
    await house.gateway.close()
    assert.equal((await polite.closed).code, 1001)
    await assert.rejects(house.open())
    dead.socket.terminate()
  })

  void test('sixty-four connections that send at once are all acknowledged, each message taken once', async () => {
    await using house = await start()
    const { id: session } = await house.kernel.createSession()
    const terminals = await Promise.all(Array.from({ length: 64 }, house.open))
    const answers = await Promise.all(
      terminals.flatMap((terminal, i) =>
        Array.from({ length: 20 }, (_, n) => terminal.ask('send_turn', { session, client_id: newId(), text: `${i}.${n}` })),
      ),
    )
    assert.ok(answers.every(({ type }) => type === 'ack'))
    assert.equal(new Set(house.kernel.messages).size, 64 * 20)
    assert.equal(house.kernel.messages.length, 64 * 20)
  })
})
