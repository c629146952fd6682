import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { JsonObject } from '../../base/index.ts'
import type { AssistantMessage, GenerateRequest, Message, ModelEvent, ModelFacts, Sealed, ToolMessage } from '../../protocol/index.ts'
import { userMessage } from '../../protocol/index.ts'
import { modelLimits } from '../limits.ts'
import { requestOf } from '../model-contract.ts'
import { testFacts } from '../openai/facts-fixture.ts'
import { responseStream } from './fake-responses.ts'
import { createResponsesWriter, responsesWire } from './responses-wire.ts'

const body = (request: Partial<GenerateRequest>, facts: Partial<ModelFacts> = {}, official = false): Record<string, unknown> =>
  JSON.parse(
    createResponsesWriter({ facts: () => testFacts(facts), official })
      .write(requestOf('x', { system: '', ...request }))
      .join(''),
  )
const inputOf = (messages: readonly Message[], facts: Partial<ModelFacts> = {}): unknown[] =>
  body({ messages }, facts)['input'] as unknown[]

const sealed = (data: JsonObject, wire = 'openai-responses', model = 'test'): Sealed => ({ wire, model, data })
const asks = (...parts: AssistantMessage['parts']): AssistantMessage => ({ role: 'assistant', parts })
const call = (id: string, more: object = {}) => ({ type: 'tool_call', id, name: 'file_read', arguments: '{}', ...more }) as const
const result = (id: string, more: object = {}): ToolMessage => ({
  role: 'tool',
  parts: [{ type: 'tool_result', id, name: 'file_read', ok: true, text: 'R', ...more }],
})
const thought = (id: string, at: number, more: Partial<Sealed> = {}) => {
  const item = { type: 'reasoning', id, summary: [], encrypted_content: 'E' }
  return { part: { type: 'reasoning', text: 't', sealed: { ...sealed({ at, item }), ...more } } as const, item }
}
const picture = { type: 'media', mediaType: 'image/png', name: 'a.png', data: 'AAAA' } as const
const paper = { type: 'media', mediaType: 'application/pdf', name: 'p.pdf', data: 'BBBB' } as const

void describe('a Responses request', () => {
  void it('holds the whole conversation and keeps nothing at the vendor', () => {
    const tool = { name: 'file_read', description: 'Reads.', parameters: { type: 'object' } }
    const messages = [userMessage('hi'), asks({ type: 'text', text: 'a' }, { type: 'text', text: 'b' }, call('c')), result('c')]
    assert.deepEqual(body({ system: 'S', tools: [tool], messages, cacheKey: 'k' }, {}, true), {
      model: 'test',
      stream: true,
      store: false,
      max_output_tokens: 100,
      instructions: 'S',
      include: ['reasoning.encrypted_content'],
      reasoning: { summary: 'auto' },
      prompt_cache_key: 'k',
      input: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'ab' },
        { type: 'function_call', call_id: 'c', name: 'file_read', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c', output: 'R' },
      ],
      tools: [{ type: 'function', ...tool, strict: false }],
    })
  })

  void it('sends every setting to a model that knows it, and leaves each out for one that does not', () => {
    const schema = { type: 'object', properties: {}, additionalProperties: { type: 'string' } } as const
    const settings = { temperature: 1, topP: 0.5, effort: 'high', stop: ['x'], toolChoice: { tool: 'file_read' }, output: { name: 'o', schema } } as const // prettier-ignore
    const tools = [{ name: 'file_read', description: '', parameters: {} }]
    const { input: _, tools: __, ...all } = body({ settings, tools, cacheKey: 'k' })
    assert.deepEqual(all, {
      model: 'test',
      stream: true,
      store: false,
      max_output_tokens: 100,
      include: ['reasoning.encrypted_content'],
      reasoning: { effort: 'high', summary: 'auto' },
      temperature: 1,
      top_p: 0.5,
      tool_choice: { type: 'function', name: 'file_read' },
      text: { format: { type: 'json_schema', name: 'o', schema, strict: false } },
    })
    const none = { sampling: false, reasoning: false, structuredOutput: false, tools: false }
    assert.deepEqual(Object.keys(body({ settings, tools }, none)), ['model', 'stream', 'store', 'max_output_tokens', 'input'])
    assert.deepEqual(body({ settings: { effort: 'none' } })['reasoning'], { effort: 'none' })
  })

  void it('carries pictures and documents of messages and of tool results, or notes what is omitted', () => {
    const asking: Message = { role: 'user', parts: [{ type: 'text', text: 'See' }, picture, paper] }
    const image = { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'auto' }
    const file = { type: 'input_file', filename: 'p.pdf', file_data: 'data:application/pdf;base64,BBBB' }
    assert.deepEqual(inputOf([asking, result('c', { media: [picture] })]), [
      { role: 'user', content: [{ type: 'input_text', text: 'See' }, image, file] },
      { type: 'function_call_output', call_id: 'c', output: [{ type: 'input_text', text: 'R' }, image] },
    ])
    const left = { type: 'input_text', text: '[image omitted: this model does not accept images]' }
    assert.deepEqual(inputOf([result('c', { text: '', media: [picture] })], { input: ['text'] }), [
      { type: 'function_call_output', call_id: 'c', output: [left] },
    ])
  })

  void it('is valid JSON that keeps every text, converted once', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (texts) => {
        const contents = inputOf(texts.map(userMessage)).map((item) => (item as { content: string }).content)
        assert.deepEqual(contents, JSON.parse(JSON.stringify(texts)))
      }),
    )
    const writer = createResponsesWriter({ facts: () => testFacts(), official: false })
    let reads = 0
    const old = userMessage('old')
    const watched = { role: 'user', get parts() { reads += 1; return old.parts } } as const // prettier-ignore
    const first = writer.write(requestOf('', { messages: [watched] })).join('')
    const before = reads
    assert.equal(writer.write(requestOf('', { messages: [watched] })).join(''), first)
    assert.equal(reads, before)
  })
})

