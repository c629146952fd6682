import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { ModelEvent } from '../../protocol/index.ts'
import { systemClock } from '../../base/index.ts'
import { modelLimits, type ModelLimits } from '../limits.ts'
import { createPartReader, readUsage } from './part-reader.ts'
import { problemOfError } from './provider-problem.ts'

const context = { packageName: 'pkg', origin: 'http://test', key: 'secret-key', clock: systemClock }

interface Got {
  readonly events: ModelEvent[]
  readonly whole: boolean
  readonly end: string
}

function read(parts: readonly unknown[], limits: Partial<ModelLimits> = {}): Got {
  const own = { limits: { ...modelLimits, ...limits }, origin: 'http://test', key: 'secret-key', requestChars: 40 }
  const reader = createPartReader({ ...own, model: 'm', wire: 'ai-sdk:pkg', problemOf: (error) => problemOfError(error, context) })
  const events: ModelEvent[] = []
  for (const part of parts) if (!reader.feed(part, events)) break
  const found = reader.problem(null)
  if (found === null) events.push(...reader.finish())
  const last = events.at(-1)
  return { events, whole: found === null, end: found?.failure.code ?? (last?.type === 'finish' ? last.reason : 'nothing') }
}

const finish = (finishReason: unknown = { unified: 'stop', raw: 'stop' }, usage?: unknown): unknown => ({
  type: 'finish',
  finishReason,
  usage,
})
const block = (type: 'text' | 'reasoning', id: string, text: string, metadata?: unknown): unknown[] => [
  { type: `${type}-start`, id },
  { type: `${type}-delta`, id, delta: text },
  { type: `${type}-end`, id, providerMetadata: metadata },
]
const call = { type: 'tool-call', toolCallId: 'c1', toolName: 'file_read', input: '{"a":1}' }
const sealed = (data: object): object => ({ wire: 'ai-sdk:pkg', model: 'm', data })
/** Text, or `+` and what is sealed. */
const shape = ({ events }: Got): unknown[] =>
  events.flatMap((event): unknown[] => {
    if (event.type !== 'text' && event.type !== 'reasoning') return []
    return [event.sealed === undefined ? `${event.type}:${event.text}` : { [event.type]: event.sealed.data }]
  })

