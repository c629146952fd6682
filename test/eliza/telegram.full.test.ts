/** plugin-telegram 1.6.4 with plugin-bootstrap against a Bot API on loopback. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type BotApi, openBotApi } from './bot-api-fixture.ts'
import { elizaPackages, entriesOf, type FakeGuest, openFakeGuest } from './eliza-packages-fixture.ts'

const token = '12345:a-secret-of-a-bot'

describe('plugin-telegram 1.6.4', () => {
  let api: BotApi
  let guest: FakeGuest
  const prompts: string[] = []
  before(async () => {
    await elizaPackages()
    api = await openBotApi(token)
    guest = await openFakeGuest({
      entries: entriesOf('plugin-bootstrap', 'plugin-telegram'),
      settings: { TELEGRAM_API_ROOT: api.url, TELEGRAM_ALLOWED_CHATS: '["77"]', character: { name: 'Ada', bio: 'Ada sails.' } },
      // As the sandbox shows a declared secret.
      env: { TELEGRAM_BOT_TOKEN: token, PATH: '/usr/bin' },
      model({ text }) {
        prompts.push(text)
        const reply = `You said: ${/tide at \w+/.exec(text)?.[0] ?? 'nothing'}`
        return `<response><thought>t</thought><actions>REPLY</actions><providers></providers><text>${reply}</text></response>`
      },
    })
  })
  after(async () => {
    await guest.close()
    api.close()
  })

  it('starts its service with the token of a declared secret', async () => {
    await guest.ask('service', { type: 'telegram' })
    assert.equal(
      api.received.some(({ method }) => method === 'getMe'),
      true,
    )
    assert.deepEqual(guest.adapter.services().includes('telegram'), true)
  })
  it('answers a message that comes between requests of the guest once its task runs', async () => {
    api.say('When is high tide at Skagen?')
    const answer = api.sent()
    guest.background()
    assert.equal(await answer, 'You said: tide at Skagen')
    assert.match(prompts.join('\n'), /When is high tide at Skagen\?/)
  })
  it('keeps the person, the chat and both messages', async () => {
    const keeps = (...words: readonly string[]): boolean =>
      guest.calls.some(({ name, input }) => name === 'store.change' && words.every((word) => JSON.stringify(input).includes(word)))
    // Its own message is kept after it has been sent.
    while (!keeps('createMemory', 'You said')) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(keeps('createEntities', 'Ann'), true)
    assert.equal(keeps('createRooms', 'telegram'), true)
    assert.equal(keeps('createMemory', 'high tide'), true)
  })
  it('leaves chats alone that are not allowed', async () => {
    const asked = prompts.length
    api.say('Hello from elsewhere', { id: 99, type: 'private', first_name: 'Eve' })
    api.say('And the tide at Dover?')
    assert.equal(await api.sent(), 'You said: tide at Dover')
    assert.equal(
      prompts.slice(asked).some((text) => text.includes('elsewhere')),
      false,
    )
  })
  it('never sends its token to the guest', () => {
    assert.equal(JSON.stringify(guest.calls).includes(token), false)
  })
})
