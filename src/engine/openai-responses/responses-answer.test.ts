import assert from 'node:assert/strict'
import { StringDecoder } from 'node:string_decoder'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { ResponseOutputItem } from 'openai/resources/responses/responses'
import type { ModelEvent, Sealed, Usage } from '../../protocol/index.ts'
import { modelLimits } from '../limits.ts'
import { problem } from '../model-problem.ts'
import { createResponseReader } from './responses-answer.ts'
import { responseStream, streamOf } from './fake-responses.ts'

const dropped = problem('model_unreachable', 'dropped', 'again')
const usage = { input_tokens: 7, output_tokens: 5 }

interface Answer {
  readonly text: string
  readonly reasoning: string
  readonly calls: readonly (readonly string[])[]
  readonly seals: readonly unknown[]
  /** Code of the error, or the finish reason. */
  readonly end: string
  readonly whole: boolean
  readonly usage: Usage
}

/** Reads these pieces of bytes as one connection that ends regularly or is cut. */
function read(pieces: readonly Buffer[], cut = false): Answer {
  const reader = createResponseReader({ limits: modelLimits, origin: 'http://test', key: '', model: 'm', requestChars: 40 })
  const decoder = new StringDecoder('utf8')
  const events: ModelEvent[] = []
  for (const piece of pieces) if (!reader.feed(decoder.write(piece), events)) break
  const wrong = reader.problem(cut ? dropped : null)
  if (wrong === null) events.push(...reader.finish())
  const joined = (type: 'text' | 'reasoning'): string => events.map((event) => (event.type === type ? event.text : '')).join('')
  const last = events.at(-1)
  const sealOf = (event: ModelEvent): Sealed | undefined =>
    event.type === 'tool_call' ? event.call.sealed : 'sealed' in event ? event.sealed : undefined
  return {
    text: joined('text'),
    reasoning: joined('reasoning'),
    calls: events.flatMap((event) => (event.type === 'tool_call' ? [[event.call.id, event.call.name, event.call.arguments]] : [])),
    seals: events.flatMap((event) => (sealOf(event) === undefined ? [] : [[event.type, sealOf(event)?.data]])),
    end: wrong !== null ? wrong.failure.code : last?.type === 'finish' ? last.reason : 'nothing',
    whole: wrong === null,
    usage: reader.usage(),
  }
}

const readText = (text: string): Answer => read([Buffer.from(text)])
const readEvents = (...events: object[]): Answer => readText(streamOf(events))

const said = (text: string, more: object = {}): ResponseOutputItem => ({
  type: 'message',
  id: 'msg_1',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text, annotations: [] }],
  ...more,
})
const thought = (...texts: string[]): ResponseOutputItem => ({
  type: 'reasoning',
  id: 'rs_1',
  summary: texts.map((text) => ({ type: 'summary_text', text })),
  encrypted_content: 'gAAA',
})
const asked = (id: string, name = 'file_read', args = '{"path":"ä"}'): ResponseOutputItem => ({
  type: 'function_call',
  id: `fc_${id}`,
  call_id: `call_${id}`,
  name,
  arguments: args,
  status: 'completed',
})

const anyItem: fc.Arbitrary<ResponseOutputItem> = fc.oneof(
  fc.string({ unit: 'grapheme' }).map((text) => said(text)),
  fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 3 }).map((texts) => thought(...texts)),
  fc.tuple(fc.stringMatching(/^[a-z_]{1,9}$/), fc.string()).map(([name, args]) => asked('1', name, args)),
)
const anyAnswer = fc.array(anyItem, { maxLength: 4 }).map((items) => Buffer.from(responseStream(items, usage)))

