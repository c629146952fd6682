import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { JsonObject } from '../../base/index.ts'
import type { AssistantMessage, GenerateRequest, Message, ModelEvent, ModelFacts, Sealed, ToolMessage } from '../../protocol/index.ts'
import { userMessage } from '../../protocol/index.ts'
import { modelLimits } from '../limits.ts'
import { requestOf } from '../model-contract.ts'
import { chatWire, createChatWriter } from './chat-wire.ts'
import { testFacts } from '../openai/facts-fixture.ts'

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
  JSON.parse(
    createChatWriter({ facts: () => testFacts(), official: false })
      .write(requestOf('', { messages, system }))
      .join(''),
  ) as Body

void describe('a chat-completions request', () => {
  void it('holds all that was asked', () => {
    const tool = { name: 'file_read', description: 'Reads.', parameters: { type: 'object' } }
    const request = requestOf('hi', { tools: [tool], system: 'S' })
    assert.deepEqual(
      JSON.parse(
        createChatWriter({ facts: () => testFacts(), official: true })
          .write(request)
          .join(''),
      ),
      {
        model: 'test',
        stream: true,
        stream_options: { include_usage: true },
        max_completion_tokens: 100,
        messages: [
          { role: 'system', content: 'S' },
          { role: 'user', content: 'hi' },
        ],
        tools: [{ type: 'function', function: tool }],
      },
    )
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

  void it('leaves out an answer without text and calls, which some services refuse with all of the conversation', () => {
    const thought = {
      type: 'reasoning',
      text: 'Hm.',
      sealed: { wire: 'openai-chat', model: 'm', data: { field: 'reasoning_content' } },
    } as const
    const sent = write([userMessage('one'), asks(), asks(thought), asks({ type: 'text', text: '' }), userMessage('two')]).messages
    assert.deepEqual(sent, [
      { role: 'user', content: 'one' },
      { role: 'user', content: 'two' },
    ])
  })

  void it('converts a message once: later requests take its text from the cache', () => {
    const writer = createChatWriter({ facts: () => testFacts(), official: false })
    let reads = 0
    const old = userMessage('old')
    const watched = { role: 'user', get parts() { reads += 1; return old.parts } } as const // prettier-ignore
    const first = writer.write(requestOf('', { messages: [watched] })).join('')
    const before = reads
    assert.equal(writer.write(requestOf('', { messages: [watched] })).join(''), first)
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

const picture = { type: 'media', mediaType: 'image/png', name: 'a.png', data: 'AAAA' } as const
const paper = { type: 'media', mediaType: 'application/pdf', name: '', data: 'BBBB' } as const
const drawing = { type: 'media', mediaType: 'image/svg+xml', name: 'a.svg', data: 'CCCC' } as const

const body = (request: Partial<GenerateRequest>, facts: Partial<ModelFacts> = {}, official = false): Record<string, unknown> =>
  JSON.parse(
    createChatWriter({ facts: () => testFacts(facts), official })
      .write(requestOf('x', { system: '', ...request }))
      .join(''),
  )
const messagesOf = (messages: readonly Message[], facts: Partial<ModelFacts> = {}): unknown => body({ messages }, facts)['messages']

void describe('media in a chat-completions request', () => {
  const asking: Message = { role: 'user', parts: [{ type: 'text', text: 'See' }, picture, paper, drawing] }
  const seen: ToolMessage = { role: 'tool', parts: [{ ...result('a', 'R').parts[0], media: [picture] }] }

  void it('sends pictures and documents as data URIs', () => {
    assert.deepEqual(messagesOf([asking]), [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'See' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          { type: 'file', file: { filename: 'document.pdf', file_data: 'data:application/pdf;base64,BBBB' } },
          { type: 'text', text: '[file omitted: image/svg+xml cannot be sent to this model]' },
        ],
      },
    ])
  })

  void it('notes in plain text what a model does not accept', () => {
    const left = ['See', '[image omitted: this model does not accept images]', '[document omitted: this model does not accept documents]']
    assert.deepEqual(messagesOf([asking], { input: ['text'] }), [
      { role: 'user', content: [...left, '[file omitted: image/svg+xml cannot be sent to this model]'].join('\n') },
    ])
    assert.deepEqual(messagesOf([seen], { input: ['text'] }), [{ role: 'tool', tool_call_id: 'a', content: `R\n${left[1]}` }])
  })

  void it('lets the pictures of tool results follow after all results of the step', () => {
    const { text, ...rest } = result('b', 'S').parts[0]
    const calls = asks(call('a'), call('b'))
    const wired = messagesOf([calls, seen, { role: 'tool', parts: [{ ...rest, text }] }, userMessage('next')]) as { role: string }[]
    assert.deepEqual(
      wired.map(({ role }) => role),
      ['assistant', 'tool', 'tool', 'user', 'user'],
    )
    assert.deepEqual(wired[3], {
      role: 'user',
      content: [
        { type: 'text', text: 'Files of the result of file_read (a):' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
      ],
    })
    assert.equal((messagesOf([calls, seen]) as unknown[]).length, 3)
  })

  void it('rewrites a message for a model with other capabilities', () => {
    const writer = createChatWriter({ facts: (model) => testFacts({ input: model === 'blind' ? ['text'] : ['image'] }), official: false })
    const sent = (model: string): boolean =>
      writer
        .write(requestOf('', { model, messages: [asking, seen] }))
        .join('')
        .includes('image_url')
    assert.deepEqual([sent('a'), sent('blind'), sent('a'), sent('blind')], [true, false, true, false])
  })
})

void describe('what a service wants back', () => {
  const sealed = (data: JsonObject, wire = 'openai-chat', model = 'test'): Sealed => ({ wire, model, data })
  const thought = (text: string, seal: Sealed) => ({ type: 'reasoning', text, sealed: seal }) as const

  void it('stands in the same field as it came, joined', () => {
    const details = [{ type: 'reasoning.encrypted', data: 'E' }]
    const parts = [
      thought('a', sealed({ field: 'reasoning_content' })),
      { type: 'text', text: 'T' } as const,
      thought('b', sealed({ field: 'reasoning_content' })),
      thought('c', sealed({ field: 'reasoning' })),
      thought('', sealed({ field: 'reasoning_details', details })),
      { ...call('x'), sealed: sealed({ extra_content: { google: { thought_signature: 'S' } } }) },
    ]
    const fn = { name: 'file_read', arguments: '{}' }
    assert.deepEqual(messagesOf([asks(...parts)]), [
      {
        role: 'assistant',
        content: 'T',
        reasoning_content: 'ab',
        reasoning: 'c',
        reasoning_details: details,
        tool_calls: [{ id: 'x', type: 'function', function: fn, extra_content: { google: { thought_signature: 'S' } } }],
      },
    ])
  })

  void it('stays behind when another wire or model made it, or nobody sealed it', () => {
    const parts = [
      thought('a', sealed({ field: 'reasoning_content' }, 'anthropic')),
      thought('b', sealed({ field: 'reasoning_content' }, 'openai-chat', 'other')),
      thought('c', sealed({ field: '__proto__' })),
      { type: 'reasoning', text: 'd' } as const,
      { ...call('x'), sealed: sealed({ extra_content: {} }, 'gemini') },
    ]
    const [message] = messagesOf([asks(...parts)]) as [{ tool_calls: object[] }]
    assert.deepEqual([Object.keys(message), Object.keys(message.tool_calls[0]!)], [['role', 'content', 'tool_calls'], ['id', 'type', 'function']]) // prettier-ignore
  })

  void it('is an empty text for services that refuse an answer without reasoning', () => {
    const foreign = [asks(call('a')), asks({ type: 'text', text: 'T' })]
    const fields = (facts: Partial<ModelFacts>): unknown[] =>
      (messagesOf(foreign, facts) as { reasoning_content?: string }[]).map((message) => message.reasoning_content)
    assert.deepEqual(fields({ provider: 'deepseek' }), ['', ''])
    assert.deepEqual(fields({ name: 'kimi-k2-thinking' }), ['', ''])
    assert.deepEqual(fields({ provider: 'deepseek', reasoning: false }), [undefined, undefined])
    assert.deepEqual(fields({}), [undefined, undefined])
  })

  void it('comes back through a whole round: what was read is what is written', () => {
    const reader = chatWire.createReader({ limits: modelLimits, origin: 'o', key: '', model: 'test', requestChars: 1 })
    const events: ModelEvent[] = []
    const chunk = (delta: object): string => `data: ${JSON.stringify({ choices: [{ delta }] })}\n\n`
    reader.feed(chunk({ reasoning_content: 'why ' }) + chunk({ reasoning_content: 'so' }) + chunk({ content: 'T' }), events)
    const parts = events.flatMap((event) => (event.type === 'reasoning' || event.type === 'text' ? [event] : []))
    const [first, end, text] = parts
    const message = asks({ type: 'reasoning', text: first!.text + end!.text, sealed: end!.sealed! }, { type: 'text', text: text!.text })
    assert.deepEqual(messagesOf([message]), [{ role: 'assistant', content: 'T', reasoning_content: 'why so' }])
  })
})

void describe('settings of a chat-completions request', () => {
  const tools = [{ name: 'file_read', description: '', parameters: {} }]
  const schema = { type: 'object', properties: { a: { type: 'string' } } }
  const settings = {
    temperature: 0.5,
    topP: 0.9,
    effort: 'low',
    stop: ['1', '2', '3', '4', '5'],
    toolChoice: { tool: 'file_read' },
    output: { name: 'my output', schema },
  } as const

  void it('are all sent to a model that supports them', () => {
    const { messages: _, tools: __, ...head } = body({ settings, tools, cacheKey: 'k' })
    assert.deepEqual(head, {
      model: 'test',
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 100,
      temperature: 0.5,
      top_p: 0.9,
      reasoning_effort: 'low',
      stop: ['1', '2', '3', '4'],
      tool_choice: { type: 'function', function: { name: 'file_read' } },
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'my_output', schema: { ...schema, required: ['a'], additionalProperties: false }, strict: true },
      },
    })
  })

  void it('are left out, each, for a model that does not know them', () => {
    const none = { sampling: false, reasoning: false, structuredOutput: false, tools: false }
    assert.deepEqual(Object.keys(body({ settings: { ...settings, stop: [] }, tools }, none)), ['model', 'stream', 'stream_options', 'max_tokens', 'messages']) // prettier-ignore
    assert.equal('tool_choice' in body({ settings }), false)
    assert.equal('tool_choice' in body({ settings: { toolChoice: 'auto' }, tools }), false)
    assert.equal(body({ settings: { toolChoice: 'required' }, tools })['tool_choice'], 'required')
  })

  void it('hold the cache key and the newer output limit only at the vendor itself, and no stop for its reasoning models', () => {
    const head = body({ settings, cacheKey: 'k'.repeat(100) }, {}, true)
    assert.deepEqual([head['prompt_cache_key'], head['max_completion_tokens'], head['max_tokens'], head['stop']], ['k'.repeat(64), 100, undefined, undefined]) // prettier-ignore
    assert.deepEqual(body({ settings }, { reasoning: false }, true)['stop'], ['1', '2', '3', '4'])
  })
})
