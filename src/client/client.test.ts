/** The client against a real gateway over loopback: requests, and connections that are lost. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, test } from 'node:test'
import { createFakeKernel } from '../gateway/fake-kernel.ts'
import { createToken, startGateway } from '../gateway/index.ts'
import { type OxbowError, type SessionId, systemRandom } from '../base/index.ts'
import { createScreen, hasCode, startTestGateway, startRelay } from './client-fixture.ts'
import { connect, type ConnectionState } from './index.ts'

/** A name that the compiler does not know: of a call that only this test has. */
const testEchoName: string = 'test.echo'
const noSuchName: string = 'no.such'

void describe('the first connection', () => {
  void test('brings the greeting of the guest', async () => {
    await using fixture = await startTestGateway()
    const client = await fixture.open()
    assert.deepEqual(client.greeting(), fixture.kernel.status())
    assert.deepEqual(await client.status(), fixture.kernel.status())
  })

  void test('with a wrong token fails for good and says where the right one is', async () => {
    await using fixture = await startTestGateway()
    await assert.rejects(fixture.open({ token: createToken(systemRandom) }), hasCode('unauthenticated'))
  })

  void test('to nobody, to something else or to no address fails at once', async () => {
    await using fixture = await startTestGateway()
    const dead = await startRelay(1)
    const nobody = `ws://127.0.0.1:${dead.port}/ws`
    await dead.close()
    await assert.rejects(fixture.open({ url: nobody }), hasCode('guest_unreachable'))
    await assert.rejects(fixture.open({ url: fixture.url.replace('/ws', '/other') }), hasCode('not_found'))
    await assert.rejects(fixture.open({ url: 'nonsense' }), hasCode('bad_input'))
    await assert.rejects(fixture.open({ token: 'two\nlines' }), hasCode('bad_input'))
  })

  void test('to a peer that never says hello is given up', async () => {
    await using mute = {
      // It reads, so that it sees the end of the connection, and says nothing.
      server: createServer((socket) => void socket.resume()).listen(0, '127.0.0.1'),
      [Symbol.asyncDispose]: async () => void mute.server.close(),
    }
    await once(mute.server, 'listening')
    const url = `ws://127.0.0.1:${(mute.server.address() as AddressInfo).port}/ws`
    await assert.rejects(connect({ url, token: 't', client: 'test', limits: { openTimeoutMs: 20 } }), hasCode('guest_unreachable'))
  })
})

