/** plugin-openai 1.6.0 and plugin-ollama 1.2.4, installed by `oxbow plugin add npm:…`, at endpoints on this machine through the egress proxy. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { JsonObject } from '../../src/base/index.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { type Loopback, type LoopbackRequest, openLoopback } from './loopback-fixture.ts'
import { asker, onLoopback, openProofHome, type ProofHome, startConfig } from './proof-home-fixture.ts'

const openai = '@elizaos/plugin-openai@1.6.0'
const ollama = '@elizaos/plugin-ollama@1.2.4'
const key = 'sk-proof-0123456789abcdef'

const outputText = (text: string) => ({
  id: 'r1',
  object: 'response',
  created_at: 1,
  model: 'm',
  status: 'completed',
  output: [
    { type: 'message', id: 'o1', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text, annotations: [] }] },
  ],
  usage: { input_tokens: 5, output_tokens: 3, total_tokens: 8 },
})

function openAi({ path, body }: LoopbackRequest): unknown {
  if (path === '/v1/responses')
    return outputText(JSON.stringify(body['input']).includes('JSON') ? '{"name":"Ada","age":36}' : 'The answer is 42.')
  if (path === '/v1/embeddings')
    return { data: [{ embedding: Array.from({ length: 384 }, (_, at) => at / 384) }], usage: { prompt_tokens: 2, total_tokens: 2 } }
  if (path === '/v1/images/generations') return { data: [{ url: 'https://images.test/1.png' }] }
  if (path === '/v1/models') return { data: [] }
  return 404
}

function ollamaApi({ path, body }: LoopbackRequest): unknown {
  if (path === '/api/tags') return { models: [{ name: 'tiny:1' }] }
  if (path === '/api/show') return {}
  if (path === '/api/embed') return { model: 'e', embeddings: [[0.25, 0.5, 0.75]], prompt_eval_count: 1 }
  const text = JSON.stringify(body).includes('profile') ? '{"name":"Ben"}' : 'Tides turn twice a day.'
  if (path !== '/api/chat') return 404
  return {
    model: body['model'],
    created_at: '2026-11-23T00:00:00Z',
    done: true,
    done_reason: 'stop',
    eval_count: 3,
    eval_duration: 1,
    prompt_eval_count: 4,
    prompt_eval_duration: 1,
    total_duration: 2,
    message: { role: 'assistant', content: text },
  }
}

describe('plugin-openai and plugin-ollama from the registry', { timeout: 1_200_000 }, () => {
  let model: TestModel
  let home: ProofHome
  let first: Loopback
  let second: Loopback
  before(async () => {
    model = await startModel([{ events: [{ text: 'By the guest.' }] }])
    first = await openLoopback(openAi)
    second = await openLoopback(ollamaApi)
    const ports = [first, second].map(({ url }) => Number(new URL(url).port))
    home = await openProofHome({
      packages: [
        { spec: openai, narrow: onLoopback },
        { spec: ollama, narrow: onLoopback },
      ],
      folders: { asker },
      secrets: { OPENAI_API_KEY: key },
      config: `${startConfig(model, ['plugin-openai', 'plugin-ollama', 'asker'], ports)}
[plugins.settings.plugin-openai]
OPENAI_BASE_URL = "${first.url}/v1"
OPENAI_EMBEDDING_DIMENSIONS = "384"
[plugins.settings.plugin-ollama]
OLLAMA_API_ENDPOINT = "${second.url}/api"
OLLAMA_SMALL_MODEL = "tiny:1"
OLLAMA_LARGE_MODEL = "tiny:1"
OLLAMA_EMBEDDING_MODEL = "tiny:1"
`,
    })
  })
  after(async () => {
    await home?.[Symbol.asyncDispose]()
    await first?.close()
    await second?.close()
    await model?.[Symbol.asyncDispose]()
  })
  const ask = async (type: string, params: JsonObject, provider = ''): Promise<any> => {
    const { ok, text, data } = await home.call('asker.ask', { type, params, provider })
    assert.equal(ok, true, text)
    return data.answer
  }

  it('have what the person has left of their proposal', async () => {
    assert.match(home.installed[openai]!.proposed, /hosts: api\.openai\.com/)
    const { manifest, exports } = await home.info('plugin-openai')
    assert.deepEqual([manifest.rights.hosts, manifest.rights.secrets.includes('OPENAI_API_KEY')], [['127.0.0.1'], true])
    assert.equal(exports.models.length, 11)
  })
  it('plugin-openai answers texts, objects, vectors and pictures of another plugin, with the key of its secret', async () => {
    assert.equal(await ask('TEXT_SMALL', { prompt: 'What is the answer?' }, 'openai'), 'The answer is 42.')
    assert.deepEqual(await ask('OBJECT_SMALL', { prompt: 'A person as JSON' }, 'plugin-openai'), { name: 'Ada', age: 36 })
    assert.equal((await ask('TEXT_EMBEDDING', { text: 'boats' }, 'plugin-openai')).length, 384)
    assert.deepEqual(await ask('IMAGE', { prompt: 'a harbour', count: 1 }), [{ url: 'https://images.test/1.png' }])
    const request = first.requests.find(({ path }) => path === '/v1/responses')
    assert.equal(request?.headers['authorization'], `Bearer ${key}`)
  })
  it('plugin-ollama answers texts, objects and vectors of another plugin', async () => {
    assert.equal(await ask('TEXT_SMALL', { prompt: 'When do tides turn?' }, 'plugin-ollama'), 'Tides turn twice a day.')
    assert.deepEqual(await ask('OBJECT_SMALL', { prompt: 'A user profile' }, 'plugin-ollama'), { name: 'Ben' })
    assert.deepEqual(await ask('TEXT_EMBEDDING', { text: 'tides' }, 'plugin-ollama'), [0.25, 0.5, 0.75])
    assert.ok(second.requests.some(({ path }) => path === '/api/tags'))
  })
  it('serve nothing while they are disabled, and again once they are enabled', async () => {
    const earlier = second.requests.length
    assert.equal((await home.oxbow(['plugin', 'disable', 'plugin-ollama'])).exit, 0)
    await assert.rejects(ask('TEXT_SMALL', { prompt: 'x' }, 'plugin-ollama'), /TEXT_SMALL/)
    assert.equal(second.requests.length, earlier)
    assert.equal((await home.oxbow(['plugin', 'enable', 'plugin-ollama'])).exit, 0)
    assert.equal(await ask('TEXT_SMALL', { prompt: 'Again?' }, 'plugin-ollama'), 'Tides turn twice a day.')
  })
})