void describe('the reader of a response', () => {
  void it('reads text, reasoning and tool calls, and seals what is wanted back', () => {
    const got = readText(responseStream([thought('One.', 'Two.'), said('Grüße 🦬', { phase: 'commentary' }), asked('a'), asked('b')], { ...usage, cached_tokens: 3, reasoning_tokens: 2 })) // prettier-ignore
    const item = { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'One.' }, { type: 'summary_text', text: 'Two.' }], encrypted_content: 'gAAA' } // prettier-ignore
    assert.deepEqual(got, {
      text: 'Grüße 🦬',
      reasoning: 'One.\n\nTwo.',
      calls: [
        ['call_a', 'file_read', '{"path":"ä"}'],
        ['call_b', 'file_read', '{"path":"ä"}'],
      ],
      seals: [
        ['reasoning', { at: 0, item }],
        ['text', { at: 1, id: 'msg_1', phase: 'commentary' }],
        ['tool_call', { at: 2, id: 'fc_a' }],
        ['tool_call', { at: 3, id: 'fc_b' }],
      ],
      end: 'tool_calls',
      whole: true,
      usage: { inputTokens: 7, outputTokens: 5, cacheReadTokens: 3, reasoningTokens: 2, estimated: false },
    })
  })

  void it('gives an error or the full answer, never a wrong one, when the stream is cut at any byte', () => {
    const bytes = Buffer.from(responseStream([thought('hm'), said('Grüße 🦬'), asked('a')], usage))
    const full = read([bytes])
    assert.deepEqual([full.text, full.calls.length, full.end], ['Grüße 🦬', 1, 'tool_calls'])
    for (let at = 0; at < bytes.length; at += 1) {
      for (const cut of [true, false]) {
        const got = read([bytes.subarray(0, at)], cut)
        if (got.whole) assert.deepEqual(got, full)
        else assert.ok(full.text.startsWith(got.text) && full.reasoning.startsWith(got.reasoning) && got.calls.length === 0)
      }
    }
  })

  void it('does so for any answer and any cut', () => {
    fc.assert(
      fc.property(anyAnswer, fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean(), (bytes, where, cut) => {
        const full = read([bytes])
        const got = read([bytes.subarray(0, Math.floor(bytes.length * where))], cut)
        assert.ok(full.whole)
        if (got.whole) assert.deepEqual(got, full)
        else assert.ok(full.text.startsWith(got.text) && full.reasoning.startsWith(got.reasoning) && got.calls.length === 0)
      }),
    )
  })

  void it('gives the same answer however the bytes are split, with any line ends and keep-alive comments', () => {
    fc.assert(
      fc.property(anyAnswer, fc.integer({ min: 1, max: 40 }), fc.constantFrom('\n', '\r\n', '\r'), (plain, size, lineEnd) => {
        const bytes = Buffer.from(`: keep-alive\n\n${plain.toString()}`.replaceAll('\n', lineEnd))
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
        assert.deepEqual(read(pieces), read([plain]))
      }),
    )
  })

  void it('never throws on any bytes or any values in known events', () => {
    const types = 'response.output_text.delta response.refusal.delta response.reasoning_text.delta response.output_item.added response.output_item.done response.function_call_arguments.delta response.function_call_arguments.done response.completed response.incomplete response.failed error'.split(' ') // prettier-ignore
    const keys = 'output_index item_id item delta response error arguments name'.split(' ')
    const item = fc.record({ type: fc.constantFrom('message', 'reasoning', 'function_call'), summary: fc.jsonValue(), content: fc.jsonValue(), arguments: fc.jsonValue(), id: fc.jsonValue(), name: fc.jsonValue() }) // prettier-ignore
    const wild = fc
      .record({ type: fc.constantFrom(...types) })
      .chain((type) =>
        fc.dictionary(fc.constantFrom(...keys), fc.oneof(fc.jsonValue(), item, fc.string())).map((more) => ({ ...more, ...type })),
      )
    const noise = fc.oneof(
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.array(wild).map((events) => Buffer.from(streamOf(events))),
    )
    fc.assert(fc.property(fc.array(noise), (pieces) => void read(pieces)))
  })

  void it('emits a refusal as text and ends with it', () => {
    const item = said('', { content: [{ type: 'refusal', refusal: 'I will not.' }] })
    const got = readText(responseStream([item], usage))
    assert.deepEqual([got.text, got.end, got.seals], ['I will not.', 'refusal', []])
  })

  void it('maps how a response ends, and leaves out a call that was cut', () => {
    const cut = (reason: string): Answer =>
      readText(
        responseStream([asked('a'), { ...asked('b', 'x', '{"pa'), status: 'incomplete' } as ResponseOutputItem], usage, { type: 'incomplete', incomplete_details: { reason } }),
      ) // prettier-ignore
    assert.deepEqual([cut('max_output_tokens').end, cut('content_filter').end, cut('new').end], ['length', 'refusal', 'length'])
    assert.deepEqual(
      cut('max_output_tokens').calls.map(([id]) => id),
      ['call_a'],
    )
    assert.equal(readEvents({ type: 'response.incomplete', response: {} }).end, 'length')
    assert.equal(readEvents({ type: 'response.completed', response: { status: 'incomplete' } }).end, 'length')
    assert.equal(readText(responseStream([said('x')], usage)).end, 'stop')
    assert.equal(readText(responseStream([], usage)).end, 'stop')
  })

  void it('classifies failures by their names in the protocol', () => {
    const failed = (error: unknown): string => readText(responseStream([], usage, { type: 'failed', error })).end
    const codes = ['rate_limit_exceeded', 'server_error', 'invalid_prompt', 'image_too_large', 'new_code'].map((code) => failed({ code, message: 'm' })) // prettier-ignore
    assert.deepEqual(codes, ['model_rate_limited', 'model_overloaded', 'model_refused', 'model_refused', 'model_overloaded'])
    assert.deepEqual([failed(null), failed('text')], ['model_overloaded', 'model_overloaded'])
    assert.equal(readEvents({ type: 'error', code: 'rate_limit_exceeded', message: 'slow', param: null }).end, 'model_rate_limited')
    assert.equal(readEvents({ type: 'error', error: { type: 'invalid_request_error', message: 'no' } }).end, 'model_refused')
    assert.equal(readEvents({ error: { code: 401, message: 'no' } }).end, 'model_auth')
    assert.equal(readEvents({ type: 'response.cancelled', response: {} }).end, 'model_overloaded')
    assert.equal(readText('data: [DONE]\n\n').whole, false)
  })

  void it('reports progress when an item begins, although nothing of it can be shown', () => {
    let signs = 0
    const options = { limits: modelLimits, origin: 'o', key: '', model: 'm', requestChars: 1, onProgress: () => void (signs += 1) }
    const reader = createResponseReader(options)
    reader.feed(streamOf([{ type: 'response.output_item.added', output_index: 0, item: { type: 'reasoning', id: 'r' } }]), [])
    assert.equal(signs, 1)
    reader.feed(streamOf([{ type: 'response.function_call_arguments.delta', output_index: 1, delta: '{' }]), [])
    assert.equal(signs, 2)
  })

  void it('does not take a mere id for reasoning that can be given back', () => {
    const { encrypted_content: _, ...bare } = thought('a') as { encrypted_content?: string }
    assert.deepEqual(readText(responseStream([bare as ResponseOutputItem, said('x', { id: '' })], usage)).seals, [])
    const open = { ...bare, summary: [], content: [{ type: 'reasoning_text', text: 'raw' }] } as unknown as ResponseOutputItem
    const got = readText(responseStream([open], usage))
    assert.deepEqual([got.reasoning, got.seals], ['raw', [['reasoning', { at: 0, item: { ...open } }]]])
  })
})

