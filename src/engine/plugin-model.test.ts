/** Models that plugins serve, as the engine asks them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Json, type JsonObject, OxbowError, systemClock, systemRandom } from '../base/index.ts'
import { type GenerateRequest, type ModelEvent, userMessage } from '../protocol/index.ts'
import { configSchema } from '../config/index.ts'
import { openEngine } from './engine.ts'

async function ask(
  model: string,
  answers: readonly (Json | OxbowError)[],
  pieces: readonly JsonObject[] = [],
  more: Partial<GenerateRequest> = {},
): Promise<{ events: ModelEvent[]; asked: [string, string, JsonObject][] }> {
  const asked: [string, string, JsonObject][] = []
  const left = [...answers]
  const engine = await openEngine({
    config: configSchema.parse({ model: { provider: 'plugin:atlas', fallback: ['plugin:spare/TEXT_SMALL'] } }),
    env: {},
    clock: systemClock,
    random: systemRandom,
    limits: { backoffBaseMs: 1, backoffCapMs: 2 },
    async askPlugin(plugin, type, params, _signal, onPiece) {
      asked.push([plugin, type, params])
      const answer = left.length > 1 ? left.shift()! : left[0]!
      if (answer instanceof OxbowError) throw answer
      for (const piece of pieces) {
        onPiece?.(piece)
        await new Promise((resolve) => setImmediate(resolve))
      }
      return answer
    },
  })
  const events: ModelEvent[] = []
  const request = { model, system: 'Be brief.', messages: [userMessage('Hello')], tools: [], maxOutputTokens: 99, ...more }
  for await (const batch of engine.generate(request, new AbortController().signal)) events.push(...batch)
  await engine.close()
  return { events, asked }
}

const lost = new OxbowError('sandbox_failed', 'its host ended', { hint: '' })

void test('a plugin answers a conversation as one text, and its usage counts', async () => {
  const { events, asked } = await ask('', [{ text: 'Hi.', usage: { promptTokens: 7, completionTokens: 2 } }])
  assert.deepEqual(events, [
    { type: 'text', text: 'Hi.' },
    { type: 'finish', reason: 'stop', usage: { inputTokens: 7, outputTokens: 2, estimated: false } },
  ])
  const [plugin, type, { prompt, maxTokens }] = asked[0]!
  assert.deepEqual([plugin, type, prompt, maxTokens], ['atlas', 'TEXT_LARGE', 'Be brief.\n\nUser: Hello\n\nAssistant:', 99])
})

void test('a plugin that fails is asked again, and then its fallback', async () => {
  assert.equal((await ask('', [lost, 'Hi.'])).events.at(-1)?.type, 'finish')
  const { events, asked } = await ask('', [lost, lost, lost, lost, 'Hi.'])
  assert.deepEqual(asked.at(-1)!.slice(0, 2), ['spare', 'TEXT_SMALL'])
  assert.deepEqual(
    events.map(({ type }) => type),
    ['restarted', 'text', 'finish'],
  )
})

void test('an answer that is not text is an error that names the plugin', async () => {
  const { events } = await ask('plugin:other', [[1, 2]])
  const [last] = events
  assert.equal(last?.type === 'error' && last.failure.message.includes('The plugin other answered with no text.'), true)
})

void test('what a plugin yields is shown as it comes, and its tool calls become the turn’s', async () => {
  const messages = [
    userMessage('Write it down.'),
    {
      role: 'assistant' as const,
      parts: [{ type: 'tool_call' as const, id: 'a', name: 'file_write', arguments: '{"path":"x"}' }],
    },
    { role: 'tool' as const, parts: [{ type: 'tool_result' as const, id: 'a', name: 'file_write', ok: true, text: 'written' }] as const },
  ]
  const tool = { name: 'file_write', description: 'Writes.', parameters: { type: 'object' } }
  const result = { text: 'One two.', reasoning: 'hm', toolCalls: [{ name: 'file_write', input: { path: 'y' } }] }
  const { events, asked } = await ask('', [result], [{ reasoning: 'hm' }, { text: 'One ' }], { messages, tools: [tool] })
  assert.deepEqual(events.slice(0, -1), [
    { type: 'reasoning', text: 'hm' },
    { type: 'text', text: 'One ' },
    { type: 'text', text: 'two.' },
    { type: 'tool_call', call: { type: 'tool_call', id: 'call_0', name: 'file_write', arguments: '{"path":"y"}' } },
  ])
  assert.equal((events.at(-1) as { reason?: string }).reason, 'tool_calls')
  const [, , params] = asked[0]!
  assert.deepEqual(params['tools'], [tool])
  assert.deepEqual(params['messages'], [
    { role: 'user', content: 'Write it down.' },
    { role: 'assistant', content: '', toolCalls: [{ id: 'a', name: 'file_write', input: { path: 'x' } }] },
    { role: 'tool', content: 'written', toolCallId: 'a', name: 'file_write', ok: true },
  ])
  const { events: other } = await ask('plugin:other', ['Two.'], [{ text: 'One' }])
  assert.match(JSON.stringify(other), /does not match what it streamed/)
})
