import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { isOxbowError } from '../../base/index.ts'
import { checkCatalogText } from './catalog-file.ts'
import { catalogFolder } from './catalog-fixture.ts'
import { findModelId, loadCatalog, nearestIds } from './catalog.ts'

const refuses = (part: RegExp) => (error: unknown) => {
  assert.ok(isOxbowError(error, 'bad_config'), String(error))
  assert.match(error.message, part)
  return true
}

void test('the data of the package fits its schema, names its sources, and has the default model of each vendor', async () => {
  const text = readFileSync(new URL('model-data.jsonl', import.meta.url), 'utf8')
  const { providers, models } = await checkCatalogText(text, 'model-data.jsonl')
  assert.ok(providers > 50 && models > 2_000, `${providers} ${models}`)
  const catalog = loadCatalog({ files: {} })
  for (const [provider, name] of [
    ['openai', 'gpt-5-mini'],
    ['anthropic', 'claude-haiku-4-5'],
    ['google', 'gemini-2.5-flash'],
  ] as const) {
    const model = await catalog.lookup(provider, name)
    assert.equal(model?.id, name)
    assert.ok((model?.entry.limit?.context ?? 0) >= 200_000)
    assert.ok((model?.entry.cost?.input ?? 0) > 0)
    assert.match(model?.sources.join() ?? '', /@\S+ \d+\.\d+\.\d+ of 20\d\d-\d\d-\d\d/)
  }
})

void test('a provider is described as models.dev has it', async () => {
  const catalog = loadCatalog({ files: {} })
  const openai = await catalog.provider('openai')
  assert.deepEqual([openai?.name, openai?.env[0], openai?.npm], ['OpenAI', 'OPENAI_API_KEY', '@ai-sdk/openai'])
  assert.match((await catalog.provider('openrouter'))?.api ?? '', /^https:\/\/openrouter\.ai\//)
  assert.equal(await catalog.provider('nobody'), null)
  assert.equal(await catalog.lookup('nobody', 'gpt-5'), null)
  assert.deepEqual(await catalog.nearest('nobody', 'gpt-5'), [])
})

void test('a catalog opens no file before something is asked', async () => {
  using folder = catalogFolder()
  folder.writeOverlay('broken')
  const catalog = loadCatalog(folder)
  await assert.rejects(catalog.lookup('openai', 'gpt-5'), refuses(/overlay\.json cannot be used: it is not JSON/))
  folder.writeOverlay({})
  assert.equal((await catalog.lookup('openai', 'gpt-5'))?.id, 'gpt-5', 'a file that was mended is read again')
})

void test('the overlay overrides the refreshed file, and that the package, value by value, and each value names its origin', async () => {
  using folder = catalogFolder()
  folder.writeRefreshed(
    { provider: 'openai', name: 'Open AI' },
    { provider: 'openai', id: 'gpt-5', cost: { input: 7, output: 8 }, limit: { context: 111_111 } },
    { provider: 'openai', id: 'gpt-99', limit: { context: 5_000, output: 500 } },
  )
  folder.writeOverlay({ openai: { models: { 'gpt-5': { limit: { output: 222 }, tool_call: false } } } })
  const catalog = loadCatalog(folder)
  const found = await catalog.lookup('openai', 'gpt-5')
  assert.deepEqual(found?.entry.limit, { context: 111_111, output: 222 })
  assert.deepEqual(found?.entry.cost, { input: 7, output: 8 }, 'prices of two sources are not mixed')
  const { origins } = found ?? { origins: {} }
  assert.deepEqual(
    ['limit.context', 'limit.output', 'cost', 'tool_call', 'reasoning'].map((key) => origins[key]),
    ['refreshed', 'overlay', 'refreshed', 'overlay', 'package'],
  )
  assert.equal((await catalog.lookup('openai', 'gpt-99'))?.entry.limit?.context, 5_000)
  assert.equal((await catalog.provider('openai'))?.name, 'Open AI')
  assert.equal((await catalog.provider('openai'))?.env[0], 'OPENAI_API_KEY')
})

void test("capabilities override models: one model's override its provider's", async () => {
  using folder = catalogFolder()
  folder.writeOverlay({
    mine: { name: 'Mine', models: { a: { limit: { context: 1_000 } }, b: { limit: { context: 1_000 }, tool_call: true }, c: {} } },
    capabilities: {
      provider_defaults: { mine: { supports_tools: false, attachment: true, max_output_tokens: 100 } },
      overrides: {
        'mine/c': { attachment: false },
        'mine/b': { supports_tools: true, deprecated: true, input_modalities: ['text', 'pdf'], max_context_tokens: 9 },
      },
    },
  })
  const catalog = loadCatalog(folder)
  const [a, b, c] = await catalog.list('mine')
  assert.deepEqual(c?.entry.modalities?.input, ['text'])
  assert.deepEqual(
    [a?.entry.tool_call, a?.entry.modalities?.input, a?.entry.limit],
    [false, ['text', 'image'], { context: 1_000, output: 100 }],
  )
  assert.deepEqual([b?.entry.tool_call, b?.entry.modalities?.input, b?.entry.status], [true, ['text', 'pdf'], 'deprecated'])
  assert.deepEqual(b?.entry.limit, { context: 9, output: 100 })
  assert.ok((await catalog.providers()).includes('mine'))
})

void test('a broken overlay names the key that is wrong', async () => {
  using folder = catalogFolder()
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [[], /it is not an object/],
    [{ openai: { models: { 'gpt-5': { limt: {} } } } }, /openai\.models\.gpt-5: .*limt/],
    [{ openai: { models: { 'gpt-5': { cost: { input: 1 } } } } }, /openai\.models\.gpt-5\.cost\.output/],
    [{ openai: { models: { 'gpt-5': { cost: { input: -1, output: 1 } } } } }, /gpt-5\.cost\.input/],
    [{ capabilities: { overrides: { 'gpt-5': {} } } }, /capabilities, overrides\.gpt-5/],
    [{ capabilities: { provider_defaults: { openai: { supports_streaming: false } } } }, /every wire streams/],
    [{ 'a/b': {} }, /a\/b/],
  ]
  for (const [overlay, part] of wrong) {
    folder.writeOverlay(overlay)
    await assert.rejects(loadCatalog(folder).lookup('openai', 'gpt-5'), refuses(part))
  }
})

