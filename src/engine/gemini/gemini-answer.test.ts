import assert from 'node:assert/strict'
import { StringDecoder } from 'node:string_decoder'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { ModelEvent, Usage } from '../../protocol/index.ts'
import { modelLimits } from '../limits.ts'
import { problem } from '../model-problem.ts'
import { createGeminiReader } from './gemini-answer.ts'
import { chunkOf, sseOf } from './fake-gemini.ts'
import { scaled } from '../../../test/support/scale.ts'

const dropped = problem('model_unreachable', 'dropped', 'again', true)

interface Read {
  /** Parts as a message gets them: neighbours joined, a seal ends its part. */
  readonly parts: readonly ModelEvent[]
  /** Code of the error, or the finish reason. */
  readonly end: string
  readonly message: string
  readonly usage: Usage
  readonly whole: boolean
  readonly retry: boolean
}

/** Reads these pieces of bytes as one connection that ends regularly or is cut. */
function read(pieces: readonly (Buffer | string)[], cut = false, limits = modelLimits): Read {
  const reader = createGeminiReader({ limits, origin: 'http://test', key: 'secret-key', model: 'gemini-x', requestChars: 40 })
  const decoder = new StringDecoder('utf8')
  const events: ModelEvent[] = []
  for (const piece of pieces) if (!reader.feed(decoder.write(Buffer.from(piece)), events)) break
  const wrong = reader.problem(cut ? dropped : null)
  if (wrong === null) events.push(...reader.finish())
  const last = events.at(-1)
  return {
    parts: joined(events),
    end: wrong !== null ? wrong.failure.code : last?.type === 'finish' ? last.reason : 'nothing',
    message: wrong?.failure.message ?? '',
    usage: reader.usage(),
    whole: wrong === null,
    retry: wrong?.retry ?? false,
  }
}

function joined(events: readonly ModelEvent[]): ModelEvent[] {
  const parts: ModelEvent[] = []
  for (const event of events) {
    const last = parts.at(-1)
    const same = last !== undefined && last.type === event.type && (event.type === 'text' || event.type === 'reasoning')
    if (same && last.type === event.type && last.sealed === undefined) parts[parts.length - 1] = { ...event, text: last.text + event.text }
    else if (event.type !== 'finish') parts.push(event)
  }
  return parts
}

const sealed = (data: object) => ({ wire: 'gemini', model: 'gemini-x', data })
const stop = { finishReason: 'STOP' }
const full = { promptTokenCount: 8, candidatesTokenCount: 5, totalTokenCount: 13 }
const textOf = (got: Read): string => got.parts.map((part) => (part.type === 'text' ? part.text : '')).join('')

/** Thoughts, an answer, two calls at once with one signature, as a thinking model streams them. */
const thinking = sseOf(
  chunkOf([{ text: '**Looking**\n\nI read the ', thought: true }]),
  chunkOf([{ text: 'file.', thought: true }]),
  chunkOf([{ text: 'Grüße, ' }]),
  chunkOf([{ text: '🦬 und mehr' }]),
  chunkOf([
    { functionCall: { name: 'file_read', args: { path: 'ä.txt', deep: [1, null, { x: true }] } }, thoughtSignature: 'U0lHMQ==' },
    { functionCall: { name: 'file_list', args: {} } },
  ]),
  chunkOf([{ text: '' }], stop, { ...full, thoughtsTokenCount: 21, cachedContentTokenCount: 3, toolUsePromptTokenCount: 2 }),
)

