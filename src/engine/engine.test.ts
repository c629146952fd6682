import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Config, Engine } from '../types/index.ts'
import { isOxbowError, parseConfig, systemClock, systemRandom } from '../types/index.ts'
import { createEngine } from './engine.ts'
import { startScriptedServer } from './index.ts'
import { collect, requestOf, textOfEvents } from './model-contract.ts'

function engine(model: Partial<Config['model']>, env: Record<string, string> = {}): Engine {
  const config = parseConfig({ model }, 'the test').model
  return createEngine({ config, env, clock: systemClock, random: systemRandom })
}

void describe('the engine', () => {
  void it('picks offline without a key, and openai with a key or a base URL', () => {
    assert.equal(engine({}).facts('m').provider, 'offline')
    assert.equal(engine({}, { OPENAI_API_KEY: 'k' }).facts('m').provider, 'openai')
    assert.equal(engine({}, { OPENAI_API_KEY: ' ' }).facts('m').provider, 'offline')
    assert.equal(engine({}, { OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' }).facts('m').provider, 'openai')
    assert.equal(engine({ base_url: 'http://127.0.0.1:1/v1' }).facts('m').provider, 'openai')
    assert.equal(engine({ api_key_env: 'OTHER' }, { OTHER: 'k' }).facts('m').provider, 'openai')
  })

  void it('knows facts from the configuration; a price only when both are set', () => {
    const env = { OPENAI_API_KEY: 'k' }
    assert.deepEqual(engine({ input_price: 2, output_price: 3, context_tokens: 5000, max_output_tokens: 70 }, env).facts('m'), {
      name: 'm',
      provider: 'openai',
      contextTokens: 5000,
      maxOutputTokens: 70,
      price: { inputPerMillion: 2, outputPerMillion: 3 },
    })
    assert.equal(engine({ input_price: 2 }, env).facts('m').price, null)
    assert.deepEqual(engine({}).facts('gpt').price, { inputPerMillion: 0, outputPerMillion: 0 })
    assert.equal(engine({}).facts('gpt').name, 'offline')
    assert.throws(
      () => engine({}).facts(''),
      (error) => isOxbowError(error, 'bad_config'),
    )
  })

  void it('names what is wrong with a configuration at the start, and never the key', () => {
    const wrong = (model: Partial<Config['model']>, env: Record<string, string>, says: RegExp): void =>
      assert.throws(
        () => engine(model, env),
        (error) => isOxbowError(error, 'bad_config') && says.test(error.message) && !`${error.message}${error.hint}`.includes('s3cret'),
      )
    wrong({ provider: 'openai' }, {}, /OPENAI_API_KEY is not set/)
    wrong({ provider: 'openai', api_key_env: 'MY_KEY' }, {}, /MY_KEY is not set/)
    wrong({}, { OPENAI_API_KEY: 's3cret\nx' }, /OPENAI_API_KEY has characters/)
    wrong({ base_url: 'ftp://x' }, {}, /base URL/)
    wrong({ base_url: 'http://me:s3cret@x/v1' }, {}, /user name or password/)
    wrong({ provider: 'scripted' }, {}, /no scenario/)
  })

  void it('asks the configured endpoint with the key, and works without one', async () => {
    const seen: unknown[] = []
    const server = await startScriptedServer(
      { turns: [{ steps: [{ events: [{ text: 'hi' }] }] }] },
      { onRequest: (_, headers) => seen.push(headers.authorization) },
    )
    const withKey: Record<string, string> = { OPENAI_API_KEY: 'k' }
    for (const env of [withKey, {}]) {
      const one = engine({ base_url: `${server.url}/` }, env)
      assert.equal(textOfEvents(await collect(one, requestOf('x'))), 'hi')
      assert.equal(textOfEvents(await collect(one, requestOf('x'))), 'hi')
      await one.close()
    }
    assert.deepEqual(seen, ['Bearer k', 'Bearer k', undefined, undefined])
    await server.close()
  })

  void it('plays a scenario file, and a wrong one is an error event', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-engine-'))
    const scenario = join(folder, 'scenario.json')
    const one = engine({ provider: 'scripted', scenario })
    const [failed] = await collect(one, requestOf('x'))
    assert.equal(failed?.type === 'error' && failed.failure.code, 'bad_config')
    await writeFile(scenario, JSON.stringify({ turns: [{ steps: [{ events: [{ text: 'played' }] }] }] }))
    assert.equal(textOfEvents(await collect(one, requestOf('x'))), 'played')
    await one.close()
    const [closed] = await collect(one, requestOf('x'))
    assert.equal(closed?.type === 'error' && closed.failure.code, 'cancelled')
    await rm(folder, { recursive: true })
  })

  void it('counts tokens', async () => {
    const one = engine({})
    assert.deepEqual(await one.countTokens(['hello world']), [2])
    await one.close()
  })
})
