/** plugin-telegram 1.6.4 with plugin-bootstrap against a Bot API on loopback. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { elizaPackages, entriesOf, type FakeGuest, openFakeGuest } from './eliza-packages-fixture.ts'

const token = '12345:a-secret-of-a-bot'

interface BotApi {
  readonly url: string
  /** Bodies by method. */
  readonly received: { readonly method: string; readonly body: any }[]
  say(text: string, chat?: object): void
  /** Resolves with the next message that the bot sends. */
  sent(): Promise<string>
  close(): void
}

async function openBotApi(): Promise<BotApi> {
  const received: BotApi['received'] = []
  const updates: object[] = []
  const texts: string[] = []
  let wake = (): void => {}
  let heard = (): void => {}
  let id = 0
  const answer = async (method: string, body: any): Promise<unknown> => {
    if (method === 'getMe') return { id: 12345, is_bot: true, first_name: 'Ada', username: 'ada_bot' }
    if (method === 'getUpdates') {
      if (updates.length === 0) await new Promise<void>((resolve) => (wake = resolve))
      return updates.splice(0)
    }
    if (method === 'sendMessage') {
      texts.push(body.text)
      heard()
      return { message_id: 1_000 + ++id, date: Math.floor(Date.now() / 1000), chat: { id: body.chat_id, type: 'private' }, text: body.text }
    }
    return true
  }
  const server: Server = createServer((request, response) => {
    void bodyOf(request).then(async (body) => {
      const [, bot, method = ''] = /^\/bot([^/]+)\/(\w+)/.exec(request.url ?? '') ?? []
      if (bot !== token) return response.writeHead(401).end(JSON.stringify({ ok: false, error_code: 401, description: 'Unauthorized' }))
      received.push({ method, body })
      const result = await answer(method, body)
      return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ ok: true, result }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    say(text, chat = { id: 77, type: 'private', first_name: 'Ann' }) {
      const from = { id: 77, is_bot: false, first_name: 'Ann', username: 'ann' }
      updates.push({ update_id: ++id, message: { message_id: ++id, date: Math.floor(Date.now() / 1000), from, chat, text } })
      wake()
    },
    async sent() {
      if (texts.length === 0) await new Promise<void>((resolve) => (heard = resolve))
      return texts.shift() ?? ''
    },
    close() {
      wake()
      server.closeAllConnections()
      server.close()
    },
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  return text === '' ? {} : JSON.parse(text)
}

describe('plugin-telegram 1.6.4', () => {
  let api: BotApi
  let guest: FakeGuest
  const prompts: string[] = []
  before(async () => {
    await elizaPackages()
    api = await openBotApi()
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
