import assert from 'node:assert/strict'
import { before, test, type TestContext } from 'node:test'
import type { JsonObject } from '../../src/base/index.ts'
import { elizaPackages, entriesOf, type FakeGuest, openFakeGuest } from './eliza-packages-fixture.ts'
import { type Loopback, type LoopbackRequest, openLoopback } from './loopback-fixture.ts'

before(async () => {
  await elizaPackages()
})

const key = 'sk-loopback-0123456789'

interface Opened {
  readonly guest: FakeGuest
  readonly served: Loopback
  ask(type: string, params: JsonObject | string | null): Promise<any>
  /** The newest request of a path. */
  last(path: string): LoopbackRequest
}

async function open(
  t: TestContext,
  plugin: string,
  settings: (url: string) => JsonObject,
  answer: (request: LoopbackRequest) => unknown,
): Promise<Opened> {
  const served = await openLoopback(answer)
  const guest = await openFakeGuest({ entries: entriesOf(plugin), settings: settings(served.url) })
  t.after(async () => {
    await guest.close()
    await served.close()
  })
  return {
    guest,
    served,
    ask: async (type, params) => (await guest.ask('model', { type, params: params as JsonObject })).result,
    last(path) {
      const found = served.requests.findLast((request) => request.path === path)
      assert.ok(found, `${path} was not asked: ${served.requests.map((each) => each.path).join(', ')}`)
      return found
    },
  }
}

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
  if (path === '/v1/chat/completions') return { choices: [{ message: { content: 'Title: Harbour\nTwo boats.' } }], usage: {} }
  if (path === '/v1/audio/speech') return Buffer.from('spoken')
  if (path === '/v1/models') return { data: [] }
  return 404
}

const openAiSettings = (url: string): JsonObject => ({
  OPENAI_API_KEY: key,
  OPENAI_BASE_URL: `${url}/v1`,
  OPENAI_SMALL_MODEL: 'small-1',
  OPENAI_EMBEDDING_DIMENSIONS: '384',
})

test('plugin-openai 1.6.0 generates texts, objects, vectors, pictures, descriptions and speech at its endpoint', async (t) => {
  const { guest, ask, last } = await open(t, 'plugin-openai', openAiSettings, openAi)
  const types = (await guest.ask('describe', {})).models.map(({ type }) => type)
  for (const type of ['TEXT_SMALL', 'TEXT_LARGE', 'TEXT_EMBEDDING', 'IMAGE', 'OBJECT_SMALL', 'TEXT_TO_SPEECH'])
    assert.ok(types.includes(type), type)
  assert.equal(await ask('TEXT_SMALL', { prompt: 'What is the answer?', temperature: 0.2 }), 'The answer is 42.')
  const asked = last('/v1/responses')
  assert.equal(asked.headers['authorization'], `Bearer ${key}`)
  assert.equal(asked.body['model'], 'small-1')
  assert.match(JSON.stringify(asked.body['input']), /What is the answer\?/)
  assert.deepEqual(await ask('OBJECT_SMALL', { prompt: 'A person as JSON' }), { name: 'Ada', age: 36 })
  const vector = await ask('TEXT_EMBEDDING', { text: 'boats' })
  assert.equal(vector.length, 384)
  assert.deepEqual(last('/v1/embeddings').body, { model: 'text-embedding-3-small', input: 'boats' })
  assert.deepEqual(await ask('IMAGE', { prompt: 'a harbour', count: 1 }), [{ url: 'https://images.test/1.png' }])
  assert.deepEqual(await ask('IMAGE_DESCRIPTION', { imageUrl: 'https://images.test/1.png', prompt: 'Describe' }), {
    title: 'Harbour',
    description: 'Two boats.',
  })
})