void describe('the reader of parts', () => {
  void it('ends a part with what came with it, the newest when it came more than once', () => {
    const got = read([
      { type: 'text-start', id: '0', providerMetadata: { p: { id: 1 } } },
      { type: 'text-delta', id: '0', delta: 'a' },
      { type: 'text-end', id: '0', providerMetadata: { p: { id: 2 } } },
      finish(),
    ])
    const earlier = [
      { type: 'text-start', id: '0', providerMetadata: { p: { id: 1 } } },
      { type: 'text-delta', id: '0', delta: 'a', providerMetadata: { p: { id: 3 } } },
      { type: 'text-end', id: '0' },
    ]
    assert.deepEqual(shape(read([...earlier, finish()])), ['text:a', { text: { p: { id: 3 } } }])
    assert.deepEqual(shape(got), ['text:a', { text: { p: { id: 2 } } }])
    assert.deepEqual(got.events[1], { type: 'text', text: '', sealed: sealed({ p: { id: 2 } }) })
  })

  void it('keeps reasoning that has nothing but a seal', () => {
    const redacted = [
      { type: 'reasoning-start', id: '0', providerMetadata: { anthropic: { redactedData: 'x' } } },
      { type: 'reasoning-end', id: '0' },
    ]
    assert.deepEqual(shape(read([...redacted, finish()])), [{ reasoning: { anthropic: { redactedData: 'x' } } }])
  })

  void it('seals all reasoning, so that it is known whose it is, and text only when there is a reason', () => {
    assert.deepEqual(shape(read([...block('reasoning', '0', 'hm'), ...block('text', '1', 'a'), finish()])), [
      'reasoning:hm',
      { reasoning: {} },
      'text:a',
    ])
    assert.deepEqual(shape(read([...block('text', '1', 'a'), ...block('text', '2', 'b', { p: {} }), finish()])), [
      'text:a',
      { text: {} },
      'text:b',
      { text: { p: {} } },
    ])
  })

  void it('lets text flow while a package has not ended its reasoning', () => {
    const parts = [
      { type: 'reasoning-start', id: 'r' },
      { type: 'reasoning-delta', id: 'r', delta: 'hm' },
      { type: 'text-start', id: 't' },
      { type: 'text-delta', id: 't', delta: 'a' },
      { type: 'reasoning-end', id: 'r' },
      { type: 'text-end', id: 't' },
    ]
    assert.deepEqual(shape(read([...parts, finish()])), ['reasoning:hm', { reasoning: {} }, 'text:a'])
  })

  void it('gives tool calls only when the answer is whole, without those that the service ran itself', () => {
    const own = { ...call, toolCallId: 'c2', toolName: 'web_search', providerExecuted: true }
    const got = read([call, own, finish({ unified: 'tool-calls', raw: 'tool_use' })])
    assert.deepEqual(got.events[0], { type: 'tool_call', call: { type: 'tool_call', id: 'c1', name: 'file_read', arguments: '{"a":1}' } })
    assert.deepEqual([got.events.length, got.end], [2, 'tool_calls'])
    assert.deepEqual(read([call]).events, [])
  })

  void it('takes a call without an id, with an object in place of its text, and with metadata', () => {
    const odd = { type: 'tool-call', toolName: 'x', input: { a: 1 }, providerMetadata: { google: { thoughtSignature: 's' } } }
    const [event] = read([odd, finish()]).events
    const data = { google: { thoughtSignature: 's' } }
    assert.deepEqual(event, {
      type: 'tool_call',
      call: { type: 'tool_call', id: 'call_0', name: 'x', arguments: '{"a":1}', sealed: sealed(data) },
    })
    assert.equal(read([{ type: 'tool-call', toolCallId: 'a', input: '{}' }, finish()]).end, 'model_garbled')
  })

  void it('maps the reasons of all versions, and takes none for an answer that was cut', () => {
    const ends = (reason: unknown, usage?: unknown): string => read([...block('text', '0', 'a'), finish(reason, usage)]).end
    const flat = { inputTokens: 1, outputTokens: 1 }
    assert.deepEqual(
      ['stop', 'length', 'content-filter', 'other'].map((reason) => ends(reason)),
      ['stop', 'length', 'refusal', 'stop'],
    )
    assert.deepEqual(
      ['stop', 'length', 'content-filter', 'other'].map((unified) => ends({ unified, raw: 'x' })),
      ['stop', 'length', 'refusal', 'stop'],
    )
    assert.equal(ends({ unified: 'interrupted', raw: undefined }), 'model_unreachable')
    assert.equal(ends({ unified: 'other', raw: undefined }), 'model_unreachable')
    assert.equal(ends({ unified: 'error', raw: 'x' }), 'model_overloaded')
    assert.equal(ends('unknown'), 'model_unreachable')
    assert.equal(ends('unknown', flat), 'stop')
    assert.equal(ends(null), 'model_unreachable')
    assert.equal(read([]).end, 'model_garbled')
  })

  void it('ends with the first error, and shows no key', () => {
    const parts = [
      ...block('text', '0', 'a'),
      { type: 'error', error: { message: 'bad secret-key', code: 401 } },
      { type: 'error', error: 'two' },
    ]
    const got = read([...parts, finish({ unified: 'error', raw: undefined })])
    assert.equal(got.end, 'model_auth')
    assert.equal(JSON.stringify(problemOfError({ message: 'bad secret-key', code: 401 }, context)).includes('secret-key'), false)
    assert.equal(JSON.stringify(problemOfError(new Error('it failed with secret-key'), context)).includes('secret-key'), false)
  })

  void it('has limits', () => {
    assert.equal(read([...Array.from({ length: 3 }, () => call), finish()], { maxToolCalls: 2 }).end, 'model_garbled')
    assert.equal(read([...block('text', '0', 'x'.repeat(50)), finish()], { maxAnswerChars: 10 }).end, 'model_garbled')
    const endless = Array.from({ length: 50 }, () => ({ type: 'ping' }))
    assert.equal(read([...endless, finish()], { maxAnswerChars: 10 }).end, 'model_garbled')
    const large = block('text', '0', 'a', { p: { x: 'y'.repeat(100) } })
    assert.deepEqual(shape(read([...large, finish()], { maxEventChars: 50 })), ['text:a'])
  })

  void it('gives an error or the full answer, never a wrong one, when the parts end anywhere', () => {
    const parts = [
      { type: 'stream-start', warnings: [] },
      ...block('reasoning', '0', 'hm', { p: { s: 1 } }),
      ...block('text', '1', 'Grüße'),
      call,
      finish({ unified: 'tool-calls', raw: 'x' }, { inputTokens: { total: 1 }, outputTokens: { total: 2 } }),
    ]
    const full = read(parts)
    assert.ok(full.whole)
    for (let at = 0; at < parts.length; at += 1) {
      const got = read(parts.slice(0, at))
      assert.equal(got.whole, false)
      assert.deepEqual(got.events, full.events.slice(0, got.events.length))
      assert.equal(
        got.events.some((event) => event.type === 'tool_call'),
        false,
      )
    }
  })

  void it('never throws, whatever the parts are', () => {
    const types = [
      'text-start',
      'text-delta',
      'text-end',
      'reasoning-start',
      'reasoning-delta',
      'reasoning-end',
      'tool-call',
      'tool-input-delta',
      'error',
      'finish',
      'file',
      '__proto__',
    ]
    const part = fc.record(
      {
        type: fc.constantFrom(...types),
        id: fc.anything(),
        delta: fc.anything(),
        providerMetadata: fc.anything({ withBigInt: true }),
        toolName: fc.anything(),
        input: fc.anything(),
        error: fc.anything(),
        finishReason: fc.anything(),
        usage: fc.anything(),
      },
      { requiredKeys: ['type'] },
    )
    fc.assert(fc.property(fc.array(fc.oneof(part, fc.anything())), (parts) => void read(parts)))
    fc.assert(fc.property(fc.anything(), (error) => void problemOfError(error, context)))
  })
})

