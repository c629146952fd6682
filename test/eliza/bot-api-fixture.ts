/** A Bot API of Telegram on this machine: updates wait for a long poll, and what the bot sends is kept. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface BotApi {
  readonly url: string
  /** Bodies by method. */
  readonly received: { readonly method: string; readonly body: any }[]
  say(text: string, chat?: object): void
  /** Resolves with the next message that the bot sends. */
  sent(): Promise<string>
  close(): void
}

export async function openBotApi(token: string): Promise<BotApi> {
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
