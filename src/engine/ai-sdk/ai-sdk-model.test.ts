/** The bridge with real provider packages, pointed at servers on loopback. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { createOpenAI } from '@ai-sdk/openai'
import type { GenerateRequest, ModelEvent, ModelFacts } from '../../protocol/index.ts'
import { systemClock } from '../../base/index.ts'
import { plainFacts } from '../../protocol/index.ts'
import { type ModelLimits, modelLimits } from '../limits.ts'
import { collect, collectExchanges, describeModelContract, type RawExchange, requestOf, textOfEvents } from '../model-contract.ts'
import { contractScenario } from '../scripted/scenario-fixture.ts'
import type { ScenarioStep } from '../scripted/scenario.ts'
import { startScriptedServer } from '../scripted/scripted-server.ts'
import { type AiSdkModel, createAiSdkModel } from './ai-sdk-model.ts'

const key = 'private.0123456789abcdef'
const facts: ModelFacts = plainFacts({ name: 'm', provider: 'test', contextTokens: 1000, maxOutputTokens: 100, price: null })

/** `languageModel` of this package speaks the Responses API; the scripted server speaks chat completions. */
const loadChat = async (): Promise<unknown> => ({
  createOpenAI: (settings: Parameters<typeof createOpenAI>[0]) => ({ languageModel: createOpenAI(settings).chat }),
})

function chatAt(url: string, limits: Partial<ModelLimits> = {}): AiSdkModel {
  return createAiSdkModel({
    packageName: '@ai-sdk/openai',
    provider: 'test',
    key,
    baseUrl: new URL(url),
    headers: { 'x-own': 'yes' },
    facts: () => facts,
    clock: systemClock,
    limits: { ...modelLimits, ...limits },
    folders: [],
    load: loadChat,
  })
}