void describe('usage of provider packages', () => {
  void it('is read in its nested and in its flat form', () => {
    const nested = {
      inputTokens: { total: 100, noCache: 10, cacheRead: 60, cacheWrite: 30 },
      outputTokens: { total: 20, text: 15, reasoning: 5 },
    }
    assert.deepEqual(readUsage(nested, undefined), {
      inputTokens: 100,
      outputTokens: 20,
      cacheReadTokens: 60,
      cacheWriteTokens: 30,
      reasoningTokens: 5,
      estimated: false,
    })
    const flat = { inputTokens: 100, outputTokens: 20, totalTokens: 120, reasoningTokens: 5, cachedInputTokens: 60 }
    const told = { inputTokens: 100, outputTokens: 20, cacheReadTokens: 60, reasoningTokens: 5, estimated: false }
    assert.deepEqual(readUsage(flat, undefined), told)
  })

  void it('counts a cache that is reported apart from the input as input', () => {
    const flat = { inputTokens: 10, outputTokens: 20, cachedInputTokens: 60 }
    assert.equal(readUsage(flat, { other: {} })?.inputTokens, 70)
    assert.deepEqual(readUsage({ ...flat, cachedInputTokens: 5 }, { anthropic: { cacheCreationInputTokens: 30 } }), {
      inputTokens: 45,
      outputTokens: 20,
      cacheReadTokens: 5,
      cacheWriteTokens: 30,
      estimated: false,
    })
  })

  void it('is unknown when its totals are not there', () => {
    for (const value of [undefined, null, 'x', {}, { inputTokens: 1 }, { inputTokens: {}, outputTokens: {} }, { inputTokens: null }]) {
      assert.equal(readUsage(value, null), null)
    }
  })
})
