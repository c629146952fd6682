/** What real provider packages make of a conversation, and of an answer, in each of their own protocols. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import type { AssistantMessage, GenerateRequest, Message, ModelEvent, ModelFacts } from '../../protocol/index.ts'
import { systemClock } from '../../base/index.ts'
import { plainFacts, userMessage } from '../../protocol/index.ts'
import { modelLimits } from '../limits.ts'
import { collect, requestOf } from '../model-contract.ts'
import { createAiSdkModel } from './ai-sdk-model.ts'

type Body = Record<string, any>

const facts: ModelFacts = {
  ...plainFacts({ name: 'm', provider: 'test', contextTokens: 1000, maxOutputTokens: 100, price: null }),
  reasoning: true,
}
const tool = { name: 'file_read', description: 'Reads.', parameters: { type: 'object', properties: { path: { type: 'string' } } } }

/** Runs one generation of a package against a server that answers with these events. */
async function ask(
  packageName: string,
  events: readonly object[],
  more: Partial<GenerateRequest> = {},
): Promise<{ body: Body; events: ModelEvent[] }> {
  const bodies: Body[] = []
  const server = createServer((request, response) => {
    void readText(request).then((body) => {
      bodies.push(JSON.parse(body) as Body)
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const named = (event: object): string => ('type' in event ? `event: ${String(event.type)}\n` : '')
      response.end(events.map((event) => `${named(event)}data: ${JSON.stringify(event)}\n\n`).join(''))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const baseUrl = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`)
  const common = { headers: {}, facts: () => facts, clock: systemClock, limits: modelLimits, folders: [] }
  const model = createAiSdkModel({ packageName, provider: 'test', key: 'k', baseUrl, ...common })
  try {
    const got = await collect(model, requestOf('hello', { model: 'm', tools: [tool], ...more }))
    return { body: bodies[0] ?? {}, events: got }
  } finally {
    model.close()
    server.close()
    server.closeAllConnections()
  }
}

/** The events of an answer as the message that a turn keeps of it. */
function messageOf(events: readonly ModelEvent[]): AssistantMessage {
  const parts: AssistantMessage['parts'][number][] = []
  let open: 'text' | 'reasoning' | null = null
  for (const event of events) {
    if (event.type === 'tool_call') parts.push(event.call)
    if (event.type !== 'text' && event.type !== 'reasoning') continue
    const last = parts.at(-1)
    const joins = open === event.type && last?.type === event.type
    const text = (joins ? last.text : '') + event.text
    const part = { type: event.type, text, ...(event.sealed === undefined ? {} : { sealed: event.sealed }) }
    if (joins) parts[parts.length - 1] = part
    else parts.push(part)
    open = event.sealed === undefined ? event.type : null
  }
  return { role: 'assistant', parts }
}

function conversation(events: readonly ModelEvent[], more: Partial<{ ok: boolean; data: string }> = {}): Message[] {
  const answer = messageOf(events)
  const call = answer.parts.find((part) => part.type === 'tool_call')
  assert.ok(call?.type === 'tool_call')
  const media =
    more.data === undefined ? {} : { media: [{ type: 'media', mediaType: 'image/png', name: 'a.png', data: more.data } as const] }
  const result = { type: 'tool_result', id: call.id, name: call.name, ok: more.ok ?? true, text: 'the text', ...media } as const
  return [userMessage('hello'), answer, { role: 'tool', parts: [result] }]
}

const anthropicEvents = [
  {
    type: 'message_start',
    message: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 10, cache_read_input_tokens: 100, cache_creation_input_tokens: 1000, output_tokens: 1 },
    },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'Let me ' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'look.' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'c2lnbmVk' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'Reading.' } },
  { type: 'content_block_stop', index: 1 },
  { type: 'content_block_start', index: 2, content_block: { type: 'tool_use', id: 'toolu_1', name: 'file_read', input: {} } },
  { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '{"path":' } },
  { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '"ä.txt"}' } },
  { type: 'content_block_stop', index: 2 },
  { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage: { output_tokens: 42 } },
  { type: 'message_stop' },
]

void describe('@ai-sdk/anthropic over the bridge', () => {
  void it('gives thinking, text, a tool call and usage with the cache counted', async () => {
    const { events } = await ask('@ai-sdk/anthropic', anthropicEvents)
    const { parts } = messageOf(events)
    assert.deepEqual(
      parts.map((part) => [part.type, part.type === 'tool_call' ? part.arguments : part.text]),
      [
        ['reasoning', 'Let me look.'],
        ['text', 'Reading.'],
        ['tool_call', '{"path":"ä.txt"}'],
      ],
    )
    assert.deepEqual(events.at(-1), {
      type: 'finish',
      reason: 'tool_calls',
      usage: { inputTokens: 1110, outputTokens: 42, cacheReadTokens: 100, cacheWriteTokens: 1000, estimated: false },
    })
  })

  void it('is given its thinking back with the signature, and a picture in the result of a tool', async () => {
    const { events } = await ask('@ai-sdk/anthropic', anthropicEvents)
    const { body } = await ask('@ai-sdk/anthropic', anthropicEvents, { messages: conversation(events, { data: 'iVBORw0KGgo=' }) })
    const messages = body['messages'] as Body[]
    assert.deepEqual(messages[1]?.['content'][0], { type: 'thinking', thinking: 'Let me look.', signature: 'c2lnbmVk' })
    assert.deepEqual(messages[1]?.['content'][2]?.input, { path: 'ä.txt' })
    const result = messages[2]?.['content'][0] as Body
    assert.equal(result['tool_use_id'], 'toolu_1')
    assert.deepEqual(
      (result['content'] as Body[]).map((part) => part['type']),
      ['text', 'image'],
    )
  })

  void it('is asked to cache the system prompt and the conversation', async () => {
    const { events } = await ask('@ai-sdk/anthropic', anthropicEvents)
    const { body } = await ask('@ai-sdk/anthropic', anthropicEvents, { messages: conversation(events) })
    const mark = { type: 'ephemeral' }
    const messages = body['messages'] as Body[]
    assert.deepEqual(
      [body['system'][0], messages.at(-1)?.['content'].at(-1)].map((part: Body) => part['cache_control']),
      [mark, mark],
    )
    assert.equal(JSON.stringify(body).split('cache_control').length - 1, 2)
  })

  void it('is not given the thinking of another model', async () => {
    const { events } = await ask('@ai-sdk/anthropic', anthropicEvents)
    const { body } = await ask('@ai-sdk/anthropic', anthropicEvents, { model: 'other', messages: conversation(events) })
    assert.deepEqual(
      (body['messages'] as Body[])[1]?.['content'].map((part: Body) => part['type']),
      ['text', 'tool_use'],
    )
  })

  void it('that breaks off inside its answer, or is overloaded there, is an error', async () => {
    for (const end of [[], [{ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }]]) {
      const { events } = await ask('@ai-sdk/anthropic', [...anthropicEvents.slice(0, 9), ...end])
      const last = events.at(-1)
      assert.ok(last?.type === 'error' && last.retry !== undefined, JSON.stringify(last))
      assert.match(last.failure.code, /^model_(?:overloaded|unreachable)$/)
    }
  })
})

const geminiPart = (part: object, more: object = {}): object => ({
  candidates: [{ content: { role: 'model', parts: [part] }, index: 0, ...more }],
  usageMetadata: { promptTokenCount: 50, cachedContentTokenCount: 20, candidatesTokenCount: 7, thoughtsTokenCount: 5, totalTokenCount: 62 },
  modelVersion: 'm',
})
const geminiEvents = [
  geminiPart({ text: 'Thinking.', thought: true }),
  geminiPart({ text: 'Reading.' }),
  geminiPart({ functionCall: { name: 'file_read', args: { path: 'ä.txt' } }, thoughtSignature: 'c2ln' }, { finishReason: 'STOP' }),
]

void describe('@ai-sdk/google over the bridge', () => {
  void it('gives thoughts, text, a tool call and usage with thoughts counted, and gets the signature back', async () => {
    const { events } = await ask('@ai-sdk/google', geminiEvents)
    assert.deepEqual(
      messageOf(events).parts.map((part) => part.type),
      ['reasoning', 'text', 'tool_call'],
    )
    const usage = { inputTokens: 50, outputTokens: 12, cacheReadTokens: 20, reasoningTokens: 5, estimated: false }
    assert.deepEqual(events.at(-1), { type: 'finish', reason: 'tool_calls', usage })
    const { body } = await ask('@ai-sdk/google', geminiEvents, { messages: conversation(events, { ok: false }) })
    const contents = body['contents'] as Body[]
    const call = ((contents[1]?.['parts'] ?? []) as Body[]).find((part) => 'functionCall' in part)
    assert.equal(call?.['thoughtSignature'], 'c2ln')
    assert.match(JSON.stringify(contents[2]), /"functionResponse".*the text/)
  })
})

const usage = {
  input_tokens: 30,
  input_tokens_details: { cached_tokens: 10 },
  output_tokens: 9,
  output_tokens_details: { reasoning_tokens: 4 },
  total_tokens: 39,
}
const response = { id: 'resp_1', object: 'response', created_at: 1, model: 'gpt-5', output: [] }
const reasoningItem = { id: 'rs_1', type: 'reasoning', summary: [] }
const callItem = { id: 'fc_1', type: 'function_call', call_id: 'call_1', name: 'file_read', status: 'completed' }
const responsesEvents = [
  { type: 'response.created', response: { ...response, status: 'in_progress' } },
  { type: 'response.output_item.added', output_index: 0, item: { ...reasoningItem, encrypted_content: 'half' } },
  {
    type: 'response.reasoning_summary_part.added',
    item_id: 'rs_1',
    output_index: 0,
    summary_index: 0,
    part: { type: 'summary_text', text: '' },
  },
  { type: 'response.reasoning_summary_text.delta', item_id: 'rs_1', output_index: 0, summary_index: 0, delta: 'Look first.' },
  {
    type: 'response.reasoning_summary_part.done',
    item_id: 'rs_1',
    output_index: 0,
    summary_index: 0,
    part: { type: 'summary_text', text: 'Look first.' },
  },
  {
    type: 'response.output_item.done',
    output_index: 0,
    item: { ...reasoningItem, summary: [{ type: 'summary_text', text: 'Look first.' }], encrypted_content: 'whole' },
  },
  { type: 'response.output_item.added', output_index: 1, item: { ...callItem, arguments: '', status: 'in_progress' } },
  { type: 'response.function_call_arguments.delta', item_id: 'fc_1', output_index: 1, delta: '{"path":"ä.txt"}' },
  { type: 'response.output_item.done', output_index: 1, item: { ...callItem, arguments: '{"path":"ä.txt"}' } },
  { type: 'response.completed', response: { ...response, status: 'completed', usage } },
]

void describe('@ai-sdk/openai over the bridge, on the Responses API', () => {
  void it('keeps nothing at the service: reasoning comes encrypted and is given back so', async () => {
    const first = await ask('@ai-sdk/openai', responsesEvents, { model: 'gpt-5', cacheKey: 'session', settings: { effort: 'low' } })
    assert.equal(first.body['store'], false)
    assert.equal(first.body['prompt_cache_key'], 'session')
    assert.deepEqual(first.body['include'], ['reasoning.encrypted_content'])
    assert.equal(first.body['reasoning'].effort, 'low')
    const told = { inputTokens: 30, outputTokens: 9, cacheReadTokens: 10, reasoningTokens: 4, estimated: false }
    assert.deepEqual(first.events.at(-1), { type: 'finish', reason: 'tool_calls', usage: told })
    const second = await ask('@ai-sdk/openai', responsesEvents, { model: 'gpt-5', messages: conversation(first.events) })
    const input = second.body['input'] as Body[]
    const kinds = input.map((item) => item['type'] ?? item['role'])
    assert.equal(input.find((item) => item['type'] === 'reasoning')?.['encrypted_content'], 'whole')
    assert.equal(JSON.stringify(input).includes('item_reference'), false, JSON.stringify(kinds))
    const result = input.find((item) => item['type'] === 'function_call_output')
    assert.deepEqual([result?.['call_id'], result?.['output']], ['call_1', 'the text'])
  })
})
