import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOxbowError } from '../../base/index.ts'
import { catalogFolder, noOverrides } from './catalog-fixture.ts'
import { loadCatalog } from './catalog.ts'
import { findModelFacts, modelFacts, originsOf, priceOfCost } from './model-facts.ts'

const catalog = loadCatalog({ files: {} })

void test('a known model has the facts of its entry, under the name that was asked for', async () => {
  const facts = await findModelFacts(catalog, 'anthropic', 'claude-haiku-4-5-20991231', noOverrides)
  assert.equal(facts.name, 'claude-haiku-4-5-20991231')
  assert.equal(facts.contextTokens, 200_000)
  assert.equal(facts.maxOutputTokens, 32_000)
  assert.deepEqual([facts.tools, facts.reasoning, facts.deprecated], [true, true, false])
  assert.deepEqual(facts.input, ['text', 'image', 'pdf'])
  assert.ok((facts.price?.cacheWritePerMillion ?? 0) > (facts.price?.inputPerMillion ?? 0))
})

void test('the prefix of Google’s own names is no part of the name', async () => {
  assert.equal((await findModelFacts(catalog, 'google', 'models/gemini-2.5-pro', noOverrides)).name, 'gemini-2.5-pro')
})

void test('a reasoning model that takes no sampling settings is known as one', async () => {
  const facts = await findModelFacts(catalog, 'openai', 'gpt-5', noOverrides)
  assert.deepEqual([facts.reasoning, facts.sampling], [true, false])
})

void test('a model without prices has none, and not a price of nothing', async () => {
  using folder = catalogFolder()
  folder.writeOverlay({ mine: { models: { m: { limit: { context: 8_000 } } } } })
  const mine = loadCatalog(folder)
  assert.equal((await findModelFacts(mine, 'mine', 'm', noOverrides)).price, null)
  const priced = await findModelFacts(mine, 'mine', 'm', { ...noOverrides, input_price: 0, output_price: 5 })
  assert.deepEqual(priced.price, { inputPerMillion: 0, outputPerMillion: 5 })
})

void test('half a price is an error that names the other half', async () => {
  const overrides = { ...noOverrides, context_tokens: 8_000, input_price: 5 }
  assert.throws(
    () => modelFacts(null, overrides, { provider: 'mine', name: 'm' }),
    (error) => isOxbowError(error, 'bad_config') && /input price/.test(error.message) && /output_price/.test(error.hint),
  )
})

void test("the configuration's prices override the catalog's, in every tier", async () => {
  const overrides = { ...noOverrides, context_tokens: 50_000, max_output_tokens: 60_000, input_price: 1, cache_read_price: 2 }
  const facts = await findModelFacts(catalog, 'google', 'gemini-2.5-pro', overrides)
  assert.deepEqual([facts.contextTokens, facts.maxOutputTokens], [50_000, 60_000])
  const { price } = facts
  assert.deepEqual([price?.inputPerMillion, price?.cacheReadPerMillion, price?.outputPerMillion], [1, 2, 10_000_000])
  assert.deepEqual(
    price?.tiers?.map((tier) => [tier.aboveInputTokens, tier.inputPerMillion, tier.cacheReadPerMillion, tier.outputPerMillion]),
    [[200_000, 1, 2, 15_000_000]],
  )
  const origins = originsOf(await catalog.lookup('google', 'gemini-2.5-pro'), overrides)
  assert.deepEqual([origins.contextTokens, origins.price, origins.tools], ['configuration', 'configuration', 'package'])
})

void test('an unknown model is an error with the nearest names and what to set', async () => {
  await assert.rejects(findModelFacts(catalog, 'openai', 'gpt5minni', noOverrides), (error) => {
    assert.ok(isOxbowError(error, 'bad_config'))
    assert.match(error.message, /unknown model "gpt5minni" of openai; the nearest known are gpt-5-mini, /)
    assert.match(error.hint, /context_tokens = /)
    assert.match(error.hint, /\[providers\.openai\.models\."gpt5minni"\]/)
    return true
  })
  await assert.rejects(findModelFacts(catalog, 'openai', 'claude-sonnet-4-5', noOverrides), (error) => {
    assert.ok(isOxbowError(error, 'bad_config'))
    assert.match(error.message, /openai has no model "claude-sonnet-4-5"; there is anthropic\/claude-sonnet-4-5/)
    assert.match(error.hint, /anthropic\/claude-sonnet-4-5, and set ANTHROPIC_API_KEY/)
    return true
  })
  await assert.rejects(findModelFacts(catalog, 'nobody', 'm', noOverrides), (error) => isOxbowError(error, 'bad_config'))
})

