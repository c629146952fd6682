import assert from 'node:assert/strict'
import { it } from 'node:test'
import { isOxbowError, systemRandom } from '../../base/index.ts'
import { connected } from '../../../test/channels/connected.ts'
import { startDiscordFake } from '../../../test/channels/fakes/discord.ts'
import { describeChannelContract } from '../channel-contract.ts'
import { openDiscord } from './discord-adapter.ts'

describeChannelContract('discord', async () => ({ fake: await startDiscordFake(), open: openDiscord }))

const never = new AbortController().signal

const adapterOf = (fake: Awaited<ReturnType<typeof startDiscordFake>>) =>
  connected(openDiscord, fake.settings, [{ name: 'new', summary: 'a new session' }])

it('reads in Discord what was said while it was away, in order, at most a week old, from its own last word on', async () => {
  const fake = await startDiscordFake()
  const hour = 60 * 60_000
  fake.sayUnheard('ada', 'too old', Date.now() - 8 * 24 * hour)
  fake.sayUnheard('ada', 'one', Date.now() - 2 * hour)
  fake.sayUnheard('ada', 'two', Date.now() - hour)
  const first = await adapterOf(fake)
  await first.start()
  await first.until(() => first.messages.length === 2)
  assert.deepEqual(
    first.messages.map(({ text, kind }) => [text, kind]),
    [
      ['one', 'group'],
      ['two', 'group'],
    ],
  )
  const { chat } = first.messages[0]!
  assert.ok((await first.adapter.send({ space: '', chat, thread: '' }, { text: 'answer', plain: 'answer' }, 'a'.repeat(32), never)).ok)
  await first.adapter.close()
  fake.sayUnheard('ada', 'three')
  const second = await adapterOf(fake)
  await second.start()
  await second.until(() => second.messages.length === 1)
  assert.equal(second.messages[0]!.text, 'three')
  await second.adapter.close()
  await fake.close()
})

it('continues a session of Discord that was cut, and begins another where that is not possible', async () => {
  const fake = await startDiscordFake()
  const { adapter, messages, until, start } = await adapterOf(fake)
  await start()
  fake.gateway.cut()
  await fake.say({ from: 'ada', text: 'one' })
  await until(() => messages.some(({ text }) => text === 'one'))
  assert.equal(fake.identified('resume'), 1)
  fake.gateway.reconnect()
  await until(() => fake.identified('resume') === 2)
  fake.gateway.forget()
  fake.sayUnheard('ada', 'two')
  await until(() => messages.some(({ text }) => text === 'two'))
  assert.equal(fake.identified('identify'), 2)
  await adapter.close()
  await fake.close()
})

it('tries again what was not taken, before what comes after it', async () => {
  const fake = await startDiscordFake()
  const { adapter, messages, until, start, refuse } = await adapterOf(fake)
  await start()
  refuse(1)
  await fake.say({ from: 'ada', text: 'one' })
  await fake.say({ from: 'ada', text: 'two' })
  await until(() => messages.length === 2)
  assert.deepEqual(
    messages.map(({ text }) => text),
    ['one', 'two'],
  )
  await adapter.close()
  await fake.close()
})

it('says that the intent of Discord is off, and that a token does not look like one', async () => {
  const fake = await startDiscordFake()
  fake.turnOffIntent()
  const { adapter, start } = await adapterOf(fake)
  await assert.rejects(start(), (error: unknown) => isOxbowError(error, 'bad_config') && /Message Content/.test(error.message))
  await adapter.close()
  await assert.rejects(
    openDiscord({ ...fake.settings, secrets: { token: 'x' } }, { random: systemRandom, log: () => {} }),
    (error: unknown) => isOxbowError(error, 'unauthenticated'),
  )
  await fake.close()
})

it('takes a Discord command, tells of a deleted message, and says when it was removed', async () => {
  const fake = await startDiscordFake()
  const { adapter, messages, until, start } = await adapterOf(fake)
  const self = await start()
  assert.match(self.console, /oauth2\/authorize\?client_id=\d+&scope=bot/)
  assert.deepEqual(fake.menu(), ['new'])
  const { chat, message } = await fake.say({ from: 'ada', text: 'hi' })
  fake.command('ada', 'new', 'please')
  await until(() => messages.length === 2)
  assert.ok(messages.some(({ text, chat: where }) => text === '/new please' && where === chat.chat))
  fake.remove(message)
  await until(() => messages.length === 3)
  assert.deepEqual([messages[2]!.change, messages[2]!.message, messages[2]!.sender.id], ['deleted', message, messages[0]!.sender.id])
  fake.removeFrom(chat.chat)
  const sent = await adapter.send(chat, { text: 'x', plain: 'x' }, 'b'.repeat(32), never)
  assert.equal(sent.ok ? 'ok' : sent.why, 'gone')
  await adapter.close()
  await fake.close()
})

it('sends one message of Discord, however often it is sent with one intent', async () => {
  const fake = await startDiscordFake()
  const first = await adapterOf(fake)
  await first.start()
  const { chat } = await fake.say({ from: 'ada', text: 'hi' })
  fake.loseAnswer()
  await first.adapter.send(chat, { text: 'one', plain: 'one' }, 'c'.repeat(32), never)
  await first.adapter.close()
  // Another process, which the gateway has told nothing.
  const second = await adapterOf(fake)
  await second.start()
  const found = await second.adapter.find(chat, 'c'.repeat(32), Date.now(), never)
  assert.equal(found.ok ? 'ok' : found.why, 'absent')
  assert.ok((await second.adapter.send(chat, { text: 'one', plain: 'one' }, 'c'.repeat(32), never)).ok)
  assert.equal(fake.standing().length, 1)
  const late = await second.adapter.find(chat, 'd'.repeat(32), Date.now() - 10 * 60_000, never)
  assert.equal(late.ok ? 'ok' : late.why, 'absent')
  await second.adapter.close()
  await fake.close()
})
