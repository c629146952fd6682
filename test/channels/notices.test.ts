/** Notices, what comes late, and what is decided elsewhere, through a fake Telegram. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '../../src/client/index.ts'
import { asks, done, says, testCall } from '../../src/kernel/kernel-fixture.ts'
import { type Clock, systemClock } from '../../src/base/index.ts'
import { configSchema } from '../../src/services/index.ts'
import { notifyFault } from '../../src/services/channels/notices/notify-fault.ts'
import { identityId } from '../../src/services/channels/channel-records.ts'
import { type NearRig, startNearRig } from './near-rig.ts'
import { addTelegram, eventually } from './rig.ts'

const dayMs = 24 * 60 * 60_000
const stands = ({ fake }: Pick<NearRig, 'fake'>, text: string | RegExp) =>
  eventually(
    () => fake.standing().find((each) => (typeof text === 'string' ? each.text === text : text.test(each.text))),
    () => `${text}; there is ${JSON.stringify(fake.standing().map((each) => each.text))}`,
  )
const texts = ({ fake }: Pick<NearRig, 'fake'>): readonly string[] => fake.standing().map(({ text }) => text)

/** Greets, so that there is a direct chat. */
async function greet(rig: NearRig, from = 'ada'): Promise<void> {
  const before = rig.fake.standing().length
  await rig.fake.say({ from, text: 'hi' })
  await eventually(
    () =>
      rig.fake
        .standing()
        .slice(before)
        .find(({ text }) => text === 'hello'),
    'the greeting',
  )
}

/** A person's message as Telegram has it, sent at another time. */
const sentAt = ({ fake }: NearRig, from: string, id: number, text: string, at: number): void =>
  fake.push({
    message: {
      message_id: id,
      date: Math.floor(at / 1_000),
      chat: { id: Number(fake.idOf(from)), type: 'private', first_name: from },
      from: { id: Number(fake.idOf(from)), is_bot: false, first_name: from },
      text,
    },
  })

test('what is older than a day when a channel connects is listed in one note, and the rest is answered in order', async () => {
  const heard: string[] = []
  await using rig = await startNearRig({
    play: ({ messages }) => {
      heard.push(
        messages
          .at(-1)!
          .parts.map((part) => ('text' in part ? part.text : ''))
          .join(''),
      )
      return says(`answer ${heard.length}`)
    },
  })
  for (const count of [1, 2, 3]) sentAt(rig, 'ada', 9_000 + count, `old ${count}`, Date.now() - 2 * dayMs)
  sentAt(rig, 'ada', 9_010, 'first', Date.now() - dayMs / 2)
  sentAt(rig, 'ada', 9_011, 'second', Date.now())
  // Who they are is known before the channel connects.
  await rig.call('channel.add', { kind: 'telegram', secrets: { token: `1:${'x'.repeat(30)}` }, options: { api_root: rig.fake.apiRoot } })
  await rig.link('ada', 'owner')
  await addTelegram(rig)
  const note = await stands(rig, /3 messages are older than a day/)
  assert.match(note.text, /old 1[\s\S]*old 2[\s\S]*old 3/)
  await stands(rig, 'answer 2')
  assert.deepEqual(heard, ['first', 'second'])
  assert.equal(texts(rig).filter((text) => text.includes('older than a day')).length, 1)
})

test('a schedule reports to the chat where it was made, also after /new; a chat that is quiet hears later', async () => {
  await using rig = await startNearRig({ play: () => says('hello') })
  await addTelegram(rig)
  await rig.link('ada', 'owner')
  await greet(rig)
  const [session] = (await rig.call('session.list', {})).filter(({ title }) => title.startsWith('telegram:'))
  const { id } = await rig.callIn(session!.id, 'schedule.create', {
    name: 'Tea',
    goal: 'Say hello.',
    cadence: { type: 'once', at: new Date(Date.now() + dayMs).toISOString() },
  })
  await rig.fake.say({ from: 'ada', text: '/new' })
  await stands(rig, /new session/)
  await rig.call('schedule.trigger', { id })
  const said = await stands(rig, /The schedule Tea has run: hello/)
  assert.equal(said.chat, rig.fake.idOf('ada'))
  await rig.fake.say({ from: 'ada', text: '/quiet on' })
  await stands(rig, /only answers come here/)
  await rig.call('schedule.trigger', { id })
  await rig.call('channel.deliver', { channel: 'telegram', chat: rig.fake.idOf('ada'), text: 'behind it' })
  await stands(rig, 'behind it')
  assert.equal(texts(rig).filter((text) => text.includes('Tea')).length, 1)
})

