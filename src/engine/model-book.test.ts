/** What the configuration says of a model, wherever in it that stands. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseConfig } from '../types/index.ts'
import { createModelBook } from './model-book.ts'
import type { ServiceConfig } from './services.ts'

function book(model: object, own: object) {
  const services: ServiceConfig = {
    config: parseConfig({ model, providers: { ollama: { models: { qwen3: own } } } }, 'this test'),
    env: {},
  }
  return createModelBook(services, undefined)
}

void describe('facts of the configured model', () => {
  void it('are what its provider’s section says, as the lines of a discovered service do', async () => {
    const { facts } = await book({ name: 'ollama/qwen3' }, { context_tokens: 8_192, input_price: 1, output_price: 2 }).find('')
    assert.equal(facts.contextTokens, 8_192)
    assert.deepEqual(facts.price, { inputPerMillion: 1, outputPerMillion: 2 })
  })

  void it('are what the model section says where both speak', async () => {
    const said = book({ name: 'ollama/qwen3', context_tokens: 4_096 }, { context_tokens: 8_192, max_output_tokens: 512 })
    const { facts } = await said.find('')
    assert.equal(facts.contextTokens, 4_096)
    assert.equal(facts.maxOutputTokens, 512)
  })

  void it('say nothing about another model of the same provider', async () => {
    const said = book({ name: 'ollama/other', context_tokens: 4_096 }, { context_tokens: 8_192 })
    assert.equal((await said.find('ollama/qwen3')).facts.contextTokens, 8_192)
  })
})
