/** The wire over HTTP, and a second opinion: the vendor's own client reads the same answer from the same server. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import OpenAI from 'openai'
import type { ResponseOutputItem } from 'openai/resources/responses/responses'
import { systemClock } from '../../base/index.ts'
import { createHttpModel, type HttpModel } from '../http/http-model.ts'
import { modelLimits } from '../limits.ts'
import { collect, describeModelContract, requestOf, textOfEvents } from '../model-contract.ts'
import { testFacts } from '../openai/facts-fixture.ts'
import { responseStream, stalls, startResponsesMock, streamOf } from './fake-responses.ts'
import { responsesWire } from './responses-wire.ts'

const modelAt = (url: string): HttpModel =>
  createHttpModel({
    wire: responsesWire,
    baseUrl: new URL(url),
    key: 'k',
    headers: {},
    official: true,
    facts: () => testFacts(),
    clock: systemClock,
    limits: modelLimits,
  })

const usage = { input_tokens: 11, output_tokens: 22, cached_tokens: 4, reasoning_tokens: 5 }
const items: ResponseOutputItem[] = [
  {
    type: 'reasoning',
    id: 'rs_1',
    summary: [
      { type: 'summary_text', text: 'First.' },
      { type: 'summary_text', text: 'Second.' },
    ],
    encrypted_content: 'E',
  },
  {
    type: 'message',
    id: 'msg_1',
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text: `Grüße, 🦬 ${'word '.repeat(50)}`, annotations: [] }],
  },
  { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'file_read', arguments: '{"path":"ä.txt"}', status: 'completed' },
  { type: 'function_call', id: 'fc_2', call_id: 'call_2', name: 'file_list', arguments: '{"broken": ', status: 'completed' },
]
const delta = { type: 'response.output_text.delta', output_index: 0, content_index: 0, item_id: 'm', delta: 'Some' }

describeModelContract('the Responses wire', async () => {
  const mock = await startResponsesMock((body) => {
    if (body.includes('give tools')) return responseStream([items[2]!], usage)
    if (body.includes('fail')) return streamOf([delta, { type: 'error', code: 'server_error', message: 'broken', param: null }])
    return body.includes('endless') ? streamOf([delta]) + stalls : responseStream([items[1]!], usage)
  })
  const model = modelAt(mock.url)
  return {
    model,
    text: requestOf('text'),
    toolCall: requestOf('give tools'),
    failure: requestOf('fail'),
    endless: requestOf('endless'),
    close: async () => {
      model.close()
      await mock.close()
    },
  }
})

void it('the official client and the Responses wire read the same answer', async () => {
  const mock = await startResponsesMock([responseStream(items, usage)])
  const client = new OpenAI({ apiKey: 'k', baseURL: mock.url, maxRetries: 0 })
  const theirs = await client.responses.stream({ model: 'm', input: 'x' }).finalResponse()
  const model = modelAt(mock.url)
  const ours = await collect(model, requestOf('x'))
  assert.equal(textOfEvents(ours), theirs.output_text)
  assert.deepEqual(
    ours.flatMap((event) => (event.type === 'tool_call' ? [[event.call.id, event.call.name, event.call.arguments]] : [])),
    theirs.output.flatMap((item) => (item.type === 'function_call' ? [[item.call_id, item.name, item.arguments]] : [])),
  )
  assert.deepEqual(
    ours.map((event) => (event.type === 'reasoning' ? event.text : '')).join(''),
    theirs.output.flatMap((item) => (item.type === 'reasoning' ? item.summary.map(({ text }) => text) : [])).join('\n\n'),
  )
  const counted = { inputTokens: 11, outputTokens: 22, cacheReadTokens: 4, reasoningTokens: 5, estimated: false }
  assert.deepEqual(ours.at(-1), { type: 'finish', reason: 'tool_calls', usage: counted })
  assert.deepEqual([theirs.usage?.input_tokens, theirs.usage?.output_tokens, theirs.usage?.input_tokens_details.cached_tokens], [11, 22, 4])
  model.close()
  await mock.close()
})

void it('an answer that was cut is an error over the Responses wire, and no call of it runs', async () => {
  const stream = responseStream(items, usage)
  const mock = await startResponsesMock([stream.slice(0, stream.indexOf('event: response.completed'))])
  const model = modelAt(mock.url)
  const events = await collect(model, requestOf('x'))
  const last = events.at(-1)
  assert.equal(last?.type === 'error' && last.failure.code, 'model_unreachable')
  assert.equal(
    events.some(({ type }) => type === 'tool_call'),
    false,
  )
  model.close()
  await mock.close()
})