void describe('the reader of a Gemini answer', () => {
  void it('gives thoughts as reasoning, text as text, and calls whole with their signature', () => {
    const got = read([thinking])
    assert.deepEqual(got.parts, [
      { type: 'reasoning', text: '**Looking**\n\nI read the file.' },
      { type: 'text', text: 'Grüße, 🦬 und mehr' },
      {
        type: 'tool_call',
        call: {
          type: 'tool_call',
          id: 'call_0',
          name: 'file_read',
          arguments: '{"path":"ä.txt","deep":[1,null,{"x":true}]}',
          sealed: sealed({ signature: 'U0lHMQ==' }),
        },
      },
      { type: 'tool_call', call: { type: 'tool_call', id: 'call_1', name: 'file_list', arguments: '{}' } },
    ])
    assert.equal(got.end, 'tool_calls')
    const usage = { inputTokens: 10, outputTokens: 26, cacheReadTokens: 3, reasoningTokens: 21, estimated: false }
    assert.deepEqual(got.usage, usage)
  })

  void it('keeps the id that the endpoint gave a call, and seals it to give it back', () => {
    const got = read([sseOf(chunkOf([{ functionCall: { id: 'fc-7', name: 'x', args: { n: 1 } } }], stop))])
    assert.deepEqual(got.parts, [
      { type: 'tool_call', call: { type: 'tool_call', id: 'fc-7', name: 'x', arguments: '{"n":1}', sealed: sealed({ id: 'fc-7' }) } },
    ])
  })

  void it('seals the part that a signature came with: the end of a text, an empty last part, a thought', () => {
    const got = read([
      sseOf(
        chunkOf([{ text: 'hm', thought: true, thoughtSignature: 'QQ==' }]),
        chunkOf([{ text: 'one ' }]),
        chunkOf([{ text: 'two', thoughtSignature: 'Qg==' }]),
        chunkOf([{ text: '', thoughtSignature: 'Qw==' }], stop),
      ),
    ])
    assert.deepEqual(got.parts, [
      { type: 'reasoning', text: 'hm', sealed: sealed({ signature: 'QQ==', chars: 2 }) },
      { type: 'text', text: 'one two', sealed: sealed({ signature: 'Qg==', chars: 3 }) },
      { type: 'text', text: '', sealed: sealed({ signature: 'Qw==' }) },
    ])
  })

  void it('reads on after the finish reason, where chunks of usage alone may follow', () => {
    const got = read([sseOf(chunkOf([{ text: 'x' }], stop, {}), { usageMetadata: full }, { candidates: [], usageMetadata: full })])
    assert.deepEqual([got.end, got.usage], ['stop', { inputTokens: 8, outputTokens: 5, estimated: false }])
  })

  void it('takes a finish reason in every chunk for none until the last: more text means it was not over', () => {
    const got = read([sseOf(chunkOf([{ text: 'a' }], stop), chunkOf([{ text: 'b' }]))], true)
    assert.deepEqual([got.end, textOf(got)], ['model_unreachable', 'ab'])
  })

  void it('maps every finish reason', () => {
    const end = (reason: unknown): string => read([sseOf(chunkOf([{ text: 'x' }], { finishReason: reason }))]).end
    const ends = (...reasons: unknown[]): string[] => [...new Set(reasons.map(end))]
    assert.deepEqual(ends('STOP'), ['stop'])
    assert.deepEqual(ends('MAX_TOKENS', 'CONTINUATION'), ['length'])
    assert.deepEqual(ends('SAFETY', 'RECITATION', 'LANGUAGE', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'SPII', 'IMAGE_SAFETY'), ['refusal'])
    assert.deepEqual(ends('MALFORMED_FUNCTION_CALL', 'UNEXPECTED_TOOL_CALL', 'TOO_MANY_TOOL_CALLS'), ['model_garbled'])
    assert.deepEqual(ends('OTHER', 'MALFORMED_RESPONSE', 'SOMETHING_NEW', 'constructor', '__proto__'), ['model_overloaded'])
    // Nothing ended: the stream just stopped.
    assert.deepEqual(ends('FINISH_REASON_UNSPECIFIED', '', null, 7, undefined), ['model_unreachable'])
  })

  void it('gives a broken tool call as an error that may be tried again, with the endpoint’s words and no key', () => {
    const finishMessage = 'Malformed function call: print(secret-key\u001b[2J)'
    const got = read([sseOf(chunkOf([], { finishReason: 'MALFORMED_FUNCTION_CALL', finishMessage }))])
    assert.deepEqual([got.end, got.retry], ['model_garbled', true])
    assert.match(got.message, /MALFORMED_FUNCTION_CALL, Malformed function call: print\(\[key\] ?\[2J\)/)
  })

  void it('reports why a request was blocked, and why an empty answer was stopped', () => {
    const blocked = read([sseOf({ promptFeedback: { blockReason: 'PROHIBITED_CONTENT' }, usageMetadata: { promptTokenCount: 9 } })])
    assert.deepEqual([blocked.end, textOf(blocked)], ['refusal', '[The service did not take this request: PROHIBITED_CONTENT]'])
    assert.deepEqual(blocked.usage, { inputTokens: 9, outputTokens: 0, estimated: false })
    const stopped = read([sseOf({ candidates: [{ finishReason: 'SAFETY', finishMessage: 'no' }] })])
    assert.deepEqual([stopped.end, textOf(stopped)], ['refusal', '[The service stopped this answer: SAFETY, no]'])
    const half = read([sseOf(chunkOf([{ text: 'half' }, { functionCall: { name: 'x' } }], { finishReason: 'SAFETY' }))])
    assert.deepEqual([half.end, half.parts], ['refusal', [{ type: 'text', text: 'half' }]])
    assert.equal(read([sseOf({ promptFeedback: { blockReason: 'BLOCKED_REASON_UNSPECIFIED' } })]).whole, false)
  })

  void it('reads an error inside the stream by its number or its name', () => {
    const end = (error: unknown): string => read([sseOf(chunkOf([{ text: 'x' }])), sseOf({ error })]).end
    assert.equal(end({ code: 503, message: 'busy', status: 'UNAVAILABLE' }), 'model_overloaded')
    assert.equal(end({ code: 429, message: 'slow down', status: 'RESOURCE_EXHAUSTED' }), 'model_rate_limited')
    assert.equal(end({ code: 401 }), 'model_auth')
    assert.equal(end({ message: 'slow down', status: 'RESOURCE_EXHAUSTED' }), 'model_rate_limited')
    assert.equal(end({ status: 'PERMISSION_DENIED' }), 'model_auth')
    assert.equal(end({ status: 'INVALID_ARGUMENT' }), 'model_refused')
    assert.equal(end('broken'), 'model_overloaded')
    assert.equal(end(7), 'model_overloaded')
  })

  void it('reads an error that stands as bare JSON behind the last event, as the service writes it when it sheds load', () => {
    const bare = JSON.stringify({ error: { code: 429, message: 'high demand', status: 'RESOURCE_EXHAUSTED' } }, null, 2)
    for (const text of [sseOf(chunkOf([{ text: 'half' }])) + bare, `${bare}\r\n`, `[${bare}]\n\n`]) {
      for (const size of [1, 7, 1_000]) {
        const got = read(piecesOf(Buffer.from(text), size))
        assert.equal(got.end, 'model_rate_limited')
        assert.match(got.message, /high demand/)
      }
    }
  })

  void it('estimates what is not reported and marks it', () => {
    const usage = (more: object): Usage => read([sseOf(chunkOf([{ text: '12345678' }], stop, more))]).usage
    assert.deepEqual(usage({}), { inputTokens: 10, outputTokens: 2, estimated: true })
    assert.deepEqual(usage({ promptTokenCount: 7 }), { inputTokens: 7, outputTokens: 2, estimated: true })
    const nothing = usage({ promptTokenCount: 7, candidatesTokenCount: 0 })
    assert.deepEqual(nothing, { inputTokens: 7, outputTokens: 2, estimated: true }, 'text was delivered')
    assert.deepEqual(usage({ promptTokenCount: -1, candidatesTokenCount: 'x' }), { inputTokens: 10, outputTokens: 2, estimated: true })
    const cached = usage({ promptTokenCount: 7, candidatesTokenCount: 1, cachedContentTokenCount: 99 })
    assert.deepEqual(cached, { inputTokens: 10, outputTokens: 1, estimated: true }, 'more from the cache than was sent is nonsense')
  })

  void it('refuses the form without streaming, one JSON array, and events that are no objects', () => {
    assert.equal(read([JSON.stringify([chunkOf([{ text: 'x' }], stop)], null, 2)]).end, 'model_garbled')
    assert.equal(read([sseOf([chunkOf([{ text: 'x' }], stop)])]).end, 'model_garbled')
    assert.equal(read([sseOf('x')]).end, 'model_garbled')
    assert.equal(read(['data: {"candidates": \n\n']).end, 'model_garbled')
    assert.equal(read(['']).end, 'model_garbled')
  })

  void it('notes that a picture in an answer was omitted', () => {
    const got = read([sseOf(chunkOf([{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }], stop))])
    assert.deepEqual([got.end, textOf(got)], ['stop', '[media left out: only text is kept of an answer]'])
  })
})

const piecesOf = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))

