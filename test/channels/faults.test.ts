/** What goes wrong on a platform of chats: clocks, rates, removed bots, two programs, silence, and what was said while nothing ran. */
import assert from 'node:assert/strict'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { isOxbowError, systemRandom } from '../../src/base/index.ts'
import { adapters } from '../../src/channels/adapters.ts'
import { createPacing } from '../../src/channels/pacing.ts'
import type { ChannelEvents, InboundMessage, KnownChat } from '../../src/channels/port.ts'
import { says } from '../../src/kernel/kernel-fixture.ts'
import { startNearRigOn } from './near-rig.ts'
import { type ChatFake, kinds, openPlatform } from './platforms.ts'
import { addChannel, eventually } from './rig.ts'

const never = new AbortController().signal
const intent = 'a'.repeat(32)
const dayMs = 24 * 60 * 60_000

/** The adapter of a platform, with what it tells. */
async function connected(fake: Pick<ChatFake, 'settings'>, known: readonly KnownChat[] = [], people: readonly string[] = []) {
  const open = await adapters[fake.settings.kind]!()
  const adapter = await open(fake.settings, { random: systemRandom, log: () => {}, places: async () => ({ chats: known, people }) })
  const messages: InboundMessage[] = []
  const downs: [why: string, retryMs: number][] = []
  const events: ChannelEvents = {
    message: async (message) => void messages.push(message),
    press: async () => {},
    moved: async () => {},
    down: (why, retryMs) => void downs.push([why, retryMs]),
    up() {},
  }
  return { adapter, messages, downs, start: () => adapter.start(events, [{ name: 'help', summary: 'what can be said' }], never) }
}