test('in quiet hours notices wait and come as one; what is urgent does not wait', async () => {
  let offset = 0
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + offset }
  const minute = (ms: number): string => new Date(ms).toISOString().slice(11, 16)
  const quiet = `${minute(Date.now() - 60 * 60_000)}-${minute(Date.now() + 60 * 60_000)}`
  await using rig = await startNearRig({
    play: () => says('hello'),
    config: { notify: { to: ['nowhere', 'telegram'], quiet, time_zone: 'UTC' } },
    clock,
  })
  await addTelegram(rig)
  await rig.link('ada', 'owner')
  await greet(rig)
  await rig.call('channel.notify', { text: 'The backup is done.' })
  await rig.call('channel.notify', { text: 'The report is done.' })
  await rig.call('channel.notify', { text: 'The disk is full.', urgent: true })
  await stands(rig, 'The disk is full.')
  assert.ok(!texts(rig).some((text) => text.includes('done')))
  offset = 2 * 60 * 60_000
  await rig.call('channel.notify', { text: 'Awake.' })
  const digest = await stands(rig, /3 notices/)
  assert.match(digest.text, /backup is done[\s\S]*report is done[\s\S]*Awake/)
})

test('a channel that has been down for 15 minutes is skipped by notices', async () => {
  let offset = 0
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + offset }
  await using rig = await startNearRig({ play: () => says('hello'), config: { notify: { to: ['first', 'telegram'] } }, clock })
  const { fake, call, link } = rig
  await addTelegram(rig)
  await link('ada', 'owner')
  await greet(rig)
  // A channel that nothing answers: it was connected, and has a direct chat.
  await call('channel.add', {
    kind: 'telegram',
    name: 'first',
    secrets: { token: fake.token },
    options: { api_root: 'http://127.0.0.1:9' },
  })
  await call('identity.link', { channel: 'first', sender: '1', role: 'owner' })
  const received = { channel: 'first', chat: '1', kind: 'direct', sender: '1', shown: 'ada', at: Date.now() }
  await call('channel.receive', { ...received, message: '1', text: '/help' })
  await call('channel.notify', { text: 'Now.' })
  await call('channel.deliver', { channel: 'telegram', chat: fake.idOf('ada'), text: 'behind it' })
  await stands(rig, 'behind it')
  assert.ok(!texts(rig).includes('Now.'))
  offset = 16 * 60_000
  await call('channel.notify', { text: 'Later.' })
  await stands(rig, /Now\./)
  await stands(rig, /Later\./)
})

test('what could not be delivered for a day is given up and listed, and sent again when a person says so', async () => {
  let offset = 0
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + offset }
  await using rig = await startNearRig({ clock })
  const { fake, call } = rig
  await addTelegram(rig)
  await call('channel.pause', { channel: 'telegram' })
  fake.idOf('ada')
  await call('channel.deliver', { channel: 'telegram', chat: fake.idOf('ada'), text: 'The backup is done.' })
  offset = dayMs + 1_000
  await call('channel.list', {})
  const [line] = await call('channel.log', { channel: 'telegram' })
  assert.deepEqual([line?.state, line?.why], ['dead', 'not delivered within a day'])
  await call('channel.resume', { channel: 'telegram' })
  assert.deepEqual(await call('channel.retry', { channel: 'telegram' }), { retried: 1 })
  await stands(rig, 'The backup is done.')
  assert.equal(fake.standing().length, 1)
})

test('a decision at a terminal takes the buttons away, and the message says who decided; so does the end of the turn', async () => {
  const write = testCall('test.put', async () => done('Written.'))
  let asked = 0
  await using rig = await startNearRig({
    calls: [write],
    config: { approval: { calls: { 'test.put': 'ask' } } },
    play: ({ messages }) => (messages.at(-1)!.role === 'tool' ? says(`done ${(asked += 1)}`) : asks(['test_put'])),
  })
  const { fake, call, link } = rig
  await addTelegram(rig)
  await link('ada', 'owner')
  const { chat } = await fake.say({ from: 'ada', text: 'write it' })
  const first = await eventually(() => fake.standing().find(({ buttons }) => buttons.length > 0), 'the question')
  const [waiting] = await call('approval.list', {})
  await call('call.decide', { call: waiting!.call, allow: true })
  const decided = await eventually(() => fake.standing().find(({ id, buttons }) => id === first.id && buttons.length === 0), 'the end')
  assert.match(decided.text, /Allowed by ada, at a terminal, \d{4}-/)
  assert.match(await fake.press!(chat, first.id, first.buttons[0]![1]!.data, 'ada'), /already been allowed by ada, at a terminal/)
  await stands(rig, 'done 1')
  await fake.say({ from: 'ada', text: 'write it again' })
  const second = await eventually(() => fake.standing().find(({ buttons }) => buttons.length > 0), 'the second question')
  await fake.say({ from: 'ada', text: '/cancel' })
  const over = await eventually(() => fake.standing().find(({ id, buttons }) => id === second.id && buttons.length === 0), 'its end')
  assert.match(over.text, /is no longer waiting/)
  assert.equal(await fake.press!(chat, second.id, second.buttons[0]![0]!.data, 'ada'), 'It is no longer waiting.')
})

