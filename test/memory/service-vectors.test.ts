/** Vectors of a provider's model: a real endpoint on loopback, the real engine, the real gate. */
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, it } from 'node:test'
import { openEngine } from '../../src/engine/index.ts'
import { createKernel, type Kernel } from '../../src/kernel/index.ts'
import { createMemory, type MemoryReport } from '../../src/memory/index.ts'
import { createFakeSandbox } from '../../src/sandbox/fake/fake-sandbox.ts'
import { configSchema, services } from '../../src/services/index.ts'
import { openMemoryStore, type Store } from '../../src/store/index.ts'
import { memoryCalls } from '../../src/tools/index.ts'
import { systemClock, systemRandom, type UserId } from '../../src/base/index.ts'
import { type PlainAnswer, type PlainEndpoint, startEndpoint } from '../engine/plain-endpoint.ts'
import { patienceMs } from '../support/patience.ts'
import { watched } from './watched-store.ts'

const user = 'ada' as UserId
const subjects = ['doctor', 'river', 'cello']
const alike: Readonly<Record<string, string>> = { physician: 'doctor', stream: 'river', violoncello: 'cello' }

/** One direction for each subject; a little of another for all, as no real vector is zeros. */
function vectorOf(text: string): number[] {
  const words = text.toLowerCase().match(/\w+/g) ?? []
  return [...subjects.map((subject) => words.filter((word) => word === subject || alike[word] === subject).length), 0.01]
}

/** Ten tokens a text. */
function embeddings(body: string): PlainAnswer {
  const { input } = JSON.parse(body) as { input: string[] }
  const data = input.map((text, index) => ({ index, embedding: vectorOf(text) }))
  const usage = { prompt_tokens: input.length * 10, total_tokens: input.length * 10 }
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ model: 'm-full', data, usage }) }
}

const opened: AsyncDisposable[] = []

interface Known {
  readonly budget?: object
  /** Micro-dollars for a million tokens. */
  readonly price?: number
}

async function open(answer: (body: string) => PlainAnswer, known: Known = {}) {
  return openAt(await startEndpoint(({ body }) => answer(body)), known)
}

async function openAt(endpoint: PlainEndpoint, more: Known = {}) {
  const model = more.price === undefined ? {} : { m: { context_tokens: 8_000, input_price: more.price, output_price: 0 } }
  const providers = { mine: { wire: 'openai-chat', base_url: `${endpoint.origin}/v1`, api_key_env: '', models: model } }
  const config = configSchema.parse({
    model: { name: 'offline/commands' },
    memory: { embedder: 'mine/m' },
    providers,
    budget: { user: more.budget ?? {} },
  })
  const engine = await openEngine({ config, env: {}, clock: systemClock, random: systemRandom, limits: { maxTries: 1 } })
  const { store, vectorsMade, refused } = watched(await openMemoryStore({ user }))
  const kernel = createKernel({
    services,
    user,
    version: '0',
    config,
    store,
    engine,
    sandbox: createFakeSandbox(),
    calls: async (memory) => memoryCalls(memory!),
    memory: (host) => createMemory({ store, config: config.memory, clock: systemClock, questionMs: patienceMs, host }),
    workspaceRoot: '',
    secrets: new Map(),
    clock: systemClock,
    random: systemRandom,
  })
  opened.push({ [Symbol.asyncDispose]: () => kernel.close() }, endpoint)
  return { endpoint, store, vectorsMade, refused, ...asking(kernel) }
}

function asking(kernel: Kernel) {
  const ask = async <Output>(name: string, input: object): Promise<Output> => {
    const outcome = await kernel.call(name, input as never)
    if (outcome.status !== 'ok') throw new Error(`${name}: ${outcome.failure.code}: ${outcome.failure.message}`)
    return outcome.output as Output
  }
  const save = (text: string) => ask('memory.save', { content: text })
  const search = async (query: string) => (await ask<{ text: string }[]>('memory.search', { query })).map(({ text }) => text)
  // Records of calls that change nothing wait for the commit of one that does.
  const settle = () => kernel.createSession('settle')
  return { save, search, settle, stats: () => ask<MemoryReport>('memory.stats', {}) }
}

async function embedRecords(store: Store) {
  const records = await store.records({ order: 'oldest_first', limit: 1_000, hydrate: true })
  const own = records.filter(({ name }) => name === 'model.embed')
  return own.map(({ phase, actor, body }) => ({ phase, actor, body: JSON.parse(body) as Record<string, never>, text: body }))
}

