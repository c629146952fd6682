import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { it } from 'node:test'
import { isOxbowError, systemRandom } from '../../base/index.ts'
import { connected } from '../../../test/channels/connected.ts'
import { startSlackFake } from '../../../test/channels/fakes/slack.ts'
import { describeChannelContract } from '../channel-contract.ts'
import type { ChannelEvents } from '../port.ts'
import { openSlack } from './slack-adapter.ts'
import { slackManifest } from './slack-manifest.ts'

describeChannelContract('slack', async () => ({ fake: await startSlackFake(), open: openSlack }))

const never = new AbortController().signal

const adapterOf = (fake: Awaited<ReturnType<typeof startSlackFake>>) => connected(openSlack, fake.settings)

it('reads in Slack what was said while it was away, in order, at most a week old, from its own last word on', async () => {
  const fake = await startSlackFake()
  const hour = 60 * 60_000
  fake.sayUnheard('ada', 'too old', Date.now() - 8 * 24 * hour)
  fake.sayUnheard('ada', 'one', Date.now() - 2 * hour)
  fake.sayUnheard('ada', 'two &amp; more', Date.now() - hour)
  const first = await adapterOf(fake)
  await first.start()
  assert.deepEqual(
    first.messages.map(({ text, kind }) => [text, kind]),
    [
      ['one', 'direct'],
      ['two & more', 'direct'],
    ],
  )
  const { chat, space } = first.messages[0]!
  assert.ok((await first.adapter.send({ chat, space, thread: '' }, { text: 'answer', plain: 'answer' }, 'a'.repeat(32), never)).ok)
  await first.adapter.close()
  fake.sayUnheard('ada', 'three')
  const second = await adapterOf(fake)
  await second.start()
  assert.deepEqual(
    second.messages.map(({ text }) => text),
    ['three'],
  )
  await second.adapter.close()
  await fake.close()
})

it('connects to Slack again when the connection is ended or cut, and loses nothing', async () => {
  const fake = await startSlackFake()
  const { adapter, messages, until, start } = await adapterOf(fake)
  await start()
  fake.refresh()
  await until(() => fake.requests('apps.connections.open') === 2 && fake.connections() === 1)
  await fake.say({ from: 'ada', text: 'one' })
  // It may come both ways.
  await until(() => messages.some(({ text }) => text === 'one'))
  fake.cut()
  fake.sayUnheard('ada', 'two')
  await until(() => messages.some(({ text }) => text === 'two'))
  await adapter.close()
  await fake.close()
})

it('says which scope a Slack app lacks, and which token is wrong', async () => {
  const fake = await startSlackFake()
  fake.lackScope('files:read')
  const { adapter, start } = await adapterOf(fake)
  await assert.rejects(start(), (error: unknown) => isOxbowError(error, 'bad_config') && error.message.includes('files:read'))
  await adapter.close()
  const secrets = { token: fake.settings.secrets['token']!, app_token: 'xapp-another-token-1' }
  fake.lackScope('')
  const other = await openSlack({ ...fake.settings, secrets }, { random: systemRandom, log: () => {} })
  const events: ChannelEvents = { message: async () => {}, press: async () => {}, moved: async () => {}, down() {}, up() {} }
  await assert.rejects(
    other.start(events, [], never),
    (error: unknown) => isOxbowError(error, 'unauthenticated') && /token of the app/.test(error.message),
  )
  await other.close()
  await assert.rejects(openSlack({ ...fake.settings, secrets: { token: 'x' } }, { random: systemRandom, log: () => {} }))
  await fake.close()
})

it('takes a Slack command as a message, and says when it was removed from a channel', async () => {
  const fake = await startSlackFake()
  const { adapter, messages, until, start } = await adapterOf(fake)
  await start()
  const { chat } = await fake.say({ from: 'ada', text: 'hi' })
  fake.command('ada', 'new')
  await until(() => messages.length === 2)
  assert.ok(messages.some(({ text, chat: where }) => text === '/new' && where === chat.chat))
  fake.removeFrom(chat.chat)
  const sent = await adapter.send(chat, { text: 'x', plain: 'x' }, 'b'.repeat(32), never)
  assert.equal(sent.ok ? 'ok' : sent.why, 'gone')
  await adapter.close()
  await fake.close()
})

it('finds in Slack a file whose answer was lost, and sends in plain text what Slack does not take', async () => {
  const fake = await startSlackFake()
  const { adapter, start } = await adapterOf(fake)
  await start()
  const { chat } = await fake.say({ from: 'ada', text: 'hi' })
  fake.loseAnswer()
  const file = { name: 'a.txt', type: 'text/plain', bytes: Buffer.from('text'), caption: 'see' }
  const lost = await adapter.upload(chat, file, 'c'.repeat(32), never)
  assert.equal(lost.ok ? 'ok' : lost.why, 'unknown')
  assert.ok((await adapter.find(chat, 'c'.repeat(32), Date.now(), never)).ok)
  assert.ok((await adapter.send(chat, { text: '<broken', plain: 'whole <text>' }, 'd'.repeat(32), never)).ok)
  assert.equal(fake.standing().at(-1)!.text, 'whole <text>')
  await adapter.close()
  await fake.close()
})

it('shows in its document the manifest of the Slack app', async () => {
  const page = await readFile(new URL('../../../docs/channels/slack.md', import.meta.url), 'utf8')
  const [, shown = ''] = /```json\n([^]*?)```/.exec(page) ?? []
  assert.deepEqual(JSON.parse(shown), JSON.parse(slackManifest()))
})