const anyPart: fc.Arbitrary<object> = fc.oneof(
  fc.record({ text: fc.string({ unit: 'grapheme' }) }),
  fc.record({ text: fc.string({ unit: 'grapheme' }), thought: fc.constant(true) }),
  fc.record({ text: fc.string({ maxLength: 3 }), thoughtSignature: fc.base64String({ minLength: 4 }) }),
  fc.record({ functionCall: fc.record({ name: fc.stringMatching(/^[a-z_]{1,10}$/), args: fc.dictionary(fc.string(), fc.jsonValue()) }) }),
)
const anyStream: fc.Arbitrary<string> = fc
  .tuple(fc.array(fc.array(anyPart, { maxLength: 3 }), { maxLength: 4 }), fc.constantFrom('STOP', 'MAX_TOKENS', 'SAFETY'))
  .map(([chunks, finishReason]) => sseOf(...chunks.map((parts) => chunkOf(parts)), chunkOf([{ text: '.' }], { finishReason }, full)))

void describe('a Gemini stream that is cut or split', () => {
  const assertPrefix = (got: Read, whole: Read): void => {
    if (got.whole) return assert.deepEqual(got, whole)
    assert.ok(textOf(whole).startsWith(textOf(got)))
    assert.ok(got.parts.every((part) => part.type !== 'tool_call'))
    assert.ok(got.retry || got.end === 'model_garbled')
  }

  void it('gives an error or the full answer, never a wrong one, when it is cut at any byte', () => {
    const bytes = Buffer.from(thinking)
    const whole = read([bytes])
    for (let at = 0; at < bytes.length; at += 1) for (const cut of [true, false]) assertPrefix(read([bytes.subarray(0, at)], cut), whole)
    assert.equal(whole.end, 'tool_calls')
  })

  void it('does so for any answer and any cut', () => {
    fc.assert(
      fc.property(anyStream, fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean(), (stream, where, cut) => {
        const bytes = Buffer.from(stream)
        const whole = read([bytes])
        assert.ok(whole.whole)
        assertPrefix(read([bytes.subarray(0, Math.floor(bytes.length * where))], cut), whole)
      }),
    )
  })

  void it('gives the same answer when it is split in two at every byte', () => {
    const bytes = Buffer.from(thinking)
    const whole = read([bytes])
    for (let at = 1; at < bytes.length; at += 1) assert.deepEqual(read([bytes.subarray(0, at), bytes.subarray(at)]), whole)
  })

  void it('gives the same answer in pieces of any size, with any line ends and keep-alive comments', () => {
    fc.assert(
      fc.property(anyStream, fc.integer({ min: 1, max: 40 }), fc.constantFrom('\n', '\r\n', '\r'), (stream, size, lineEnd) => {
        const bytes = Buffer.from(`: keep-alive\r\n\r\n${stream}`.replaceAll('\r\n', lineEnd))
        assert.deepEqual(read(piecesOf(bytes, size)), read([stream]))
      }),
    )
  })
})

