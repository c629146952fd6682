/** The wire over HTTP: the contract of every model, and a second opinion by the vendor's own client on the same bytes. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GoogleGenAI } from '@google/genai'
import type { Message, ModelFacts } from '../../protocol/index.ts'
import { systemClock } from '../../base/index.ts'
import { createHttpModel, type HttpModel } from '../http/http-model.ts'
import { modelLimits } from '../limits.ts'
import { collect, describeModelContract, requestOf, textOfEvents } from '../model-contract.ts'
import { chunkOf, type GeminiMock, type MockAnswer, type MockRequest, sseOf, startGeminiMock } from './fake-gemini.ts'
import { geminiWire } from './gemini-wire.ts'

const facts: ModelFacts = {
  name: 'gemini-2.5-flash',
  provider: 'google',
  contextTokens: 1_000_000,
  maxOutputTokens: 65_536,
  price: null,
  input: ['text', 'image', 'pdf'],
  tools: true,
  reasoning: true,
  sampling: true,
  structuredOutput: true,
  deprecated: false,
}
const modelAt = (mock: GeminiMock, key = 'secret'): HttpModel =>
  createHttpModel({
    wire: geminiWire,
    baseUrl: mock.baseUrl,
    key,
    headers: {},
    official: true,
    facts: () => facts,
    clock: systemClock,
    limits: modelLimits,
  })

const stop = { finishReason: 'STOP' }
const usage = { promptTokenCount: 8, candidatesTokenCount: 5, thoughtsTokenCount: 2, totalTokenCount: 15 }
const said = sseOf(chunkOf([{ text: 'Grüße, ' }]), chunkOf([{ text: '🦬!' }]), chunkOf([{ text: '' }], stop, usage))
const asked = sseOf(
  chunkOf([{ text: 'I look.', thought: true }]),
  chunkOf([
    { functionCall: { name: 'file_read', args: { path: 'ä.txt', deep: [1, null] } }, thoughtSignature: 'U0lHMQ==' },
    { functionCall: { id: 'own-2', name: 'file_list', args: {} } },
  ]),
  chunkOf([{ text: '' }], stop, usage),
)

function contractAnswer({ body }: MockRequest): MockAnswer {
  const { contents } = JSON.parse(body) as { contents: { parts: { text: string }[] }[] }
  const last = contents.at(-1)?.parts.at(-1)?.text
  if (last === 'call') return { pieces: [asked] }
  if (last === 'fail') return { pieces: [sseOf(chunkOf([{ text: 'half' }, { functionCall: { name: 'x' } }]))], end: 'drop' }
  if (last === 'hang') return { pieces: [sseOf(chunkOf([{ text: 'so' }]))], end: 'hang' }
  return { pieces: [said] }
}

describeModelContract('Gemini over HTTP', async () => {
  const mock = await startGeminiMock(contractAnswer)
  const model = modelAt(mock)
  const close = async (): Promise<void> => {
    model.close()
    await mock.close()
  }
  return { model, text: requestOf('say'), toolCall: requestOf('call'), failure: requestOf('fail'), endless: requestOf('hang'), close }
})

/** Runs something against a server that answers always the same. */
async function withMock<T>(answer: MockAnswer, run: (mock: GeminiMock, model: HttpModel) => Promise<T>): Promise<T> {
  const mock = await startGeminiMock(() => answer)
  const model = modelAt(mock)
  try {
    return await run(mock, model)
  } finally {
    model.close()
    await mock.close()
  }
}

