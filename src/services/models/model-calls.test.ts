import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ModelFacts } from '../../protocol/index.ts'
import type { ServedModels } from '../../config/index.ts'
import { firstOutputTokens, minReservedTokens, outputMargin } from './limits.ts'
import { createExpectedUsage } from './model-calls.ts'
import { unpricedModel } from './usable-models.ts'

const bound = { inputTokens: 8_000, outputTokens: 32_000 }
const plain = { reasoning: false }
const reported = (inputTokens: number, outputTokens: number, estimated = false) => ({ inputTokens, outputTokens, estimated })

void describe('expected usage', () => {
  void it('is at first the upper bound of the input, and of the output for models with hidden reasoning', () => {
    const usages = createExpectedUsage()
    assert.deepEqual(usages.expect('a', bound, plain), { inputTokens: 8_000, outputTokens: firstOutputTokens })
    assert.deepEqual(usages.expect('a', bound, { reasoning: true }), bound)
    assert.deepEqual(usages.expect('a', { inputTokens: 10, outputTokens: 5 }, plain), { inputTokens: 10, outputTokens: 5 })
  })

  void it('starts from the usage of the previous request, and adds what is new', () => {
    const usages = createExpectedUsage()
    usages.learn('a', bound, reported(1_500, 900))
    usages.learn('a', bound, reported(1_500, 20))
    const next = usages.expect('a', { ...bound, inputTokens: 8_040 }, { reasoning: true })
    assert.deepEqual(next, { inputTokens: 1_540, outputTokens: outputMargin * 900 })
    assert.equal(usages.expect('b', bound, plain).inputTokens, 8_000, 'another conversation knows nothing')
    assert.equal(usages.expect('a', { ...bound, inputTokens: 600 }, plain).inputTokens, 600, 'a shortened one has its own bound')
  })

  void it('is never over the bounds, forgets long answers, and does not learn from estimates', () => {
    const usages = createExpectedUsage()
    usages.learn('a', bound, reported(100, 1, true))
    assert.equal(usages.expect('a', bound, plain).inputTokens, 8_000)
    usages.learn('a', bound, reported(9_000, 30_000))
    assert.deepEqual(usages.expect('a', bound, plain), bound)
    for (let answer = 0; answer < 4; answer += 1) usages.learn('a', bound, reported(1_000, 5))
    assert.deepEqual(usages.expect('a', bound, plain), { inputTokens: 1_000, outputTokens: minReservedTokens })
  })
})

void describe('a model without a price under a money budget', () => {
  const facts = { provider: 'openai', name: 'my-modle', price: null } as unknown as ModelFacts
  const listing = (names: readonly string[] | null) => ({
    catalog: async function* () {
      yield { baseUrl: 'http://127.0.0.1:1/v1', names } satisfies ServedModels
    },
  })

  void it('is unknown where its service lists others: the nearest are named', async () => {
    const { code, message, hint } = await unpricedModel(listing(['my-model', 'gpt-x']), facts)
    assert.equal(code, 'not_found')
    assert.match(`${message} ${hint}`, /does not list the model "my-modle".* openai\/my-model/)
  })

  void it('lacks a price where its service lists it, or has no list', async () => {
    for (const from of [listing(['my-modle']), listing(null), {}]) assert.equal((await unpricedModel(from, facts)).code, 'budget_exhausted')
  })
})
