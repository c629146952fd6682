/** A second opinion: the vendor's own client reads the same answer from the scripted server as our wire does. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import OpenAI from 'openai'
import { systemClock } from '../../base/index.ts'
import { createHttpModel } from '../http/http-model.ts'
import { modelLimits } from '../limits.ts'
import { collect, requestOf, textOfEvents } from '../model-contract.ts'
import { startScriptedServer } from '../scripted/scripted-server.ts'
import { chatWire } from './chat-wire.ts'
import { testFacts } from '../openai/facts-fixture.ts'

void it('the official client and our wire read the same answer', async () => {
  const events = [
    { text: 'Grüße, 🦬 ' },
    { text: 'word ', count: 50 },
    { tool_call: { name: 'file_read', arguments: { path: 'ä.txt', deep: [1, null] }, pieces: 7 } },
    { tool_call: { name: 'file_list', arguments: '{"broken": ', id: 'mine' } },
  ]
  const server = await startScriptedServer({ turns: [{ steps: [{ events, usage: { input: 11, output: 22 }, split_bytes: 97 }] }] })
  const client = new OpenAI({ apiKey: 'k', baseURL: server.url, maxRetries: 0 })
  const stream = client.chat.completions.stream({
    model: 'm',
    messages: [{ role: 'user', content: 'x' }],
    stream_options: { include_usage: true },
  })
  const theirs = await stream.finalChatCompletion()
  const model = createHttpModel({
    wire: chatWire,
    baseUrl: new URL(server.url),
    key: 'k',
    headers: {},
    official: true,
    facts: () => testFacts(),
    clock: systemClock,
    limits: modelLimits,
  })
  const ours = await collect(model, requestOf('x'))
  const message = theirs.choices[0]?.message
  assert.equal(textOfEvents(ours), message?.content)
  assert.deepEqual(
    ours.flatMap((event) => (event.type === 'tool_call' ? [[event.call.id, event.call.name, event.call.arguments]] : [])),
    message?.tool_calls?.map((call) => (call.type === 'function' ? [call.id, call.function.name, call.function.arguments] : [])),
  )
  assert.deepEqual(ours.at(-1), { type: 'finish', reason: 'tool_calls', usage: { inputTokens: 11, outputTokens: 22, estimated: false } })
  assert.deepEqual([theirs.usage?.prompt_tokens, theirs.usage?.completion_tokens, theirs.choices[0]?.finish_reason], [11, 22, 'tool_calls'])
  model.close()
  await server.close()
})
