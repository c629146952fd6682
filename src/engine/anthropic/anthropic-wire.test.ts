/** The wire over HTTP: the model contract, the protocol's frame, and the vendor's own client as a second opinion. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import type { ModelEvent } from '../../protocol/index.ts'
import { systemClock } from '../../base/index.ts'
import { userMessage } from '../../protocol/index.ts'
import { createHttpModel, type HttpModel } from '../http/http-model.ts'
import { modelLimits } from '../limits.ts'
import { collect, describeModelContract, requestOf, textOfEvents } from '../model-contract.ts'
import { type AnthropicMock, factsOf, messageSse, type MockAnswer, type MockMessage, sseOf, startAnthropicMock } from './fake-anthropic.ts'
import { anthropicWire } from './anthropic-wire.ts'

function modelOn(mock: AnthropicMock, key = 'sk-ant-test'): HttpModel {
  const baseUrl = new URL(mock.url)
  const wire = anthropicWire
  return createHttpModel({ wire, baseUrl, key, headers: {}, official: true, facts: factsOf, clock: systemClock, limits: modelLimits })
}

const someText = messageSse({ blocks: [{ text: 'Some text.' }] })
const unfinished = someText.slice(0, someText.indexOf('event: content_block_stop'))
const overloaded = sseOf({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })

/** By the model's name. */
const situations: Readonly<Record<string, string | MockAnswer>> = {
  text: { body: someText, pieceBytes: 97 },
  tool: messageSse({ blocks: [{ text: 'Reading.' }, { id: 'toolu_1', name: 'file_read', input: '{"path":"a"}' }] }),
  failure: unfinished + overloaded,
  endless: { body: unfinished, after: 'hang' },
}

describeModelContract('the Messages wire', async () => {
  const mock = await startAnthropicMock(({ body }) => situations[(JSON.parse(body) as { model: string }).model] ?? '')
  const model = modelOn(mock)
  const ask = (situation: string) => requestOf('hi', { model: situation })
  return {
    model,
    text: ask('text'),
    toolCall: ask('tool'),
    failure: ask('failure'),
    endless: ask('endless'),
    close: () => {
      model.close()
      return mock.close()
    },
  }
})

void describe('the Messages wire over HTTP', () => {
  void it('sends the protocol’s headers, and a key only if one is set', async () => {
    const mock = await startAnthropicMock([someText])
    for (const key of ['sk-ant-test', '']) {
      const model = modelOn(mock, key)
      await collect(model, requestOf('hi'))
      model.close()
    }
    const sent = mock.requests.map(({ path, headers }) => [
      path,
      headers['x-api-key'],
      headers['anthropic-version'],
      headers['authorization'],
    ])
    assert.deepEqual(sent, [
      ['/v1/messages', 'sk-ant-test', '2023-06-01', undefined],
      ['/v1/messages', undefined, '2023-06-01', undefined],
    ])
    await mock.close()
  })

  void it('is an error when the connection drops inside the answer', async () => {
    const mock = await startAnthropicMock([{ body: unfinished, after: 'drop' }])
    const model = modelOn(mock)
    const last = (await collect(model, requestOf('hi'))).at(-1)
    assert.equal(last?.type === 'error' && last.failure.code, 'model_unreachable')
    model.close()
    await mock.close()
  })

  void it('reads the envelope of a refused request', async () => {
    const body = JSON.stringify({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })
    const mock = await startAnthropicMock([{ status: 529, body, headers: { 'content-type': 'application/json' } }])
    const model = modelOn(mock)
    const last = (await collect(model, requestOf('hi'))).at(-1)
    assert.ok(last?.type === 'error' && last.retry !== undefined)
    assert.deepEqual([last.failure.code, /529: Overloaded/.test(last.failure.message)], ['model_overloaded', true])
    model.close()
    await mock.close()
  })
})