test('where two people must allow a call, the second still finds the buttons', async () => {
  const write = testCall('test.put', async () => done('Written.'))
  const bob = identityId('telegram', '', '1001')
  await using rig = await startNearRig({
    calls: [write],
    config: { approval: { two_person: ['test.put'] }, channels: { approvers: [bob] } },
    play: ({ messages }) => (messages.at(-1)!.role === 'tool' ? says('done') : asks(['test_put'])),
  })
  const { fake, link } = rig
  await addTelegram(rig)
  await link('ada', 'owner')
  assert.equal((await link('bob', 'member')).id, bob)
  const { chat } = await fake.say({ from: 'ada', text: 'write it' })
  const asked = await eventually(() => fake.standing().find(({ buttons }) => buttons.length > 0), 'the question')
  const allow = asked.buttons[0]![0]!.data
  assert.match(await fake.press!(chat, asked.id, allow, 'ada'), /Another person must allow it/)
  assert.match(await fake.press!(chat, asked.id, allow, 'ada'), /allowed this call already/)
  assert.match(await fake.press!(chat, asked.id, allow, 'bob'), /Allowed/)
  await stands(rig, 'done')
})

test('a message has up to ten files, whose kinds the bytes tell', async () => {
  await using rig = await startNearRig({ play: () => says('hello') })
  const { call, fake, fixture, link } = rig
  await addTelegram(rig)
  await link('ada', 'owner')
  const png = Buffer.from('89504e470d0a1a0a', 'hex')
  const { piece } = await call('channel.put', { data: png.toString('base64') })
  const files = Array.from({ length: 10 }, (_, index) => ({ name: `notes-${index}.txt`, pieces: [piece] }))
  const { turn } = await call('channel.receive', {
    channel: 'telegram',
    chat: fake.idOf('ada'),
    kind: 'direct',
    message: '77',
    sender: fake.idOf('ada'),
    shown: 'ada',
    at: Date.now(),
    text: 'look',
    files,
  })
  await stands(rig, 'hello')
  const records = await fixture.store.records({ phases: ['started'], order: 'oldest_first', limit: 1_000, hydrate: true })
  const begun = JSON.parse(records.find((record) => record.call === turn)!.body) as { attachments: readonly { media_type: string }[] }
  assert.deepEqual(
    begun.attachments.map(({ media_type: type }) => type),
    Array.from({ length: 10 }, () => 'image/png'),
  )
})

test('the key of the process of channels is refused everything but what the process needs', async () => {
  await using rig = await startNearRig({ play: () => says('hello') })
  await addTelegram(rig)
  await rig.link('ada', 'owner')
  await greet(rig)
  const own = await rig.fixture.kernel.createSession('private')
  const client = await connect({ url: rig.url, token: rig.key(), client: 'taken over' })
  try {
    const calls = (await rig.call('system.calls', {})) as unknown as readonly {
      readonly name: string
      readonly right: string
      readonly audience: readonly string[]
      readonly example: object
    }[]
    // By its rights it can make these; one of each other right is tried, because a client makes so many requests in a minute only.
    const named = calls.filter(({ right }) => right === 'channel.use').map(({ name }) => name)
    assert.deepEqual(
      named.toSorted(),
      ['attempt', 'ask', 'moved', 'outbox', 'places', 'post', 'press', 'put', 'read', 'receive', 'release', 'say', 'sent', 'speak', 'wants']
        .map((name) => `channel.${name}`)
        .toSorted(),
    )
    const others = new Map(calls.filter(({ right }) => right !== 'channel.use').map((each) => [each.right, each]))
    assert.ok(others.size > 30)
    const refusals = await Promise.all(
      [...others.values()].map(async ({ name, example }) => {
        const outcome = await client.call(name as never, example as never)
        return outcome.status === 'ok' ? `${name}: ok` : `${name}: ${outcome.failure.code}`
      }),
    )
    assert.deepEqual(
      refusals.filter((refusal) => !refusal.endsWith(': denied')),
      [],
    )
    await assert.rejects(
      client.follow(own.id, 0, () => {}),
      /denied|needs the right/,
    )
    await assert.rejects(client.sendTurn({ session: own.id, text: 'hello' }), /denied|needs the right/)
    await assert.rejects(client.createSession(), /denied|needs the right/)
    await assert.rejects(client.listSessions(), /denied|needs the right/)
  } finally {
    await client.close()
  }
})

test('quiet hours that are no times, and a time zone that does not exist, are named', () => {
  const fault = (notify: object): string => notifyFault(configSchema.parse({ notify }))
  assert.equal(fault({ quiet: '22:00-07:00', time_zone: 'Europe/Berlin' }), '')
  assert.match(fault({ quiet: '22:00-27:00' }), /no two times/)
  assert.match(fault({ quiet: '22:00-22:00' }), /the same/)
  assert.match(fault({ quiet: '22:00-07:00', time_zone: 'Mars/Base' }), /no time zone Mars\/Base/)
})