void test('a broken refreshed file names the line that is wrong', async () => {
  using folder = catalogFolder()
  const openai = { provider: 'openai', name: 'OpenAI' }
  const wrong: readonly (readonly [readonly (object | string)[], RegExp])[] = [
    [[openai, '{"provider":"openai","id":'], /line 3: it is not JSON/],
    [[openai, { provider: 'openai', id: 'x', cost: { input: 'free', output: 0 } }], /line 3: cost\.input/],
    [[openai, { provider: 'openai', id: 'x', limit: { context: 1e300 } }], /line 3: limit\.context/],
    [[openai, { provider: 'openai', id: 'x', name: 'a\u001b[2Jb' }], /line 3: name: must be one line/],
  ]
  for (const [lines, part] of wrong) {
    folder.writeRefreshed(...lines)
    await assert.rejects(loadCatalog(folder).lookup('openai', 'gpt-5'), refuses(part))
    assert.equal(
      (await loadCatalog(folder).lookup('anthropic', 'claude-opus-5'))?.id,
      'claude-opus-5',
      'another provider’s lines are not read',
    )
  }
  writeFileSync(folder.files.refreshed, '<html>')
  await assert.rejects(loadCatalog(folder).lookup('openai', 'gpt-5'), refuses(/refreshed\.jsonl cannot be used: line 1/))
})

void test('a whole file is checked: lines that stand apart from their provider, or twice, are found', async () => {
  const file = (...lines: readonly object[]): string => [{ catalog: 1 }, ...lines].map((line) => JSON.stringify(line)).join('\n')
  const [a, b] = [
    { provider: 'a', name: 'A' },
    { provider: 'b', name: 'B' },
  ]
  const model = { provider: 'a', id: 'm' }
  assert.deepEqual(await checkCatalogText(file(a, model, b), 'f'), { providers: 2, models: 1 })
  await assert.rejects(checkCatalogText(file(a, b, model), 'f'), refuses(/line 4: it is not with its provider/))
  await assert.rejects(checkCatalogText(file(a, model, model), 'f'), refuses(/line 4: m is there twice/))
  await assert.rejects(checkCatalogText(file(a, b, a), 'f'), refuses(/line 4: a is there twice/))
  await assert.rejects(checkCatalogText(file({ provider: '../x', name: 'X' }), 'f'), refuses(/line 2/))
})

