import assert from 'node:assert/strict'
import { StringDecoder } from 'node:string_decoder'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { ModelEvent, Usage } from '../../protocol/index.ts'
import { modelLimits } from '../limits.ts'
import { problem, problemOfStatus } from '../model-problem.ts'
import type { ReaderOptions } from '../wire.ts'
import { messageSse, type MockBlock, type MockMessage, sseOf } from './fake-anthropic.ts'
import { createMessageReader } from './message-answer.ts'
import { scaled } from '../../../test/support/scale.ts'

const dropped = problem('model_unreachable', 'dropped', 'again')
const options: ReaderOptions = { limits: modelLimits, origin: 'http://test', key: 'sk-ant-secret', model: 'm', requestChars: 40 }

interface Answer {
  /** Events with neighbours of one part joined. */
  readonly parts: readonly unknown[]
  /** Code of the error, or the finish reason. */
  readonly end: string
  readonly message: string
  readonly retry: boolean
  readonly whole: boolean
  readonly usage: Usage
}

/** Reads these pieces of bytes as one connection that ends regularly or is cut. */
function read(pieces: readonly (Buffer | string)[], cut = false, more: Partial<ReaderOptions> = {}): Answer {
  const reader = createMessageReader({ ...options, ...more })
  const decoder = new StringDecoder('utf8')
  const events: ModelEvent[] = []
  for (const piece of pieces) if (!reader.feed(decoder.write(Buffer.from(piece)), events)) break
  const wrong = reader.problem(cut ? dropped : null)
  if (wrong === null) events.push(...reader.finish())
  const last = events.at(-1)
  return {
    parts: partsOf(events),
    end: wrong !== null ? wrong.failure.code : last?.type === 'finish' ? last.reason : 'nothing',
    message: wrong?.failure.message ?? '',
    retry: wrong?.retry ?? false,
    whole: wrong === null,
    usage: reader.usage(),
  }
}

/** Parts as the contract of ModelEvent says: a seal ends its part. */
function partsOf(events: readonly ModelEvent[]): unknown[] {
  const parts: { type: string; text?: string; sealed?: unknown }[] = []
  for (const event of events) {
    if (event.type === 'tool_call') parts.push(event.call)
    if (event.type !== 'text' && event.type !== 'reasoning') continue
    const last = parts.at(-1)
    const { sealed } = event
    if (last !== undefined && last.type === event.type && last.sealed === undefined) last.text += event.text
    else parts.push({ type: event.type, text: event.text })
    if (sealed !== undefined) parts.at(-1)!.sealed = sealed
  }
  return parts
}

/** What was shown may be a beginning of what would have been, and holds no call. */
function assertBeginning(got: Answer, full: Answer): void {
  const shown = JSON.stringify(got.parts.map((part) => (part as { text: string }).text))
  for (const [place, part] of got.parts.entries()) {
    const { type, text } = part as { type: string; text: string }
    const whole = full.parts[place] as { type: string; text: string }
    assert.equal(type, whole.type, shown)
    assert.ok(type !== 'tool_call' && whole.text.startsWith(text), shown)
  }
}

const sealedBy = (data: object): object => ({ wire: 'anthropic', model: 'm', data })
const rich: MockMessage = {
  blocks: [
    { thinking: 'Hm, Grüße…', signature: 'c2ln' },
    { redacted: 'ZW5j' },
    { text: 'Grüße 🦬' },
    { id: 'toolu_1', name: 'file_read', input: '{"path":"ä","deep":[1,{"x":"🦬"}]}' },
    { id: 'toolu_2', name: 'file_list', input: '' },
  ],
}
const richParts = [
  { type: 'reasoning', text: 'Hm, Grüße…', sealed: sealedBy({ signature: 'c2ln' }) },
  { type: 'reasoning', text: '', sealed: sealedBy({ redacted: 'ZW5j' }) },
  { type: 'text', text: 'Grüße 🦬' },
  { type: 'tool_call', id: 'toolu_1', name: 'file_read', arguments: '{"path":"ä","deep":[1,{"x":"🦬"}]}' },
  { type: 'tool_call', id: 'toolu_2', name: 'file_list', arguments: '{}' },
]

