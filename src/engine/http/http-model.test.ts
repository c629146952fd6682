import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import type { ModelEvent } from '../../protocol/index.ts'
import { systemClock } from '../../base/index.ts'
import { plainFacts } from '../../protocol/index.ts'
import type { ModelLimits } from '../limits.ts'
import { modelLimits } from '../limits.ts'
import { collect, collectExchanges, describeModelContract, type RawExchange, requestOf, textOfEvents } from '../model-contract.ts'
import { contractScenario } from '../scripted/scenario-fixture.ts'
import type { ScenarioStep } from '../scripted/scenario.ts'
import { startScriptedServer } from '../scripted/scripted-server.ts'
import { cleanEndpointText } from '../model-problem.ts'
import { chatWire } from '../openai-chat/chat-wire.ts'
import { readRetryAfter } from './http-exchange.ts'
import { createHttpModel, type HttpModel } from './http-model.ts'

const key = 'private.0123456789abcdef'
const facts = plainFacts({ name: 'm', provider: 'test', contextTokens: 1000, maxOutputTokens: 100, price: null })

function modelAt(url: string, limits: Partial<ModelLimits> = {}): HttpModel {
  return createHttpModel({
    wire: chatWire,
    baseUrl: new URL(url),
    key,
    headers: {},
    official: false,
    facts: () => facts,
    clock: systemClock,
    limits: { ...modelLimits, ...limits },
  })
}

describeModelContract('the chat-completions wire', async () => {
  const server = await startScriptedServer(contractScenario)
  const model = modelAt(server.url)
  return {
    model,
    text: requestOf('say'),
    toolCall: requestOf('call'),
    failure: requestOf('fail'),
    endless: requestOf('hang'),
    close: async () => {
      model.close()
      await server.close()
    },
  }
})

interface Tried {
  readonly events: readonly ModelEvent[]
  readonly requests: number
  /** Code of the last event, or its finish reason. */
  readonly end: string
  readonly message: string
  readonly hint: string
  /** Of the error event. */
  readonly retry: { readonly waitMs: number | null } | undefined
}

/** Runs one generation against a server that answers with this step. */
async function tryStep(step: Omit<ScenarioStep, 'events'> & Partial<ScenarioStep>, limits: Partial<ModelLimits> = {}): Promise<Tried> {
  const server = await startScriptedServer({ turns: [{ steps: [{ events: [], ...step }] }] })
  const model = modelAt(server.url, limits)
  try {
    const events = await collect(model, requestOf('hello'))
    return { events, requests: server.requests, ...endOf(events) }
  } finally {
    model.close()
    await server.close()
  }
}

function endOf(events: readonly ModelEvent[]): Omit<Tried, 'events' | 'requests'> {
  const last = events.at(-1)
  if (last?.type === 'error') {
    assert.equal(JSON.stringify(last).includes(key), false, 'the key is in an error')
    return { end: last.failure.code, message: last.failure.message, hint: last.failure.hint, retry: last.retry }
  }
  return { end: last?.type === 'finish' ? last.reason : 'nothing', message: '', hint: '', retry: undefined }
}