void describe('services that are only compatible', () => {
  const completed = { type: 'response.completed', response: { status: 'completed' } }

  void it('may leave out the deltas, or everything before the end', () => {
    const items = [thought('t'), said('Hello'), asked('a')]
    const ends = items.map((item, output_index) => ({ type: 'response.output_item.done', output_index, item }))
    const full = readEvents(...ends, completed)
    assert.deepEqual([full.reasoning, full.text, full.calls.length, full.seals.length], ['t', 'Hello', 1, 3])
    const response = { status: 'completed', output: items }
    assert.deepEqual(readEvents({ type: 'response.completed', response }), full)
    assert.deepEqual(readEvents(...ends, ends[1]!, { ...completed, response }), full)
  })

  void it('may name items by index, by id, or by ids that change', () => {
    const stream = (name: (index: number, event: number) => object): Answer =>
      readEvents(
        { type: 'response.output_item.added', ...name(0, 0), item: { ...name(0, 0), type: 'message' } },
        { type: 'response.output_text.delta', ...name(0, 1), delta: 'Hel' },
        { type: 'response.output_text.delta', ...name(0, 2), delta: 'lo' },
        { type: 'response.output_item.done', ...name(0, 3), item: { ...said('Hello'), ...name(0, 3) } },
        { type: 'response.function_call_arguments.delta', ...name(1, 4), delta: '{' },
        { type: 'response.function_call_arguments.delta', ...name(1, 5), delta: '}' },
        { type: 'response.output_item.done', ...name(1, 6), item: { type: 'function_call', name: 'x', call_id: 'c', ...name(1, 6) } },
        completed,
      )
    const names: ((index: number, event: number) => object)[] = [
      (index) => ({ output_index: index, item_id: `i${index}`, id: `i${index}` }),
      (index) => ({ item_id: `i${index}`, id: `i${index}` }),
      (index, event) => ({ output_index: index, item_id: `e${event}`, id: `e${event}` }),
      (index) => ({ output_index: index, item_id: 'same', id: 'same' }),
      (index, event) => ({ ...(event === 3 && { output_index: index }), item_id: `i${index}`, id: `i${index}` }),
    ]
    for (const name of names) {
      const got = stream(name)
      assert.deepEqual([got.text, got.calls, got.end], ['Hello', [['c', 'x', '{}']], 'tool_calls'], String(name))
    }
  })

  void it('may send arguments as an object, and no id at all', () => {
    const item = { type: 'function_call', name: 'x', arguments: { a: 1 } }
    assert.deepEqual(readEvents({ type: 'response.output_item.done', output_index: 0, item }, completed).calls, [
      ['call_0', 'x', '{"a":1}'],
    ])
  })

  void it('may nest whatever they send so deep that it cannot be written again, and are not believed', () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
    const item = { type: 'function_call', name: 'x', arguments: ['DEEP'] }
    const event = JSON.stringify({ type: 'response.output_item.done', output_index: 0, item }).replace('"DEEP"', deep)
    assert.equal(readText(`data: ${event}\n\n`).end, 'model_garbled')
  })

  void it('are not believed when they ask for no tool, for too many, or send items without end', () => {
    const call = (index: number, name: string): object => ({ type: 'response.output_item.done', output_index: index, item: { type: 'function_call', name } }) // prettier-ignore
    assert.equal(readEvents(call(0, ''), completed).end, 'model_garbled')
    assert.equal(readEvents(...Array.from({ length: 300 }, (_, index) => call(index, 'x')), completed).end, 'model_garbled')
    const many = Array.from({ length: 2_000 }, (_, index) => ({
      type: 'response.output_item.added',
      output_index: 2 ** 40 + index,
      item: {},
    }))
    assert.equal(readEvents(...many, completed).end, 'model_garbled')
  })
})
