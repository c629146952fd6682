/**
 * The raw baseline: a WebSocket relay that does the least that anything between a terminal and a model must do. It takes one
 * prompt, asks the model, and sends each piece of text on as a frame, then a last frame. Where the model asks for a tool it
 * does nothing and asks again. No session, no store, no check, no history, no failure handling.
 *
 * `node bench/relay/relay-main.ts BASE_URL` prints its own address. With a FILE behind it, it is the relay of journaling-relay.ts.
 */
import type { AddressInfo } from 'node:net'
import { Agent, request } from 'undici'
import { type WebSocket, WebSocketServer } from 'ws'

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string; readonly tool_calls?: readonly object[] } }[]
}

const url = `${process.argv[2]}/chat/completions`
const journal = process.argv[3] === undefined ? null : await (await import('./journaling-relay.ts')).openTurnJournal(process.argv[3])
const dispatcher = new Agent()

/** Asks once. @returns whether the model asked for a tool. */
async function ask(socket: WebSocket, messages: readonly object[]): Promise<boolean> {
  const answer = await request(url, {
    method: 'POST',
    dispatcher,
    headers: { 'content-type': 'application/json' },
    body: `{${journal?.tools ?? ''}${JSON.stringify({ model: 'bench', stream: true, messages }).slice(1)}`,
  })
  let asked = false
  let rest = ''
  answer.body.setEncoding('utf8')
  for await (const text of answer.body as AsyncIterable<string>) {
    const events = (rest + text).split('\n\n')
    rest = events.pop() ?? ''
    for (const event of events) {
      if (event === 'data: [DONE]') continue
      const delta = (JSON.parse(event.slice('data: '.length)) as Chunk).choices[0]?.delta
      if (delta?.tool_calls !== undefined) asked = true
      if (delta?.content) socket.send(JSON.stringify({ type: 'delta', text: delta.content }))
    }
  }
  return asked
}

async function relay(socket: WebSocket, prompt: string): Promise<void> {
  const commit = await journal?.begin()
  const messages: object[] = [{ role: 'user', content: prompt }]
  let asked = 1
  for (; await ask(socket, messages); asked++) {
    messages.push({ role: 'assistant', content: null, tool_calls: [] }, { role: 'tool', tool_call_id: 'call_0', content: 'done' })
  }
  await commit?.(asked)
  socket.send('{"type":"done"}')
}

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
server.on('connection', (socket) => {
  socket.on('message', (data: Buffer) => {
    const { prompt } = JSON.parse(data.toString()) as { prompt: string }
    relay(socket, prompt).catch((error: unknown) => socket.close(1011, String(error).slice(0, 100)))
  })
})
server.on('listening', () => process.stdout.write(`ws://127.0.0.1:${(server.address() as AddressInfo).port}\n`))
process.once('SIGTERM', () => process.exit(0))
// It ends with the bench that started it, also when that one was killed.
process.stdin.resume().once('end', () => process.exit(0))
