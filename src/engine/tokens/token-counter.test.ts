import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Worker } from 'node:worker_threads'
import { describe, it } from 'node:test'
import { brotliDecompressSync } from 'node:zlib'
import cl100kRanks from 'gpt-tokenizer/bpeRanks/cl100k_base'
import o200kRanks from 'gpt-tokenizer/bpeRanks/o200k_base'
import { modelToEncodingMap } from 'gpt-tokenizer/mapping'
import { chatEnabledModels } from 'gpt-tokenizer/modelsChatEnabled.gen'
import { countTokens as countCl100k } from 'gpt-tokenizer/encoding/cl100k_base'
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base'
import { isOxbowError } from '../../base/index.ts'
import { createTokenCounter, encodingOf } from './request-tokens.ts'

void describe('the token counter', () => {
  void it('counts as the tokenizer does, also special tokens, long texts and broken characters', async () => {
    const counter = createTokenCounter(60_000)
    const long = 'Grüße an den Ochsen, and hello to the ox. '.repeat(2_000)
    const [plain, special, empty, broken, many] = await counter.count(['hello world', '<|endoftext|>', '', '\ud83d', long])
    assert.deepEqual([plain, empty], [2, 0])
    assert.ok(special !== undefined && special > 1)
    assert.ok(broken !== undefined && broken > 0)
    // Cutting a long text into pieces may cost a token at each cut.
    assert.ok(many !== undefined && Math.abs(many - countTokens(long)) <= 5)
    await counter.close()
  })

  void it('counts with the encoding that is asked for, both at the same time', async () => {
    const counter = createTokenCounter(60_000)
    const text = '在黎明前写下的一封长信 — dreißig Ochsen'
    const both = await Promise.all([counter.count([text], 'cl100k_base'), counter.count([text], 'o200k_base'), counter.count([text])])
    assert.deepEqual(both, [[countCl100k(text)], [countTokens(text)], [countTokens(text)]])
    assert.notDeepEqual(both[0], both[1])
    await counter.close()
  })

  void it('answers questions asked at the same time, and after it was idle', async () => {
    const counter = createTokenCounter(1)
    const started = once(process, 'worker') as Promise<[Worker]>
    const asked = await Promise.all([counter.count(['a b c']), counter.count(['d e'])])
    assert.deepEqual(asked, [[3], [2]])
    const [worker] = await started
    await once(worker, 'exit')
    assert.deepEqual(await counter.count(['a b c']), [3])
    await counter.close()
  })

  void it('is not usable after its end, which also ends what is asked', async () => {
    const counter = createTokenCounter(60_000)
    const running = counter.count(['x'])
    const refused = assert.rejects(running, (error) => isOxbowError(error))
    await counter.close()
    await refused
    await assert.rejects(counter.count(['x']), (error) => isOxbowError(error, 'cancelled'))
  })
})

void describe('the tokenizer', () => {
  void it('is what scripts/make-tokenizer.ts makes of the package that is installed', () => {
    const read = (name: string): Buffer => readFileSync(new URL(name, import.meta.url))
    const { version } = createRequire(import.meta.url)('gpt-tokenizer/package.json') as { version: string }
    assert.match(read('gpt-tokenizer.js').toString(), new RegExp(`^/\\* Made by .* from gpt-tokenizer ${version.replaceAll('.', '\\.')};`))
    for (const [name, ranks] of Object.entries({ o200k_base: o200kRanks, cl100k_base: cl100kRanks })) {
      assert.deepEqual(JSON.parse(brotliDecompressSync(read(`${name}.json.br`)).toString()), ranks, name)
    }
  })
})

void describe('the encoding of a model', () => {
  void it('matches the tokenizer library, for each of its models with one of the two', () => {
    const listed = modelToEncodingMap as Readonly<Record<string, string>>
    const models = new Set([...Object.keys(listed), ...chatEnabledModels])
    let checked = 0
    for (const model of models) {
      // A model that the library's list leaves out counts with its default.
      const encoding = listed[model] ?? 'o200k_base'
      if (!/^(?:o200k|cl100k)/.test(encoding)) continue
      checked += 1
      assert.equal(encodingOf(model), encoding === 'cl100k_base' ? encoding : 'o200k_base', model)
    }
    assert.ok(checked > 60)
  })

  void it('is found by family for models and names that no list has, and is null for other vendors', () => {
    for (const model of ['gpt-5.9-mini', 'gpt-6-astra', 'o3-pro', 'openai/gpt-4o-2030-01-01', 'ft:gpt-4o-mini:us::1', 'gpt-oss:20b']) {
      assert.equal(encodingOf(model), 'o200k_base', model)
    }
    for (const model of ['gpt-4', 'gpt-4-32k', 'gpt-35-turbo', 'ft:gpt-3.5-turbo:us::1'])
      assert.equal(encodingOf(model), 'cl100k_base', model)
    for (const model of ['claude-opus-5', 'gemini-3-pro', 'llama3', 'orca', '', 'o', 'gpt']) assert.equal(encodingOf(model), null, model)
  })
})