const graphemes = fc.string({ unit: 'grapheme' })
const anyBlock: fc.Arbitrary<MockBlock> = fc.oneof(
  fc.record({ text: graphemes }),
  fc.record({ thinking: graphemes, signature: fc.base64String({ minLength: 4 }) }),
  fc.record({ redacted: fc.base64String({ minLength: 4 }) }),
  fc.record({
    id: fc.stringMatching(/^toolu_\w{1,8}$/),
    name: fc.stringMatching(/^[a-z_]{1,10}$/),
    input: fc.oneof(fc.json(), fc.string()),
  }),
)
const anyMessage: fc.Arbitrary<MockMessage> = fc.record({
  blocks: fc.array(anyBlock, { maxLength: 5 }),
  pieceChars: fc.integer({ min: 1, max: 9 }),
})

void describe('the reader of a message', () => {
  void it('reads text, thinking with its seals, and calls', () => {
    const got = read([messageSse(rich)])
    assert.deepEqual(got.parts, richParts)
    assert.deepEqual([got.end, got.usage], ['tool_calls', { inputTokens: 11, outputTokens: 22, estimated: false }])
  })

  void it('gives an error or the full answer, never a wrong one, when the stream is cut at any byte', () => {
    const bytes = Buffer.from(messageSse(rich))
    const full = read([bytes])
    const enough = bytes.indexOf('event: message_stop')
    for (let at = 0; at < bytes.length; at += 1) {
      for (const cut of [true, false]) {
        const got = read([bytes.subarray(0, at)], cut)
        if (got.whole) assert.deepEqual(got, full)
        else assertBeginning(got, full)
        assert.equal(got.whole, at >= enough, `cut at ${at}`)
      }
    }
  })

  void it('does so for any answer and any cut', () => {
    fc.assert(
      fc.property(anyMessage, fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean(), (message, where, cut) => {
        const bytes = Buffer.from(messageSse(message))
        const full = read([bytes])
        assert.ok(full.whole)
        const got = read([bytes.subarray(0, Math.floor(bytes.length * where))], cut)
        if (got.whole) assert.deepEqual(got, full)
        else assertBeginning(got, full)
      }),
    )
  })

  void it('gives the same answer when it is split at every byte boundary', () => {
    const bytes = Buffer.from(messageSse(rich))
    const full = read([bytes])
    for (let at = 0; at <= bytes.length; at += 1) assert.deepEqual(read([bytes.subarray(0, at), bytes.subarray(at)]), full)
    assert.deepEqual(read(Array.from(bytes, (byte) => Buffer.of(byte))), full)
  })

  void it('gives the same answer with any line ends, sizes of pieces and comments', () => {
    fc.assert(
      fc.property(anyMessage, fc.integer({ min: 1, max: 40 }), fc.constantFrom('\n', '\r\n', '\r'), (message, size, lineEnd) => {
        const plain = messageSse(message)
        const bytes = Buffer.from(`: keep-alive\n\n${plain}`.replaceAll('\n', lineEnd))
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
        assert.deepEqual(read(pieces), read([plain]))
      }),
    )
  })

  void it('maps stop reasons', () => {
    const ended = (stop: string): string => read([messageSse({ blocks: [{ text: 'x' }], stop })]).end
    assert.deepEqual(['end_turn', 'stop_sequence', 'made_up'].map(ended), ['stop', 'stop', 'stop'])
    assert.deepEqual(['max_tokens', 'model_context_window_exceeded', 'pause_turn'].map(ended), ['length', 'length', 'length'])
    assert.equal(ended('refusal'), 'refusal')
  })

  void it('leaves out the call in which the output limit fell, and every call of a refusal', () => {
    const whole = { id: 'a', name: 'file_read', input: '{"path":"x"}' }
    const cut = { id: 'b', name: 'file_write', input: '{"path":"y","text":"hal' }
    const long = read([messageSse({ blocks: [whole, cut], stop: 'max_tokens' })])
    assert.deepEqual([long.end, long.parts.length], ['length', 1])
    assert.deepEqual(read([messageSse({ blocks: [whole], stop: 'refusal' })]).parts, [])
  })

  void it('explains a refusal when the model gave no text', () => {
    const end = (text: string): string =>
      sseOf(
        { type: 'message_start', message: {} },
        { type: 'content_block_start', index: 0, content_block: { type: 'text', text } },
        {
          type: 'message_delta',
          delta: { stop_reason: 'refusal', stop_details: { type: 'refusal', explanation: 'Not this.' } },
          usage: {},
        },
        { type: 'message_stop' },
      )
    assert.deepEqual(read([end('')]).parts, [{ type: 'text', text: 'Not this.' }])
    assert.deepEqual(read([end('No.')]).parts, [{ type: 'text', text: 'No.' }])
  })

  void it('keeps broken arguments as the model wrote them, and whole ones that did not stream', () => {
    const broken = read([messageSse({ blocks: [{ id: 'a', name: 'x', input: '{"n": ' }] })])
    assert.deepEqual(broken.parts, [{ type: 'tool_call', id: 'a', name: 'x', arguments: '{"n": ' }])
    const start = { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', name: 'x', input: { n: 1 } } }
    const atOnce = read([sseOf(start, { type: 'message_delta', delta: { stop_reason: 'tool_use' } }, { type: 'message_stop' })])
    assert.deepEqual(atOnce.parts, [{ type: 'tool_call', id: 'call_0', name: 'x', arguments: '{"n":1}' }])
  })

  void it('keeps thinking that nobody signed apart from the next, and drops empty thinking', () => {
    const thinking = (text: string, signature: string): MockBlock => ({ thinking: text, signature })
    const got = read([messageSse({ blocks: [thinking('a', ''), thinking('', ''), thinking('', 's'), thinking('b', '')] })])
    assert.deepEqual(got.parts, [
      { type: 'reasoning', text: 'a', sealed: sealedBy({ signature: '' }) },
      { type: 'reasoning', text: '', sealed: sealedBy({ signature: 's' }) },
      { type: 'reasoning', text: 'b', sealed: sealedBy({ signature: '' }) },
    ])
  })

  void it('keeps where the model thought again between two calls', () => {
    const use = (id: string): MockBlock => ({ id, name: 'x', input: '{}' })
    const thought: MockBlock = { thinking: 't', signature: 's' }
    const after = (blocks: MockBlock[]): unknown[] =>
      read([messageSse({ blocks })]).parts.flatMap((part) => {
        const { type, sealed } = part as { type: string; sealed?: unknown }
        return type === 'tool_call' ? [sealed] : []
      })
    assert.deepEqual(after([thought, use('1'), { redacted: 'r' }, use('2')]), [sealedBy({ after: 1 }), undefined])
    assert.deepEqual(after([thought, use('1'), use('2')]), [undefined, undefined])
  })

  void it('seals thinking where the next block or the end comes without its stop', () => {
    const stop = (index: number): string => sseOf({ type: 'content_block_stop', index })
    const whole = messageSse({ blocks: [{ thinking: 'a', signature: 's' }, { text: 'b' }] })
    assert.deepEqual(read([whole.replace(stop(0), '').replace(stop(1), '')]), read([whole]))
    const last = messageSse({ blocks: [{ thinking: 'a', signature: 's' }] })
    assert.deepEqual(read([last.replace(stop(0), '')]), read([last]))
    assert.deepEqual(read([last.replace(stop(0), '').split('event: message_stop')[0]!]), read([last]))
  })

  void it('ignores what was not asked for: citations, server tools, pings, kinds that are new', () => {
    const server = { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }
    const extra = sseOf(
      { type: 'content_block_start', index: 9, content_block: server },
      { type: 'content_block_delta', index: 9, delta: { type: 'input_json_delta', partial_json: '{"query":"x"}' } },
      { type: 'content_block_stop', index: 9 },
      { type: 'content_block_delta', index: 0, delta: { type: 'citations_delta', citation: {} } },
      { type: 'tomorrow', new: true, error: null },
    )
    const plain = messageSse({ blocks: [{ text: 'x' }] })
    const place = plain.indexOf('event: content_block_start')
    assert.deepEqual(read([plain.slice(0, place), extra, plain.slice(place)]), read([plain]))
  })
})

void describe('a stream that goes wrong', () => {
  const failing = (error: unknown): Answer =>
    read([messageSse({ blocks: [{ text: 'so far' }] }).split('event: content_block_stop')[0]!, sseOf({ type: 'error', error })])

  void it('names errors inside a stream as their status would', () => {
    const kinds = {
      invalid_request_error: 400,
      authentication_error: 401,
      billing_error: 402,
      permission_error: 403,
      not_found_error: 404,
      request_too_large: 413,
      rate_limit_error: 429,
      api_error: 500,
      timeout_error: 504,
      overloaded_error: 529,
      made_up_error: 500,
    }
    for (const [type, status] of Object.entries(kinds)) {
      const message = 'prompt is too long, in the service’s words'
      const got = failing({ type, message })
      const body = JSON.stringify({ type: 'error', error: { type, message } })
      const { failure, retry } = problemOfStatus({ status, body, key: '', origin: 'http://test', retryAfterMs: null, redirect: '' })
      assert.deepEqual([got.end, got.retry], [failure.code, retry], type)
      assert.match(got.message, /in the service’s words/)
      assert.deepEqual(got.parts, [{ type: 'text', text: 'so far' }])
    }
    assert.deepEqual([failing({ type: 'overloaded_error' }).retry, failing({ type: 'authentication_error' }).retry], [true, false])
  })

  void it('shows neither the key nor escapes of the service', () => {
    const { message } = failing({ type: 'authentication_error', message: 'bad sk-ant-secret \u001b[31m' })
    assert.ok(!message.includes('secret') && !message.includes('\u001b'))
  })

  void it('takes an error without its type, as gateways send it', () => {
    assert.equal(read(['data: {"error":{"message":"upstream","code":502}}\n\n']).end, 'model_overloaded')
    assert.equal(read(['data: {"error":{"message":"slow down","code":429}}\n\n']).end, 'model_rate_limited')
    assert.equal(read(['data: {"error":{"message":"x","code":{"toString":1,"valueOf":1}}}\n\n']).end, 'model_overloaded')
  })

  void it('is no answer when it is empty, a page, or of another protocol', () => {
    assert.equal(read(['']).end, 'model_garbled')
    assert.equal(read(['<html>hello</html>']).end, 'model_garbled')
    assert.equal(read(['data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n']).end, 'model_garbled')
    assert.equal(read([sseOf({ type: 'message_stop' })]).whole, false)
  })

  void it('is no answer when it begins twice', () => {
    const whole = messageSse({ blocks: [{ text: 'x' }] })
    assert.equal(read([whole.split('event: message_delta')[0]!, whole]).end, 'model_garbled')
  })

  void it('is no answer when it asks for a tool without naming it, or for too many', () => {
    assert.equal(read([messageSse({ blocks: [{ id: 'a', name: '', input: '{}' }] })]).end, 'model_garbled')
    const blocks = Array.from({ length: 5 }, (_, n) => ({ id: `t${n}`, name: 'x', input: '{}' }))
    assert.equal(read([messageSse({ blocks })], false, { limits: { ...modelLimits, maxToolCalls: 4 } }).end, 'model_garbled')
  })

  void it('never throws, whatever the events hold', () => {
    const types = [
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
      'error',
    ]
    const kinds = [
      'text',
      'text_delta',
      'thinking',
      'thinking_delta',
      'signature_delta',
      'redacted_thinking',
      'tool_use',
      'input_json_delta',
    ]
    const odd = fc.oneof(fc.jsonValue(), fc.constantFrom('__proto__', 'constructor', 1e300, -1, '', null))
    const anyPart = fc.record(
      {
        type: fc.oneof(fc.constantFrom(...kinds), odd),
        text: odd,
        thinking: odd,
        signature: odd,
        data: odd,
        id: odd,
        name: odd,
        input: odd,
        partial_json: odd,
        stop_reason: odd,
        usage: fc.record({ input_tokens: odd, output_tokens: odd, output_tokens_details: odd }),
        message: odd,
        code: odd,
        toString: odd,
        valueOf: odd,
      },
      { requiredKeys: [] },
    )
    const anyEvent = fc.record(
      {
        type: fc.oneof(fc.constantFrom(...types), odd),
        index: odd,
        delta: fc.oneof(anyPart, odd),
        content_block: fc.oneof(anyPart, odd),
        message: fc.oneof(anyPart, odd),
        error: fc.oneof(anyPart, odd),
        usage: odd,
      },
      { requiredKeys: ['type'] },
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(anyEvent, fc.jsonValue())), (events) => {
        const got = read(events.map((event) => `data: ${JSON.stringify(event)}\n\n`))
        assert.ok(got.whole || got.message !== '')
      }),
      { numRuns: scaled(500) },
    )
  })

  void it('survives nesting that cannot be written again', () => {
    const deep = '['.repeat(200_000) + ']'.repeat(200_000)
    const start = `data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"x","input":{"n":${deep}}}}\n\n`
    const end = sseOf({ type: 'message_delta', delta: { stop_reason: 'tool_use' } })
    assert.equal(read([start, end]).end, 'model_garbled')
    assert.equal(read([`data: {"type":"error","error":{"type":"api_error","message":${deep}}}\n\n`]).end, 'model_overloaded')
    assert.equal(read([`data: {"type":"error","error":${deep}}\n\n`]).end, 'model_overloaded')
  })
})