for (const kind of kinds)
  describe(`faults on ${kind}`, { concurrency: true }, () => {
    test('throttled for an hour, one chat waits so long, and others go on', async () => {
      await using fake = await openPlatform(kind)
      const { adapter, start } = await connected(fake)
      await start()
      const [one, other] = [await fake.say({ from: 'ada', text: 'hi' }), await fake.say({ from: 'bea', text: 'hi' })]
      fake.throttle(3_600)
      const sent = await adapter.send(one.chat, { text: 'one', plain: 'one' }, intent, never)
      assert.deepEqual(sent, { ok: false, why: 'throttled', retryAfterMs: 3_600_000 })
      assert.ok((await adapter.send(other.chat, { text: 'two', plain: 'two' }, 'b'.repeat(32), never)).ok)
      assert.deepEqual(
        fake.standing().map(({ text }) => text),
        ['two'],
      )
      await adapter.close()
    })

    test('whoever is removed from a chat is told so, and it is sent again after an invitation', async () => {
      await using rig = await startNearRigOn(kind, { play: () => says('an answer') })
      const { fake, call, link } = rig
      await addChannel(rig)
      await link('ada', 'owner')
      const { chat } = await fake.say({ from: 'ada', text: 'hi', group: true, mention: true })
      await eventually(
        () => fake.standing().some(({ text }) => text === 'an answer'),
        () => `the answer: ${JSON.stringify([fake.standing(), rig.logs])}`,
      )
      fake.removeFrom(chat.chat)
      await call('channel.deliver', { channel: kind, ...chat, text: 'The backup is done.' })
      let [line] = await call('channel.log', { channel: kind })
      for (let tries = 0; line?.state !== 'dead' && tries < 200; tries += 1) {
        await sleep(50)
        ;[line] = await call('channel.log', { channel: kind })
      }
      assert.deepEqual([line?.state, line?.why === ''], ['dead', false])
      fake.inviteTo(chat.chat)
      assert.equal((await call('channel.retry', { channel: kind })).retried, 1)
      await eventually(() => fake.standing().find(({ text }) => text === 'The backup is done.'), 'what was given up')
    })

    test('a second program with the same token ends, and says so', { timeout: 100_000 }, async () => {
      await using fake = await openPlatform(kind)
      const first = await connected(fake)
      await first.start()
      // The one that begins later ends.
      if (kind === 'telegram') await sleep(9_000)
      const second = await connected(fake)
      const refused = await second.start().then(
        () => null,
        (error: unknown) => error,
      )
      if (kind === 'discord') {
        // Discord lets both in. Each hears what the other says, and the one that is later twice ends.
        assert.equal(refused, null)
        const { chat } = await fake.say({ from: 'ada', text: 'hi' })
        for (let round = 0; round < 2; round += 1)
          for (const [index, { adapter }] of [first, second].entries()) {
            const part = { text: `answer ${round}`, plain: `answer ${round}` }
            assert.ok((await adapter.send(chat, part, `${index}${round}`.padEnd(32, '0').split('').toReversed().join(''), never)).ok)
          }
        await eventually(() => second.downs.some(([why, retryMs]) => /another program/.test(why) && retryMs === Infinity), 'its end')
        assert.deepEqual(first.downs, [])
      } else if (kind === 'telegram') {
        assert.equal(refused, null)
        await eventually(() => second.downs.some(([why, retryMs]) => /another program/.test(why) && retryMs === Infinity), 'its end')
        // What was lost to one that has ended does not count when the next begins.
        await sleep(7_000)
        const third = await connected(fake)
        await third.start()
        await eventually(() => third.downs.some(([why]) => /another program/.test(why)), 'the end of the third')
        await third.adapter.close()
        assert.deepEqual(first.downs, [])
      } else assert.ok(isOxbowError(refused, 'workspace_busy'), String(refused))
      await fake.say({ from: 'ada', text: 'to the one that is left' })
      await eventually(() => first.messages.some(({ text }) => text === 'to the one that is left'), 'the message')
      assert.ok(second.messages.every(({ text }) => text !== 'to the one that is left'))
      await first.adapter.close()
      await second.adapter.close()
    })

    test('a token that is revoked while it is connected ends the channel, with the reason', async () => {
      await using fake = await openPlatform(kind)
      const { adapter, start, downs } = await connected(fake)
      await start()
      fake.revoke()
      if ('gateway' in fake) fake.gateway.forget()
      else if ('cut' in fake) fake.cut()
      else await fake.say({ from: 'ada', text: 'hi' })
      await eventually(
        () => downs.some(([why, retryMs]) => /refuse/.test(why) && retryMs === Infinity),
        () => JSON.stringify(downs),
      )
      await adapter.close()
    })
  })

test('a chat that is held waits for an hour, by the clock, and another does not', async () => {
  let now = 1_000_000
  const clock = { now: () => now, monotonicMs: () => now }
  const limits = { chatIntervalMs: 1_000, groupPerMinute: Infinity } as Parameters<typeof createPacing>[0]
  const pacing = createPacing(limits, clock)
  const chat = { space: '', chat: 'one', thread: '' }
  pacing.hold(chat, 3_600_000)
  const ending = new AbortController()
  const waits = pacing.turn(chat, false, ending.signal).then(
    () => 'went',
    () => 'waited',
  )
  await pacing.turn({ ...chat, chat: 'two' }, false, never)
  await sleep(50)
  ending.abort()
  assert.equal(await waits, 'waited')
  now += 3_602_000
  await pacing.turn(chat, false, never)
})

for (const kind of ['slack', 'discord'] as const)
  for (const days of [1, -1])
    test(`on ${kind} a clock that is off by ${days} day finds what was sent, and what was missed`, async () => {
      await using fake = await openPlatform(kind)
      fake.clockOff(days * dayMs)
      fake.sayUnheard('ada', 'missed')
      const { adapter, messages, start } = await connected(fake)
      await start()
      await eventually(() => messages.some(({ text }) => text === 'missed'), 'what was missed')
      const { chat } = await fake.say({ from: 'ada', text: 'hi' })
      const at = Date.now()
      fake.loseAnswer()
      assert.ok(!(await adapter.send(chat, { text: 'one', plain: 'one' }, intent, never)).ok)
      assert.ok((await adapter.find(chat, intent, at, never)).ok)
      await adapter.close()
    })

