/** Discovery against small servers that answer in the shapes of the real ones. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { afterEach, describe, it } from 'node:test'
import * as fc from 'fast-check'
import { parse as parseToml } from 'smol-toml'
import { parseConfig } from '../../config/index.ts'
import { maxDiscoveryBytes } from '../limits.ts'
import type { FoundService } from '../../protocol/index.ts'
import { discoverServices, identifyService } from './discover.ts'

type Answers = Readonly<Record<string, unknown>>

const running: Server[] = []

/** @param answers by path; a text is sent as it is, a function is called with the body */
async function serve(answers: Answers): Promise<number> {
  const server = createServer((request, response) => {
    void readText(request).then((body) => {
      const answer = Object.hasOwn(answers, request.url ?? '') ? answers[request.url ?? ''] : undefined
      if (answer === null) return
      const said: unknown = typeof answer === 'function' ? (answer as (body: string) => unknown)(body) : answer
      response.writeHead(said === undefined ? 404 : 200, { 'content-type': 'application/json' })
      response.end(typeof said === 'string' ? said : JSON.stringify(said ?? { error: 'not found' }))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  running.push(server)
  return (server.address() as AddressInfo).port
}

/** Long enough for a busy machine: what is found never waits for it. */
async function discover(answers: Answers, timeoutMs = 60_000): Promise<FoundService | undefined> {
  const port = await serve(answers)
  const found = await discoverServices({ ports: [port], timeoutMs })
  for (const service of found) assert.equal(service.baseUrl, `http://127.0.0.1:${port}/v1`)
  return found[0]
}

const listOf = (owner: string, ...ids: string[]): unknown => ({
  object: 'list',
  data: ids.map((id) => ({ id, object: 'model', created: 1, owned_by: owner })),
})

const ollamaShow: Record<string, unknown> = {
  'qwen3:8b': {
    parameters: 'top_k                          20\nnum_ctx                        16384\nstop                           "<|im_end|>"',
    details: { family: 'qwen3' },
    model_info: { 'general.architecture': 'qwen3', 'qwen3.context_length': 40960 },
    capabilities: ['completion', 'tools', 'thinking'],
  },
  'llama3.2:latest': {
    model_info: { 'general.architecture': 'llama', 'llama.context_length': 131072 },
    capabilities: ['completion', 'tools'],
  },
  'tiny:latest': { model_info: { 'general.architecture': 'gpt2', 'gpt2.context_length': 1024 }, capabilities: ['completion'] },
  'nomic-embed-text:latest': { model_info: { 'general.architecture': 'nomic-bert' }, capabilities: ['embedding'] },
}
const ollama: Answers = {
  '/v1/models': listOf('library', ...Object.keys(ollamaShow)),
  '/api/tags': { models: Object.keys(ollamaShow).map((name) => ({ name, model: name, size: 1, details: { format: 'gguf' } })) },
  '/api/ps': { models: [{ name: 'llama3.2:latest', model: 'llama3.2:latest', size_vram: 1, context_length: 32768 }] },
  '/api/show': (body: string) => ollamaShow[(JSON.parse(body) as { model: string }).model],
}
const llamaCpp: Answers = {
  '/v1/models': {
    object: 'list',
    models: [{ name: 'gemma-3.gguf' }],
    data: [{ id: 'gemma-3.gguf', object: 'model', owned_by: 'llamacpp', meta: { n_ctx_train: 131072 } }],
  },
  '/props': { default_generation_settings: { n_ctx: 8192, params: {} }, total_slots: 1, model_path: '/m/gemma-3.gguf' },
  '/api/tags': { models: [{ name: 'gemma-3.gguf' }] },
}
const lmStudio: Answers = {
  '/v1/models': listOf('organization_owner', 'qwen2-vl-7b-instruct', 'llama-3.1-8b', 'nomic'),
  '/api/v0/models': {
    object: 'list',
    data: [
      { id: 'qwen2-vl-7b-instruct', type: 'vlm', compatibility_type: 'mlx', state: 'not-loaded', max_context_length: 32768 },
      { id: 'llama-3.1-8b', type: 'llm', state: 'loaded', max_context_length: 131072, loaded_context_length: 4096 },
      { id: 'nomic', type: 'embeddings', state: 'not-loaded', max_context_length: 2048 },
    ],
  },
}

void describe('discovery', () => {
  afterEach(() => {
    for (const server of running.splice(0)) {
      server.close()
      server.closeAllConnections()
    }
  })

  void it('finds Ollama, the running model first, with the window that is served and not the one it was trained for', async () => {
    const found = await discover(ollama)
    assert.deepEqual([found?.id, found?.name], ['ollama', 'Ollama'])
    assert.deepEqual(found?.models, [
      { name: 'llama3.2:latest', contextTokens: 32768 },
      { name: 'qwen3:8b', contextTokens: 16384 },
      { name: 'tiny:latest', contextTokens: 1024 },
    ])
  })

  void it('assumes the smallest window that Ollama may serve when nothing reports it', async () => {
    const found = await discover({ ...ollama, '/api/ps': { models: [] } })
    assert.equal(found?.models.find(({ name }) => name === 'llama3.2:latest')?.contextTokens, 4096)
    const older = await discover({ '/v1/models': ollama['/v1/models'], '/api/tags': ollama['/api/tags'] })
    assert.deepEqual([older?.id, older?.models[0]], ['ollama', { name: 'qwen3:8b', contextTokens: null }])
  })

  void it('finds llama.cpp, though it answers for Ollama too', async () => {
    const found = await discover(llamaCpp)
    assert.deepEqual([found?.id, found?.models], ['llamacpp', [{ name: 'gemma-3.gguf', contextTokens: 8192 }]])
  })

  void it('finds LM Studio, loaded models first, without those that only embed', async () => {
    const found = await discover(lmStudio)
    assert.equal(found?.id, 'lmstudio')
    assert.deepEqual(found.models, [
      { name: 'llama-3.1-8b', contextTokens: 4096 },
      { name: 'qwen2-vl-7b-instruct', contextTokens: 32768 },
    ])
  })

  void it('finds vLLM by its owner and LocalAI by its backends', async () => {
    const data = [{ id: 'Qwen/Qwen3-32B', object: 'model', owned_by: 'vllm', root: 'Qwen/Qwen3-32B', parent: null, max_model_len: 40960 }]
    const vllm = await discover({ '/v1/models': { object: 'list', data } })
    assert.deepEqual([vllm?.id, vllm?.models], ['vllm', [{ name: 'Qwen/Qwen3-32B', contextTokens: 40960 }]])
    const answers = {
      '/v1/models': listOf('', 'gpt-4'),
      '/system': { backends: ['llama-cpp'], loaded_models: [] },
      '/api/tags': { models: [] },
    }
    const localAi = await discover(answers)
    assert.deepEqual([localAi?.id, localAi?.models], ['localai', [{ name: 'gpt-4', contextTokens: null }]])
  })

  void it('names what it does not know by its port, and nothing that lists no models', async () => {
    const unknown = await discover({ '/v1/models': listOf('me', 'm') })
    assert.match(unknown?.id ?? '', /^local-\d+$/)
    assert.equal(await discover({ '/': 'hello' }), undefined)
    assert.equal(await discover({ '/v1/models': { data: 'x' } }), undefined)
    assert.equal(await discover({ '/v1/models': '<html>' }), undefined)
    const gone = await serve({})
    running[0]?.close()
    assert.deepEqual(await discoverServices({ ports: [gone] }), [])
  })

  void it('does not wait for one that is silent, nor read one that never ends', async () => {
    assert.equal(await discover({ '/v1/models': null }, 20), undefined)
    assert.equal(await discover({ '/v1/models': `{"data":[],"x":"${'x'.repeat(maxDiscoveryBytes)}"}` }), undefined)
  })

  void it('gives lines that the configuration takes', async () => {
    for (const answers of [ollama, llamaCpp, lmStudio, { '/v1/models': listOf('me', 'a/"b"\\c') }]) {
      const found = await discover(answers)
      assert.ok(found)
      const config = parseConfig(parseToml(found.configLines.join('\n')), 'the lines')
      assert.equal(config.model.name, `${found.id}/${found.models[0]?.name}`)
      assert.equal(config.providers[found.id]?.base_url, found.baseUrl)
      const told = config.providers[found.id]?.models[found.models[0]?.name ?? '']?.context_tokens ?? null
      assert.equal(told, found.models[0]?.contextTokens)
    }
    const empty = await discover({ '/v1/models': { data: [] } })
    assert.deepEqual(empty?.configLines, [])
  })

  void it('leaves out names that could not stand in a terminal or a file', async () => {
    const found = await discover({ '/v1/models': listOf('me', 'x\u001b[31m', '', 'a b', 'ok', 'ok', 'x'.repeat(201)) })
    assert.deepEqual(found?.models, [{ name: 'ok', contextTokens: null }])
  })

  void it('survives whatever a service answers', async () => {
    const entry = fc.dictionary(
      fc.constantFrom('id', 'owned_by', 'max_model_len', 'name', 'type', 'state', 'max_context_length'),
      fc.jsonValue(),
    )
    const answer = fc.oneof(
      fc.record({ data: fc.array(fc.oneof(entry, fc.jsonValue())) }),
      fc.dictionary(
        fc.constantFrom('models', 'backends', 'default_generation_settings', 'model_info', 'parameters', 'capabilities'),
        fc.jsonValue(),
      ),
      fc.constant(null),
    )
    const owner = fc.constantFrom('llamacpp', 'vllm', 'library')
    await fc.assert(
      fc.asyncProperty(fc.array(answer, { minLength: 1 }), owner, async (answers, owned) => {
        let asked = 0
        const found = await identifyService(async (path) => {
          if (path === '/v1/models') return { data: [{ id: 'm', owned_by: owned }, ...answers] }
          return answers[asked++ % answers.length] ?? null
        }, 1)
        for (const { name, contextTokens } of found?.models ?? []) {
          assert.equal(typeof name, 'string')
          assert.ok(contextTokens === null || contextTokens > 0)
        }
      }),
    )
  })
})
