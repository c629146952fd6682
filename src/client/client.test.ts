/** The client against a real gateway over loopback: requests, and connections that are lost. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, test } from 'node:test'
import { createFakeKernel } from '../gateway/fake-kernel.ts'
import { createToken, startGateway } from '../gateway/index.ts'
import { type OxbowError, type SessionId, systemRandom } from '../types/index.ts'
import { createScreen, hasCode, startHouse, startRelay } from './house-fixture.ts'
import { connect, type ConnectionState } from './index.ts'

void describe('the first connection', () => {
  void test('brings the greeting of the guest', async () => {
    await using house = await startHouse()
    const client = await house.open()
    assert.deepEqual(client.greeting(), house.kernel.status())
    assert.deepEqual(await client.status(), house.kernel.status())
  })

  void test('with a wrong token fails for good and says where the right one is', async () => {
    await using house = await startHouse()
    await assert.rejects(house.open({ token: createToken(systemRandom) }), hasCode('unauthenticated'))
  })

  void test('to nobody, to something else or to no address fails at once', async () => {
    await using house = await startHouse()
    const dead = await startRelay(1)
    const nobody = `ws://127.0.0.1:${dead.port}/ws`
    await dead.close()
    await assert.rejects(house.open({ url: nobody }), hasCode('guest_unreachable'))
    await assert.rejects(house.open({ url: house.url.replace('/ws', '/other') }), hasCode('not_found'))
    await assert.rejects(house.open({ url: 'nonsense' }), hasCode('bad_input'))
    await assert.rejects(house.open({ token: 'two\nlines' }), hasCode('bad_input'))
  })

  void test('to one that never says hello is given up', async () => {
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
  void test('have their results, and failures with code and hint', async () => {
    await using house = await startHouse()
    const client = await house.open()
    const { id } = await client.createSession('Taxes')
    assert.deepEqual(
      (await client.listSessions()).map(({ title }) => title),
      ['Taxes'],
    )
    const sent = await client.sendTurn({ session: id, text: 'hi' })
    assert.equal(sent.duplicate, false)
    assert.equal((await client.sendTurn({ session: id, text: 'hi', clientId: sent.clientId })).duplicate, true)
    assert.equal(await client.cancelTurn(id), true)
    const call = house.kernel.park(id)
    await client.approve(call, true)
    await assert.rejects(client.approve(call, true), hasCode('not_found'))
    assert.equal((await client.call('test.echo', { a: 1 })).status, 'ok')
    assert.equal((await client.call('no.such', {})).status, 'refused')
    await assert.rejects(client.sendTurn({ session: '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId, text: 'x' }), hasCode('not_found'))
  })

  void test('that are too big are refused here, where it costs no connection', async () => {
    await using house = await startHouse()
    const client = await house.open()
    const { id } = await client.createSession()
    await assert.rejects(client.sendTurn({ session: id, text: 'x'.repeat(5_000_000) }), hasCode('limit_reached'))
    assert.equal((await client.listSessions()).length, 1)
  })

  void test('that are not answered in time fail, and say that it may still be done', async () => {
    await using house = await startHouse(createFakeKernel(async () => new Promise(() => {})))
    const client = await house.open({ limits: { requestTimeoutMs: 20 } })
    await assert.rejects(client.createSession(), hasCode('timeout'))
  })

  void test('beyond what may wait fail at once', async () => {
    await using house = await startHouse(createFakeKernel(async () => new Promise(() => {})))
    const client = await house.open({ limits: { maxWaiting: 1 } })
    const first = client.createSession()
    await assert.rejects(client.createSession(), hasCode('limit_reached'))
    await client.close()
    await assert.rejects(first, hasCode('cancelled'))
    await assert.rejects(client.status(), hasCode('cancelled'))
  })
})

void describe('a lost connection', () => {
  void test('whose acknowledgement was lost sends the message again, and it is one message', async () => {
    await using house = await startHouse()
    const client = await house.open()
    const { id } = await client.createSession()
    house.relay.mute()
    const sending = client.sendTurn({ session: id, text: 'once' })
    const watcher = await house.open()
    while (house.kernel.messages.length === 0) await watcher.status()
    house.relay.cut()
    assert.equal((await sending).duplicate, true)
    assert.deepEqual(house.kernel.messages, ['once'])
  })

  void test('whose answer was lost asks for its new session again, and it is one session', async () => {
    await using house = await startHouse()
    const client = await house.open()
    house.relay.mute()
    const creating = client.createSession('Taxes')
    const watcher = await house.open()
    while ((await watcher.listSessions()).length === 0);
    house.relay.cut()
    assert.deepEqual(await watcher.listSessions(), [await creating])
  })

  void test('fails what may not be done twice and says that its end is not known', async () => {
    await using house = await startHouse()
    const client = await house.open()
    const { id } = await client.createSession()
    const call = house.kernel.park(id)
    house.relay.mute()
    const approving = client.approve(call, true)
    const listing = client.listSessions()
    const watcher = await house.open()
    while (house.kernel.decisions.length === 0) await watcher.status()
    house.relay.cut()
    await assert.rejects(approving, (error: OxbowError) => error.code === 'guest_unreachable' && /not known/.test(error.message))
    assert.equal((await listing).length, 1)
  })

  void test('is told, and so is the new one', async () => {
    await using house = await startHouse()
    const states: ConnectionState['type'][] = []
    const back = Promise.withResolvers<void>()
    const onState = ({ type }: ConnectionState): void => {
      states.push(type)
      if (states.length === 3) back.resolve()
    }
    const client = await house.open({ onState })
    house.relay.cut()
    await back.promise
    assert.deepEqual(states, ['connected', 'reconnecting', 'connected'])
    await client.close()
    assert.equal(states.length, 3)
  })

  void test('is the end without reconnection: everything that waits fails and followers are told', async () => {
    await using house = await startHouse()
    const gone = Promise.withResolvers<ConnectionState>()
    const client = await house.open({ reconnect: false, onState: (state) => state.type === 'gone' && gone.resolve(state) })
    const { id } = await client.createSession()
    const screen = createScreen()
    await client.follow(id, 0, screen.handler)
    house.relay.cut()
    await gone.promise
    assert.equal(screen.events.at(-1)?.type, 'ended')
    await assert.rejects(client.status(), hasCode('guest_unreachable'))
    await assert.rejects(client.follow(id, 0, screen.handler), hasCode('guest_unreachable'))
  })

  void test('is not made again when the guest has another token now', async () => {
    await using house = await startHouse()
    const gone = Promise.withResolvers<ConnectionState>()
    const client = await house.open({ onState: (state) => state.type === 'gone' && gone.resolve(state) })
    const other = await startGateway({ kernel: house.kernel, host: '127.0.0.1', port: 0, token: createToken(systemRandom) })
    await using _ = { [Symbol.asyncDispose]: other.close }
    house.relay.retarget(Number(new URL(other.url).port))
    house.relay.cut()
    const state = await gone.promise
    assert.ok(state.type === 'gone' && state.failure.code === 'unauthenticated')
    await client.close()
  })

  void test('can be closed while it is away', async () => {
    await using house = await startHouse()
    const away = Promise.withResolvers<void>()
    const client = await house.open({
      limits: { retryFirstMs: 600_000, retryMostMs: 600_000 },
      random: { bytes: (count) => new Uint8Array(count).fill(0x7f) },
      onState: ({ type }) => type === 'reconnecting' && away.resolve(),
    })
    house.relay.cut()
    await away.promise
    const waiting = client.status()
    await client.close()
    await assert.rejects(waiting, hasCode('cancelled'))
  })
})