void test('an unknown model whose size is configured has tools, pictures and sampling, no reasoning, and a quarter of its window for output', async () => {
  const facts = await findModelFacts(catalog, 'ollama', 'my-llama', { ...noOverrides, context_tokens: 8_192 })
  assert.deepEqual(facts, {
    name: 'my-llama',
    provider: 'ollama',
    contextTokens: 8_192,
    maxOutputTokens: 2_048,
    price: null,
    input: ['text', 'image'],
    tools: true,
    reasoning: false,
    sampling: true,
    structuredOutput: false,
    deprecated: false,
  })
  const large = await findModelFacts(catalog, 'ollama', 'my-llama', { ...noOverrides, context_tokens: 1_000_000 })
  assert.equal(large.maxOutputTokens, 32_000)
})

void test('output never takes the whole window, even if a catalog gives that limit', async () => {
  for (const model of await catalog.list()) {
    if ((model.entry.limit?.context ?? 0) === 0) continue
    const facts = modelFacts(model, noOverrides, { provider: model.provider, name: model.id })
    assert.ok(facts.maxOutputTokens >= 1 && facts.maxOutputTokens <= facts.contextTokens / 2, `${model.provider}/${model.id}`)
  }
})

void test('a PDF is accepted where the vendor shows its pages to a model with vision, unless configured otherwise', async () => {
  const openai = await findModelFacts(catalog, 'openai', 'gpt-5-mini', noOverrides)
  assert.ok(openai.input.includes('pdf'))
  using folder = catalogFolder()
  folder.writeOverlay({ capabilities: { overrides: { 'openai/gpt-5-mini': { input_modalities: ['text', 'image'] } } } })
  const overlaid = await findModelFacts(loadCatalog(folder), 'openai', 'gpt-5-mini', noOverrides)
  assert.deepEqual(overlaid.input, ['text', 'image'])
})

void test('dollars become micro-dollars without the noise of binary fractions, and reasoning that costs more is not forgotten', () => {
  assert.deepEqual(priceOfCost({ input: 1.1, output: 2.2, cache_read: 0.0375 }), {
    inputPerMillion: 1_100_000,
    outputPerMillion: 2_200_000,
    cacheReadPerMillion: 37_500,
  })
  assert.equal(priceOfCost({ input: 1, output: 2, reasoning: 8 }).outputPerMillion, 8_000_000)
})

void test('tiers come smallest first, in either form that models.dev has used, and only those that go by the size of the input', () => {
  const rates = { input: 1, output: 2 }
  const tier = (size: number, type = 'context') => ({ ...rates, tier: { type, size } })
  const bounds = (cost: Parameters<typeof priceOfCost>[0]) => priceOfCost(cost).tiers?.map((each) => each.aboveInputTokens)
  assert.deepEqual(bounds({ ...rates, tiers: [tier(200), tier(100), tier(50, 'hour')] }), [100, 200])
  assert.deepEqual(bounds({ ...rates, context_over_200k: rates }), [200_000])
  assert.deepEqual(bounds({ ...rates, tiers: [tier(272_000)], context_over_200k: rates }), [272_000])
  assert.equal(bounds(rates), undefined)
})

void test('every price of the package is exact in micro-dollars', async () => {
  const priced = (await loadCatalog({ files: {} }).list()).flatMap(({ entry }) => (entry.cost === undefined ? [] : [entry.cost]))
  assert.ok(priced.length > 1_000)
  for (const cost of priced) {
    const { tiers = [], ...rates } = priceOfCost(cost)
    for (const price of [rates, ...tiers].flatMap((each) => Object.values(each))) {
      assert.ok(price >= 0 && Number.isInteger(Math.round(price * 1e6) / 1e3), JSON.stringify(cost))
    }
  }
})
