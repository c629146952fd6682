import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { isOxbowError } from '../base/index.ts'
import { parseConfig } from '../config/index.ts'
import { createModelBook, type ModelBook } from './open-model.ts'
import { findService } from './services.ts'

const env = { OPENAI_API_KEY: 'k', ANTHROPIC_API_KEY: 'k' }

function bookOf(document: object, catalogFolder?: string): ModelBook {
  return createModelBook({ config: parseConfig(document, 'the test'), env }, catalogFolder)
}

const own = {
  context_tokens: 5_000,
  max_output_tokens: 100,
  input_price: 1,
  output_price: 2,
  cache_read_price: null,
  cache_write_price: null,
}

void describe('the book of models', () => {
  void it('finds models of the catalog, each looked up once', async () => {
    const book = bookOf({})
    const known = await book.find('anthropic/claude-haiku-4-5')
    assert.deepEqual([known.label, known.service.wire, known.facts.reasoning], ['anthropic/claude-haiku-4-5', 'anthropic', true])
    assert.ok((known.facts.price?.inputPerMillion ?? 0) > 0)
    assert.equal(await book.find('anthropic/claude-haiku-4-5'), known)
    assert.equal(book.factsOf(known.service, known.name), known.facts)
  })

  void it('applies the model section to the configured model alone', async () => {
    const document = {
      model: { provider: 'mine', name: 'a', context_tokens: 9_000 },
      providers: { mine: { base_url: 'http://x/v1', models: { a: own, b: own } } },
    }
    const book = bookOf(document)
    const [a, b] = [await book.find(''), await book.find('mine/b')]
    assert.deepEqual([a.facts.contextTokens, a.facts.maxOutputTokens], [9_000, 100], 'the rest is as the provider section says')
    assert.equal(b.facts.contextTokens, 5_000)
    assert.deepEqual(b.facts.price, { inputPerMillion: 1, outputPerMillion: 2 })
    assert.deepEqual((await book.find('mine/a')).facts, a.facts, 'by its label it is the same model')
  })

  void it('does not know a model by chance: the error has the nearest names, and a size in the configuration is enough', async () => {
    await assert.rejects(
      bookOf({}).find('openai/gpt-5-minni'),
      (error) => isOxbowError(error, 'bad_config') && /gpt-5-mini/.test(`${error.message} ${error.hint}`),
    )
    const { facts } = await bookOf({ providers: { openai: { models: { 'gpt-5-minni': own } } } }).find('openai/gpt-5-minni')
    assert.equal(facts.contextTokens, 5_000)
  })

  void it('looks again after a failure, when a file was mended meanwhile', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-book-'))
    try {
      const book = bookOf({}, folder)
      await writeFile(join(folder, 'overlay.json'), '{')
      await assert.rejects(book.find('openai/gpt-5-mini'))
      await rm(join(folder, 'overlay.json'))
      assert.equal((await book.find('openai/gpt-5-mini')).name, 'gpt-5-mini')
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  void it('names no model where nothing names one', async () => {
    await assert.rejects(
      bookOf({ model: { provider: 'mine' }, providers: { mine: { base_url: 'http://x/v1' } } }).find(''),
      (error) => isOxbowError(error, 'bad_config') && /No model is named/.test(error.message),
    )
  })

  void it('does not fall back to the offline interpreter when a model is named', async () => {
    const noKey = (model: object) => createModelBook({ config: parseConfig({ model }, 'the test'), env: {} }, undefined)
    const refused = (error: unknown) =>
      isOxbowError(error, 'bad_config') && /model gpt-5 cannot be used: no provider has a key/.test(error.message)
    await assert.rejects(noKey({}).find('gpt-5'), refused)
    await assert.rejects(noKey({ name: 'gpt-5' }).find(''), refused)
    await assert.rejects(noKey({}).find('nosuch/x'), (error) => {
      assert.ok(isOxbowError(error, 'bad_config') && error.data['lacks_key'] === true)
      assert.match(`${error.message} ${error.hint}`, /^There is no provider nosuch, and .* Known are .*anthropic.*\[providers\.nosuch\]/)
      return true
    })
    for (const name of ['', 'offline', 'offline/offline']) assert.equal((await noKey({}).find(name)).label, 'offline/offline')
    assert.equal((await noKey({ provider: 'offline' }).find('anything')).label, 'offline/offline')
  })

  void it('takes what runs in this process for free, and small enough', async () => {
    const { facts } = await bookOf({ model: { provider: 'offline' } }).find('')
    assert.deepEqual(facts.price, { inputPerMillion: 0, outputPerMillion: 0 })
    const priced = await bookOf({ model: { provider: 'scripted', input_price: 3, output_price: 4, max_output_tokens: 7 } }).find('')
    assert.deepEqual([priced.facts.price, priced.facts.maxOutputTokens], [{ inputPerMillion: 3, outputPerMillion: 4 }, 7])
  })

  void it('refuses facts of a model that was not looked up', () => {
    const services = { config: parseConfig({}, 'the test'), env }
    assert.throws(() => createModelBook(services, undefined).factsOf(findService('openai', services), 'gpt-5-mini'), /not looked up before/)
  })
})
