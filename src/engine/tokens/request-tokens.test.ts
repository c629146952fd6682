import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Message, userMessage } from '../../protocol/index.ts'
import { charsPerToken, requestMessageTokens } from '../limits.ts'
import { type CountedModel, type CountedRequest, createRequestTokens } from './request-tokens.ts'

const exact: CountedModel = { name: 'gpt-5-mini', label: 'openai/gpt-5-mini', service: { wire: 'openai-chat' } }
const other: CountedModel = { name: 'claude', label: 'anthropic/claude', service: { wire: 'anthropic' } }

const tool = { name: 'file_read', description: 'Reads a file.', parameters: { type: 'object', properties: { path: { type: 'string' } } } }
const picture: Message = { role: 'user', parts: [{ type: 'media', mediaType: 'image/png', name: '', data: 'A'.repeat(1_000_000) }] }

function requestOf(...messages: readonly Message[]): CountedRequest {
  return { system: 'Be brief.', messages, tools: [tool] }
}

const reply = (inputTokens: number, estimated = false) => ({ inputTokens, outputTokens: 1, estimated })

void describe('the tokens of a request', () => {
  void it('are exact for a model with a public encoding, and nothing that it reports changes that', async () => {
    const tokens = createRequestTokens()
    const request = requestOf(userMessage('hello world'))
    const texts = [request.system, 'hello world', JSON.stringify(tool)]
    const counted = (await tokens.countTexts(texts)).reduce((sum, count) => sum + count, 0)
    assert.equal(await tokens.estimate(exact, request), counted + requestMessageTokens)
    tokens.observe(exact, request, reply(5_000))
    assert.equal(await tokens.estimate(exact, request), counted + requestMessageTokens)
    await tokens.close()
  })

  void it('of another model are an upper end at first, and close to what was reported after a reply', async () => {
    const tokens = createRequestTokens()
    const request = { ...requestOf(userMessage('word '.repeat(4_000))), cacheKey: 's' }
    const rough = (4_000 * 5) / charsPerToken
    const first = await tokens.estimate(other, request)
    assert.ok(first > rough * 1.3 && first < rough * 2, `${first} of ${rough}: the upper end of what is not known yet`)
    tokens.observe(other, request, reply(4_100))
    const second = await tokens.estimate(other, request)
    assert.ok(second >= 4_100 && second < 4_200, String(second))
    tokens.observe(other, request, reply(9_000, true))
    assert.equal(await tokens.estimate(other, request), second, 'what was only estimated teaches nothing')
    await tokens.close()
  })

  void it('grow with each message, call, result and tool', async () => {
    const tokens = createRequestTokens()
    const call: Message = {
      role: 'assistant',
      parts: [{ type: 'tool_call', id: 'a', name: 'file_read', arguments: '{"path":"a long path"}' }],
    }
    const result: Message = { role: 'tool', parts: [{ type: 'tool_result', id: 'a', name: 'file_read', ok: true, text: 'some text here' }] }
    for (const model of [exact, other]) {
      const sums: number[] = []
      for (const messages of [[], [userMessage('hello')], [userMessage('hello'), call], [userMessage('hello'), call, result]]) {
        sums.push(await tokens.estimate(model, requestOf(...messages)))
      }
      assert.deepEqual(
        sums,
        [...new Set(sums)].sort((a, b) => a - b),
        model.label,
      )
      const bare = await tokens.estimate(model, { ...requestOf(userMessage('hello')), tools: [] })
      assert.ok(bare < (sums[1] ?? 0))
    }
    await tokens.close()
  })

  void it('count a picture by the rule of its wire, never by its bytes, also in a result', async () => {
    const tokens = createRequestTokens()
    const [part] = picture.parts
    assert.ok(part?.type === 'media')
    const shown: Message = { role: 'tool', parts: [{ type: 'tool_result', id: 'a', name: 'n', ok: true, text: '', media: [part] }] }
    for (const model of [exact, other]) {
      const without = await tokens.estimate(model, requestOf(userMessage('')))
      for (const message of [picture, shown]) {
        const its = (await tokens.estimate(model, requestOf(message))) - without
        assert.ok(its > 50 && its < 10_000, `${model.label}: ${its}`)
      }
    }
    await tokens.close()
  })

  void it('of nothing are nothing, and closing what was never opened is nothing', async () => {
    const tokens = createRequestTokens()
    assert.equal(await tokens.estimate(other, { system: '', messages: [], tools: [] }), 0)
    await tokens.close()
  })
})