const messages: Readonly<Record<string, MockMessage>> = {
  text: { blocks: [{ text: 'Grüße, 🦬 '.repeat(40) }] },
  'one tool': { blocks: [{ text: 'I look.' }, { id: 'toolu_1', name: 'file_read', input: '{"path":"ä.txt","deep":[1,null,{"x":"🦬"}]}' }] },
  'parallel tools': {
    blocks: [
      { id: 'toolu_1', name: 'file_read', input: '{"path":"a"}' },
      { id: 'toolu_2', name: 'file_list', input: '{}' },
      { id: 'toolu_3', name: 'file_list', input: '' },
    ],
  },
  thinking: {
    blocks: [{ thinking: 'Let me see… 🦬', signature: 'c2lnbmF0dXJl' }, { redacted: 'ZW5j' }, { text: 'Yes.' }],
    usage: { output_tokens_details: { thinking_tokens: 7 } },
  },
  cached: { blocks: [{ text: 'x' }], usage: { cache_read_input_tokens: 900, cache_creation_input_tokens: 90 } },
  refusal: { blocks: [{ text: 'I will not.' }], stop: 'refusal' },
  'length stop': { blocks: [{ text: 'and so on and' }], stop: 'max_tokens' },
}

void describe('the vendor’s own client and our wire', () => {
  for (const [name, message] of Object.entries(messages)) {
    void it(`read the same answer: ${name}`, async () => {
      const sse = messageSse(message)
      const answers = [sse, sse.replaceAll('\n', '\r\n')].map((body) => ({ body, pieceBytes: 61 }))
      const mock = await startAnthropicMock((_request, place) => answers[Math.floor(place / 2)] ?? '')
      const model = modelOn(mock)
      const client = new Anthropic({ apiKey: 'k', baseURL: mock.origin, maxRetries: 0 })
      for (let round = 0; round < answers.length; round += 1) {
        const asked = { model: 'm', max_tokens: 9, messages: [{ role: 'user' as const, content: 'x' }] }
        const theirs = await client.messages.stream(asked).finalMessage()
        const ours = await collect(model, { ...requestOf('x'), messages: [userMessage('x')] })
        assertSame(ours, theirs)
      }
      model.close()
      await mock.close()
    })
  }

  void it('both take a broken stream for an error', async () => {
    const broken: readonly MockAnswer[] = [{ body: unfinished + overloaded }, { body: unfinished, after: 'drop' }]
    const mock = await startAnthropicMock((_request, place) => broken[Math.floor(place / 2)] ?? '')
    const model = modelOn(mock)
    const client = new Anthropic({ apiKey: 'k', baseURL: mock.origin, maxRetries: 0 })
    for (let round = 0; round < broken.length; round += 1) {
      await assert.rejects(client.messages.stream({ model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'x' }] }).finalMessage())
      assert.equal((await collect(model, requestOf('x'))).at(-1)?.type, 'error')
    }
    model.close()
    await mock.close()
  })
})

const reasons = { end_turn: 'stop', tool_use: 'tool_calls', refusal: 'refusal', max_tokens: 'length' } as Readonly<Record<string, string>>

function assertSame(ours: readonly ModelEvent[], theirs: Anthropic.Message): void {
  const content = theirs.content
  assert.equal(textOfEvents(ours), content.map((block) => (block.type === 'text' ? block.text : '')).join(''))
  assert.deepEqual(
    ours.flatMap((event) => (event.type === 'tool_call' ? [[event.call.id, event.call.name, JSON.parse(event.call.arguments)]] : [])),
    content.flatMap((block) => (block.type === 'tool_use' ? [[block.id, block.name, block.input]] : [])),
  )
  assert.equal(
    ours.map((event) => (event.type === 'reasoning' ? event.text : '')).join(''),
    content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
  )
  assert.deepEqual(
    ours.flatMap((event) => (event.type === 'reasoning' && event.sealed !== undefined ? [event.sealed.data] : [])),
    content.flatMap((block): object[] => {
      if (block.type === 'redacted_thinking') return [{ redacted: block.data }]
      return block.type === 'thinking' ? [{ signature: block.signature }] : []
    }),
  )
  const last = ours.at(-1)
  assert.ok(last?.type === 'finish')
  const { usage } = theirs
  assert.equal(last.reason, reasons[theirs.stop_reason ?? ''])
  assert.equal(last.usage.inputTokens, usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0))
  assert.equal(last.usage.outputTokens, usage.output_tokens)
  assert.equal(last.usage.reasoningTokens ?? 0, usage.output_tokens_details?.thinking_tokens ?? 0)
}
