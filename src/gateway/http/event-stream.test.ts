/** Server-sent events over a real connection: ids to continue from, refusals before the first byte, and the end of both sides. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { Kernel, KernelEvent } from '../../kernel/index.ts'
import { type JsonObject, OxbowError } from '../../base/index.ts'
import { streamEvents } from './event-stream.ts'

const session = '01890a5d-ac96-774b-bcce-b302099a8057'

interface Served extends AsyncDisposable {
  ask(path: string, headers?: Record<string, string>): Promise<IncomingMessage>
  /** As a gateway that closes. */
  readonly close: () => void
  /** Resolves when a stream has ended. */
  readonly ended: Promise<void>
}

async function serve(kernel: Partial<Kernel>): Promise<Served> {
  const closing = new AbortController()
  const ended = Promise.withResolvers<void>()
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://guest')
    streamEvents({ kernel: kernel as Kernel, request, response, url, closing: closing.signal })
      .catch((error: unknown) => {
        assert.ok(error instanceof OxbowError)
        assert.equal(response.headersSent, false, 'the refusal can still be an answer')
        response.writeHead(400).end(error.code)
      })
      .finally(ended.resolve)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    ask: (path, headers = {}) =>
      new Promise((resolve, reject) => get({ host: '127.0.0.1', port, path, headers }, resolve).on('error', reject)),
    close: () => closing.abort(),
    ended: ended.promise,
    async [Symbol.asyncDispose]() {
      closing.abort()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function textOf(answer: IncomingMessage): Promise<string> {
  return (await answer.toArray()).map(String).join('')
}

/** A bus with one page of events, which then has nothing more until the guest stops. */
function busWith(events: readonly JsonObject[], asked: JsonObject[], emptied: () => void): Partial<Kernel> {
  return {
    call: (async (_name: string, input: JsonObject) => {
      asked.push(input)
      if (asked.length > 1) {
        emptied()
        await new Promise((resolve) => setImmediate(resolve))
      }
      return { status: 'ok', output: { events: asked.length === 1 ? events : [], cursor: 9 }, text: '' }
    }) as unknown as Kernel['call'],
  }
}

void test('events have their ids, and a client goes on after the one that it had', async () => {
  const asked: JsonObject[] = []
  const emptied = Promise.withResolvers<void>()
  await using served = await serve(
    busWith(
      [
        { seq: 8, kind: 'turn_ended' },
        { seq: 9, kind: 'call_ended' },
      ],
      asked,
      emptied.resolve,
    ),
  )
  const answer = await served.ask('/events?kind=turn_ended&kind=call_ended', { 'last-event-id': '7' })
  assert.match(answer.headers['content-type'] ?? '', /^text\/event-stream/)
  await emptied.promise
  served.close()
  const text = await textOf(answer)
  assert.match(text, /^id: 8\nevent: turn_ended\ndata: \{"seq":8,"kind":"turn_ended"\}\n\nid: 9\nevent: call_ended\n/)
  assert.match(text, /retry: \d+\n\n$/, 'a client is told when to come back')
  assert.deepEqual([asked[0]!['after'], asked[0]!['kinds'], asked[1]!['after']], [7, ['turn_ended', 'call_ended'], 9])
})

void test('an id that cannot be one, and a session that cannot be one, are refused before the first byte', async () => {
  await using served = await serve({})
  for (const [path, headers] of [
    ['/events', { 'last-event-id': '-1' }],
    ['/events?after=1e99', {}],
    ['/events?after=constructor', {}],
    ['/events?session=constructor', {}],
    ['/events?session=', {}],
  ] as const) {
    const answer = await served.ask(path, { ...headers })
    assert.deepEqual([answer.statusCode, await textOf(answer)], [400, 'bad_input'], path)
  }
})

void test('what the bus refuses is the answer, not a stream', async () => {
  const failure = { code: 'denied', message: 'Not yours.', hint: 'Ask.' }
  await using served = await serve({ call: (async () => ({ status: 'refused', failure })) as unknown as Kernel['call'] })
  assert.equal(await textOf(await served.ask('/events')), 'denied')
})

void test('a session gives records with ids and what is written meanwhile without, and is left when its reader goes', async () => {
  let from = -1
  const stopped = Promise.withResolvers<void>()
  const follow: Kernel['follow'] = async (_session, cursor, listener) => {
    from = cursor
    const record = { seq: 12, name: 'file.read', phase: 'intent' }
    listener({ type: 'record', record } as unknown as KernelEvent)
    listener({ type: 'delta', text: 'one\ntwo' } as unknown as KernelEvent)
    return () => stopped.resolve()
  }
  await using served = await serve({ follow })
  const answer = await served.ask(`/events?session=${session}&after=11`)
  let text = ''
  for await (const piece of answer) if ((text += String(piece)).includes('event: delta')) break
  assert.match(
    text,
    /^id: 12\nevent: record\ndata: \{"seq":12,"name":"file\.read","phase":"intent"\}\n\nevent: delta\ndata: \{"text":"one\\ntwo"\}/,
  )
  await Promise.all([stopped.promise, served.ended])
  assert.equal(from, 11)
})
