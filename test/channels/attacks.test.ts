/** Attacks on who speaks and who decides: codes that leak, people who are unlinked, buttons, floods, and what is shown before a yes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asks, done, type Fixture, type FixtureOptions, says, testCall } from '../../src/kernel/kernel-fixture.ts'
import { type GenerateRequest, textOf } from '../../src/protocol/index.ts'
import { readOrSkip } from '../../src/channels/retries.ts'
import { messageOf } from '../../src/channels/telegram/telegram-inbound.ts'
import { type NearRig, startNearRig, startNearRigOn } from './near-rig.ts'
import { kinds } from './platforms.ts'
import { addChannel, addTelegram, eventually } from './rig.ts'

type Play = NonNullable<FixtureOptions['play']>

const group = '-1001234'
const lastSaid = ({ messages }: GenerateRequest): string => textOf(messages.findLast(({ role }) => role === 'user')!)

const stands = ({ fake }: Pick<NearRig, 'fake'>, text: string | RegExp) =>
  eventually(
    () => fake.standing().find((each) => (typeof text === 'string' ? each.text === text : text.test(each.text))),
    () => `${text}; there is ${JSON.stringify(fake.standing().map((each) => each.text))}`,
  )

async function intents({ store }: Fixture, name: string): Promise<readonly { readonly body: string }[]> {
  const records = await store.records({ phases: ['intent'], order: 'oldest_first', limit: 10_000, hydrate: true })
  return records.filter((record) => record.name === name)
}

/** As `eventually`, for what is asked of the guest. */
async function soon<Found>(look: () => Promise<Found | undefined | false>): Promise<Found> {
  for (const late = Date.now() + 20_000; ;) {
    const found = await look()
    if (found) return found
    assert.ok(Date.now() < late, 'it did not come')
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
}

/** A model whose first answer goes on until it is let go; `heard`: what it was told. */
function slowAtFirst() {
  const over = Promise.withResolvers<void>()
  const heard: string[] = []
  const play: Play = (request) => {
    heard.push(lastSaid(request))
    return heard.length === 1 ? slow(over.promise) : says(`answer ${heard.length}`)
  }
  return { heard, play, letGo: () => over.resolve() }
}

async function* slow(over: Promise<void>): ReturnType<Play> {
  yield [{ type: 'text', text: 'begun' }]
  await over
  yield [{ type: 'text', text: ' and done' }]
  yield [{ type: 'finish', reason: 'stop', usage: { inputTokens: 1, outputTokens: 1, estimated: false } }]
}

for (const kind of kinds)
  test(`each press on ${kind} decides its own question, also of one person in one chat`, async () => {
    const kept: string[] = []
    const note = testCall('note.keep', async ({ text }) => {
      kept.push(text)
      return done('kept')
    })
    let asked = 0
    const play: Play = () => ((asked += 1) % 2 === 1 ? asks(['note_keep', { text: `note ${asked}` }]) : says(`answer ${asked}`))
    await using rig = await startNearRigOn(kind, { play, calls: [note], config: { approval: { calls: { 'note.keep': 'ask' } } } })
    const { fake, link } = rig
    await addChannel(rig)
    await link('ada', 'owner')
    for (const answer of ['answer 2', 'answer 4']) {
      const { chat } = await fake.say({ from: 'ada', text: 'keep it' })
      const question = await eventually(() => fake.standing().find(({ buttons }) => buttons.length > 0), 'the question')
      assert.match(await fake.press!(chat, question.id, question.buttons[0]![0]!.data, 'ada'), /Allowed/)
      await eventually(() => fake.standing().find(({ text }) => text === answer), answer)
      await eventually(() => fake.standing().every(({ buttons }) => buttons.length === 0), 'the end of the question')
    }
    assert.deepEqual(kept, ['note 1', 'note 3'])
  })

test('of several strangers who have one code at once, one is linked', async () => {
  await using rig = await startNearRig({ config: { channels: { strangers: 'code' } } })
  const { call, fake } = rig
  await addTelegram(rig)
  const { code } = await call('channel.pair', { channel: 'telegram' })
  const tryCode = (sender: string) =>
    call('channel.receive', {
      channel: 'telegram',
      chat: sender,
      kind: 'direct',
      message: sender,
      sender,
      shown: sender,
      at: Date.now(),
      text: code,
    })
  const became = await Promise.all(['1', '2', '3'].map(tryCode))
  assert.deepEqual(became.map((each) => each.became).toSorted(), ['linked', 'stranger', 'stranger'])
  assert.equal((await call('identity.list', {})).length, 1)
  await fake.say({ from: 'eve', text: 'hello?' })
  const { text } = await stands(rig, /Tell the owner this code/)
  const shown = text.split(' ').at(-1)!
  const approved = await Promise.allSettled([
    call('channel.approve', { code: shown, role: 'owner' }),
    call('channel.approve', { code: shown, role: 'guest' }),
  ])
  assert.equal(approved.filter(({ status }) => status === 'fulfilled').length, 1)
})

test('whoever is unlinked is stopped at once, and what of them waits is dropped', async () => {
  const { heard, play, letGo } = slowAtFirst()
  await using rig = await startNearRig({ play })
  const { fake, link, call } = rig
  await addTelegram(rig)
  const { id } = await link('ada', 'owner')
  await fake.say({ from: 'ada', text: 'the first' })
  await eventually(() => heard.length === 1, 'the first turn')
  for (const text of ['send all files', 'and the money']) await fake.say({ from: 'ada', text })
  await eventually(() => fake.acknowledged().length >= 3, 'what waits')
  await call('identity.unlink', { identity: id })
  await stands(rig, /Stopped/)
  letGo()
  await soon(async () => (await call('channel.list', {}))[0]!.waiting === 0)
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.deepEqual(heard, ['the first'])
})

test('what waits acts by the role that its sender has when its turn begins', async () => {
  const { heard, play, letGo } = slowAtFirst()
  await using rig = await startNearRig({ play })
  const { fake, link } = rig
  await addTelegram(rig)
  await link('ada', 'owner')
  await fake.say({ from: 'ada', text: 'the first' })
  await eventually(() => heard.length === 1, 'the first turn')
  await fake.say({ from: 'ada', text: 'send all files' })
  await eventually(() => fake.acknowledged().length >= 2, 'what waits')
  await link('ada', 'member')
  letGo()
  await eventually(() => heard.length === 2, 'the second turn')
  assert.match(heard[1]!, /^Message from a member/)
})

test('a question shows what cannot be seen, and nothing in it is format', async () => {
  const note = testCall('note.keep', async () => done('kept'))
  const play: Play = () => asks(['note_keep', { text: 'rm \u202Efdp.\u202C\u200B x' }])
  await using rig = await startNearRig({ play, calls: [note], config: { approval: { calls: { 'note.keep': 'ask' } } } })
  const { fake, link, call } = rig
  await addTelegram(rig)
  await link('ada', 'owner')
  await call('identity.link', { channel: 'telegram', sender: fake.idOf('bob'), shown: 'Bob\u202E**\n**Denied**', role: 'owner' })
  const { chat } = await fake.say({ from: 'ada', text: 'keep it' })
  const question = await stands(rig, /note\.keep/)
  assert.match(question.text, /"rm \\u202efdp\.\\u202c\\u200b x"/)
  const data = await eventually(() => fake.standing().find(({ id }) => id === question.id)?.buttons[0]?.[0]?.data, 'the buttons')
  await soon(async () => /Allowed/.test(await fake.press!(chat, question.id, data, 'bob')))
  const after = await stands(rig, /Allowed by/)
  assert.match(after.text, /Allowed by Bob\*\*\*\*Denied\*\* \(telegram\)/)
})

test('of strangers, and of what a group says to others, no file is read', async () => {
  await using rig = await startNearRig({ play: () => says('seen') })
  const { fake, fixture, link } = rig
  await addTelegram(rig)
  await link('ada', 'owner')
  await link('bob', 'member')
  const files = [{ name: 'a.txt', bytes: Buffer.from('the content') }]
  await fake.say({ from: 'eve', text: 'for you', files })
  await fake.say({ from: 'eve', text: 'for all', files, group: true })
  await fake.say({ from: 'bob', text: 'for others', files, group: true })
  await eventually(() => fake.acknowledged().length >= 3, 'all messages')
  assert.equal((await intents(fixture, 'channel.receive')).length, 3)
  assert.equal((await intents(fixture, 'channel.put')).length, 0)
  await fake.say({ from: 'bob', text: 'for the agent', files, group: true, mention: true })
  await stands(rig, 'seen')
  assert.equal((await intents(fixture, 'channel.put')).length, 1)
})

test('edits are no way around the rate', async () => {
  await using rig = await startNearRig({ play: () => says('hm') })
  const { fake, fixture, link } = rig
  await addTelegram(rig)
  await link('gus', 'guest', { groups: [group] })
  const { chat, message } = await fake.say({ from: 'gus', text: 'hello', group: true, mention: true })
  await stands(rig, 'hm')
  for (let count = 0; count < 40; count += 1) await fake.rewrite!(chat, message, `edit ${count}`)
  await eventually(() => fake.acknowledged().length >= 41, 'all edits')
  // The message, 5 edits, and 20 that are refused.
  assert.equal((await intents(fixture, 'channel.receive')).length, 26)
})

test('before others read a private answer the owner is shown all of it, and what comes along', async () => {
  const diary = testCall('diary.read', async () => done('Ada is ill today.'), {
    tier: 'read_only',
    labels: { adds: ['private'], sink: false },
  })
  const answer = `${'All is well. '.repeat(3_000)}Ada is ill today.`
  const play: Play = ({ messages }) => (messages.at(-1)!.role === 'user' ? asks(['diary_read', {}]) : says(answer))
  await using rig = await startNearRig({ play, calls: [diary] })
  const { fake, link, call } = rig
  await addTelegram(rig)
  await link('bob', 'member')
  await fake.say({ from: 'bob', text: 'the diary?' })
  const waiting = await soon(async () => (await call('approval.list', {})).find(({ name }) => name === 'channel.answer'))
  assert.deepEqual(JSON.parse(waiting.input), { channel: 'telegram', chat: fake.idOf('bob'), text: answer, files: [] })
})

test('a chat goes on with no session that has rights of its own', async () => {
  await using rig = await startNearRig({ play: () => says('here') })
  const { fake, link, call } = rig
  await addTelegram(rig)
  await link('ada', 'owner')
  await link('bob', 'member')
  await fake.say({ from: 'bob', text: 'hello', group: true, mention: true })
  await stands(rig, 'here')
  const [session] = (await call('session.list', {})).filter(({ title }) => title.startsWith('telegram:'))
  await fake.say({ from: 'ada', text: `/switch ${session!.id}` })
  await stands(rig, /belongs to another chat or to an agent/)
})

test('a message that is edited back says what it says now', async () => {
  const { heard, play, letGo } = slowAtFirst()
  await using rig = await startNearRig({ play })
  const { fake, link } = rig
  await addTelegram(rig)
  await link('ada', 'owner')
  await fake.say({ from: 'ada', text: 'the first' })
  await eventually(() => heard.length === 1, 'the first turn')
  const { chat, message } = await fake.say({ from: 'ada', text: 'pay 1' })
  for (const text of ['pay 10', 'pay 100', 'pay 10']) await fake.rewrite!(chat, message, text)
  await eventually(() => fake.acknowledged().length >= 5, 'all edits')
  letGo()
  await eventually(() => heard.length === 2, 'the second turn')
  assert.equal(heard[1], 'pay 10')
})

test('rights that would not hold are refused when somebody is linked, and others hear nothing of the machine and the money', async () => {
  const offered: string[][] = []
  await using rig = await startNearRig({
    play: ({ tools }) => {
      offered.push(tools.map(({ name }) => name).filter((name) => /^(?:budget|resources)_/.test(name)))
      return says(`answer ${offered.length}`)
    },
  })
  const { fake, link } = rig
  await addTelegram(rig)
  await assert.rejects(link('ada', 'owner', { rights: ['file.read'] }), /bad_input[\s\S]*as a member/)
  await assert.rejects(link('bob', 'member', { rights: ['file.*'] }), /bad_input/)
  await link('bob', 'member')
  await link('gus', 'guest', { groups: [group] })
  await link('tim', 'member', { rights: ['worker', 'system.read'] })
  await fake.say({ from: 'bob', text: 'hello' })
  await stands(rig, 'answer 1')
  await fake.say({ from: 'gus', text: 'hello', group: true, mention: true })
  await stands(rig, 'answer 2')
  await fake.say({ from: 'tim', text: 'hello' })
  await stands(rig, 'answer 3')
  assert.deepEqual(
    offered.map((names) => names.length > 0),
    [false, false, true],
  )
})

test('what another bot has made is words of others, and what no update should be stops nothing', async () => {
  const me = { id: 1, username: 'ox_bot' }
  const from = { id: 7, is_bot: false, first_name: 'Ada' }
  const said = { message_id: 1, date: 1, chat: { id: 7, type: 'private', first_name: 'Ada' }, from, text: 'send all files' }
  const read = (more: object) => messageOf({ update_id: 1, message: { ...said, ...more } } as never, me, () => async function* () {})!
  assert.deepEqual([read({}).text, read({}).quoted], ['send all files', []])
  assert.equal(read({ text: '/undo@other_bot' }), null)
  assert.equal(read({ text: '/undo@Ox_bot' }).text, '/undo@Ox_bot')
  const viaBot = read({ via_bot: { ...from, is_bot: true } })
  assert.deepEqual([viaBot.text, viaBot.quoted], ['', ['send all files']])
  assert.equal(
    readOrSkip(() => messageOf({ message: { ...said, text: 7, entities: [{}] } } as never, me, () => async function* () {})),
    null,
  )
})

/** An answer that costs so many tokens. */
async function* costly(text: string, inputTokens: number): ReturnType<Play> {
  yield [{ type: 'text', text }]
  yield [{ type: 'finish', reason: 'stop', usage: { inputTokens, outputTokens: 10, estimated: false } }]
}

test('a member spends no more than the day has, however many messages wait, and in however many topics', async () => {
  let asked = 0
  const play: Play = () => costly(`answer ${(asked += 1)}`, 30_000)
  await using rig = await startNearRig({ play, config: { channels: { tokens: { member: 50_000 } } } })
  const { fake, link } = rig
  await addTelegram(rig)
  await link('bob', 'member')
  await link('cy', 'member')
  for (let count = 0; count < 6; count += 1) await fake.say({ from: 'bob', text: `question ${count}` })
  for (const thread of ['1', '2', '3', '4', '5']) await fake.say({ from: 'cy', text: 'question', group: true, mention: true, thread })
  await eventually(() => fake.acknowledged().length >= 11, 'all messages')
  await soon(async () => (await rig.call('channel.list', {}))[0]!.waiting === 0)
  assert.ok(asked <= 4, `${asked} answers of 30 000 tokens`)
  for (const at of ['bob', 'cy']) {
    const told = () => fake.standing().filter(({ text, chat }) => /used up/.test(text) && (chat === fake.idOf('bob')) === (at === 'bob'))
    await eventually(() => told().length === 1, `what ${at} is told once`)
  }
})

test('a code makes a member an owner without becoming a message, and a name is of one kind of channel', async () => {
  const { heard, play } = slowAtFirst()
  await using rig = await startNearRig({ play })
  const { fake, link, call } = rig
  await addTelegram(rig)
  await link('bob', 'member')
  const { code } = await call('channel.pair', { channel: 'telegram', role: 'owner' })
  await fake.say({ from: 'bob', text: code })
  await stands(rig, /linked as owner/)
  assert.deepEqual([(await call('identity.list', {}))[0]!.role, heard.length], ['owner', 0])
  await assert.rejects(
    call('channel.add', { kind: 'webhook', name: 'telegram', secrets: {}, options: {} }),
    /bad_input[\s\S]*kind telegram/,
  )
})

test('of what nobody can answer no words are kept, and a bot fills no journal', async () => {
  await using rig = await startNearRig()
  const { fixture, call, fake } = rig
  await addTelegram(rig)
  const mail = {
    channel: 'telegram',
    chat: 'x',
    kind: 'direct',
    sender: 'x',
    shown: 'X',
    at: Date.now(),
    text: 'BUY THIS',
    quoted: ['AND THAT'],
  }
  assert.equal((await call('channel.receive', { ...mail, message: '1', automatic: 'list' })).became, 'ignored')
  assert.equal((await call('channel.receive', { ...mail, message: '2', is_verified: false })).became, 'stranger')
  const bot = { ...mail, message: '3', chat: group, kind: 'group', sender: fake.idOf('bot'), is_bot: true }
  assert.equal((await call('channel.receive', bot)).became, 'stranger')
  const kept = (await intents(fixture, 'channel.receive')).map(({ body }) => body).join()
  assert.doesNotMatch(kept, /BUY THIS|AND THAT/)
})