describeModelContract('the AI SDK bridge over @ai-sdk/openai', async () => {
  const server = await startScriptedServer(contractScenario)
  const model = chatAt(server.url)
  const tools = ['file_read', 'file_list'].map((name) => ({ name, description: name, parameters: { type: 'object', properties: {} } }))
  return {
    model,
    text: requestOf('say'),
    toolCall: requestOf('call', { tools }),
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
  readonly bodies: readonly unknown[]
  readonly end: string
  readonly message: string
}

async function tryStep(
  step: Partial<ScenarioStep>,
  more: Partial<GenerateRequest> = {},
  limits: Partial<ModelLimits> = {},
): Promise<Tried> {
  const bodies: unknown[] = []
  const server = await startScriptedServer(
    { turns: [{ steps: [{ events: [], ...step }] }] },
    { onRequest: (body, headers) => bodies.push({ body, headers }) },
  )
  const model = chatAt(server.url, limits)
  try {
    const events = await collect(model, requestOf('hello', more))
    const last = events.at(-1)
    assert.equal(JSON.stringify(events).includes(key), false, 'the key is in an event')
    if (last?.type === 'error') return { events, bodies, end: last.failure.code, message: last.failure.message }
    return { events, bodies, end: last?.type === 'finish' ? last.reason : 'nothing', message: '' }
  } finally {
    model.close()
    await server.close()
  }
}

void describe('a service behind a provider package', () => {
  void it('that refuses is reported by its status, once, without the key', async () => {
    const body = JSON.stringify({ error: { message: `Incorrect API key provided: ${key}`, type: 'x', param: null, code: null } })
    const auth = await tryStep({ http: { status: 401, body } })
    assert.deepEqual([auth.end, auth.bodies.length], ['model_auth', 1])
    assert.match(auth.message, /^http:\/\/127\.0\.0\.1:\d+ answered 401: Incorrect API key provided: \[key\]$/)
    const codes = await Promise.all([402, 404, 429, 500, 529].map(async (status) => (await tryStep({ http: { status } })).end))
    assert.deepEqual(codes, ['model_refused', 'model_refused', 'model_rate_limited', 'model_overloaded', 'model_overloaded'])
  })

  void it('that asks to wait is reported with that wait', async () => {
    const { events } = await tryStep({ http: { status: 429, headers: { 'retry-after': '7' } } })
    const last = events.at(-1)
    assert.deepEqual(last?.type === 'error' && last.retry, { waitMs: 7000 })
  })

  void it('that sends HTML is model_garbled', async () => {
    const page = { status: 200, body: '<html>hello</html>', headers: { 'content-type': 'text/html' } }
    assert.equal((await tryStep({ http: page })).end, 'model_garbled')
  })

  void it('that redirects is not followed', async () => {
    const other = await startScriptedServer({ turns: [{ steps: [{ events: [{ text: 'stolen' }] }] }] })
    const { end, message } = await tryStep({ http: { status: 307, headers: { location: `${other.url}/chat/completions` } } })
    assert.equal(end, 'model_refused')
    assert.match(message, /a redirect to http:\/\/127\.0\.0\.1/)
    assert.equal(other.requests, 0)
    await other.close()
  })

  void it('that ends early, without a finish reason, or with an error inside is an error that may be tried again', async () => {
    for (const step of [
      { events: [{ text: 'half' }], finish: 'none' as const },
      { events: [{ text: 'half' }, { drop: true as const }] },
      { events: [{ text: 'half' }, { error: 'model_overloaded' as const }] },
    ]) {
      const { events, end } = await tryStep(step)
      assert.match(end, /^model_(?:unreachable|overloaded)$/)
      const last = events.at(-1)
      assert.ok(last?.type === 'error' && last.retry !== undefined)
      assert.ok(last.usage.estimated && last.usage.inputTokens > 0 && last.usage.outputTokens > 0)
    }
  })

  void it('that is silent before or inside an answer is model_stalled', async () => {
    const mute = createServer(() => undefined).listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const model = chatAt(`http://127.0.0.1:${(mute.address() as AddressInfo).port}`, { firstByteMs: 20 })
    const last = (await collect(model, requestOf('hello'))).at(-1)
    assert.equal(last?.type === 'error' && last.failure.code, 'model_stalled')
    mute.close()
    mute.closeAllConnections()
    const inside = await tryStep({ events: [{ text: 'so' }, { stall: true }] }, {}, { betweenBytesMs: 500 })
    assert.deepEqual([textOfEvents(inside.events), inside.end], ['so', 'model_stalled'])
  })

  void it('that is not there is model_unreachable', async () => {
    const server = await startScriptedServer(contractScenario)
    await server.close()
    const last = (await collect(chatAt(server.url), requestOf('hello'))).at(-1)
    assert.ok(last?.type === 'error' && last.retry !== undefined)
    assert.equal(last.failure.code, 'model_unreachable')
    assert.match(last.failure.message, /^http:\/\/127\.0\.0\.1:\d+ cannot be reached: nothing listens there\.$/)
  })

  void it('that never stops talking is ended', async () => {
    const { end } = await tryStep({ events: [{ text: 'word ', count: 5000 }] }, {}, { maxAnswerChars: 1000 })
    assert.equal(end, 'model_garbled')
  })

  void it('gets the key and the headers of the configuration, and its usage is kept', async () => {
    const { bodies, events } = await tryStep({ events: [{ text: 'hi' }], usage: { input: 11, output: 22 } })
    const { headers } = bodies[0] as { headers: Record<string, string> }
    assert.deepEqual([headers['authorization'], headers['x-own']], [`Bearer ${key}`, 'yes'])
    assert.deepEqual(events.at(-1), { type: 'finish', reason: 'stop', usage: { inputTokens: 11, outputTokens: 22, estimated: false } })
  })

  void it('has its exchange recorded once, failed ones too', async () => {
    const told: RawExchange[] = []
    const onExchange = collectExchanges((exchange) => void told.push(exchange))
    await tryStep({ events: [{ text: 'hi' }] }, { onExchange })
    await tryStep({ http: { status: 500, body: 'sorry' } }, { onExchange })
    assert.deepEqual(
      told.map(({ wire, status, model }) => [wire, status, model]),
      [
        ['ai-sdk:@ai-sdk/openai', 200, 'test'],
        ['ai-sdk:@ai-sdk/openai', 500, 'test'],
      ],
    )
    assert.match(told[0]!.url, /^http:\/\/127\.0\.0\.1:\d+\/v1\/chat\/completions$/)
    assert.match(Buffer.concat(told[0]!.body).toString(), /"content":"hello"/)
    assert.match(told[0]!.response.toString(), /"content":"hi"[^]*\[DONE\]/)
    assert.equal(told[1]!.response.toString(), 'sorry')
  })

  void it('is aborted, and its exchange recorded once, when the generation is cancelled', async () => {
    const left = Promise.withResolvers<void>()
    const control = new AbortController()
    const server = createServer((request, response) => {
      response.on('close', left.resolve)
      request.on('data', () => control.abort())
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    let told = 0
    const model = chatAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const request = requestOf('hello', { onExchange: collectExchanges(() => (told += 1)) })
    const events = await collect(model, request, control.signal)
    await left.promise
    assert.deepEqual([events.length, told], [1, 1])
    server.close()
    server.closeAllConnections()
  })

  void it('reaches a slow reader without loss, and is not read ahead beyond the limit for long', async () => {
    const server = await startScriptedServer({ turns: [{ steps: [{ events: [{ text: '12345678', count: 2000 }] }] }] })
    const model = chatAt(server.url, { pauseAtChars: 1000 })
    let chars = 0
    let largest = 0
    for await (const batch of model.generate(requestOf('hello'), new AbortController().signal)) {
      const size = textOfEvents(batch).length
      largest = Math.max(largest, size)
      chars += size
      for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
    }
    assert.equal(chars, 16_000)
    assert.ok(largest <= 1008, `${largest} characters at once`)
    model.close()
    await server.close()
  })
})
