import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { AssistantMessage, Message, ToolMessage } from '../../types/index.ts'
import { userMessage } from '../../types/index.ts'
import { requestOf } from '../model-contract.ts'
import { createRequestWriter } from './openai-request.ts'

const call = (id: string, text = '{}') => ({ type: 'tool_call', id, name: 'file_read', arguments: text }) as const
const asks = (...parts: AssistantMessage['parts']): AssistantMessage => ({ role: 'assistant', parts })
const result = (id: string, text: string): ToolMessage => ({
  role: 'tool',
  parts: [{ type: 'tool_result', id, name: 'file_read', ok: true, text }],
})

interface Body {
  messages: {
    role: string
    content: string | null
    tool_call_id?: string
    tool_calls?: { id: string; function: { arguments: string } }[]
  }[]
  tools?: unknown[]
}
const write = (messages: readonly Message[], system = ''): Body =>
  JSON.parse(createRequestWriter('max_tokens').write(requestOf('', { messages, system }))) as Body

void describe('a chat-completions request', () => {
  void it('holds all that was asked', () => {
    const tool = { name: 'file_read', description: 'Reads.', parameters: { type: 'object' } }
    const request = requestOf('hi', { tools: [tool], system: 'S' })
    assert.deepEqual(JSON.parse(createRequestWriter('max_completion_tokens').write(request)), {
      model: 'test',
      stream: true,
      stream_options: { include_usage: true },
      max_completion_tokens: 100,
      messages: [
        { role: 'system', content: 'S' },
        { role: 'user', content: 'hi' },
      ],
      tools: [{ type: 'function', function: tool }],
    })
  })

  void it('leaves reasoning behind and sends null for a message of calls alone', () => {
    const { messages } = write([asks({ type: 'reasoning', text: 'secret' }, call('a')), result('a', 'R')])
    assert.deepEqual(messages, [
      { role: 'assistant', content: null, tool_calls: [{ id: 'a', type: 'function', function: { name: 'file_read', arguments: '{}' } }] },
      { role: 'tool', tool_call_id: 'a', content: 'R' },
    ])
  })

  void it('makes repeated ids of one answer different, and its results with them', () => {
    const { messages } = write([
      asks(call('a'), call('a'), call('b')),
      result('a', '1'),
      result('a', '2'),
      result('b', '3'),
      asks(call('a')),
      result('a', '4'),
    ])
    assert.deepEqual(
      messages[0]?.tool_calls?.map(({ id }) => id),
      ['a', 'a_2', 'b'],
    )
    assert.deepEqual(
      messages.filter(({ role }) => role === 'tool').map((each) => [each.tool_call_id, each.content]),
      [
        ['a', '1'],
        ['a_2', '2'],
        ['b', '3'],
        ['a', '4'],
      ],
    )
  })

  void it('wraps arguments that are no JSON object, so that a service that parses them takes the conversation', () => {
    const sent = (text: string): unknown =>
      JSON.parse(write([asks(call('a', text))]).messages[0]?.tool_calls?.[0]?.function.arguments ?? '')
    assert.deepEqual(
      [sent('{"a":1}'), sent('{"a":'), sent('[1]'), sent('')],
      [{ a: 1 }, { invalid_arguments: '{"a":' }, { invalid_arguments: '[1]' }, {}],
    )
  })

  void it('converts a message once: later requests take its text from the cache', () => {
    const writer = createRequestWriter('max_tokens')
    let reads = 0
    const old = userMessage('old')
    const watched = { role: 'user', get parts() { reads += 1; return old.parts } } as const // prettier-ignore
    const first = writer.write(requestOf('', { messages: [watched] }))
    const before = reads
    assert.equal(writer.write(requestOf('', { messages: [watched] })), first)
    assert.equal(reads, before)
  })

  void it('is valid JSON that keeps every text, whatever is in it', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), fc.string(), (texts, system) => {
        const contents = write(texts.map(userMessage), system).messages.map(({ content }) => content)
        assert.deepEqual(contents, JSON.parse(JSON.stringify(system === '' ? texts : [system, ...texts])))
      }),
    )
  })
})
