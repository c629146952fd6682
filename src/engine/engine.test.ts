import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Engine } from '../protocol/index.ts'
import type { Config } from '../config/index.ts'
import { isOxbowError, systemClock, systemRandom } from '../base/index.ts'
import { parseConfig } from '../config/index.ts'
import { openEngine } from './engine.ts'
import { startScriptedServer } from './index.ts'
import { collect, requestOf, textOfEvents } from './model-contract.ts'

function engine(model: Partial<Config['model']>, env: Record<string, string> = {}, providers: unknown = {}): Promise<Engine> {
  return openEngine({ config: parseConfig({ model, providers }, 'the test'), env, clock: systemClock, random: systemRandom })
}

const size = {
  context_tokens: 50_000,
  max_output_tokens: 1_000,
  input_price: null,
  output_price: null,
  cache_read_price: null,
  cache_write_price: null,
}

void describe('the engine', () => {
  void it('knows a profile as its model with settings and limits of its own, also as the usual model', async () => {
    const calm = { model: 'gpt-4.1-mini', temperature: 0.25, top_p: null, effort: null, context_tokens: 9_000, max_output_tokens: 77 }
    const opened = await engine({ name: 'profile:calm', profiles: { calm } }, { OPENAI_API_KEY: 'k' })
    const { name, provider, contextTokens, maxOutputTokens, settings } = await opened.facts('profile:calm')
    assert.deepEqual(
      [provider, name, contextTokens, maxOutputTokens, settings],
      ['openai', 'gpt-4.1-mini', 9_000, 77, { temperature: 0.25 }],
    )
    assert.deepEqual(opened.model, await opened.facts('profile:calm'))
    assert.equal((await opened.facts('gpt-4.1-mini')).settings, undefined)
    await assert.rejects(opened.facts('profile:wild'), /There is no profile:wild\./)
    await assert.rejects(opened.facts('profile:constructor'), /There is no profile:constructor\./)
    await opened.close()
  })

  void it('picks offline without a key, and a provider whose key or base URL is set', async () => {
    const picks = async (model: Partial<Config['model']>, env: Record<string, string> = {}): Promise<string> =>
      (await engine({ context_tokens: 5000, ...model }, env)).model.provider
    assert.equal(await picks({}), 'offline')
    assert.equal(await picks({}, { OPENAI_API_KEY: 'k' }), 'openai')
    assert.equal(await picks({}, { OPENAI_API_KEY: ' ' }), 'offline')
    assert.equal(await picks({}, { ANTHROPIC_API_KEY: 'k' }), 'anthropic')
    assert.equal(await picks({}, { OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' }), 'openai')
    assert.equal(await picks({ base_url: 'http://127.0.0.1:1/v1' }), 'openai')
    assert.equal(await picks({ api_key_env: 'OTHER' }, { OTHER: 'k' }), 'openai')
    assert.equal(await picks({ name: 'ollama/qwen3:8b' }), 'ollama')
  })

  void it('takes facts from the configuration; a price only when both halves are set', async () => {
    const env = { OPENAI_API_KEY: 'k' }
    const known = { name: 'mine', context_tokens: 5000, max_output_tokens: 70 }
    const priced = (await engine({ ...known, input_price: 2, output_price: 3 }, env)).model
    assert.deepEqual([priced.name, priced.provider, priced.contextTokens, priced.maxOutputTokens], ['mine', 'openai', 5000, 70])
    assert.deepEqual(priced.price, { inputPerMillion: 2, outputPerMillion: 3 })
    assert.equal((await engine(known, env)).model.price, null)
    await assert.rejects(engine({ ...known, input_price: 2 }, env), /only an input price/)
    const offline = (await engine({})).model
    assert.deepEqual([offline.name, offline.price], ['offline', { inputPerMillion: 0, outputPerMillion: 0 }])
  })

  void it('tries as often as the configuration says', async () => {
    let requests = 0
    const server = await startScriptedServer(
      { turns: [{ steps: [{ http: { status: 500 }, events: [] }] }] },
      { onRequest: () => void (requests += 1) },
    )
    try {
      const model = { base_url: server.url, name: 'mine', ...size }
      for (const tries of [1, 2]) {
        requests = 0
        const reliability = { max_attempts: tries, backoff_base_ms: 1, backoff_max_ms: 1 }
        const config = parseConfig({ model, reliability }, 'the test')
        const opened = await openEngine({ config, env: { OPENAI_API_KEY: 'k' }, clock: systemClock, random: systemRandom })
        const last = (await collect(opened, requestOf('hi', { model: '' }))).at(-1)
        assert.deepEqual([last?.type, requests], ['error', tries])
        await opened.close()
      }
    } finally {
      await server.close()
    }
    assert.throws(() => parseConfig({ reliability: { backoff_base_ms: 9_000 } }, 'the test'), /backoff_base_ms must be at most/)
  })

  void it('names what is wrong with a configuration at the start, and never the key', async () => {
    const wrong = (model: Partial<Config['model']>, env: Record<string, string>, says: RegExp, providers: unknown = {}): Promise<void> =>
      assert.rejects(
        engine({ context_tokens: 5000, ...model }, env, providers),
        (error) => isOxbowError(error, 'bad_config') && says.test(error.message) && !`${error.message}${error.hint}`.includes('s3cret'),
      )
    await wrong({ provider: 'openai' }, {}, /OPENAI_API_KEY is not set/)
    await wrong({ provider: 'anthropic' }, {}, /ANTHROPIC_API_KEY is not set/)
    await wrong({ provider: 'openai', api_key_env: 'MY_KEY' }, {}, /MY_KEY is not set/)
    await wrong({ provider: 'nobody' }, {}, /no provider nobody/)
    await wrong({}, { OPENAI_API_KEY: 's3cret\nx' }, /OPENAI_API_KEY contains invalid characters/)
    await wrong({ base_url: 'ftp://x' }, {}, /base URL/)
    await wrong({ base_url: 'http://me:s3cret@x/v1' }, {}, /user name or password/)
    await wrong({ provider: 'mine', name: 'm' }, {}, /GATE_TOKEN is not set/, {
      mine: { base_url: 'http://x', headers: { 'x-token': '$GATE_TOKEN' } },
    })
  })

  void it('asks the configured endpoint with the key, and works without one', async () => {
    const seen: unknown[] = []
    const server = await startScriptedServer(
      { turns: [{ steps: [{ events: [{ text: 'hi' }] }] }] },
      { onRequest: (_, headers) => seen.push(headers.authorization) },
    )
    const withKey: Record<string, string> = { OPENAI_API_KEY: 'k' }
    for (const env of [withKey, {}]) {
      const one = await engine({ base_url: `${server.url}/`, context_tokens: 5000 }, env)
      assert.equal(textOfEvents(await collect(one, requestOf('x', { model: '' }))), 'hi')
      assert.equal(textOfEvents(await collect(one, requestOf('x', { model: '' }))), 'hi')
      await one.close()
    }
    assert.deepEqual(seen, ['Bearer k', 'Bearer k', undefined, undefined])
    await server.close()
  })

  void it('plays a scenario file, and a wrong one is an error event', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-engine-'))
    const scenario = join(folder, 'scenario.json')
    const one = await engine({ provider: 'scripted', scenario })
    const [failed] = await collect(one, requestOf('x', { model: '' }))
    assert.equal(failed?.type === 'error' && failed.failure.code, 'bad_config')
    await writeFile(scenario, JSON.stringify({ turns: [{ steps: [{ events: [{ text: 'played' }] }] }] }))
    assert.equal(textOfEvents(await collect(one, requestOf('x', { model: '' }))), 'played')
    await one.close()
    const [closed] = await collect(one, requestOf('x', { model: '' }))
    assert.equal(closed?.type === 'error' && closed.failure.code, 'cancelled')
    await rm(folder, { recursive: true })
  })

  void it('reports a bad fallback at the start', async () => {
    const known = { name: 'openai/m', context_tokens: 5000 }
    await assert.rejects(
      engine({ ...known, fallback: ['anthropic/claude-haiku-4-5'] }, { OPENAI_API_KEY: 'k' }),
      /ANTHROPIC_API_KEY is not set/,
    )
    await assert.rejects(engine({ ...known, fallback: ['nobody-knows-it'] }, { OPENAI_API_KEY: 'k' }), /nobody-knows-it/)
  })

  void it('asks the fallbacks of the configured model, by any of its names, and of no other one', async () => {
    const down = await startScriptedServer({ turns: [{ steps: [{ http: { status: 401 }, events: [] }] }] })
    const up = await startScriptedServer({ turns: [{ steps: [{ events: [{ text: 'up' }] }] }] })
    const models = { m: size, other: size }
    const providers = { first: { base_url: down.url, models }, second: { base_url: up.url, models } }
    const one = await engine({ provider: 'first', name: 'm', fallback: ['second/m'] }, {}, providers)
    for (const model of ['', 'm', 'first/m']) {
      const events = await collect(one, requestOf('x', { model }))
      assert.deepEqual([textOfEvents(events), events[0]?.type === 'restarted' && events[0].model], ['up', 'second/m'])
    }
    const [failed] = await collect(one, requestOf('x', { model: 'first/other' }))
    assert.equal(failed?.type === 'error' && failed.failure.code, 'model_auth')
    assert.equal(textOfEvents(await collect(one, requestOf('x', { model: 'second/other' }))), 'up')
    await one.close()
    await down.close()
    await up.close()
  })

  void it('mends tool calls and counts what it mended', async () => {
    const call = { name: 'file.read', arguments: '{"path":"x",}' }
    const server = await startScriptedServer({ turns: [{ steps: [{ events: [{ tool_call: call }] }] }] })
    const one = await engine({ base_url: server.url, context_tokens: 5000 })
    const tools = [{ name: 'file_read', description: '', parameters: { type: 'object', properties: { path: { type: 'string' } } } }]
    const events = await collect(one, requestOf('x', { model: '', tools }))
    const [mended] = events.flatMap((event) => (event.type === 'tool_call' ? [event.call] : []))
    assert.deepEqual([mended?.name, JSON.parse(mended?.arguments ?? '')], ['file_read', { path: 'x' }])
    const last = events.at(-1)
    assert.deepEqual(last?.type === 'finish' && last.repaired, { syntax: 1, tool_name: 1 })
    assert.deepEqual([one.repairs()['syntax'], one.repairs()['tool_name'], one.repairs()['split_calls']], [1, 1, 0])
    await one.close()
    await server.close()
  })

  void it('estimates the input of a request: exactly for an OpenAI model, and better with each reply for another', async () => {
    const one = await engine({ name: 'openai/gpt-5-mini' }, { OPENAI_API_KEY: 'k' })
    const estimated = await one.estimateInput({ ...requestOf('hello world'), model: '' })
    assert.ok(estimated >= 5 && estimated < 20, String(estimated))
    await one.close()

    const reported = 5_000
    const server = await startScriptedServer({ turns: [{ steps: [{ events: [{ text: 'x' }], usage: { input: reported, output: 1 } }] }] })
    const other = await engine({ provider: 'mine', name: 'm' }, {}, { mine: { base_url: server.url, models: { m: size } } })
    const request = requestOf('word '.repeat(3_000), { model: '', cacheKey: 'session' })
    const before = await other.estimateInput(request)
    await collect(other, request)
    const after = await other.estimateInput(request)
    assert.ok(after >= reported && after < reported * 1.05, `${after} after one reply, ${before} before`)
    assert.ok(Math.abs(after - reported) < Math.abs(before - reported))
    await other.close()
    await server.close()
  })

  void it('refuses embeddings of a service that has none', async () => {
    const one = await engine({}, { ANTHROPIC_API_KEY: 'k' })
    await assert.rejects(one.embed('anthropic/x', ['a'], {}, new AbortController().signal), { code: 'bad_input' })
    await one.close()
  })

  void it('counts tokens', async () => {
    const one = await engine({})
    assert.deepEqual(await one.countTokens(['hello world']), [2])
    await one.close()
  })
})