test('plugin-openai 1.6.0 counts tokens without its endpoint: what is encoded comes back', async (t) => {
  const { ask, served } = await open(t, 'plugin-openai', openAiSettings, openAi)
  const asked = served.requests.length
  const tokens = await ask('TEXT_TOKENIZER_ENCODE', { prompt: 'two boats', modelType: 'TEXT_SMALL' })
  assert.ok(Array.isArray(tokens) && tokens.length >= 2)
  assert.equal(await ask('TEXT_TOKENIZER_DECODE', { tokens, modelType: 'TEXT_SMALL' }), 'two boats')
  assert.equal(served.requests.length, asked)
})

test('plugin-openai 1.6.0 fails with what its endpoint says, and works when that does again', async (t) => {
  let isDown = true
  const { ask } = await open(t, 'plugin-openai', openAiSettings, (request) =>
    isDown && request.path !== '/v1/models' ? 401 : openAi(request),
  )
  await assert.rejects(ask('TEXT_EMBEDDING', { text: 'boats' }), /401/)
  await assert.rejects(ask('TEXT_LARGE', { prompt: 'x' }), /refused/)
  isDown = false
  assert.equal(await ask('TEXT_LARGE', { prompt: 'x' }), 'The answer is 42.')
})

function ollama({ path, body }: LoopbackRequest): unknown {
  if (path === '/api/tags') return { models: [{ name: 'gemma3:latest' }] }
  if (path === '/api/show') return body['model'] === 'missing:latest' ? 404 : {}
  if (path === '/api/pull') return { status: 'success' }
  if (path === '/api/embed') return { model: 'e', embeddings: [[0.25, 0.5, 0.75]], prompt_eval_count: 1 }
  if (path === '/api/embeddings') return { embedding: [0.25, 0.5, 0.75] }
  const text = JSON.stringify(body).includes('profile') ? '{"name":"Ben"}' : 'Tides turn twice a day.'
  const done = {
    model: body['model'],
    created_at: '2026-11-23T00:00:00Z',
    done: true,
    done_reason: 'stop',
    eval_count: 3,
    eval_duration: 1,
    prompt_eval_count: 4,
    prompt_eval_duration: 1,
    total_duration: 2,
  }
  if (path === '/api/chat') return { ...done, message: { role: 'assistant', content: text } }
  if (path === '/api/generate') return { ...done, response: text }
  return 404
}

test('plugin-ollama 1.2.4 generates texts, objects and vectors at its endpoint, and pulls a model that is missing', async (t) => {
  const settings = (url: string): JsonObject => ({
    OLLAMA_API_ENDPOINT: `${url}/api`,
    OLLAMA_SMALL_MODEL: 'tiny:1',
    OLLAMA_LARGE_MODEL: 'missing:latest',
  })
  const { ask, last, served } = await open(t, 'plugin-ollama', settings, ollama)
  assert.equal(await ask('TEXT_SMALL', { prompt: 'When do tides turn?' }), 'Tides turn twice a day.')
  // The plugin looks at its endpoint at a start, and does not wait for that.
  last('/api/tags')
  assert.equal(last('/api/show').body['model'], 'tiny:1')
  assert.ok(!served.requests.some(({ path }) => path === '/api/pull'))
  assert.deepEqual(await ask('OBJECT_SMALL', { prompt: 'A user profile' }), { name: 'Ben' })
  assert.deepEqual(await ask('TEXT_EMBEDDING', { text: 'tides' }), [0.25, 0.5, 0.75])
  assert.equal(await ask('TEXT_LARGE', { prompt: 'When?' }), 'Tides turn twice a day.')
  assert.deepEqual(last('/api/pull').body, { model: 'missing:latest', stream: false })
})

test('plugin-ollama 1.2.4 starts without its endpoint, and answers with its own words for that', async (t) => {
  const { ask, served } = await open(
    t,
    'plugin-ollama',
    (url) => ({ OLLAMA_API_ENDPOINT: url }),
    () => 404,
  )
  assert.match(await ask('TEXT_SMALL', { prompt: 'x' }), /Error generating text/)
  assert.ok(served.requests.some(({ path }) => path === '/api/pull'))
})