void describe('requests', () => {
  void test('return their results, and failures with code and hint', async () => {
    await using fixture = await startTestGateway()
    const client = await fixture.open()
    const { id } = await client.createSession('Taxes')
    assert.deepEqual(
      (await client.listSessions()).map(({ title }) => title),
      ['Taxes'],
    )
    const sent = await client.sendTurn({ session: id, text: 'hi' })
    assert.equal(sent.duplicate, false)
    assert.equal((await client.sendTurn({ session: id, text: 'hi', clientId: sent.clientId })).duplicate, true)
    assert.equal(await client.cancelTurn(id), true)
    const call = fixture.kernel.park(id)
    await client.approve(call, true)
    await assert.rejects(client.approve(call, true), hasCode('not_found'))
    assert.equal((await client.call(testEchoName, { a: 1 })).status, 'ok')
    assert.equal((await client.call(noSuchName, {})).status, 'refused')
    await assert.rejects(client.sendTurn({ session: '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId, text: 'x' }), hasCode('not_found'))
  })

  void test('that are too large are refused by the client, which keeps the connection', async () => {
    await using fixture = await startTestGateway()
    const client = await fixture.open()
    const { id } = await client.createSession()
    await assert.rejects(client.sendTurn({ session: id, text: 'x'.repeat(5_000_000) }), hasCode('limit_reached'))
    assert.equal((await client.listSessions()).length, 1)
  })

  void test('that are not answered in time fail, and say that they may still happen', async () => {
    await using fixture = await startTestGateway(createFakeKernel(async () => new Promise(() => {})))
    const client = await fixture.open({ limits: { requestTimeoutMs: 20 } })
    await assert.rejects(client.createSession(), hasCode('timeout'))
  })

  void test('over the limit of waiting requests fail at once', async () => {
    await using fixture = await startTestGateway(createFakeKernel(async () => new Promise(() => {})))
    const client = await fixture.open({ limits: { maxWaiting: 1 } })
    const first = client.createSession()
    await assert.rejects(client.createSession(), hasCode('limit_reached'))
    await client.close()
    await assert.rejects(first, hasCode('cancelled'))
    await assert.rejects(client.status(), hasCode('cancelled'))
  })
})

void describe('a lost connection', () => {
  void test('whose acknowledgement was lost sends the message again, and it is one message', async () => {
    await using fixture = await startTestGateway()
    const client = await fixture.open()
    const { id } = await client.createSession()
    fixture.relay.mute()
    const sending = client.sendTurn({ session: id, text: 'once' })
    const watcher = await fixture.open()
    while (fixture.kernel.messages.length === 0) await watcher.status()
    fixture.relay.cut()
    assert.equal((await sending).duplicate, true)
    assert.deepEqual(fixture.kernel.messages, ['once'])
  })

  void test('whose answer was lost asks for its new session again, and it is one session', async () => {
    await using fixture = await startTestGateway()
    const client = await fixture.open()
    fixture.relay.mute()
    const creating = client.createSession('Taxes')
    const watcher = await fixture.open()
    while ((await watcher.listSessions()).length === 0);
    fixture.relay.cut()
    assert.deepEqual(await watcher.listSessions(), [await creating])
  })

  void test('fails requests that are not repeatable and says that their outcome is unknown', async () => {
    await using fixture = await startTestGateway()
    const client = await fixture.open()
    const { id } = await client.createSession()
    const call = fixture.kernel.park(id)
    fixture.relay.mute()
    const approving = client.approve(call, true)
    const listing = client.listSessions()
    const watcher = await fixture.open()
    while (fixture.kernel.decisions.length === 0) await watcher.status()
    fixture.relay.cut()
    await assert.rejects(approving, (error: OxbowError) => error.code === 'guest_unreachable' && /not known/.test(error.message))
    assert.equal((await listing).length, 1)
  })

  void test('is reported, and so is the new one', async () => {
    await using fixture = await startTestGateway()
    const states: ConnectionState['type'][] = []
    const back = Promise.withResolvers<void>()
    const onState = ({ type }: ConnectionState): void => {
      states.push(type)
      if (states.length === 3) back.resolve()
    }
    const client = await fixture.open({ onState })
    fixture.relay.cut()
    await back.promise
    assert.deepEqual(states, ['connected', 'reconnecting', 'connected'])
    await client.close()
    assert.equal(states.length, 3)
  })

  void test('is final without reconnection: waiting requests fail and followers are notified', async () => {
    await using fixture = await startTestGateway()
    const gone = Promise.withResolvers<ConnectionState>()
    const client = await fixture.open({ reconnect: false, onState: (state) => state.type === 'gone' && gone.resolve(state) })
    const { id } = await client.createSession()
    const screen = createScreen()
    await client.follow(id, 0, screen.handler)
    fixture.relay.cut()
    await gone.promise
    assert.equal(screen.events.at(-1)?.type, 'ended')
    await assert.rejects(client.status(), hasCode('guest_unreachable'))
    await assert.rejects(client.follow(id, 0, screen.handler), hasCode('guest_unreachable'))
  })

  void test('is not retried when another guest, with another token, listens at the address', async () => {
    await using fixture = await startTestGateway()
    const gone = Promise.withResolvers<ConnectionState>()
    const client = await fixture.open({ onState: (state) => state.type === 'gone' && gone.resolve(state) })
    const other = await startGateway({ kernel: fixture.kernel, host: '127.0.0.1', port: 0, token: createToken(systemRandom) })
    await using _ = { [Symbol.asyncDispose]: other.close }
    fixture.relay.retarget(Number(new URL(other.url).port))
    fixture.relay.cut()
    const state = await gone.promise
    assert.ok(state.type === 'gone' && state.failure.code === 'guest_unreachable' && /another listens/.test(state.failure.message))
    await client.close()
  })

  void test('can be closed while disconnected', async () => {
    await using fixture = await startTestGateway()
    const away = Promise.withResolvers<void>()
    const client = await fixture.open({
      limits: { retryFirstMs: 600_000, retryMostMs: 600_000 },
      random: { bytes: (count) => new Uint8Array(count).fill(0x7f) },
      onState: ({ type }) => type === 'reconnecting' && away.resolve(),
    })
    fixture.relay.cut()
    await away.promise
    const waiting = client.status()
    await client.close()
    await assert.rejects(waiting, hasCode('cancelled'))
  })
})