void describe('the Gemini wire', () => {
  void it('asks the model’s own address with the key in a header and nowhere else', () =>
    withMock({ pieces: [said] }, async (mock, model) => {
      await collect(model, requestOf('hi', { model: 'gemini-2.5-flash' }))
      const [request] = mock.requests
      assert.equal(request?.path, '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse')
      assert.equal(request.headers['x-goog-api-key'], 'secret')
      assert.deepEqual([request.method, request.headers['authorization'], request.body.includes('secret')], ['POST', undefined, false])
    }))

  void it('names collections as they are and leaves no way out of the path', () => {
    assert.equal(geminiWire.path('models/x'), '/models/x:streamGenerateContent?alt=sse')
    assert.equal(geminiWire.path('tunedModels/mine'), '/tunedModels/mine:streamGenerateContent?alt=sse')
    assert.equal(geminiWire.path('a?b#c d'), '/models/a%3Fb%23c%20d:streamGenerateContent?alt=sse')
    assert.deepEqual(geminiWire.headers(''), {})
  })

  void it('carries a step there and back: what the answer sealed stands in the next request', () =>
    withMock({ pieces: [asked] }, async (mock, model) => {
      const first = requestOf('x', { model: 'gemini-2.5-flash' })
      const calls = (await collect(model, first)).flatMap((event) => (event.type === 'tool_call' ? [event.call] : []))
      const results = calls.map((call): Message => ({
        role: 'tool',
        parts: [{ type: 'tool_result', id: call.id, name: call.name, ok: true, text: 'R' }],
      }))
      await collect(model, { ...first, messages: [...first.messages, { role: 'assistant', parts: calls }, ...results] })
      const { contents } = JSON.parse(mock.requests[1]?.body ?? '') as { contents: unknown[] }
      assert.deepEqual(contents.slice(1), [
        {
          role: 'model',
          parts: [
            { functionCall: { name: 'file_read', args: { path: 'ä.txt', deep: [1, null] } }, thoughtSignature: 'U0lHMQ==' },
            { functionCall: { id: 'own-2', name: 'file_list', args: {} } },
          ],
        },
        {
          role: 'user',
          parts: [
            { functionResponse: { name: 'file_read', response: { result: 'R' } } },
            { functionResponse: { id: 'own-2', name: 'file_list', response: { result: 'R' } } },
          ],
        },
      ])
    }))

  /** What the service answers when it refuses, in its envelope. */
  const refusal = (code: number, status: string, message: string, details: unknown[] = []): MockAnswer => ({
    status: code,
    headers: { 'content-type': 'application/json; charset=UTF-8' },
    pieces: [JSON.stringify({ error: { code, message, status, details } }, null, 2)],
  })
  const failed = (answer: MockAnswer) =>
    withMock(answer, async (_mock, model) => {
      const [event] = await collect(model, requestOf('hi'))
      assert.ok(event?.type === 'error')
      return { code: event.failure.code, message: event.failure.message, retry: event.retry }
    })

  void it('gives an error of the service as its code, in its words, without the key, and with the wait that its body asks for', async () => {
    const wait = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.5s' }
    const got = await failed(refusal(429, 'RESOURCE_EXHAUSTED', 'Quota of secret is used up', [wait]))
    assert.deepEqual([got.code, got.retry], ['model_rate_limited', { waitMs: 34_500 }])
    assert.match(got.message, /Quota of \[key\] is used up/)
    const codes = await Promise.all([
      failed(refusal(403, 'PERMISSION_DENIED', 'no')),
      failed(refusal(404, 'NOT_FOUND', 'models/x is not found')),
      failed(refusal(503, 'UNAVAILABLE', 'The model is overloaded.')),
      failed({ status: 500, pieces: ['<html>'], headers: { 'content-type': 'text/html' } }),
    ])
    assert.deepEqual(
      codes.map(({ code }) => code),
      ['model_auth', 'model_refused', 'model_overloaded', 'model_overloaded'],
    )
  })

  void it('recognizes a wrong key, which this service reports as a bad request', async () => {
    const info = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID', domain: 'googleapis.com' }
    const got = await failed(refusal(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', [info]))
    assert.equal(got.code, 'model_auth')
    assert.equal((await failed(refusal(400, 'INVALID_ARGUMENT', 'Invalid value at contents'))).code, 'model_refused')
  })
})

void describe('the official client and our wire', () => {
  const both = (answer: MockAnswer): Promise<[ReturnType<typeof collect> extends Promise<infer E> ? E : never, unknown[]]> =>
    withMock(answer, async (mock, model) => {
      const ours = await collect(model, requestOf('x', { model: 'gemini-2.5-flash' }))
      const client = new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: mock.origin, apiVersion: 'v1beta' } })
      const theirs: unknown[] = []
      const stream = await client.models.generateContentStream({ model: 'gemini-2.5-flash', contents: 'x' })
      for await (const chunk of stream) {
        for (const part of chunk.candidates?.[0]?.content?.parts ?? []) {
          if (part.functionCall !== undefined) theirs.push([part.functionCall.name, part.functionCall.args, part.thoughtSignature])
          else if (part.text !== undefined && part.text !== '') theirs.push([part.thought === true ? 'reasoning' : 'text', part.text])
        }
        const ended = chunk.candidates?.[0]?.finishReason
        if (ended !== undefined) theirs.push([ended, chunk.usageMetadata?.promptTokenCount, chunk.usageMetadata?.thoughtsTokenCount])
      }
      const [first, second] = mock.requests
      assert.equal(first?.path, second?.path)
      return [ours, theirs]
    })

  void it('read the same text, thoughts, calls, signatures, ending and usage from the same bytes', async () => {
    for (const whole of [said, asked]) {
      for (const text of [whole, whole.replaceAll('\r\n', '\n')]) {
        const bytes = Buffer.from(text)
        // Split within a character.
        const at = bytes.findIndex((byte) => byte > 127) + 1
        const [ours, theirs] = await both({ pieces: [bytes.subarray(0, at), bytes.subarray(at)] })
        const read: unknown[] = ours.flatMap((event): unknown[] => {
          if (event.type === 'text' || event.type === 'reasoning') return [[event.type, event.text]]
          if (event.type === 'tool_call') {
            const { name, arguments: args, sealed } = event.call
            return [[name, JSON.parse(args), sealed?.data['signature']]]
          }
          return event.type === 'finish' ? [['STOP', event.usage.inputTokens, event.usage.reasoningTokens]] : []
        })
        assert.deepEqual(joinedTexts(read), joinedTexts(theirs))
        assert.equal(ours.at(-1)?.type, 'finish')
      }
    }
  })

  void it('both fail on an error inside the stream, ours with its code and what came before', async () => {
    const text = sseOf(chunkOf([{ text: 'half' }]), { error: { code: 503, message: 'overloaded', status: 'UNAVAILABLE' } })
    await assert.rejects(both({ pieces: [text] }), /overloaded/)
    const ours = await withMock({ pieces: [text] }, (_mock, model) => collect(model, requestOf('x')))
    const last = ours.at(-1)!
    assert.deepEqual([textOfEvents(ours), last.type === 'error' && last.failure.code], ['half', 'model_overloaded'])
  })
})

/** Neighbouring texts of one kind as one: how an answer is split into chunks is nobody's matter. */
function joinedTexts(read: readonly unknown[]): unknown[] {
  const joined: unknown[][] = []
  for (const each of read as unknown[][]) {
    const last = joined.at(-1)
    const text = each[0] === 'text' || each[0] === 'reasoning'
    if (text && last !== undefined && last[0] === each[0]) last[1] = `${String(last[1])}${String(each[1])}`
    else joined.push([...each])
  }
  return joined
}
