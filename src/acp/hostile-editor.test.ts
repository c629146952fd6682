/** Editors that send garbage, flood, lie about ids, or do not read, before the agent itself, without an SDK in between. */
import assert from 'node:assert/strict'
import { PassThrough, Writable } from 'node:stream'
import { test } from 'node:test'
import type { FollowHandler } from '../client/index.ts'
import { type Json, type JsonObject, parseObject } from '../base/index.ts'
import { testServers } from './acp-fixture.ts'
import { runAgent } from './index.ts'
import { maxOpenRequests, maxStrayMessages, maxUnsentBytes } from './limits.ts'
import type { AcpPorts, Gateway } from './ports.ts'

const sessionId = '01890a5d-ac96-774b-bcce-b302099a8057'

interface RawEditor {
  readonly logged: readonly string[]
  readonly running: Promise<void>
  send(message: Json): void
  raw(text: string): void
  next(fits: (message: JsonObject) => boolean): Promise<JsonObject>
  end(): Promise<void>
  /** From now on it reads nothing. */
  stopReading(): void
  /** What the guest sends of the session. */
  emit: FollowHandler
}

function openRaw(gateway: Partial<Gateway> = {}): RawEditor {
  let reads = true
  const input = new PassThrough()
  const messages: JsonObject[] = []
  const waiting = new Set<() => void>()
  let rest = ''
  const output = new Writable({
    write(bytes: Buffer, _, done) {
      if (!reads) return
      rest += bytes.toString()
      const lines = rest.split('\n')
      rest = lines.pop()!
      messages.push(...lines.map((line) => parseObject(line)!))
      waiting.forEach((look) => look())
      done()
    },
  })
  let handler: FollowHandler = () => {}
  const logged: string[] = []
  const fake = {
    status: async () => ({ context_tokens: 1_000 }),
    listSessions: async () => [],
    call: async () => ({ status: 'ok', ok: true, text: '', output: { id: sessionId, records: [], next: null } }),
    follow: async (_session: unknown, _cursor: unknown, given: FollowHandler) => ((handler = given), { stop: () => {} }),
    ...gateway,
  } as unknown as Gateway
  const ports: AcpPorts = {
    version: '1',
    open: async () => ({ gateway: fake, gone: new Promise(() => {}), close: async () => {} }),
    guestPath: () => '/shared',
    ownPath: () => undefined,
    addFolder: () => '',
    servers: testServers(),
    showFolder: async () => {},
    attach: () => Promise.reject(new Error('none')),
    log: (text) => void logged.push(text),
  }
  const running = runAgent({ input, output }, ports)
  return {
    logged,
    running,
    send: (message) => void input.write(`${JSON.stringify(message)}\n`),
    raw: (text) => void input.write(text),
    next: (fits) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = messages.find(fits)
          if (found === undefined) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
      }),
    async end() {
      input.end()
      await running
    },
    stopReading: () => void (reads = false),
    emit: (event) => handler(event),
  }
}

const request = (id: Json, method: string, params: JsonObject): JsonObject => ({ jsonrpc: '2.0', id, method, params })
const initialize = (protocolVersion: Json = 1): JsonObject => request('i', 'initialize', { protocolVersion, clientCapabilities: {} })
async function begin(editor: RawEditor): Promise<void> {
  editor.send(initialize())
  await editor.next(({ id }) => id === 'i')
  editor.send(request('n', 'session/new', { cwd: '/x', mcpServers: [] }))
  await editor.next(({ id }) => id === 'n')
}

const codeOf = ({ error }: JsonObject): unknown => (error as { code?: number } | undefined)?.code