test('in a direct chat of Discord that is known, what was said while nothing ran is read', async () => {
  await using fake = await openPlatform('discord')
  const first = await connected(fake)
  await first.start()
  const { chat } = await fake.say({ from: 'ada', text: 'hi' })
  await eventually(() => first.messages.length === 1, 'the message')
  await first.adapter.close()
  fake.sayUnheardDirectly('ada', 'missed')
  const second = await connected(fake, [{ ...chat, kind: 'direct' }])
  await second.start()
  await eventually(() => second.messages.some(({ text, kind }) => text === 'missed' && kind === 'direct'), 'what was missed')
  await second.adapter.close()
  fake.sayUnheardDirectly('bea', 'first words')
  const third = await connected(fake, [], [fake.idOf('bea')])
  await third.start()
  await eventually(
    () => third.messages.some(({ text, kind }) => text === 'first words' && kind === 'direct'),
    'what a linked person said first',
  )
  await third.adapter.close()
})

test('in a thread of Slack that is known, what was said while nothing ran is read', async () => {
  await using fake = await openPlatform('slack')
  const { chat, message: root } = { ...fake.sayUnheard('ada', 'the root') }
  fake.sayUnheard('ada', 'missed in the thread', undefined, root)
  const { adapter, messages, start } = await connected(fake, [{ space: fake.space, chat, thread: root, kind: 'direct' }])
  await start()
  assert.deepEqual(
    messages.map(({ text, thread }) => [text, thread]),
    [
      ['the root', ''],
      ['missed in the thread', root],
    ],
  )
  await adapter.close()
})

test('an envelope of Slack that has expired comes again, with the same id', async () => {
  await using fake = await openPlatform('slack')
  const open = await adapters['slack']!()
  const adapter = await open(fake.settings, { random: systemRandom, log: () => {} })
  const ids: string[] = []
  const events: ChannelEvents = {
    async message({ message }) {
      ids.push(message)
      if (ids.length === 1) await sleep(3_500)
    },
    press: async () => {},
    moved: async () => {},
    down() {},
    up() {},
  }
  await adapter.start(events, [], never)
  const { message } = await fake.say({ from: 'ada', text: 'hi' })
  await eventually(() => ids.length === 2, 'the second delivery')
  assert.deepEqual(ids, [message, message])
  await eventually(() => fake.acknowledged()?.includes(message) === true, 'its acknowledgement')
  await adapter.close()
})

test('as many messages as people write are taken in: no limit of requests ends the process of channels', async () => {
  await using rig = await startNearRigOn('telegram', { play: () => says('an answer') })
  const { fake } = rig
  await addChannel(rig)
  const count = 900
  for (let index = 0; index < count; index += 1) await fake.say({ from: `eve${index % 60}`, text: `message ${index}` })
  await eventually(
    () => fake.acknowledged().length >= count,
    () => `all of them; there are ${fake.acknowledged().length}`,
  )
})

test('a platform that is silent leaves other channels working', async () => {
  await using rig = await startNearRigOn('slack', { play: () => says('an answer') })
  const { fake, call, link } = rig
  const sockets = new Set<Socket>()
  const silent = createServer((socket) => void sockets.add(socket))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const root = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const secrets = { token: `1:${'x'.repeat(30)}` }
  const stuck = call('channel.add', { kind: 'telegram', secrets, options: { api_root: root } })
  await addChannel(rig)
  await link('ada', 'owner')
  await fake.say({ from: 'ada', text: 'hello' })
  await eventually(() => fake.standing().find(({ text }) => text === 'an answer'), 'the answer of the other channel')
  assert.equal((await stuck).state, 'starting')
  for (const socket of sockets) socket.destroy()
  silent.close()
})
