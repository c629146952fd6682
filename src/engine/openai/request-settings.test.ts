import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readChatUsage } from '../openai-chat/chat-answer.ts'
import { readResponseUsage } from '../openai-responses/responses-answer.ts'
import { effortOf } from './openai-request.ts'

void describe('the effort that is asked of a model', () => {
  const efforts = ['none', 'minimal', 'low', 'medium', 'high'] as const
  const of = (model: string, official = true): unknown[] => efforts.map((effort) => effortOf(effort, model, official))

  void it('is the nearest that the vendor’s model knows', () => {
    assert.deepEqual(of('gpt-5-mini-2025-08-07'), ['minimal', 'minimal', 'low', 'medium', 'high'])
    assert.deepEqual(of('gpt-5.1'), ['none', 'low', 'low', 'medium', 'high'])
    assert.deepEqual(of('gpt-5.4-mini'), ['none', 'low', 'low', 'medium', 'high'])
    for (const model of ['o3', 'o4-mini', 'gpt-5-codex', 'gpt-5.1-codex-max']) {
      assert.deepEqual(of(model), ['low', 'low', 'low', 'medium', 'high'], model)
    }
    assert.deepEqual(of('gpt-5-pro'), [null, null, null, null, null])
  })

  void it('is one that compatible services know', () => {
    assert.deepEqual(of('gpt-oss-120b', false), ['none', 'low', 'low', 'medium', 'high'])
  })
})

void describe('reported usage', () => {
  const chat = (more: object): unknown => readChatUsage({ prompt_tokens: 100, completion_tokens: 50, ...more })
  const plain = { inputTokens: 100, outputTokens: 50, estimated: false }

  void it('names what was read from and written to a cache and what was reasoning, where it is more than nothing', () => {
    const details = { prompt_tokens_details: { cached_tokens: 30, cache_write_tokens: 20 }, completion_tokens_details: { reasoning_tokens: 10 } } // prettier-ignore
    assert.deepEqual(chat(details), { ...plain, cacheReadTokens: 30, cacheWriteTokens: 20, reasoningTokens: 10 })
    assert.deepEqual(chat({ prompt_cache_hit_tokens: 64, prompt_cache_miss_tokens: 36 }), { ...plain, cacheReadTokens: 64 })
    assert.deepEqual(chat({ prompt_tokens_details: { cached_tokens: 0 }, completion_tokens_details: null }), plain)
    const reported = { input_tokens: 100, output_tokens: 50, input_tokens_details: { cached_tokens: 9, cache_write_tokens: 8 }, output_tokens_details: { reasoning_tokens: 7 } } // prettier-ignore
    assert.deepEqual(readResponseUsage(reported), { ...plain, cacheReadTokens: 9, cacheWriteTokens: 8, reasoningTokens: 7 })
  })

  void it('counts reasoning as output where only the total shows it', () => {
    const grok = { total_tokens: 180, completion_tokens_details: { reasoning_tokens: 30 } }
    assert.deepEqual(chat(grok), { ...plain, outputTokens: 80, reasoningTokens: 30 })
    assert.deepEqual(chat({ ...grok, total_tokens: 150 }), { ...plain, reasoningTokens: 30 })
  })

  void it('never has parts larger than the whole, and is nothing when it is nonsense', () => {
    const wild = { prompt_tokens_details: { cached_tokens: 90, cache_write_tokens: 90 }, completion_tokens_details: { reasoning_tokens: 60 } } // prettier-ignore
    assert.deepEqual(chat(wild), { ...plain, cacheReadTokens: 90, cacheWriteTokens: 10, reasoningTokens: 50 })
    // Estimated: no request has read more from a cache than it had.
    assert.deepEqual(chat({ prompt_tokens_details: { cached_tokens: 101 } }), { ...plain, inputTokens: 0 })
    assert.deepEqual(chat({ prompt_tokens_details: { cached_tokens: -1 }, completion_tokens_details: 'x' }), plain)
    for (const usage of [null, 1, [], { prompt_tokens: 1.5, completion_tokens: 1 }, { prompt_tokens: 1 }]) {
      assert.deepEqual([readChatUsage(usage), readResponseUsage(usage)], [null, null])
    }
  })
})