test('what is no message, a batch or an unknown method is answered as such, and the connection goes on', async () => {
  const editor = openRaw()
  editor.raw('hello\n[]\n"x"\n{"a":1}\n\n')
  editor.raw(`${'['.repeat(100_000)}\n`)
  editor.send(request(1, 'session/new', { cwd: '/x', mcpServers: [] }))
  assert.equal(codeOf(await editor.next(({ id }) => id === 1)), -32_600)
  editor.send(initialize(99))
  const { result } = await editor.next(({ id }) => id === 'i')
  assert.equal((result as JsonObject)['protocolVersion'], 1)
  editor.send(request(2, 'session/fly', {}))
  editor.send(request(3, 'session/new', { cwd: 7 }))
  editor.send(request(4, 'session/load', { sessionId: '../../etc', cwd: '/x', mcpServers: [] }))
  editor.send(request(5, 'session/prompt', { sessionId, prompt: [{ type: 'text', text: 'x' }] }))
  const codes = await Promise.all([2, 3, 4, 5].map(async (wanted) => codeOf(await editor.next(({ id }) => id === wanted))))
  assert.deepEqual(codes, [-32_601, -32_602, -32_002, -32_002])
  await editor.end()
})

test('requests beyond the limit and ids used twice are refused, and a cancellation still arrives', async () => {
  const turns: string[] = []
  const cancelTurn = async (): Promise<boolean> => {
    for (const turn of turns) {
      const body = { status: 'cancelled', reply: '' }
      editor.emit({ type: 'record', record: { seq: 1, call: turn, turn, name: 'turn.send', phase: 'outcome', body } as never })
    }
    return true
  }
  const editor = openRaw({
    sendTurn: async ({ clientId = '' }) => (turns.push(clientId), { clientId, turn: clientId, cursor: 1, duplicate: false }) as never,
    cancelTurn,
  })
  await begin(editor)
  const prompt = (id: Json): void => editor.send(request(id, 'session/prompt', { sessionId, prompt: [{ type: 'text', text: 'x' }] }))
  for (let id = 0; id < maxOpenRequests; id += 1) prompt(id)
  prompt(0)
  prompt('one more')
  assert.equal(codeOf(await editor.next(({ id, error }) => id === 0 && error !== undefined)), -32_600)
  assert.equal(codeOf(await editor.next(({ id }) => id === 'one more')), -32_600)
  editor.send({ jsonrpc: '2.0', method: 'session/cancel', params: { sessionId } })
  const { result } = await editor.next((message) => message['id'] === 3 && 'result' in message)
  assert.deepEqual(result, { stopReason: 'cancelled' })
  assert.equal(turns.length, maxOpenRequests)
  await editor.end()
})

test('invalid messages without end, or one that is too long, end the connection with a reason', async () => {
  const flood = openRaw()
  flood.raw('x\n'.repeat(maxStrayMessages + 10))
  await flood.running
  assert.match(flood.logged.join(), /without end/)
  const long = openRaw()
  const mib = `"${'x'.repeat(1024 * 1024)}`
  for (let count = 0; count < 60; count += 1) long.raw(mib)
  await long.running
  assert.match(long.logged.join(), /message of more than/)
})

test('an editor that does not read ends its connection before memory does', async () => {
  const editor = openRaw()
  await begin(editor)
  editor.stopReading()
  const text = 'x'.repeat(1024 * 1024)
  const record = { seq: 1, at: 0, actor: '', session: sessionId, turn: 't', call: 'c', name: 'model.generate', phase: 'intent', body: {} }
  const ended = editor.running.then(() => true)
  for (let mib = 0; mib <= maxUnsentBytes / (1024 * 1024); mib += 1) {
    editor.emit({ type: 'record', record: record as never })
    editor.emit({ type: 'text', turn: 't' as never, call: 'c' as never, text })
  }
  assert.equal(await ended, true)
  assert.match(editor.logged.join(), /does not read/)
})

test('an editor that dies amid a prompt ends the agent, and the turn is not cancelled', async () => {
  let cancelled = false
  const sent = Promise.withResolvers<void>()
  const editor = openRaw({
    sendTurn: async ({ clientId }) => (sent.resolve(), { clientId, turn: clientId, cursor: 1, duplicate: false }) as never,
    cancelTurn: async () => (cancelled = true),
  })
  await begin(editor)
  editor.send(request('p', 'session/prompt', { sessionId, prompt: [{ type: 'text', text: 'x' }] }))
  await sent.promise
  await editor.end()
  assert.equal(cancelled, false)
})
