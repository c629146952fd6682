import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { afterEach, describe, it } from 'node:test'
import { GoogleGenAI } from '@google/genai'
import * as fc from 'fast-check'
import OpenAI from 'openai'
import { isOxbowError, systemClock, systemRandom } from '../../base/index.ts'
import { maxEmbeddingChars, maxEmbeddingTexts, modelLimits } from '../limits.ts'
import { batchesOf, createEmbedder, type Embedder, type EmbedderOptions, readVector } from './embedder.ts'
import { scaled } from '../../../test/support/scale.ts'

const key = 'private.0123456789abcdef'

interface Asked {
  readonly path: string
  readonly body: Record<string, unknown>
  readonly headers: IncomingHttpHeaders
}
interface Answer {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body: unknown
}

const running: { readonly server: Server; readonly embedder?: Embedder }[] = []

async function serve(answer: (asked: Asked, count: number) => Answer | null): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    void readText(request).then((body) => {
      const each = { path: request.url ?? '', body: JSON.parse(body) as Record<string, unknown>, headers: request.headers }
      asked.push(each)
      const said = answer(each, asked.length)
      if (said === null) return
      response.writeHead(said.status ?? 200, { 'content-type': 'application/json', ...said.headers })
      response.end(typeof said.body === 'string' ? said.body : JSON.stringify(said.body))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  running.push({ server })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked }
}

function embedderAt(url: string, more: Partial<EmbedderOptions> = {}): Embedder {
  const limits = { ...modelLimits, backoffBaseMs: 1, backoffCapMs: 1 }
  const common = { key, headers: {}, clock: systemClock, random: systemRandom, limits }
  return createEmbedder({ wire: 'openai', baseUrl: new URL(url), ...common, ...more })
}

/** A vector that tells which text it is of. */
const vectorOf = (text: string): number[] => [text.length, 0.5, -1]
const base64 = (numbers: number[]): string => Buffer.from(Float32Array.from(numbers).buffer).toString('base64')

function openAiAnswer({ body }: Asked): Answer {
  const { input, encoding_format: format } = body as { input: string[]; encoding_format: string }
  const data = input.map((text, index) => {
    const vector = vectorOf(text)
    return { object: 'embedding', index, embedding: format === 'base64' ? base64(vector) : vector }
  })
  return { body: { object: 'list', model: 'embed-1-full', data, usage: { prompt_tokens: input.length, total_tokens: input.length } } }
}

function geminiAnswer({ body }: Asked): Answer {
  const { requests } = body as { requests: { content: { parts: { text: string }[] } }[] }
  return { body: { embeddings: requests.map(({ content }) => ({ values: vectorOf(content.parts[0]!.text) })) } }
}

const live = new AbortController().signal
const numbers = (vectors: readonly Float32Array[]): number[][] => vectors.map((vector) => [...vector])

/** Runs it to its failure. @returns its code and all its text */
async function failureOf(url: string, texts: readonly string[] = ['a', 'b'], options = {}): Promise<{ code: string; message: string }> {
  const embedder = embedderAt(url)
  try {
    await embedder.embed('embed-1', texts, options, live)
  } catch (error) {
    assert.ok(isOxbowError(error) && error.hint !== '')
    assert.equal(`${error.message}${error.hint}`.includes(key), false, 'the key is in an error')
    return { code: error.code, message: error.message }
  } finally {
    embedder.close()
  }
  return { code: 'none', message: '' }
}