void describe('a hostile Gemini endpoint', () => {
  const deep = (open: string, close: string): string => open.repeat(200_000) + close.repeat(200_000)

  void it('never makes the reader throw, whatever its bytes and shapes', () => {
    const anything = fc.oneof(fc.jsonValue(), fc.constantFrom('__proto__', 'constructor', -1, 1e308, true))
    const part = fc.record(
      { text: anything, thought: anything, thoughtSignature: anything, functionCall: anything, inlineData: anything },
      { requiredKeys: [] },
    )
    const call = fc.record({ functionCall: fc.record({ name: anything, args: anything, id: anything }, { requiredKeys: [] }) })
    const parts = fc.oneof(anything, fc.array(fc.oneof(part, call, anything)))
    const candidate = fc.record({ content: fc.oneof(anything, fc.record({ parts })), finishReason: anything }, { requiredKeys: [] })
    const chunk = fc.record(
      {
        candidates: fc.oneof(anything, fc.array(fc.oneof(anything, candidate))),
        promptFeedback: fc.oneof(anything, fc.record({ blockReason: anything })),
        usageMetadata: fc.oneof(anything, fc.record({ promptTokenCount: anything, candidatesTokenCount: anything })),
        error: anything,
      },
      { requiredKeys: [] },
    )
    const piece = fc.oneof(
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      chunk.map((value) => Buffer.from(sseOf(value))),
      fc.json().map((json) => Buffer.from(`data: ${json}\n\n`)),
    )
    fc.assert(
      fc.property(fc.array(piece), fc.boolean(), (pieces, cut) => {
        const { usage } = read(pieces, cut)
        assert.ok(Number.isFinite(usage.inputTokens) && Number.isFinite(usage.outputTokens))
      }),
      { numRuns: scaled(500) },
    )
  })

  void it('may nest as deep as it likes', () => {
    const args = `data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"x","args":{"a":${deep('[', ']')}}}}]}}]}\n\n`
    assert.equal(read([args]).end, 'model_garbled')
    assert.equal(read([`data: {"error":${deep('{"error":', '}').replace('{"error":}', '1')}}\n\n`]).whole, false)
    assert.equal(read([`data: {"error":{"code":503,"message":${deep('[', ']')}}}\n\n`]).end, 'model_overloaded')
    assert.equal(read([deep('[', ']').slice(0, 60_000)]).whole, false)
    assert.equal(read([`{"error":${deep('[', ']').slice(170_000, 230_000)}}`]).whole, false)
  })

  void it('cannot send calls, events or text without end', () => {
    const calls = Array.from({ length: 300 }, () => ({ functionCall: { name: 'x' } }))
    assert.equal(read([sseOf(chunkOf(calls, stop))]).end, 'model_garbled')
    const small = { ...modelLimits, maxEventChars: 100, maxAnswerChars: 5_000 }
    assert.equal(read([`data: ${'x'.repeat(200)}`, 'more'], false, small).end, 'model_garbled')
    const endless = Array.from({ length: 100 }, () => sseOf(chunkOf([{ text: 'x' }])))
    assert.equal(read(endless, false, { ...small, maxEventChars: 1_000 }).end, 'model_garbled')
  })

  void it('must name the tools that it asks for', () => {
    for (const functionCall of [{}, { name: '' }, { name: 7 }, null, 'x', [[]]]) {
      assert.equal(read([sseOf(chunkOf([{ functionCall }], stop))]).end, 'model_garbled')
    }
  })

  void it('is not listened to after the first thing that is wrong', () => {
    const got = read([sseOf(chunkOf([{ text: 'a' }, { functionCall: {} }, { text: 'b' }], stop), chunkOf([{ text: 'c' }], stop))])
    assert.deepEqual([got.end, textOf(got)], ['model_garbled', 'a'])
  })

  void it('gets arguments that are no object through as it wrote them', () => {
    const written = (args: unknown): unknown => {
      const [part] = read([sseOf(chunkOf([{ functionCall: { name: 'x', args } }], stop))]).parts
      return part?.type === 'tool_call' && part.call.arguments
    }
    assert.deepEqual([written('{"a":'), written([1]), written(null), written(7)], ['{"a":', '[1]', '{}', '7'])
  })
})
