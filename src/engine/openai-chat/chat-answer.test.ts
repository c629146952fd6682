import assert from 'node:assert/strict'
import { StringDecoder } from 'node:string_decoder'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { ModelEvent } from '../../protocol/index.ts'
import { modelLimits } from '../limits.ts'
import { problem } from '../model-problem.ts'
import type { ScenarioEvent, ScenarioStep } from '../scripted/scenario.ts'
import { wireParts } from '../scripted/scripted-server.ts'
import { createChatAnswerReader } from './chat-answer.ts'

const options = { limits: modelLimits, origin: 'http://test', key: '', model: 'm', requestChars: 40 }
const dropped = problem('model_unreachable', 'dropped', 'again')

interface Answer {
  readonly text: string
  readonly reasoning: string
  readonly calls: readonly unknown[]
  readonly seals: readonly unknown[]
  /** Code of the error, or the finish reason. */
  readonly end: string
  readonly whole: boolean
}

/** Reads these pieces of bytes as one connection that ends regularly or is cut. */
function read(pieces: readonly Buffer[], cut = false): Answer {
  const reader = createChatAnswerReader(options)
  const decoder = new StringDecoder('utf8')
  const events: ModelEvent[] = []
  for (const piece of pieces) if (!reader.feed(decoder.write(piece), events)) break
  const wrong = reader.problem(cut ? dropped : null)
  if (wrong === null) events.push(...reader.finish())
  const joined = (type: 'text' | 'reasoning'): string => events.map((event) => (event.type === type ? event.text : '')).join('')
  const last = events.at(-1)
  return {
    text: joined('text'),
    reasoning: joined('reasoning'),
    calls: events.flatMap((event) => (event.type === 'tool_call' ? [event.call] : [])),
    seals: events.flatMap((event) => ('sealed' in event && event.sealed !== undefined ? [[event.type, event.sealed.data]] : [])),
    end: wrong !== null ? wrong.failure.code : last?.type === 'finish' ? last.reason : 'nothing',
    whole: wrong === null,
  }
}

const bytesOf = (step: ScenarioStep): Buffer =>
  Buffer.concat(wireParts(step, '').map((part) => (typeof part === 'object' && 'bytes' in part ? part.bytes : Buffer.alloc(0))))
const sse = (...chunks: unknown[]): Buffer => Buffer.from(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join(''))
const delta = (value: unknown, finish: string | null = null): unknown => ({ choices: [{ index: 0, delta: value, finish_reason: finish }] })
const done = Buffer.from('data: [DONE]\n\n')

const anyEvent: fc.Arbitrary<ScenarioEvent> = fc.oneof(
  fc.record({ text: fc.string({ unit: 'grapheme' }) }),
  fc.record({ reasoning: fc.string({ unit: 'grapheme', minLength: 1 }) }),
  fc
    .record({
      name: fc.stringMatching(/^[a-z_]{1,10}$/),
      arguments: fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.string()),
      pieces: fc.integer({ min: 1, max: 5 }),
    })
    .map((tool_call) => ({ tool_call })),
)
const anyStep: fc.Arbitrary<ScenarioStep> = fc.record({ events: fc.array(anyEvent, { maxLength: 5 }) })

