import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Usage } from '../../protocol/index.ts'
import { modelLimits } from '../limits.ts'
import { messageSse, sseOf } from './fake-anthropic.ts'
import { createMessageReader } from './message-answer.ts'

/** What is known once this much of a stream has come. */
function usageAfter(stream: string): Usage {
  const reader = createMessageReader({ limits: modelLimits, origin: 'http://test', key: '', model: 'm', requestChars: 40 })
  reader.feed(stream, [])
  return reader.usage()
}

void describe('usage of a message', () => {
  const usageOf = (usage: object): Usage => usageAfter(messageSse({ blocks: [{ text: 'x' }], usage: usage as Record<string, unknown> }))

  void it('counts cache reads and writes and thinking as parts of the whole', () => {
    const cached = { cache_read_input_tokens: 100, cache_creation_input_tokens: 50, output_tokens_details: { thinking_tokens: 9 } }
    assert.deepEqual(usageOf(cached), {
      inputTokens: 161,
      outputTokens: 22,
      cacheReadTokens: 100,
      cacheWriteTokens: 50,
      reasoningTokens: 9,
      estimated: false,
    })
  })

  void it('takes the counts of the end as totals, and null as no word', () => {
    const stream = sseOf(
      { type: 'message_start', message: { usage: { input_tokens: 5, cache_read_input_tokens: 3, output_tokens: 1 } } },
      { type: 'message_delta', delta: { stop_reason: null }, usage: { output_tokens: 10 } },
      {
        type: 'message_delta',
        delta: { stop_reason: 'end_turn' },
        usage: { input_tokens: 7, cache_read_input_tokens: null, output_tokens: 20 },
      },
      { type: 'message_stop' },
    )
    assert.deepEqual(usageAfter(stream), { inputTokens: 10, outputTokens: 20, cacheReadTokens: 3, estimated: false })
  })

  void it('estimates the output of an answer that broke off, and what no service would count', () => {
    const stream = messageSse({ blocks: [{ text: '12345678'.repeat(4) }] })
    const broken = usageAfter(stream.slice(0, stream.indexOf('event: message_delta')))
    assert.deepEqual(broken, { inputTokens: 11, outputTokens: 8, estimated: true })
    const silent = sseOf({ type: 'message_start', message: {} }, { type: 'message_delta', delta: { stop_reason: 'end_turn' } })
    assert.deepEqual(usageAfter(silent), { inputTokens: 10, outputTokens: 0, estimated: true })
    const huge = { input_tokens: Number.MAX_SAFE_INTEGER, cache_read_input_tokens: 2 ** 50, output_tokens: -1 }
    assert.deepEqual(usageOf(huge), { inputTokens: 10, outputTokens: 1, estimated: true })
  })
})