afterEach(async () => {
  for (const each of opened.splice(0)) await each[Symbol.asyncDispose]()
})

const asksOf = ({ asked }: PlainEndpoint): string[][] => asked.map(({ body }) => (JSON.parse(body) as { input: string[] }).input)

void describe('vectors of a service', () => {
  void it("are requested by recorded calls, for memories and queries, and their cost counts against the user's budget", async () => {
    const { endpoint, store, vectorsMade, save, search, settle } = await open(embeddings, { price: 2_000_000 })
    await save('The doctor is in Lisbon.')
    await save('The river is cold.')
    await vectorsMade(2)
    assert.equal((await search('physician'))[0], 'The doctor is in Lisbon.')
    await settle()
    const records = await embedRecords(store)
    assert.deepEqual(
      records.map(({ phase, actor }) => `${actor} ${phase}`),
      Array.from({ length: records.length / 2 }, () => ['kernel intent', 'kernel outcome']).flat(),
    )
    const intents = records.filter(({ phase }) => phase === 'intent').map(({ body }) => body['input'] as unknown as Record<string, unknown>)
    assert.equal(intents.length, endpoint.asked.length)
    assert.deepEqual(
      intents.map(({ texts }) => texts),
      asksOf(endpoint).map(({ length }) => length),
    )
    assert.ok(intents.every(({ model, hash }) => model === 'mine/m' && /^[0-9a-f]{64}$/.test(String(hash))))
    assert.deepEqual(intents.at(-1)?.['purpose'], 'query')
    assert.ok(
      records.every(({ text }) => !/doctor|river|physician/.test(text)),
      'texts are kept once, where they were said',
    )
    const texts = asksOf(endpoint).flat().length
    assert.deepEqual(await store.spent(`user:${user}`), { microDollars: texts * 20, tokens: texts * 10 })
  })

  void it('are not requested when the budget is used up: search uses words, and reports why', async () => {
    const { endpoint, store, refused, save, search, settle, stats } = await open(embeddings, { budget: { tokens: 3 } })
    await save('The doctor is in Lisbon.')
    await refused
    assert.deepEqual(await search('doctor'), ['The doctor is in Lisbon.'])
    assert.deepEqual(await search('river'), [])
    const { problem } = await stats()
    assert.match(problem ?? '', /^found by words only: The user's budget does not cover this/)
    assert.deepEqual(endpoint.asked, [])
    await settle()
    const records = await embedRecords(store)
    assert.ok(records.length > 0 && records.every(({ phase, body }) => phase === 'refused' && body['code'] === 'budget_exhausted'))
  })

  void it('are not requested under a money budget without a known price', async () => {
    const { endpoint, save, search, stats } = await open(embeddings, { budget: { micro_dollars: 1_000_000 } })
    await save('The doctor is in Lisbon.')
    assert.deepEqual(await search('doctor'), ['The doctor is in Lisbon.'])
    assert.match((await stats()).problem ?? '', /found by words only: The price of mine\/m is unknown/)
    assert.deepEqual(endpoint.asked, [])
  })

  void it('are skipped while the service fails, and searches still answer', async () => {
    const { save, search, settle, stats, store } = await open(() => ({ status: 503, body: '{"error":{"message":"busy"}}' }))
    await save('The doctor is in Lisbon.')
    assert.deepEqual(await search('the doctor'), ['The doctor is in Lisbon.'])
    assert.match((await stats()).problem ?? '', /found by words only/)
    await settle()
    const outcomes = (await embedRecords(store)).filter(({ phase }) => phase === 'outcome')
    assert.ok(outcomes.length > 0 && outcomes.every(({ body }) => body['status'] === 'failed' && body['code'] === 'model_overloaded'))
  })

  void it('do not keep a guest from ending when the service never answers', async () => {
    const asked = Promise.withResolvers<void>()
    const server = process.getBuiltinModule('node:http').createServer(() => asked.resolve())
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    const close = async (): Promise<void> => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
    const { port } = server.address() as AddressInfo
    const { save } = await openAt({ origin: `http://127.0.0.1:${port}`, asked: [], reached: async () => {}, [Symbol.asyncDispose]: close })
    await save('The doctor is in Lisbon.')
    await asked.promise
    // The kernel, before its endpoint.
    await opened.shift()?.[Symbol.asyncDispose]()
  })
})
