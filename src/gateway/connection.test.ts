/** How long a connection lasts, and how it ends. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { createIdMaker, systemClock, systemRandom } from '../types/index.ts'
import { startHouse } from './house-fixture.ts'
import { openTerminal } from './terminal-fixture.ts'

const newId = createIdMaker(systemClock, systemRandom)

void describe('the length of a connection', () => {
  void test('a reader that falls behind is sent away with advice, and its memory is given back', async () => {
    await using house = await startHouse({ limits: { maxBufferedBytes: 64 * 1024 } })
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
    await using house = await startHouse({ limits: { keepAliveMs: 1_000 } })
    const { id: session } = await house.kernel.createSession()
    const dead = await house.open()
    await dead.ask('subscribe', { session, cursor: 0 })
    // It neither reads nor answers from here on, as a machine that sleeps does.
    dead.stream.pause()
    const alive = await house.open()
    while (house.kernel.followers(session) > 0) await once(alive.socket, 'ping')
    assert.equal((await alive.ask('status', {})).type, 'result')
    // Its own end does not read that it was cut off.
    dead.socket.terminate()
  })

  void test('a connection that never says hello is closed', async () => {
    await using house = await startHouse({ limits: { keepAliveMs: 20 } })
    const silent = await openTerminal(house.gateway.url, house.token, { greet: false })
    assert.equal((await silent.closed).code, 1008)
  })

  void test('a first frame that is refused in many bytes closes its connection and nothing else', async () => {
    await using house = await startHouse()
    for (const type of ['☃'.repeat(60), '\u0001'.repeat(60)]) {
      const terminal = await openTerminal(house.gateway.url, house.token, { greet: false })
      terminal.send({ type, payload: { request_id: 'a' } })
      assert.equal((await terminal.take('error')).code, 'bad_input')
      const { code, reason } = await terminal.closed
      assert.equal(code, 1008)
      assert.match(reason, /^No frame has the type "[☃\\u01]+$/)
    }
    await house.open()
  })

  void test('a stopping gateway says goodbye to all and waits for none that is dead', { timeout: 60_000 }, async () => {
    const house = await startHouse({ limits: { closeGraceMs: 50 } })
    const [polite, dead] = [await house.open(), await house.open()]
    dead.stream.pause()
    await house.gateway.close()
    assert.equal((await polite.closed).code, 1001)
    await assert.rejects(house.open())
    dead.socket.terminate()
  })

  void test('sixty-four connections that send at once are all acknowledged, each message taken once', async () => {
    await using house = await startHouse()
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