void describe('an answer in the conversation', () => {
  const first = thought('rs_1', 0)
  const second = thought('rs_2', 2)
  const text = { type: 'text', text: 'T', sealed: sealed({ at: 1, id: 'msg_1', phase: 'commentary' }) } as const
  const message = { type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'T', annotations: [] }], phase: 'commentary' } // prettier-ignore
  const fn = { type: 'function_call', name: 'file_read', arguments: '{}' }

  void it('goes back item by item, under its ids and in its order', () => {
    const calls = [call('a', { sealed: sealed({ at: 3, id: 'fc_1' }) })]
    const early = call('b', { sealed: sealed({ at: 1, id: 'fc_0' }) })
    assert.deepEqual(inputOf([asks(first.part, text, second.part, ...calls)]), [
      first.item,
      message,
      second.item,
      { ...fn, call_id: 'a', id: 'fc_1' },
    ])
    assert.deepEqual(inputOf([asks(first.part, second.part, early, ...calls)]), [
      first.item,
      { ...fn, call_id: 'b', id: 'fc_0' },
      second.item,
      { ...fn, call_id: 'a', id: 'fc_1' },
    ])
  })

  void it('goes without ids when its reasoning cannot go with it', () => {
    const plain = [
      { role: 'assistant', content: 'T', phase: 'commentary' },
      { ...fn, call_id: 'a' },
    ]
    const calls = call('a', { sealed: sealed({ at: 3, id: 'fc_1' }) })
    for (const lost of [
      { type: 'reasoning', text: 'x' } as const,
      thought('rs', 0, { model: 'other' }).part,
      thought('rs', 0, { wire: 'anthropic' }).part,
    ]) {
      assert.deepEqual(inputOf([asks(lost, text, calls)]), plain)
    }
    const foreign = { type: 'text', text: 'T', sealed: sealed({ id: 'x' }, 'gemini') } as const
    assert.deepEqual(inputOf([asks(foreign)]), [{ role: 'assistant', content: 'T' }])
  })

  void it('goes without its reasoning when what followed broke off, for the service demands the very next item', () => {
    assert.deepEqual(inputOf([asks(first.part, { type: 'text', text: 'cut' })]), [{ role: 'assistant', content: 'cut' }])
    assert.deepEqual(inputOf([asks(first.part, text, call('a'))]), [
      { role: 'assistant', content: 'T', phase: 'commentary' },
      { ...fn, call_id: 'a' },
    ])
  })

  void it('goes without reasoning that nothing follows, for the service would refuse it', () => {
    assert.deepEqual(inputOf([userMessage('x'), asks(first.part)]), [{ role: 'user', content: 'x' }])
    assert.deepEqual(inputOf([asks(first.part, text, second.part)]), [first.item, message])
  })

  void it('is mended where the service would refuse it: ids, names and arguments', () => {
    const long = 'x'.repeat(60)
    const odd = [call('a'), call('a'), call('a_2'), call(long, { name: 'functions.file read', arguments: '{"a"' }), call(`${long}y`)]
    const sent = inputOf([asks(...odd), result('a'), result('a'), result('a_2'), result(long), result(`${long}y`)]) as { call_id: string; name?: string; arguments?: string }[] // prettier-ignore
    const ids = ['a', 'a_2', 'a_2_2', 'x'.repeat(40), `${'x'.repeat(38)}_2`]
    assert.deepEqual(
      sent.map(({ call_id }) => call_id),
      [...ids, ...ids],
    )
    assert.deepEqual([sent[3]?.name, sent[3]?.arguments], ['functions_file_read', '{"invalid_arguments":"{\\"a\\""}'])
  })

  void it('comes back through a whole round: what was read is what is written', () => {
    const items = [
      { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'why' }], encrypted_content: 'E' },
      message,
      { ...fn, id: 'fc_1', call_id: 'call_1', status: 'completed' },
    ]
    const reader = responsesWire.createReader({ limits: modelLimits, origin: 'o', key: '', model: 'test', requestChars: 1 })
    const events: ModelEvent[] = []
    reader.feed(responseStream(items as never, { input_tokens: 1, output_tokens: 1 }), events)
    assert.equal(reader.problem(null), null)
    events.push(...reader.finish())
    assert.deepEqual(inputOf([asks(...partsOf(events))]), [items[0], message, { ...fn, id: 'fc_1', call_id: 'call_1' }])
  })
})

/** As the turn loop joins them: neighbours are one part until a seal ends it. */
function partsOf(events: readonly ModelEvent[]): AssistantMessage['parts'] {
  const parts: AssistantMessage['parts'][number][] = []
  let open = false
  for (const event of events) {
    if (event.type === 'tool_call') parts.push(event.call)
    if (event.type !== 'text' && event.type !== 'reasoning') continue
    const last = parts.at(-1)
    const joins = open && last?.type === event.type
    const made = { type: event.type, text: (joins ? last.text : '') + event.text, ...(event.sealed && { sealed: event.sealed }) }
    if (joins) parts[parts.length - 1] = made
    else parts.push(made)
    open = event.sealed === undefined
  }
  return parts
}