void test('names of the language’s own objects are names like others', async () => {
  using folder = catalogFolder()
  folder.writeOverlay('{"openai":{"models":{"__proto__":{"tool_call":false},"constructor":{"limit":{"context":9}}}}}')
  const catalog = loadCatalog(folder)
  for (const name of ['__proto__', 'toString', 'hasOwnProperty']) {
    assert.equal(await catalog.provider(name), null)
    assert.equal(await catalog.lookup(name, name), null)
  }
  assert.equal((await catalog.lookup('openai', 'constructor'))?.entry.limit?.context, 9)
  assert.equal(await catalog.lookup('openai', 'valueOf'), null)
})

void test('all models are listed with their providers, in order', async () => {
  const catalog = loadCatalog({ files: {} })
  const all = await catalog.list()
  const openai = await catalog.list('openai')
  assert.deepEqual(
    all.filter(({ provider }) => provider === 'openai').map(({ id }) => id),
    openai.map(({ id }) => id),
  )
  assert.deepEqual(
    openai.map(({ id }) => id),
    openai.map(({ id }) => id).sort(),
  )
})

const ids = new Set([
  'claude-haiku-4-5',
  'claude-haiku-4-5-20251001',
  'claude-3-5-haiku-20240101',
  'claude-3-5-haiku-20241022',
  'gpt-4o',
  'gpt-4o-2024-05-13',
  'gpt-4o-mini',
  'gemini-2.5-pro',
  'gemini-2.0-flash',
  'mistral-large-latest',
  'mistral-large-2512',
])

void test('a model is found by its own name before all others', () => {
  for (const id of ids) assert.equal(findModelId(ids, id), id)
})

void test('a snapshot that is not listed is the model it is a snapshot of', () => {
  assert.equal(findModelId(ids, 'gpt-4o-2024-11-20'), 'gpt-4o')
  assert.equal(findModelId(ids, 'claude-haiku-4-5@20251001'), 'claude-haiku-4-5')
  assert.equal(findModelId(ids, 'gemini-2.0-flash-001'), 'gemini-2.0-flash')
})

void test('the name without a date, or with -latest, is the newest snapshot where only snapshots are listed', () => {
  assert.equal(findModelId(ids, 'claude-3-5-haiku'), 'claude-3-5-haiku-20241022')
  assert.equal(findModelId(ids, 'claude-3-5-haiku-latest'), 'claude-3-5-haiku-20241022')
  assert.equal(findModelId(ids, 'gpt-4o-latest'), 'gpt-4o')
  assert.equal(findModelId(ids, 'mistral-large'), 'mistral-large-latest')
})

void test('models/ before a name is no part of it', () => {
  assert.equal(findModelId(ids, 'models/gemini-2.5-pro'), 'gemini-2.5-pro')
})

void test('another version, size or date is another model', () => {
  const others = ['gpt-4o-nano', 'gpt-4', 'gemini-2.5', 'claude-haiku-4', 'mistral-large-2411', 'claude-3-5-haiku-20250505', '', '-latest']
  for (const name of others) assert.equal(findModelId(ids, name), null, name)
})

void test('the nearest names come first, three at most, and none that is not like it', () => {
  assert.deepEqual(nearestIds(ids, 'gpt4o-mini')[0], 'gpt-4o-mini')
  assert.deepEqual(nearestIds(ids, 'gemini-2.5-prro')[0], 'gemini-2.5-pro')
  assert.ok(nearestIds(new Set(['gpt-5', 'gpt-5.5']), 'gtp-5')[0] === 'gpt-5', 'exchanged neighbours are one edit')
  assert.deepEqual(nearestIds(ids, 'zzz'), [])
  assert.ok(nearestIds(ids, 'claude-haiku').length === 3)
})

void test('any name is looked up and compared without an exception, and only listed ids come back', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 400 }), fc.constantFrom('__proto__', 'constructor', 'toString')), (name) => {
      const found = findModelId(ids, name)
      assert.ok(found === null || ids.has(found))
      const near = nearestIds(ids, name)
      assert.ok(near.length <= 3 && near.every((id) => ids.has(id)))
    }),
  )
})
