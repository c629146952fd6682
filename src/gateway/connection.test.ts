/** How long a connection lasts, and how it ends. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { lstat, mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, test } from 'node:test'
import { createIdMaker, systemClock, systemRandom } from '../base/index.ts'
import { createToken } from './admission.ts'
import { createFakeKernel } from './fake-kernel.ts'
import { openTerminal, startTestGateway } from './gateway-fixture.ts'
import { startGateway } from './gateway.ts'

const newId = createIdMaker(systemClock, systemRandom)

void describe('the lifetime of a connection', () => {
  void test('a slow reader is disconnected with advice, and its memory is freed', async () => {
    await using fixture = await startTestGateway({ limits: { maxBufferedBytes: 64 * 1024 } })
    const { id: session } = await fixture.kernel.createSession()
    const slow = await fixture.open()
    const quick = await fixture.open()
    await Promise.all([slow, quick].map((terminal) => terminal.ask('subscribe', { session, cursor: 0 })))
    slow.socket.pause()
    // More than the buffers of both sockets hold. The other one reads on, so it keeps up.
    while (fixture.kernel.followers(session) === 2) {
      fixture.kernel.say(session, 'x'.repeat(32 * 1024))
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

  void test('a peer that does not answer pings is disconnected', async () => {
    await using fixture = await startTestGateway({ limits: { keepAliveMs: 1_000 } })
    const { id: session } = await fixture.kernel.createSession()
    const dead = await fixture.open()
    await dead.ask('subscribe', { session, cursor: 0 })
    // It neither reads nor answers from here on, as a machine that sleeps does.
    dead.stream.pause()
    const alive = await fixture.open()
    while (fixture.kernel.followers(session) > 0) await once(alive.socket, 'ping')
    assert.equal((await alive.ask('status', {})).type, 'result')
    // Its own end does not read that it was cut off.
    dead.socket.terminate()
  })

  void test('a connection that never says hello is closed', async () => {
    await using fixture = await startTestGateway({ limits: { keepAliveMs: 20 } })
    const silent = await openTerminal(fixture.gateway.url, fixture.token, { greet: false })
    assert.equal((await silent.closed).code, 1008)
  })

  void test('a first frame that is refused in many bytes closes its connection and nothing else', async () => {
    await using fixture = await startTestGateway()
    for (const type of ['☃'.repeat(60), '\u0001'.repeat(60)]) {
      const terminal = await openTerminal(fixture.gateway.url, fixture.token, { greet: false })
      terminal.send({ type, payload: { request_id: 'a' } })
      assert.equal((await terminal.take('error')).code, 'bad_input')
      const { code, reason } = await terminal.closed
      assert.equal(code, 1008)
      assert.match(reason, /^No frame has the type "[☃\\u01]+$/)
    }
    await fixture.open()
  })

  void test('a stopping gateway closes all connections and waits for none that is dead', { timeout: 60_000 }, async () => {
    const fixture = await startTestGateway({ limits: { closeGraceMs: 50 } })
    const [polite, dead] = [await fixture.open(), await fixture.open()]
    dead.stream.pause()
    await fixture.gateway.close()
    assert.equal((await polite.closed).code, 1001)
    await assert.rejects(fixture.open())
    dead.socket.terminate()
  })

  void test('sixty-four connections that send at once are all acknowledged, each message once', async () => {
    await using fixture = await startTestGateway()
    const { id: session } = await fixture.kernel.createSession()
    const terminals = await Promise.all(Array.from({ length: 64 }, fixture.open))
    const answers = await Promise.all(
      terminals.flatMap((terminal, i) =>
        Array.from({ length: 20 }, (_, n) => terminal.ask('send_turn', { session, client_id: newId(), text: `${i}.${n}` })),
      ),
    )
    assert.ok(answers.every(({ type }) => type === 'ack'))
    assert.equal(new Set(fixture.kernel.messages).size, 64 * 20)
    assert.equal(fixture.kernel.messages.length, 64 * 20)
  })
})

it('silent and slow sockets are disconnected soon and block nobody', { timeout: 120_000 }, async () => {
  await using fixture = await startTestGateway({ limits: { requestTimeoutMs: 1_000, maxConnections: 4 } })
  const sockets = Array.from({ length: 8 }, (_, i) => {
    const socket = connect(Number(new URL(fixture.http).port), '127.0.0.1')
    const gone = Promise.withResolvers<void>()
    socket
      .on('error', () => {})
      .on('close', gone.resolve)
      .resume()
    if (i % 2 === 0) socket.write('GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n')
    return { socket, gone: gone.promise }
  })
  await Promise.all(sockets.map(({ gone }) => gone))
  const terminal = await fixture.open()
  terminal.socket.terminate()
  assert.deepEqual(fixture.bugs, [])
})

/** A gateway that has no network listens on a socket; who passes connections on says where they come from. */

it('a gateway listens on a unix socket with the same rules about hosts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-gateway-'))
  const socket = { path: join(folder, 'gateway.sock'), url: 'ws://127.0.0.1:7777/ws' }
  const start = (): ReturnType<typeof startGateway> =>
    startGateway({ kernel: createFakeKernel(), host: '127.0.0.1', port: 0, token: createToken(systemRandom), socket })
  // What a guest leaves that was killed.
  const listening = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', listening, socket.path])
  assert.ok((await lstat(socket.path)).isSocket())
  const gateway = await start()
  await assert.rejects(start(), /cannot listen on .*gateway\.sock/, 'where one answers')
  assert.equal(gateway.url, socket.url)
  const health = (host: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = request({ socketPath: socket.path, path: '/health', headers: { host } }, (answer) => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
      asked.on('error', reject)
      asked.end()
    })
  assert.equal(await health('127.0.0.1:7777'), 200)
  assert.equal(await health('evil.example'), 403)
  await gateway.close()
  await rm(folder, { recursive: true })
})
