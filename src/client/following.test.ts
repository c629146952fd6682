/** What a follower sees over a real gateway, in fine weather and in any other. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { CallId, SessionId } from '../base/index.ts'
import { createScreen, hasCode, startTestGateway } from './client-fixture.ts'
import { scaled } from '../../test/support/scale.ts'

void describe('following', () => {
  void test('sends past records, then new ones, and all text of the assistant as text', async () => {
    await using fixture = await startTestGateway()
    const client = await fixture.open()
    const { id } = await client.createSession()
    const told = fixture.kernel.say(id, 'Once upon a time')
    fixture.kernel.finish(id)
    const running = fixture.kernel.say(id, 'Hel')
    const screen = createScreen()
    const following = await client.follow(id, 0, screen.handler)
    fixture.kernel.say(id, 'lo')
    fixture.kernel.progress(id)
    fixture.kernel.finish(id)
    await screen.until(() => screen.count('record') === 2)
    assert.deepEqual(
      screen.events.map(({ type }) => type),
      ['text', 'record', 'text', 'caught_up', 'text', 'progress', 'record'],
    )
    assert.equal(screen.text.get(told), 'Once upon a time')
    assert.equal(screen.text.get(running), 'Hello')
    assert.equal(following.cursor(), 2)
  })

  void test('shows approvals that wait', async () => {
    await using fixture = await startTestGateway()
    const client = await fixture.open()
    const { id } = await client.createSession()
    const call = fixture.kernel.park(id)
    const screen = createScreen()
    await client.follow(id, 0, screen.handler)
    const caughtUp = screen.events.find((event) => event.type === 'caught_up')
    assert.deepEqual(
      caughtUp?.pending.map((pending) => pending.call),
      [call],
    )
  })

  void test('a text that was cleaned in the journal replaces what was streamed', async () => {
    await using fixture = await startTestGateway()
    const client = await fixture.open()
    const { id } = await client.createSession()
    const screen = createScreen()
    await client.follow(id, 0, screen.handler)
    const call = fixture.kernel.say(id, 'the key is hunter2')
    fixture.kernel.finish(id, 'the key is [secret]')
    await screen.until(() => screen.count('record') === 1)
    assert.equal(screen.text.get(call), 'the key is [secret]')
    assert.equal(screen.count('restart'), 1)
  })

  void test('stops on request, and the session can be followed again from any cursor', async () => {
    await using fixture = await startTestGateway()
    const client = await fixture.open()
    const { id } = await client.createSession()
    fixture.kernel.record(id, 'a.b')
    const [first, second] = [createScreen(), createScreen()]
    const following = await client.follow(id, 0, first.handler)
    await assert.rejects(client.follow(id, 0, second.handler), hasCode('bad_input'))
    following.stop()
    // Told to the subscription that was left: it must not be taken for part of the new one.
    fixture.kernel.record(id, 'a.b')
    await client.follow(id, 0, second.handler)
    fixture.kernel.record(id, 'a.b')
    await second.until(() => second.count('record') === 3)
    assert.deepEqual([first.seqs(), second.seqs()], [[1], [1, 2, 3]])
    assert.equal(fixture.kernel.followers(id), 1)
  })

  void test('of an unknown session fails', async () => {
    await using fixture = await startTestGateway()
    const client = await fixture.open()
    const unknown = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId
    await assert.rejects(
      client.follow(unknown, 0, () => assert.fail('nothing to tell')),
      hasCode('not_found'),
    )
  })

  void test('a slow terminal is disconnected, resumes from its cursor and misses nothing', async () => {
    await using fixture = await startTestGateway()
    const { id } = await fixture.kernel.createSession()
    const states: string[] = []
    const client = await fixture.open({
      onState: (state) => states.push(state.type === 'reconnecting' ? state.failure.message : state.type),
    })
    const screen = createScreen()
    await client.follow(id, 0, screen.handler)
    // More than the gateway buffers for one reader, at once.
    for (let i = 0; i < 40; i++) fixture.kernel.record(id, 'a.b', 'x'.repeat(1_000_000))
    await screen.until(() => screen.count('record') === 40)
    assert.deepEqual(
      screen.seqs(),
      Array.from({ length: 40 }, (_, i) => i + 1),
    )
    assert.ok(states.some((state) => state.includes('1013: too slow')))
  })

  void test('of 600 sessions over one connection: each receives its past and its own events, also after a reconnect', async () => {
    await using fixture = await startTestGateway()
    const { kernel, relay } = fixture
    const client = await fixture.open()
    const sessions = await Promise.all(Array.from({ length: 600 }, () => kernel.createSession()))
    for (const { id } of sessions) kernel.record(id, 'a.b')
    const screens = await Promise.all(
      sessions.map(async ({ id }) => {
        const screen = createScreen()
        await client.follow(id, 0, screen.handler)
        return { id, screen }
      }),
    )
    for (const { id } of sessions) kernel.record(id, 'a.b')
    await Promise.all(screens.map(({ screen }) => screen.until(() => screen.count('record') === 2)))
    relay.cut()
    for (const { id } of sessions) kernel.record(id, 'a.b')
    await Promise.all(screens.map(({ screen }) => screen.until(() => screen.count('record') === 3)))
    for (const { id, screen } of screens) assert.deepEqual(screen.seqs(), kernel.seqs(id))
  })

  void test(
    'under any faults: every record once and in order, every reply complete, nothing shown twice',
    { timeout: 60_000 },
    async () => {
      await using fixture = await startTestGateway()
      const { kernel, relay } = fixture
      const client = await fixture.open()
      const act = fc.constantFrom('say', 'say', 'say', 'finish', 'record', 'cut', 'mute', 'wait')
      await fc.assert(
        fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 40 }), async (acts) => {
          const { id } = await kernel.createSession()
          const screen = createScreen()
          const said = new Map<CallId, string>()
          let muted = false
          const following = await client.follow(id, 0, screen.handler)
          for (const [i, what] of acts.entries()) {
            if (what === 'say') {
              const call = kernel.say(id, `${i} `)
              said.set(call, `${said.get(call) ?? ''}${i} `)
            } else if (what === 'finish') kernel.finish(id)
            else if (what === 'record') kernel.record(id, 'a.b')
            else if (what === 'mute') relay.mute()
            else if (what === 'cut') relay.cut()
            else if (!muted) await client.status()
            muted = what === 'mute' || (muted && what !== 'cut')
          }
          if (muted) relay.cut()
          kernel.finish(id)
          const end = kernel.record(id, 'the.end').seq
          await screen.until(() => screen.seqs().at(-1) === end)
          following.stop()
          assert.deepEqual(screen.seqs(), kernel.seqs(id))
          for (const [call, text] of said) assert.equal(screen.text.get(call), text)
          assert.equal(screen.count('restart'), 0)
        }),
        { numRuns: scaled(60) },
      )
    },
  )
})
