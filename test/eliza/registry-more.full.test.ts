/** Packages of the registry beyond those that the host was made with: models at endpoints on this machine, and two that cannot work here. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startModel, type TestModel } from '../support/model.ts'
import { type Loopback, type LoopbackRequest, openLoopback } from './loopback-fixture.ts'
import { asker, onLoopback, openProofHome, type ProofHome, refusedPackage, startConfig } from './proof-home-fixture.ts'

const packages = ['@elizaos/plugin-anthropic@1.5.12', '@elizaos/plugin-openrouter@1.5.17', '@elizaos/plugin-groq@1.0.4']

function anyApi({ path, body }: LoopbackRequest): unknown {
  const usage = { input_tokens: 5, output_tokens: 3, prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 }
  const text = `Answered at ${path}.`
  if (path.endsWith('/messages'))
    return {
      id: 'm1',
      type: 'message',
      role: 'assistant',
      model: body['model'],
      content: [{ type: 'text', text }],
      stop_reason: 'end_turn',
      usage,
    }
  if (!path.endsWith('/chat/completions')) return path.endsWith('/models') ? { data: [] } : 404
  return {
    id: 'c1',
    object: 'chat.completion',
    created: 1,
    model: body['model'],
    choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: text } }],
    usage,
  }
}

describe('further packages from the registry', { timeout: 1_200_000 }, () => {
  let model: TestModel
  let home: ProofHome
  let api: Loopback
  before(async () => {
    model = await startModel([{ events: [{ text: 'By the guest.' }] }])
    api = await openLoopback(anyApi)
    const ports = [Number(new URL(api.url).port)]
    home = await openProofHome({
      packages: packages.map((spec) => ({ spec, narrow: onLoopback })),
      folders: { asker },
      secrets: {
        ANTHROPIC_API_KEY: 'sk-anthropic-0123456789',
        OPENROUTER_API_KEY: 'sk-or-v1-0123456789abc',
        GROQ_API_KEY: 'gsk_0123456789abcdef',
      },
      config: `${startConfig(model, ['plugin-anthropic', 'plugin-openrouter', 'plugin-groq', 'asker'], ports)}
[plugins.settings.plugin-anthropic]
ANTHROPIC_BASE_URL = "${api.url}/a/v1"
[plugins.settings.plugin-openrouter]
OPENROUTER_BASE_URL = "${api.url}/o/v1"
[plugins.settings.plugin-groq]
GROQ_BASE_URL = "${api.url}/g/v1"
`,
    })
  })
  after(async () => {
    await home?.[Symbol.asyncDispose]()
    await api?.close()
    await model?.[Symbol.asyncDispose]()
  })

  for (const [name, path] of [
    ['plugin-anthropic', '/a/v1/messages'],
    ['plugin-openrouter', '/o/v1/chat/completions'],
    ['plugin-groq', '/g/v1/chat/completions'],
  ] as const)
    it(`${name} answers another plugin at its endpoint, with its model small and large`, async () => {
      for (const type of ['TEXT_SMALL', 'TEXT_LARGE']) {
        const { ok, text, data } = await home.call('asker.ask', { type, params: { prompt: 'Where?' }, provider: name })
        assert.equal(ok, true, text)
        assert.equal(data.answer, `Answered at ${path}.`)
      }
    })
  it('plugin-mcp 1.8.2 is not installed, and the person reads which name it misses', async () => {
    const text = await refusedPackage('@elizaos/plugin-mcp@1.8.2')
    assert.match(text, /plugin-mcp is not installed\. The plugin imports `\w+`, which @elizaos\/core 1\.7\.2 does not export\./)
  })
})
