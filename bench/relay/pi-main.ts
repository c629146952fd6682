/**
 * pi's agent core behind the relay's frames: one agent for each connection, with pi's own client of the wire and one tool. It keeps its
 * conversation in memory and stores nothing. It is no dependency of this repository: FOLDER is where `npm install @earendil-works/pi-agent-core` ran.
 *
 * `node bench/relay/pi-main.ts BASE_URL FOLDER` prints its own address.
 */
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type WebSocket, WebSocketServer } from 'ws'

interface AgentEvent {
  readonly type: string
  readonly assistantMessageEvent?: { readonly type: string; readonly delta?: string }
}

interface Agent {
  readonly state: { readonly errorMessage?: string }
  subscribe(listener: (event: AgentEvent) => void): void
  prompt(text: string): Promise<void>
  reset(): void
}

/** What is used of the packages. */
interface PiCore {
  readonly Agent: new (options: object) => Agent
}
interface PiWire {
  streamSimple(model: object, context: object, options: object): unknown
}

/** As a session of a guest, which has as many turns in this bench. */
const turnsPerConversation = 8

const [baseUrl = '', folder = ''] = process.argv.slice(2)
const from = (file: string): Promise<unknown> => import(pathToFileURL(join(folder, 'node_modules', '@earendil-works', file)).href)
const core = (await from('pi-agent-core/dist/index.js')) as PiCore
const wire = (await from('pi-ai/dist/api/openai-completions.js')) as PiWire

const model = {
  id: 'bench',
  name: 'bench',
  api: 'openai-completions',
  provider: 'bench',
  baseUrl,
  reasoning: false,
  input: ['text'],
  cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
  contextWindow: 128_000,
  maxTokens: 32_000,
}
const clock = {
  name: 'time_now',
  label: 'Time',
  description: 'Tells the time.',
  parameters: { type: 'object', properties: {} },
  execute: async () => ({ content: [{ type: 'text', text: new Date().toISOString() }] }),
}

function createAgent(socket: WebSocket): Agent {
  const agent = new core.Agent({
    initialState: { systemPrompt: 'You are an agent that works in a sandboxed workspace.', model, tools: [clock] },
    streamFn: (of: object, context: object, options: object) => wire.streamSimple(of, context, { ...options, apiKey: 'bench' }),
  })
  agent.subscribe(({ type, assistantMessageEvent: event }) => {
    if (type === 'message_update' && event?.type === 'text_delta') socket.send(JSON.stringify({ type: 'delta', text: event.delta }))
  })
  return agent
}

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
server.on('connection', (socket) => {
  const agent = createAgent(socket)
  let turns = 0
  const answer = async (prompt: string): Promise<void> => {
    if (turns % turnsPerConversation === 0) agent.reset()
    turns += 1
    await agent.prompt(prompt)
    if (agent.state.errorMessage !== undefined) throw new Error(agent.state.errorMessage)
    socket.send('{"type":"done"}')
  }
  socket.on('message', (data: Buffer) => {
    const { prompt } = JSON.parse(data.toString()) as { prompt: string }
    answer(prompt).catch((error: unknown) => socket.close(1011, String(error).slice(0, 100)))
  })
})
server.on('listening', () => process.stdout.write(`ws://127.0.0.1:${(server.address() as AddressInfo).port}\n`))
process.once('SIGTERM', () => process.exit(0))
// It ends with the bench that started it, also when that one was killed.
process.stdin.resume().once('end', () => process.exit(0))