void describe('a bad endpoint', () => {
  void it('that answers 401 is model_auth, asked once, and never shows the key', async () => {
    const body = JSON.stringify({ error: { message: `Incorrect API key provided: ${key} (sk-test-****cdef)` } })
    const tried = await tryStep({ http: { status: 401, body } })
    assert.deepEqual([tried.end, tried.requests], ['model_auth', 1])
    assert.match(tried.message, /answered 401: Incorrect API key provided: \[key\]/)
    assert.match(tried.hint, /key is valid/)
  })

  void it('that repeats the key in any form, whole or masked, does not get it into an error', async () => {
    for (const shown of [
      key,
      `${key.slice(0, 9)}***${key.slice(-4)}`,
      `x=${key}&y`,
      JSON.stringify({ error: { message: key.repeat(40) } }),
    ]) {
      const tried = await tryStep({ http: { status: 400, body: shown } })
      assert.equal(tried.message.includes(key.slice(0, 9)), false, tried.message)
    }
  })

  void it('that repeats a very short key is no different', () => {
    assert.equal(cleanEndpointText('bad k1!', 'k1'), 'bad [key]!')
  })

  void it('may ask for patience in seconds or until a date', () => {
    const clock = { ...systemClock, now: () => Date.parse('2026-11-21T00:00:00Z') }
    assert.deepEqual(
      ['2', ' 0.5', 'Sat, 21 Nov 2026 00:00:09 GMT', 'Fri, 20 Nov 2026 00:00:00 GMT', 'soon', '-1'].map((header) =>
        readRetryAfter(header, clock),
      ),
      [2_000, 500, 9_000, 0, null, 0],
    )
  })

  void it('that answers 403 is model_auth, 404 and 400 are model_refused with its own words cut short', async () => {
    assert.equal((await tryStep({ http: { status: 403 } })).end, 'model_auth')
    assert.match((await tryStep({ http: { status: 404 } })).hint, /model name/)
    const long = await tryStep({ http: { status: 400, body: JSON.stringify({ error: { message: `\u001b[31m${'x'.repeat(5000)}` } }) } })
    assert.deepEqual([long.end, long.requests], ['model_refused', 1])
    assert.ok(long.message.length < 360 && !long.message.includes('\u001b'))
  })

  void it('that answers 402 or insufficient_quota is not retried, and the error is about credit', async () => {
    assert.match((await tryStep({ http: { status: 402 } })).hint, /credit/)
    const quota = await tryStep({ http: { status: 429, body: '{"error":{"code":"insufficient_quota","message":"no more"}}' } })
    assert.deepEqual([quota.end, quota.requests], ['model_rate_limited', 1])
    assert.match(quota.hint, /credit/)
  })

  void it('that answers 429 may be retried, after the wait that it asks for', async () => {
    const plain = await tryStep({ http: { status: 429 } })
    assert.deepEqual([plain.end, plain.retry, plain.requests], ['model_rate_limited', { waitMs: null }, 1])
    const patient = await tryStep({ http: { status: 429, headers: { 'retry-after': '77' } } })
    assert.deepEqual([patient.end, patient.retry], ['model_rate_limited', { waitMs: 77_000 }])
    assert.match(patient.hint, /77 seconds/)
  })

  void it('that refuses the request, the key or the money is not to be asked again', async () => {
    for (const status of [400, 401, 402, 403, 404]) assert.equal((await tryStep({ http: { status } })).retry, undefined)
  })

  void it('that stays overloaded is model_overloaded', async () => {
    assert.equal((await tryStep({ http: { status: 503 } })).end, 'model_overloaded')
    assert.equal((await tryStep({ http: { status: 529 } })).end, 'model_overloaded')
  })

  void it('that redirects is refused, so that the key does not travel', async () => {
    const tried = await tryStep({ http: { status: 307, headers: { location: 'https://other.example/v1?key=1' } } })
    assert.deepEqual([tried.end, tried.requests], ['model_refused', 1])
    assert.match(tried.message, /redirect to https:\/\/other\.example\./)
  })

  void it('that answers with a page or plain JSON is model_garbled', async () => {
    const page = await tryStep({ http: { status: 200, body: '<html>Sign in</html>', headers: { 'content-type': 'text/html' } } })
    assert.equal(page.end, 'model_garbled')
    assert.match(page.hint, /base URL/)
    assert.equal((await tryStep({ http: { status: 200, body: '{"id":1}' } })).end, 'model_garbled')
    assert.equal((await tryStep({ http: { status: 200, body: '{"error":{"message":"no such model"}}' } })).end, 'model_refused')
  })

  void it('that streams invalid JSON, garbage or an endless line is model_garbled', async () => {
    assert.equal((await tryStep({ events: [{ garbage: 'data: {"choices": [{]}\n\n' }] })).end, 'model_garbled')
    assert.equal((await tryStep({ events: [{ garbage: 'data: 7\n\n' }] })).end, 'model_garbled')
    const endless = await tryStep({ events: [{ garbage: `data: ${'x'.repeat(100_000)}` }], finish: 'none' }, { maxEventChars: 10_000 })
    assert.equal(endless.end, 'model_garbled')
    const huge = await tryStep({ events: [{ text: 'many words ', count: 1000 }] }, { maxAnswerChars: 10_000 })
    assert.equal(huge.end, 'model_garbled')
  })

  void it('that drops in the middle is model_unreachable and not asked again', async () => {
    const tried = await tryStep({ events: [{ text: 'half' }, { drop: true }] })
    assert.deepEqual([tried.end, tried.requests, textOfEvents(tried.events)], ['model_unreachable', 1, 'half'])
  })

  void it('that drops in the middle of a tool call has cost what it made; one that drops before has cost nothing', async () => {
    const call = { name: 'file_write', arguments: { text: 'x'.repeat(4_000) } }
    const cost = async (events: ScenarioStep['events']) => {
      const last = (await tryStep({ events: [...events, { drop: true }] })).events.at(-1)
      return last?.type === 'error' ? last.usage : assert.fail('no error')
    }
    assert.ok((await cost([{ tool_call: call }])).outputTokens >= 1_000)
    assert.deepEqual(await cost([]), { inputTokens: 0, outputTokens: 0, estimated: false })
  })

  void it('that ends without a finish is model_unreachable, not an answer', async () => {
    const tried = await tryStep({ events: [{ text: 'half' }], finish: 'none' })
    assert.equal(tried.end, 'model_unreachable')
  })

  void it('that breaks off with an error object keeps its words and its code', async () => {
    const tried = await tryStep({ events: [{ text: 'half' }, { error: 'model_rate_limited', message: `slow down ${key}` }] })
    assert.equal(tried.end, 'model_rate_limited')
    assert.match(tried.message, /slow down \[key\]/)
  })

  void it('that never begins, or goes silent in the middle, is model_stalled', async () => {
    const silent = await listen(() => undefined)
    const model = modelAt(silent.url, { firstByteMs: 30 })
    assert.equal(endOf(await collect(model, requestOf('x'))).end, 'model_stalled')
    model.close()
    await silent.close()
    const tried = await tryStep({ events: [{ text: 'so' }, { stall: true }] }, { betweenBytesMs: 500 })
    assert.deepEqual([tried.end, textOfEvents(tried.events)], ['model_stalled', 'so'])
  })

  void it('where nothing listens is model_unreachable', async () => {
    const silent = await listen(() => undefined)
    await silent.close()
    const model = modelAt(silent.url)
    const end = endOf(await collect(model, requestOf('x')))
    assert.deepEqual([end.end, /nothing listens/.test(end.message)], ['model_unreachable', true])
    model.close()
  })

  void it('that is not an HTTP server is model_garbled', async () => {
    const rude = await listen((socket) => void socket.on('data', () => socket.write('SSH-2.0-OpenSSH\r\n')))
    const model = modelAt(rude.url)
    assert.equal(endOf(await collect(model, requestOf('x'))).end, 'model_garbled')
    model.close()
    await rude.close()
  })

  void it('that closes an idle connection is asked again at once', async () => {
    let connections = 0
    const body = 'data: {"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    const server = await listen((socket) => {
      connections += 1
      let requests = 0
      socket.on('data', (data) => {
        // Head and body of one request may come apart.
        if (!data.includes('POST ')) return
        requests += 1
        // The first connection answers once and is cut when it is used again.
        if (connections === 1 && requests === 2) socket.resetAndDestroy()
        else socket.write(`HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
      })
    })
    const model = modelAt(server.url)
    assert.equal(endOf(await collect(model, requestOf('x'))).end, 'stop')
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(endOf(await collect(model, requestOf('x'))).end, 'stop')
    assert.equal(connections, 2)
    model.close()
    await server.close()
  })
})

void describe('an abort', () => {
  void it('destroys the socket at once', async () => {
    const closed = Promise.withResolvers<void>()
    const arrived = Promise.withResolvers<void>()
    const server = await listen((socket) => {
      socket.on('data', () => arrived.resolve())
      socket.on('close', () => closed.resolve())
    })
    const model = modelAt(server.url)
    const control = new AbortController()
    const events = collect(model, requestOf('x'), control.signal)
    await arrived.promise
    control.abort()
    assert.equal(endOf(await events).end, 'cancelled')
    await closed.promise
    model.close()
    await server.close()
  })
})

void describe('the bytes of an exchange', () => {
  void it('are recorded once, also when the reader leaves in the middle, cancels, or is refused', async () => {
    const endless = { events: [{ text: 'so' }, { stall: true as const }] }
    const refused = { http: { status: 401, body: 'no' }, events: [] }
    for (const way of ['leave', 'abort', 'read'] as const) {
      const server = await startScriptedServer({ turns: [{ steps: [way === 'read' ? refused : endless] }] })
      const model = modelAt(server.url)
      const control = new AbortController()
      const told: RawExchange[] = []
      const request = { ...requestOf('hello'), onExchange: collectExchanges((exchange) => void told.push(exchange)) }
      for await (const batch of model.generate(request, control.signal)) {
        if (way === 'leave') break
        if (way === 'abort' && batch.length > 0) control.abort()
      }
      const [exchange, ...more] = told
      assert.deepEqual([exchange?.status, more.length], [way === 'read' ? 401 : 200, 0], way)
      assert.match(exchange?.response.toString() ?? '', way === 'read' ? /^no$/ : /"so"/)
      assert.match(Buffer.concat(exchange?.body ?? []).toString(), /hello/)
      assert.equal(exchange?.url, `${server.url}/chat/completions`)
      model.close()
      await server.close()
    }
  })
})

void describe('a slow reader', () => {
  void it('holds the stream back and loses nothing', async () => {
    const server = await startScriptedServer({ turns: [{ steps: [{ events: [{ text: 'word ', count: 20_000 }] }] }] })
    const model = modelAt(server.url, { pauseAtChars: 1_000, betweenBytesMs: 1_000 })
    let text = ''
    let longest = 0
    for await (const batch of model.generate(requestOf('x'), new AbortController().signal)) {
      const piece = textOfEvents(batch)
      text += piece
      longest = Math.max(longest, piece.length)
      for (let round = 0; round < 20; round += 1) await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(text, 'word '.repeat(20_000))
    // One read of the network (64 KiB of chunks) is over the limit already: no batch holds more than two of them.
    assert.ok(longest < 5_000, `${longest} characters of text were read ahead`)
    model.close()
    await server.close()
  })
})

/** A bare TCP server. */
async function listen(onSocket: (socket: Socket) => void): Promise<{ url: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
