import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JsonObject } from '../../base/index.ts'
import type { GenerateSettings, Message } from '../../protocol/index.ts'
import { userMessage } from '../../protocol/index.ts'
import { requestOf } from '../model-contract.ts'
import { factsOf } from './fake-anthropic.ts'
import { createMessageWriter } from './anthropic-wire.ts'

const writer = createMessageWriter({ facts: factsOf, official: true })
const tools = [{ name: 'x', description: '', parameters: { type: 'object' } }]
const fixed = ['model', 'max_tokens', 'stream', 'system', 'tools', 'messages']

interface Asked {
  readonly model?: string
  readonly settings?: GenerateSettings
  readonly maxOutputTokens?: number
  readonly messages?: readonly Message[]
}

/** The settings of a request, as sent. */
function sent({ model = 'claude-sonnet-4-5', settings = {}, ...more }: Asked): Record<string, unknown> {
  const body = JSON.parse(
    writer.write(requestOf('hi', { model, settings, tools, maxOutputTokens: 10_000, ...more })).join(''),
  ) as JsonObject
  return Object.fromEntries(Object.entries(body).filter(([name]) => !fixed.includes(name)))
}

void describe('the settings of a Messages request', () => {
  void it('are left out when nothing is asked', () => {
    assert.deepEqual(sent({}), {})
    assert.deepEqual(sent({ settings: { toolChoice: 'auto', stop: [] } }), {})
  })

  void it('are left out when the model does not know them', () => {
    const settings: GenerateSettings = {
      temperature: 1,
      topP: 0.5,
      effort: 'high',
      toolChoice: 'required',
      output: { name: 'o', schema: { type: 'object' } },
    }
    assert.deepEqual(sent({ model: 'text-only', settings }), {})
    assert.equal(
      writer
        .write(requestOf('hi', { model: 'text-only', tools }))
        .join('')
        .includes('"tools"'),
      false,
    )
  })

  void it('choose tools', () => {
    const choice = (toolChoice: GenerateSettings['toolChoice']): unknown =>
      sent({ settings: { toolChoice: toolChoice ?? 'auto' } })['tool_choice']
    assert.deepEqual(
      ['none', 'required'].map((each) => choice(each as 'none')),
      [{ type: 'none' }, { type: 'any' }],
    )
    assert.deepEqual(choice({ tool: 'x' }), { type: 'tool', name: 'x' })
    assert.deepEqual(sent({ model: 'claude-opus-5-5', settings: { toolChoice: 'required' } }), {})
  })

  void it('sample within the protocol’s range, by temperature or by top-p', () => {
    assert.deepEqual(sent({ settings: { temperature: 0.3, topP: 0.5 } }), { temperature: 0.3 })
    assert.deepEqual(sent({ settings: { temperature: 1.7 } }), { temperature: 1 })
    assert.deepEqual(sent({ settings: { topP: 0.5 } }), { top_p: 0.5 })
    assert.deepEqual(Object.keys(sent({ settings: { temperature: 0.3, effort: 'low' } })), ['thinking'])
    assert.deepEqual(sent({ settings: { temperature: 0.3, effort: 'none' } }), { thinking: { type: 'disabled' }, temperature: 0.3 })
  })

  void it('stop at sequences, but not at white space', () => {
    assert.deepEqual(sent({ settings: { stop: ['\n', 'END', ' '] } }), { stop_sequences: ['END'] })
    assert.deepEqual(sent({ settings: { stop: ['\n'] } }), {})
  })

  void it('turn effort into what the model takes', () => {
    const adaptive = { thinking: { type: 'adaptive', display: 'summarized' }, output_config: { effort: 'low' } }
    assert.deepEqual(sent({ model: 'claude-opus-4-8', settings: { effort: 'minimal' } }), adaptive)
    assert.deepEqual(sent({ model: 'claude-opus-5-5', settings: { effort: 'none' } }), { output_config: { effort: 'low' } })
    assert.deepEqual(sent({ model: 'claude-sonnet-5-5', settings: { effort: 'none' } }), { thinking: { type: 'between_tools' } })
  })

  void it('keep a thinking budget under the output limit and over the least that is taken', () => {
    const budget = (maxOutputTokens: number, effort: 'minimal' | 'high'): unknown =>
      (sent({ settings: { effort }, maxOutputTokens })['thinking'] as { budget_tokens: number } | undefined)?.budget_tokens
    assert.deepEqual([budget(10_000, 'minimal'), budget(10_000, 'high')], [1_024, 8_000])
    assert.deepEqual([budget(1_025, 'high'), budget(1_024, 'high'), budget(100, 'minimal')], [1_024, undefined, undefined])
  })

  void it('give up a budget where it would be refused', () => {
    const thinks = (messages: readonly Message[], settings: GenerateSettings = {}): boolean =>
      'thinking' in sent({ messages, settings: { effort: 'high', ...settings } })
    const ask = (...before: readonly unknown[]): Message =>
      ({ role: 'assistant', parts: [...before, { type: 'tool_call', id: '1', name: 'x', arguments: '{}' }] }) as Message
    const result: Message = { role: 'tool', parts: [{ type: 'tool_result', id: '1', name: 'x', ok: true, text: 'R' }] }
    const thought = { type: 'reasoning', text: 't', sealed: { wire: 'anthropic', model: 'claude-sonnet-4-5', data: { signature: 's' } } }
    const go = userMessage('go')
    assert.equal(thinks([go]), true)
    assert.equal(thinks([go], { toolChoice: 'required' }), false)
    assert.equal(thinks([go, { role: 'assistant', parts: [{ type: 'text', text: 'half' }] }]), false)
    assert.equal(thinks([go, { role: 'assistant', parts: [thought, { type: 'text', text: 'half' }] } as Message]), false)
    assert.equal(thinks([go, ask(), result]), false, 'a chain of calls that was begun without thinking')
    assert.equal(thinks([go, ask(thought), result]), true)
    assert.equal(thinks([go, ask(thought), result, ask(), result]), true, 'thinking is at the start of the chain')
    assert.equal(thinks([go, ask(), result, userMessage('new question')]), false)
    assert.equal(thinks([go, ask(), result, { role: 'assistant', parts: [{ type: 'text', text: 'done' }] }, userMessage('next')]), true)
  })

  void it('ask for an answer of a schema, along with the effort', () => {
    const schema = { type: 'object', properties: { n: { type: 'integer', minimum: 1 } }, required: ['n'] }
    const format = {
      type: 'json_schema',
      schema: {
        type: 'object',
        properties: { n: { type: 'integer', description: '{minimum: 1}' } },
        additionalProperties: false,
        required: ['n'],
      },
    }
    const settings: GenerateSettings = { effort: 'high', output: { name: 'o', schema } }
    assert.deepEqual(sent({ model: 'claude-opus-4-6', settings })['output_config'], { effort: 'high', format })
  })
})
