/** The table of models against a second opinion: the AI SDK's provider, which keeps one of its own. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createAnthropic } from '@ai-sdk/anthropic'
import type { Model as AnthropicModel } from '@anthropic-ai/sdk/resources/messages'
import type { Effort, GenerateSettings } from '../../protocol/index.ts'
import { requestOf } from '../model-contract.ts'
import { factsOf } from './fake-anthropic.ts'
import { createMessageWriter, modelDialect } from './anthropic-wire.ts'

interface Asked {
  readonly thinking?: { readonly type: string }
  readonly tool_choice?: { readonly type: string }
  readonly output_config?: { readonly effort?: string }
}

const writer = createMessageWriter({ facts: factsOf, official: true })
const tools = [{ name: 'x', description: '', parameters: { type: 'object' } }]

function ours(model: string, settings: GenerateSettings): Asked {
  return JSON.parse(writer.write(requestOf('hi', { model, settings, tools, maxOutputTokens: 8_000 })).join('')) as Asked
}

async function theirs(model: string, settings: { reasoning?: Effort; toolChoice?: { type: 'required' } }): Promise<Asked> {
  const bodies: unknown[] = []
  const provider = createAnthropic({
    apiKey: 'k',
    fetch: (_url, init) => {
      bodies.push(init?.body)
      return Promise.reject(new Error('seen enough'))
    },
  })
  const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'hi' }] }]
  const tool = { type: 'function' as const, name: 'x', description: '', inputSchema: { type: 'object' as const } }
  await assert.rejects(async () => provider(model).doStream({ prompt, tools: [tool], maxOutputTokens: 8_000, ...settings }))
  const [body] = bodies
  assert.ok(typeof body === 'string')
  return JSON.parse(body) as Asked
}

/** Every model of the vendor's package that the AI SDK knows too, and older ones. */
const models: readonly AnthropicModel[] = [
  'claude-fable-5-2',
  'claude-fable-5-1',
  'claude-fable-5',
  'claude-haiku-5-5',
  'claude-sonnet-5-5',
  'claude-opus-5-5',
  'claude-sonnet-5',
  'claude-opus-5',
  'claude-opus-4-8',
  'claude-opus-4-7',
  'claude-opus-4-6',
  'claude-sonnet-4-6',
  'claude-haiku-4-5',
  'claude-haiku-4-5-20251001',
  'claude-opus-4-5-20251101',
  'claude-sonnet-4-5',
  'claude-sonnet-4-5-20250929',
  'claude-opus-4-1-20250805',
  'claude-sonnet-4-20250514',
  'claude-opus-4-20250514',
  'claude-3-haiku-20240307',
]

void describe('what a model takes', () => {
  void it('is judged as the AI SDK judges it: thinking, no thinking, forced calls', async () => {
    for (const model of models) {
      for (const effort of ['none', 'low', 'high'] as const) {
        const [mine, other] = [ours(model, { effort }), await theirs(model, { reasoning: effort })]
        assert.deepEqual(
          [mine.thinking?.type, mine.output_config?.effort],
          [other.thinking?.type, other.output_config?.effort],
          `${model} ${effort}`,
        )
      }
      const other = await theirs(model, { toolChoice: { type: 'required' } })
      // What they send as `auto` we leave out: it is the default.
      assert.equal(ours(model, { toolChoice: 'required' }).tool_choice?.type ?? 'auto', other.tool_choice?.type, model)
    }
  })

  void it('is the same under the names of other services', () => {
    const names = ['anthropic/claude-opus-4.6', 'us.anthropic.claude-opus-4-6-v1:0', 'claude-opus-4-6@20260205']
    for (const name of names) assert.deepEqual(modelDialect(name), modelDialect('claude-opus-4-6'), name)
    assert.equal(modelDialect('claude-sonnet-4@20250514').thinking, 'budget')
    assert.equal(modelDialect('claude-3-7-sonnet-latest').thinking, 'budget')
    assert.equal(modelDialect('anthropic.claude-instant-v1').thinking, 'budget')
    assert.equal(modelDialect('kimi-k2-thinking').thinking, 'budget')
  })

  void it('is only what all take for a model newer than the table', () => {
    for (const name of ['claude-opus-6', 'claude-mythos-preview', 'claude-haiku-7-1', 'claude-novum-1', 'claude-sonnet-latest']) {
      assert.deepEqual(modelDialect(name), { thinking: 'adaptive', off: null, forcedTools: false, prefill: false }, name)
    }
  })
})