void describe('an embedder', () => {
  afterEach(() => {
    for (const { server } of running.splice(0)) {
      server.close()
      server.closeAllConnections()
    }
  })

  void it('asks an OpenAI endpoint for base64 and gives what the official client gives', async () => {
    const { url, asked } = await serve(openAiAnswer)
    const embedder = embedderAt(url)
    const ours = await embedder.embed('embed-1', ['a', 'bcd'], { dimensions: 3 }, live)
    assert.deepEqual(asked[0]?.body, { model: 'embed-1', input: ['a', 'bcd'], encoding_format: 'base64', dimensions: 3 })
    assert.equal(asked[0].headers.authorization, `Bearer ${key}`)
    assert.deepEqual(ours, {
      vectors: [Float32Array.of(1, 0.5, -1), Float32Array.of(3, 0.5, -1)],
      model: 'embed-1-full',
      dimensions: 3,
      usage: { inputTokens: 2, outputTokens: 0, estimated: false },
    })
    const client = new OpenAI({ apiKey: 'k', baseURL: url, maxRetries: 0 })
    const theirs = await client.embeddings.create({ model: 'embed-1', input: ['a', 'bcd'] })
    assert.deepEqual(
      theirs.data.map(({ embedding }) => [...embedding]),
      numbers(ours.vectors),
    )
    embedder.close()
  })

  void it('asks Gemini with the purpose of the texts and gives what the official client gives', async () => {
    const { url, asked } = await serve(geminiAnswer)
    const embedder = embedderAt(url, { wire: 'gemini' })
    const ours = await embedder.embed('gemini-embedding-001', ['a', 'bcd'], { dimensions: 3, purpose: 'query' }, live)
    const client = new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: url.slice(0, -3), apiVersion: 'v1' } })
    const config = { outputDimensionality: 3, taskType: 'RETRIEVAL_QUERY' }
    const theirs = await client.models.embedContent({ model: 'gemini-embedding-001', contents: ['a', 'bcd'], config })
    assert.deepEqual(
      theirs.embeddings?.map(({ values }) => values),
      numbers(ours.vectors),
    )
    assert.equal(asked[0]?.path, asked[1]?.path)
    assert.equal(asked[0]?.path, '/v1/models/gemini-embedding-001:batchEmbedContents')
    assert.equal(asked[0].headers['x-goog-api-key'], key)
    // Theirs names the role of the content, which a batch does not need.
    const sent = JSON.parse(JSON.stringify(asked[1]?.body).replaceAll('"role":"user",', '').replaceAll(',"role":"user"', '')) as unknown
    assert.deepEqual(asked[0].body, sent)
    assert.deepEqual([ours.model, ours.usage.estimated], ['gemini-embedding-001', true])
    embedder.close()
  })

  void it('splits many texts into batches and keeps their order', async () => {
    const { url, asked } = await serve(openAiAnswer)
    const embedder = embedderAt(url)
    const texts = Array.from({ length: maxEmbeddingTexts * 2 + 7 }, (_, place) => 'x'.repeat(place))
    const { vectors, usage } = await embedder.embed('m', texts, {}, live)
    assert.deepEqual(
      vectors.map((vector) => vector[0]),
      texts.map((text) => Math.max(1, text.length)),
    )
    assert.equal(asked.length, 3)
    assert.equal(usage.inputTokens, texts.length)
    embedder.close()
  })

  void it('makes batches that lose nothing, keep the order and stay under the limits', () => {
    const size = fc.oneof(fc.nat(50), fc.integer({ min: maxEmbeddingChars - 5, max: maxEmbeddingChars + 5 }))
    fc.assert(
      fc.property(fc.array(size, { maxLength: 250 }), (sizes) => {
        const texts = sizes.map((length) => 'x'.repeat(length))
        const batches = [...batchesOf(texts)]
        assert.deepEqual(
          batches.flat().map((text) => text.length),
          sizes,
        )
        for (const batch of batches) {
          const chars = batch.reduce((sum, text) => sum + text.length, 0)
          assert.ok(batch.length > 0 && batch.length <= maxEmbeddingTexts && (batch.length === 1 || chars <= maxEmbeddingChars))
        }
      }),
      { numRuns: scaled(50) },
    )
  })

  void it('asks for nothing when there are no texts', async () => {
    const { url, asked } = await serve(openAiAnswer)
    const embedder = embedderAt(url)
    const { vectors, dimensions } = await embedder.embed('m', [], {}, live)
    assert.deepEqual([vectors.length, dimensions, asked.length], [0, 0, 0])
    embedder.close()
  })

  void it('takes vectors in any order by their index', async () => {
    const { url } = await serve((asked) => {
      const { body } = openAiAnswer(asked) as { body: { data: unknown[] } }
      return { body: { ...body, data: body.data.toReversed() } }
    })
    const embedder = embedderAt(url)
    assert.deepEqual(numbers((await embedder.embed('m', ['a', 'bb'], {}, live)).vectors), [
      [1, 0.5, -1],
      [2, 0.5, -1],
    ])
    embedder.close()
  })

  void it('asks a service that does not know base64 again, for numbers, and remembers it', async () => {
    const { url, asked } = await serve((each) =>
      each.body['encoding_format'] === 'float'
        ? openAiAnswer(each)
        : { status: 400, body: { error: { message: 'encoding_format must be float' } } },
    )
    const embedder = embedderAt(url)
    for (let time = 0; time < 2; time += 1) await embedder.embed('m', ['a'], {}, live)
    assert.deepEqual(
      asked.map(({ body }) => body['encoding_format']),
      ['base64', 'float', 'float'],
    )
    embedder.close()
  })

  void it('refuses an answer that does not fit what was asked', async () => {
    const item = (index: unknown, embedding: unknown): unknown => ({ index, embedding })
    const wrong: [unknown, RegExp][] = [
      [{ data: [item(0, [1])] }, /another number of vectors/],
      [{ data: 'x' }, /another number of vectors/],
      [{ data: [item(0, [1]), item(0, [1])] }, /in no order/],
      [{ data: [item(0, [1]), item(7, [1])] }, /in no order/],
      [{ data: [item(0, [1]), item('__proto__', [1])] }, /in no order/],
      [{ data: [item(0, [1]), item(1, [1, 2])] }, /of another size than 1/],
      [{ data: [item(0, [1]), item(1, [null])] }, /an invalid vector/],
      [{ data: [item(0, [1]), null] }, /an invalid vector/],
      [{ data: [item(0, [1]), item(1, [])] }, /an invalid vector/],
      [{ data: [item(0, [1]), item(1, [1e300])] }, /an invalid vector/],
      [{ data: [item(0, [1]), item(1, base64([Number.NaN]))] }, /an invalid vector/],
      ['[]', /JSON that is not an object/],
      ['{"data":', /not JSON/],
    ]
    for (const [body, expected] of wrong) {
      const { url } = await serve(() => ({ body }))
      const { code, message } = await failureOf(url)
      assert.equal(code, 'model_garbled')
      assert.match(message, expected)
    }
    const { url } = await serve(openAiAnswer)
    assert.match((await failureOf(url, ['a'], { dimensions: 8 })).message, /of another size than 8/)
  })

  void it('names the trouble with an endpoint as every wire does, without the key', async () => {
    const status = async (answer: Answer): Promise<string> => (await failureOf((await serve(() => answer)).url)).code
    assert.equal(await status({ status: 401, body: { error: { message: `no ${key}` } } }), 'model_auth')
    assert.equal(await status({ status: 404, body: { error: { message: 'no such model' } } }), 'model_refused')
    assert.equal(await status({ status: 307, headers: { location: 'http://127.0.0.1:9/' }, body: '' }), 'model_refused')
    const page = await serve(() => ({ headers: { 'content-type': 'text/html' }, body: '<html>' }))
    assert.match((await failureOf(page.url)).message, /answered with text\/html instead of JSON/)
    assert.equal(await status({ body: { error: { message: 'wrapped' } } }), 'model_refused')
    assert.equal(await status({ status: 429, headers: { 'retry-after': '3600' }, body: '' }), 'model_rate_limited')
  })

  void it('tries again what may pass, and no more often than the limit', async () => {
    const { url, asked } = await serve((each, count) => (count < 3 ? { status: 503, body: 'busy' } : openAiAnswer(each)))
    assert.equal((await failureOf(url)).code, 'none')
    assert.equal(asked.length, 3)
    const never = await serve(() => ({ status: 503, body: 'busy' }))
    assert.equal((await failureOf(never.url)).code, 'model_overloaded')
    assert.equal(never.asked.length, modelLimits.maxTries)
  })

  void it('stops when cancelled: before, during, and between retries', async () => {
    const early = await serve(openAiAnswer)
    const embedder = embedderAt(early.url)
    const isCancelled = (error: unknown): boolean => isOxbowError(error, 'cancelled')
    await assert.rejects(embedder.embed('m', ['a'], {}, AbortSignal.abort()), isCancelled)
    assert.equal(early.asked.length, 0)
    const control = new AbortController()
    const mute = await serve(() => {
      control.abort()
      return null
    })
    await assert.rejects(embedderAt(mute.url).embed('m', ['a'], {}, control.signal), isCancelled)
    const waiting = new AbortController()
    const busy = await serve(() => {
      setImmediate(() => waiting.abort())
      return { status: 429, headers: { 'retry-after': '20' }, body: '' }
    })
    await assert.rejects(embedderAt(busy.url).embed('m', ['a'], {}, waiting.signal), isCancelled)
    embedder.close()
  })

  void it('reads a vector from base64 as from numbers, whatever it is', () => {
    const list = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 50 })
    fc.assert(fc.property(list, (values) => assert.deepEqual(readVector(base64(values), 50), readVector(values, 50))))
    fc.assert(fc.property(fc.anything(), (value) => void readVector(value, 50)))
    assert.equal(readVector(base64(Array.from({ length: 51 }, () => 1)), 50), null)
  })
})