void describe('the reader of an answer', () => {
  void it('gives an error or the full answer, never a wrong one, when the stream is cut at any byte', () => {
    const step: ScenarioStep = {
      events: [{ reasoning: 'hm' }, { text: 'Grüße 🦬' }, { tool_call: { name: 'file_read', arguments: { path: 'ä' }, pieces: 3 } }],
    }
    const bytes = bytesOf(step)
    const full = read([bytes])
    assert.deepEqual([full.text, full.calls.length, full.end], ['Grüße 🦬', 1, 'tool_calls'])
    for (let at = 0; at < bytes.length; at += 1) {
      for (const cut of [true, false]) {
        const got = read([bytes.subarray(0, at)], cut)
        if (got.whole) assert.deepEqual(got, full)
        else assert.ok(full.text.startsWith(got.text) && got.calls.length === 0)
      }
    }
  })

  void it('does so for any answer and any cut', () => {
    fc.assert(
      fc.property(anyStep, fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean(), (step, where, cut) => {
        const bytes = bytesOf(step)
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
      fc.property(anyStep, fc.integer({ min: 1, max: 40 }), fc.constantFrom('\n', '\r\n', '\r'), (step, size, lineEnd) => {
        const plain = bytesOf(step)
        const bytes = Buffer.from(`: keep-alive\n\n${plain.toString()}`.replaceAll('\n', lineEnd))
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
        assert.deepEqual(read(pieces), read([plain]))
      }),
    )
  })

  void it('never throws on any bytes', () => {
    const noise = fc.oneof(
      fc.uint8Array(),
      fc.json().map((json) => Buffer.from(`data: ${json}\n\n`)),
      fc.constant(done),
    )
    fc.assert(fc.property(fc.array(noise), (pieces) => void read(pieces.map((piece) => Buffer.from(piece)))))
  })

  void it('takes reasoning under both names that services use', () => {
    const got = read([sse(delta({ reasoning_content: 'a' }), delta({ reasoning: 'b' }), delta({ content: 'c' }, 'stop')), done])
    assert.deepEqual([got.reasoning, got.text], ['ab', 'c'])
  })

  void it('seals reasoning with the field that it came in, before anything else begins', () => {
    const got = read([
      sse(
        delta({ reasoning_content: 'a', reasoning: 'a' }),
        delta({ reasoning_content: 'b' }),
        delta({ content: 'c' }),
        delta({ reasoning: 'd' }),
        delta({ tool_calls: [{ index: 0, id: 'x', function: { name: 'x' } }] }, 'tool_calls'),
      ),
    ])
    assert.deepEqual([got.reasoning, got.seals], ['abd', [['reasoning', { field: 'reasoning_content' }], ['reasoning', { field: 'reasoning' }]]]) // prettier-ignore
    assert.deepEqual(read([sse(delta({ reasoning: 'only' }, 'stop'))]).seals, [['reasoning', { field: 'reasoning' }]])
  })

  void it('joins the details of reasoning that stream in pieces, and keeps signatures and encrypted ones', () => {
    const detail = (...reasoning_details: object[]): unknown => delta({ reasoning: 'r', reasoning_details })
    const text = (more: object): object => ({ type: 'reasoning.text', index: 0, format: 'f', ...more })
    const got = read([
      sse(
        detail(text({ text: 'He' })),
        detail(text({ text: 'llo', signature: null })),
        delta({ reasoning_details: [text({ text: '', signature: 'S' })] }),
        delta({ content: 'c' }),
        delta({ reasoning_details: [{ type: 'reasoning.encrypted', index: 1, data: 'E', id: 'call_1' }] }),
        delta({ reasoning_details: 'odd' }),
        delta({ reasoning_details: [null, 1, []] }),
        delta({}, 'stop'),
      ),
    ])
    assert.deepEqual(
      [got.reasoning, got.seals],
      [
        'rr',
        [
          ['reasoning', { field: 'reasoning_details', details: [{ ...text({ text: 'Hello' }), signature: 'S' }] }],
          ['reasoning', { field: 'reasoning_details', details: [{ type: 'reasoning.encrypted', index: 1, data: 'E', id: 'call_1' }] }],
        ],
      ],
    )
    const summaries = read([sse(delta({ reasoning_details: [{ type: 'reasoning.summary', summary: 'only here' }] }, 'stop'))])
    assert.equal(summaries.reasoning, 'only here')
    const endless = Array.from({ length: 2_000 }, () => ({ type: 'reasoning.encrypted', data: '' }))
    assert.equal(read([sse(detail(...endless), delta({}, 'stop'))]).end, 'model_garbled')
  })

  void it('keeps what a service adds to a tool call and wants back', () => {
    const extra_content = { google: { thought_signature: 'T' } }
    const call = { index: 0, id: 'a', extra_content, function: { name: 'x', arguments: '{}' } }
    const got = read([sse(delta({ tool_calls: [call] }, 'tool_calls'))])
    assert.deepEqual(got.seals, [])
    const sealed = { wire: 'openai-chat', model: 'm', data: { extra_content } }
    assert.deepEqual(got.calls, [{ type: 'tool_call', id: 'a', name: 'x', arguments: '{}', sealed }])
  })

  void it('keeps nothing that nests too deep to be written again', () => {
    const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`) as unknown
    const text = (value: unknown): string => JSON.stringify(value).replaceAll('"DEEP"', `${'['.repeat(50_000)}${']'.repeat(50_000)}`)
    assert.throws(() => JSON.stringify(deep), RangeError)
    const call = { index: 0, id: 'a', extra_content: { deep: 'DEEP' }, function: { name: 'x' } }
    const chunk = delta({ reasoning_details: [{ type: 'reasoning.encrypted', data: 'DEEP' }], tool_calls: [call] }, 'tool_calls')
    const got = read([Buffer.from(`data: ${text(chunk)}\n\n`)])
    assert.equal(got.end, 'tool_calls')
    assert.ok(JSON.stringify(got).length < 1_000)
    const object = { index: 0, id: 'a', function: { name: 'x', arguments: { deep: 'DEEP' } } }
    assert.equal(read([Buffer.from(`data: ${text(delta({ tool_calls: [object] }))}\n\n`), done]).end, 'model_garbled')
  })

  void it('reads text that comes as a list of parts', () => {
    const content = [{ type: 'thinking', thinking: [] }, { type: 'text', text: 'a' }, null, 'x', { text: 1 }]
    assert.equal(read([sse(delta({ content }, 'stop'))]).text, 'a')
  })

  void it('puts tool calls together without index, without id, and with one id for two calls', () => {
    const part = (call: unknown): unknown => delta({ tool_calls: [call] })
    const noIndex = [
      part({ id: 'a', function: { name: 'x', arguments: '{"n":' } }),
      part({ function: { arguments: '1}' } }),
      part({ function: { name: 'y', arguments: '{}' } }),
    ]
    assert.deepEqual(read([sse(...noIndex), done]).calls, [
      { type: 'tool_call', id: 'a', name: 'x', arguments: '{"n":1}' },
      { type: 'tool_call', id: 'call_1', name: 'y', arguments: '{}' },
    ])
    const same = [
      part({ index: 0, id: 'a', function: { name: 'x', arguments: '{}' } }),
      part({ index: 1, id: 'a', function: { name: 'x', arguments: '{}' } }),
    ]
    assert.deepEqual(
      read([sse(...same), done]).calls.map((call) => (call as { id: string }).id),
      ['a', 'a'],
    )
    const allZero = [
      part({ index: 0, id: 'a', function: { name: 'x', arguments: '{}' } }),
      part({ index: 0, id: 'b', function: { name: 'y', arguments: '{}' } }),
    ]
    assert.equal(read([sse(...allZero), done]).calls.length, 2)
  })

  void it('maps finish reasons', () => {
    const ended = (finish: string, more: object = {}): string => read([sse(delta({ content: 'x', ...more }, finish)), done]).end
    assert.deepEqual(
      ['stop', 'length', 'content_filter', 'eos'].map((finish) => ended(finish)),
      ['stop', 'length', 'refusal', 'stop'],
    )
    assert.equal(ended('stop', { tool_calls: [{ index: 0, id: 'a', function: { name: 'x' } }] }), 'tool_calls')
    assert.equal(read([sse(delta({ refusal: 'no' }), delta({}, 'stop')), done]).end, 'refusal')
  })

  void it('reports usage as received, else an estimate marked as one', () => {
    const usageOf = (...pieces: Buffer[]): unknown => {
      const reader = createChatAnswerReader(options)
      for (const piece of pieces) reader.feed(piece.toString(), [])
      return reader.usage()
    }
    const told = sse({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 2 } })
    assert.deepEqual(usageOf(sse(delta({ content: 'x' }, 'stop')), told), { inputTokens: 5, outputTokens: 2, estimated: false })
    assert.deepEqual(usageOf(sse(delta({ content: '12345678' }, 'stop'))), { inputTokens: 10, outputTokens: 2, estimated: true })
    assert.deepEqual(usageOf(sse({ choices: [{ usage: { prompt_tokens: 1, completion_tokens: 2 } }] })), {
      inputTokens: 1,
      outputTokens: 2,
      estimated: false,
    })
    assert.deepEqual(usageOf(sse({ usage: { prompt_tokens: -1, completion_tokens: 'x' } })), {
      inputTokens: 10,
      outputTokens: 0,
      estimated: true,
    })
  })
})
