/** The gateway over real sockets on loopback, in front of a kernel in memory. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { registerHooks } from 'node:module'
import { connect as connectTcp } from 'node:net'
import { describe, test } from 'node:test'
import { type CallId, createIdMaker, OxbowError, systemClock, systemRandom } from '../base/index.ts'
import type { ServerFrame } from '../protocol/index.ts'
import { type TestGateway, openTerminal, startTestGateway } from './gateway-fixture.ts'
import { createFakeKernel } from './fake-kernel.ts'
import { createToken } from './admission.ts'

const newId = createIdMaker(systemClock, systemRandom)

function failureOf(frame: ServerFrame) {
  assert.ok(frame.type === 'error')
  return frame.payload
}

/** Speaks HTTP by hand: `fetch` would choose the Host header itself. */
async function request(fixture: TestGateway, text: string): Promise<string> {
  const { port } = new URL(fixture.http)
  const socket = connectTcp(Number(port), '127.0.0.1')
  socket.setEncoding('utf8')
  socket.write(text.replaceAll('\n', '\r\n'))
  let answer = ''
  socket.on('data', (part: string) => (answer += part))
  await once(socket, 'close')
  return answer
}

void describe('admission', () => {
  void test('code that fails to load once, for lack of a file descriptor, is loaded for the next terminal', async () => {
    await using fixture = await startTestGateway()
    const hooks = registerHooks({
      resolve(specifier, context, next) {
        if (specifier === './connection.ts') throw new Error('EMFILE: too many open files')
        return next(specifier, context)
      },
    })
    await assert.rejects(fixture.open(), /closed/).finally(() => hooks.deregister())
    const terminal = await fixture.open()
    terminal.socket.terminate()
    assert.match(String(fixture.bugs), /EMFILE/)
  })

  void test('/health answers anyone and reveals nothing else; all other paths are not found', async () => {
    await using fixture = await startTestGateway()
    const ask = (line: string) => request(fixture, `${line} HTTP/1.1\nHost: localhost\nConnection: close\n\n`)
    assert.match(await ask('GET /health'), /^HTTP\/1\.1 200 [^]*\r\n\r\n\{"ok":true\}$/)
    for (const line of ['GET /', 'POST /health', 'GET /ws', 'GET /health/x', 'GET //health']) {
      assert.match(await ask(line), /^HTTP\/1\.1 404 [^]*"code":"not_found"/, line)
    }
  })

  void test('an API key opens a connection with the kernel that the key stands for; one that is refused opens none', async () => {
    const kernel = createFakeKernel()
    const keyed = createFakeKernel()
    const good = `oxbow_${'0'.repeat(59)}`
    const withKey = (key: string) => (key === good ? Promise.resolve(keyed) : kernel.withKey(key))
    await using fixture = await startTestGateway({ kernel: { ...kernel, withKey } })
    const terminal = await openTerminal(fixture.gateway.url, good)
    await terminal.ask('create_session', { title: 'of the key' })
    const titles = async (of: typeof kernel) => (await of.listSessions(10)).map(({ title }) => title)
    assert.deepEqual([await titles(keyed), await titles(kernel)], [['of the key'], []])
    terminal.socket.terminate()
    await assert.rejects(openTerminal(fixture.gateway.url, `oxbow_${'1'.repeat(59)}`), /401/)
    await assert.rejects(openTerminal(fixture.gateway.url, good, { headers: { origin: 'http://evil.example' } }), /403/)
    assert.deepEqual(fixture.bugs, [])
  })

  void test('a request for another host is refused, also for /health', async () => {
    await using fixture = await startTestGateway()
    assert.match(
      await request(fixture, 'GET /health HTTP/1.1\nHost: evil.example\nConnection: close\n\n'),
      /^HTTP\/1\.1 403 [^]*"code":"denied"/,
    )
  })

  void test('a connection without the token, with a wrong one, from a foreign page, for a foreign host or at another path is refused', async () => {
    await using fixture = await startTestGateway()
    const { url } = fixture.gateway
    await assert.rejects(openTerminal(url, ''), /HTTP 401/)
    await assert.rejects(openTerminal(url, createToken(systemRandom)), /HTTP 401/)
    await assert.rejects(openTerminal(`${url}?token=${fixture.token}`, ''), /HTTP 400/)
    await assert.rejects(openTerminal(url, fixture.token, { headers: { origin: 'http://evil.example' } }), /HTTP 403/)
    await assert.rejects(openTerminal(url, fixture.token, { headers: { host: 'evil.example' } }), /HTTP 403/)
    await assert.rejects(openTerminal(url.replace('/ws', '/other'), fixture.token), /HTTP 404/)
  })

  void test('a browser page of the gateway itself connects with the token among its protocols', async () => {
    await using fixture = await startTestGateway()
    const headers = { origin: fixture.http, 'sec-websocket-protocol': `oxbow, bearer.${fixture.token}`, 'sec-websocket-version': '13' }
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`)
    const { port } = new URL(fixture.http)
    const socket = connectTcp(Number(port), '127.0.0.1')
    socket.setEncoding('utf8')
    const host = fixture.http.replace('http://', '')
    socket.write(
      `GET /ws HTTP/1.1\nHost: ${host}\nUpgrade: websocket\nConnection: Upgrade\n${key}\n${lines.join('')}\n`.replaceAll('\n', '\r\n'),
    )
    const [answer] = (await once(socket, 'data')) as [string]
    assert.match(answer, /^HTTP\/1\.1 101 [^]*Sec-WebSocket-Protocol: oxbow\r\n/)
    socket.destroy()
  })

  void test('connections over the limit are refused until one closes', async () => {
    await using fixture = await startTestGateway({ limits: { maxConnections: 1 } })
    const first = await fixture.open()
    await assert.rejects(fixture.open(), /HTTP 413/)
    first.socket.close()
    await first.closed
    // The server sees the end of its side at most one exchange later.
    await request(fixture, 'GET /health HTTP/1.1\nHost: localhost\nConnection: close\n\n')
    await fixture.open()
  })

  void test('a refused peer receives the reason, also when the store failed', async () => {
    const fault = { code: 'store_failed', message: `No connection is left: ${'ü'.repeat(100)}`, hint: '' } as const
    for (const [readOnly, reason] of [
      [null, /^the guest is stopping$/],
      [fault, /^the guest is restarting: No connection is left: ü+$/],
    ] as const) {
      const kernel = createFakeKernel()
      const { status } = kernel
      await using fixture = await startTestGateway({ kernel: { ...kernel, status: () => ({ ...status(), read_only: readOnly }) } })
      const terminal = await fixture.open()
      await fixture.gateway.close()
      const closed = await terminal.closed
      assert.equal(closed.code, 1001)
      assert.match(closed.reason, reason)
    }
  })

  void test('a gateway without a token does not start', async () => {
    for (const token of ['', 'short']) await assert.rejects(startTestGateway({ token }), (error: OxbowError) => error.code === 'bad_config')
  })

  void test('an address that is taken is an error of the configuration that names it', async () => {
    await using fixture = await startTestGateway()
    const port = Number(new URL(fixture.http).port)
    await assert.rejects(
      startTestGateway({ port }),
      (error: OxbowError) => error.code === 'bad_config' && error.message.includes(`127.0.0.1:${port}`),
    )
  })
})

void describe('hello', () => {
  void test("is answered with the protocol and the guest's status", async () => {
    await using fixture = await startTestGateway()
    const terminal = await fixture.open()
    const [ack] = terminal.frames
    assert.deepEqual(ack, { type: 'hello_ack', payload: { request_id: 'ask-1', protocol: 1, status: fixture.kernel.status() } })
  })

  void test('with another protocol closes the connection and says which side to update', async () => {
    await using fixture = await startTestGateway()
    const terminal = await openTerminal(fixture.gateway.url, fixture.token, { greet: false })
    const failure = failureOf(await terminal.ask('hello', { protocol: 99, client: 'test' }))
    assert.match(failure.hint, /protocol: must be 1/)
    assert.equal((await terminal.closed).code, 1008)
  })

  void test('must come first: anything else, including garbage, closes the connection', async () => {
    await using fixture = await startTestGateway()
    for (const frame of [{ type: 'status', payload: { request_id: 'r' } }, 'garbage', Buffer.from([0, 1, 2])]) {
      const terminal = await openTerminal(fixture.gateway.url, fixture.token, { greet: false })
      terminal.send(frame)
      assert.equal((await terminal.take('error')).code, 'bad_input')
      assert.equal((await terminal.closed).code, 1008)
    }
  })

  void test('is an error the second time, and the connection stays open', async () => {
    await using fixture = await startTestGateway()
    const terminal = await fixture.open()
    assert.equal(failureOf(await terminal.ask('hello', { protocol: 1, client: 'again' })).code, 'bad_input')
    assert.equal((await terminal.ask('status', {})).type, 'result')
  })
})

void describe('requests', () => {
  void test('each get exactly one answer under their own id', async () => {
    await using fixture = await startTestGateway()
    const terminal = await fixture.open()
    const created = (await terminal.ask('create_session', { title: 'Taxes' })) as Extract<ServerFrame, { type: 'result' }>
    const { id: session } = created.payload.result as { id: string }
    const call = fixture.kernel.park(session as never)
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
    assert.deepEqual(fixture.kernel.decisions, [{ call, allow: true }])
    await terminal.ask('status', {})
    const ids = terminal.frames.flatMap((frame) => ('request_id' in frame.payload ? [frame.payload.request_id] : []))
    assert.equal(new Set(ids).size, ids.length)
    assert.equal(ids.length, 13)
  })

  void test('a message that is sent twice, at once or later, makes one turn', async () => {
    await using fixture = await startTestGateway()
    const terminal = await fixture.open()
    const { id: session } = await fixture.kernel.createSession()
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
    assert.deepEqual(fixture.kernel.messages, ['once'])
  })

  void test('garbage is answered with an error, and the connection stays open', async () => {
    await using fixture = await startTestGateway()
    const terminal = await fixture.open()
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
    await using fixture = await startTestGateway({ limits: { maxFrameBytes: 1_000 } })
    const terminal = await fixture.open()
    terminal.send('x'.repeat(1_001))
    const failure = await terminal.take('error')
    assert.equal(failure.code, 'limit_reached')
    assert.match(failure.message, /1001 bytes; the limit is 1000/)
    assert.equal((await terminal.closed).code, 1009)
    const second = await fixture.open()
    second.send('x'.repeat(100_000))
    assert.equal((await second.closed).code, 1009)
  })

  void test('text that is not UTF-8 closes the connection', async () => {
    await using fixture = await startTestGateway()
    const terminal = await fixture.open()
    terminal.socket.send(Buffer.from([0xc3, 0x28]), { binary: false })
    assert.equal((await terminal.closed).code, 1007)
  })

  void test("an internal fault is logged and never reported as the caller's", async () => {
    await using fixture = await startTestGateway()
    const terminal = await fixture.open()
    fixture.kernel.failNextList(new TypeError('secret is undefined'))
    const failure = failureOf(await terminal.ask('list_sessions', {}))
    assert.equal(failure.code, 'internal_failure')
    assert.ok(!JSON.stringify(failure).includes('secret'))
    assert.equal(fixture.bugs.length, 1)
    fixture.kernel.failNextList(new OxbowError('store_failed', 'The store failed.', { hint: 'Restart.' }))
    assert.deepEqual(failureOf(await terminal.ask('list_sessions', {})).code, 'store_failed')
    assert.equal(fixture.bugs.length, 1)
  })

  void test('over the limit of requests in flight are refused at once, the others answered', async () => {
    const gate = Promise.withResolvers<void>()
    let held = false
    const kernel = createFakeKernel(async () => {
      if (held) await gate.promise
    })
    await using fixture = await startTestGateway({ kernel, limits: { maxInFlight: 2 } })
    const { id: session } = await kernel.createSession()
    held = true
    const terminal = await fixture.open()
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
  void test('sends past records from the cursor, then a snapshot of the running reply, then new events', async () => {
    await using fixture = await startTestGateway()
    const { kernel } = fixture
    const { id: session } = await kernel.createSession()
    const [first, second] = [kernel.record(session, 'a.b', { n: 1 }), kernel.record(session, 'a.b', { n: 2 })]
    const call = kernel.say(session, 'Hel')
    const terminal = await fixture.open()
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

  void test('a notice reaches every terminal that has said hello, in whatever session it happened, until it leaves', async () => {
    await using fixture = await startTestGateway()
    const notice = { seq: 1, at: 2, kind: 'schedule_ended', session: '', fields: { name: 'Report' } } as const
    const [one, two] = [await fixture.open(), await fixture.open()]
    fixture.kernel.notice(notice)
    for (const terminal of [one, two]) assert.deepEqual(await terminal.take('notice'), notice)
    one.socket.close()
    await one.closed
    fixture.kernel.notice(notice)
    assert.deepEqual(await two.take('notice'), notice)
    assert.deepEqual(fixture.bugs, [])
  })

  void test('two terminals on one session see the same', async () => {
    await using fixture = await startTestGateway()
    const { id: session } = await fixture.kernel.createSession()
    const terminals = await Promise.all([fixture.open(), fixture.open()])
    await Promise.all(terminals.map((terminal) => terminal.ask('subscribe', { session, cursor: 0 })))
    await terminals[0]?.ask('send_turn', { session, client_id: newId() as CallId, text: 'hi' })
    fixture.kernel.say(session, 'Hello')
    fixture.kernel.finish(session)
    for (const terminal of terminals) {
      assert.deepEqual((await terminal.take('record')).record.body, { text: 'hi' })
      assert.equal((await terminal.take('delta')).text, 'Hello')
      assert.equal((await terminal.take('record')).record.name, 'model.generate')
    }
  })

  void test('ends with unsubscribe or with the connection', async () => {
    await using fixture = await startTestGateway()
    const { id: session } = await fixture.kernel.createSession()
    const terminal = await fixture.open()
    await terminal.ask('subscribe', { session, cursor: 0 })
    await terminal.ask('unsubscribe', { session })
    assert.equal(fixture.kernel.followers(session), 0)
    fixture.kernel.record(session, 'a.b')
    await terminal.ask('subscribe', { session, cursor: 1 })
    assert.equal(fixture.kernel.followers(session), 1)
    assert.ok(terminal.frames.every(({ type }) => type !== 'record'))
    terminal.socket.terminate()
    const other = await fixture.open()
    while (fixture.kernel.followers(session) > 0) await other.ask('status', {})
  })

  void test('of many sessions with a long past waits for its reader instead of sending it away', async () => {
    await using fixture = await startTestGateway({ limits: { maxBufferedBytes: 2_000_000 } })
    const sessions = await Promise.all(Array.from({ length: 200 }, () => fixture.kernel.createSession()))
    // 40 MB in all, twenty times what is buffered.
    for (const { id } of sessions) for (let i = 0; i < 2; i++) fixture.kernel.record(id, 'a.b', 'x'.repeat(100_000))
    const terminal = await fixture.open()
    const answers = await Promise.all(sessions.map(({ id }) => terminal.ask('subscribe', { session: id, cursor: 0 })))
    assert.ok(answers.every(({ type }) => type === 'snapshot'))
    assert.equal(terminal.frames.filter(({ type }) => type === 'record').length, 2 * sessions.length)
  })

  void test('of an unknown session, twice, or of too many is refused', async () => {
    await using fixture = await startTestGateway({ limits: { maxSubscriptions: 1 } })
    const [one, two] = [await fixture.kernel.createSession(), await fixture.kernel.createSession()]
    const terminal = await fixture.open()
    assert.equal(failureOf(await terminal.ask('subscribe', { session: newId(), cursor: 0 })).code, 'not_found')
    assert.equal((await terminal.ask('subscribe', { session: one.id, cursor: 0 })).type, 'snapshot')
    assert.equal(failureOf(await terminal.ask('subscribe', { session: one.id, cursor: 0 })).code, 'bad_input')
    assert.equal(failureOf(await terminal.ask('subscribe', { session: two.id, cursor: 0 })).code, 'limit_reached')
  })
})
