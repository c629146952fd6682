/** What each wire makes of an endpoint that says no: a code, a hint, and how often it was asked. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openEngine } from '../../src/engine/index.ts'
import type { ModelLimits } from '../../src/engine/limits.ts'
import { collect, requestOf, textOfEvents } from '../../src/engine/model-contract.ts'
import { type ErrorCode, type Failure, systemClock, systemRandom } from '../../src/base/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import { type PlainAnswer, startEndpoint } from './plain-endpoint.ts'

const key = 'private.0123456789abcdef'

const wires = ['openai-chat', 'openai-responses', 'anthropic', 'gemini'] as const
type WireName = (typeof wires)[number]

/** An error in the envelope of each vendor. */
function errorBody(wire: WireName, message: string, code = 'some_code'): string {
  if (wire === 'anthropic') return JSON.stringify({ type: 'error', error: { type: code, message }, request_id: 'r' })
  if (wire === 'gemini') return JSON.stringify({ error: { code: 400, message, status: code.toUpperCase() } })
  return JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code } })
}

/** A piece of an answer that goes on. */
const pieceOfAnswer: Readonly<Record<WireName, string>> = {
  'openai-chat': 'data: {"choices":[{"index":0,"delta":{"content":"more "}}]}\n\n',
  'openai-responses':
    'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":"m","output_index":0,"content_index":0,"delta":"more "}\n\n',
  anthropic: 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"more "}}\n\n',
  gemini: 'data: {"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"more "}]}}]}\n\n',
}

const beginOfAnswer: Readonly<Record<WireName, string>> = {
  'openai-chat': '',
  'openai-responses':
    'event: response.output_item.added\ndata: {"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"m","role":"assistant","status":"in_progress","content":[]}}\n\n',
  anthropic:
    'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}\n\nevent: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n',
  gemini: '',
}

const tooLong: Readonly<Record<WireName, string>> = {
  'openai-chat': "This model's maximum context length is 128000 tokens. However, your messages resulted in 130001 tokens.",
  'openai-responses': 'Your input exceeds the context window of this model. Please adjust your input and try again.',
  anthropic: 'prompt is too long: 208310 tokens > 200000 maximum',
  gemini: 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
}

const page = '<!doctype html><html><body>Sign in</body></html>'

interface Case {
  readonly what: string
  readonly answer: (wire: WireName) => PlainAnswer
  readonly code: ErrorCode
  readonly hint: RegExp
  readonly requests: number
  readonly limits?: Partial<ModelLimits>
}

const status =
  (code: number, message = 'no', headers: Record<string, string> = {}) =>
  (wire: WireName): PlainAnswer => ({ status: code, headers, body: errorBody(wire, message) })

const cases: readonly Case[] = [
  { what: 'refuses the key (401)', answer: status(401, `bad key ${key}`), code: 'model_auth', hint: /key is valid/, requests: 1 },
  { what: 'forbids (403)', answer: status(403), code: 'model_auth', hint: /may use this model/, requests: 1 },
  { what: 'has no credit (402)', answer: status(402), code: 'model_refused', hint: /add credit/, requests: 1 },
  {
    what: 'has no credit and says so with 403',
    answer: status(403, "Your newly created team doesn't have any credits or licenses yet."),
    code: 'model_refused',
    hint: /add credit/,
    requests: 1,
  },
  {
    what: 'has no credit and says so with 400',
    answer: status(400, 'Your credit balance is too low to access the API.'),
    code: 'model_refused',
    hint: /add credit/,
    requests: 1,
  },
  { what: 'does not know the model (404)', answer: status(404), code: 'model_refused', hint: /model name/, requests: 1 },
  {
    what: 'finds the conversation too long',
    answer: (wire) => ({ status: 400, body: errorBody(wire, tooLong[wire]) }),
    code: 'context_overflow',
    hint: /larger window/,
    requests: 1,
  },
  { what: 'finds the body too large (413)', answer: status(413), code: 'context_overflow', hint: /larger window/, requests: 1 },
  { what: 'asks for fewer requests (429)', answer: status(429), code: 'model_rate_limited', hint: /a minute/, requests: 3 },
  {
    what: 'asks for fewer requests and for how long',
    answer: status(429, 'no', { 'retry-after': '0' }),
    code: 'model_rate_limited',
    hint: /0 seconds/,
    requests: 3,
  },
  {
    what: 'asks for more patience than there is',
    answer: status(429, 'no', { 'retry-after': '3600' }),
    code: 'model_rate_limited',
    hint: /3600 seconds/,
    requests: 1,
  },
  { what: 'is overloaded (503)', answer: status(503), code: 'model_overloaded', hint: /in a moment/, requests: 3 },
  { what: 'is overloaded (529)', answer: status(529), code: 'model_overloaded', hint: /in a moment/, requests: 3 },
  {
    what: 'answers with a page',
    answer: () => ({ headers: { 'content-type': 'text/html; charset=utf-8' }, body: page }),
    code: 'model_garbled',
    hint: /base URL/,
    requests: 1,
  },
  {
    what: 'fails with a page',
    answer: () => ({ status: 502, headers: { 'content-type': 'text/html' }, body: page }),
    code: 'model_overloaded',
    hint: /in a moment/,
    requests: 3,
  },
  { what: 'answers with nothing', answer: () => ({ body: '' }), code: 'model_garbled', hint: /base URL/, requests: 1 },
  {
    what: 'keeps the connection alive and says nothing',
    answer: () => ({ after: { repeat: ': keep-alive\n\n' } }),
    code: 'model_stalled',
    hint: /another model/,
    requests: 1,
    limits: { firstTokenMs: 1_000 },
  },
  {
    what: 'never ends its answer',
    answer: (wire) => ({ body: beginOfAnswer[wire], after: { repeat: pieceOfAnswer[wire] } }),
    code: 'model_garbled',
    hint: /base URL/,
    requests: 1,
    limits: { maxAnswerChars: 20_000, maxRestarts: 0 },
  },
]

interface Tried {
  readonly failure: Failure
  readonly requests: number
  readonly text: string
}

async function ask(wire: WireName, answer: PlainAnswer, limits: Partial<ModelLimits> = {}): Promise<Tried> {
  await using endpoint = await startEndpoint(() => answer)
  const engine = await openEngine({
    config: parseConfig(
      {
        model: { name: 'mine/m', context_tokens: 10_000 },
        providers: { mine: { wire, base_url: `${endpoint.origin}/v1`, api_key_env: 'MINE' } },
      },
      'the test',
    ),
    env: { MINE: key },
    clock: systemClock,
    random: systemRandom,
    limits: { backoffBaseMs: 1, backoffCapMs: 1, drainMs: 1, ...limits },
  })
  try {
    const events = await collect(engine, requestOf('hello', { model: '' }))
    const last = events.at(-1)
    assert.ok(last?.type === 'error', JSON.stringify(last))
    assert.equal(JSON.stringify(events).includes(key), false, 'the key is in an event')
    assert.ok(last.failure.message.includes(endpoint.origin) || last.failure.message.includes('mine/m'), 'it says who')
    assert.ok(
      endpoint.asked.every(({ headers, path }) => JSON.stringify(headers).includes(key) && !path.includes(key)),
      'the key travels in a header',
    )
    return { failure: last.failure, requests: endpoint.asked.length, text: textOfEvents(events) }
  } finally {
    await engine.close()
  }
}

for (const wire of wires) {
  void describe(`over ${wire}, an endpoint that`, () => {
    for (const { what, answer, code, hint, requests, limits } of cases) {
      void it(what, async () => {
        const tried = await ask(wire, answer(wire), limits)
        assert.deepEqual([tried.failure.code, tried.requests], [code, requests], JSON.stringify(tried.failure))
        assert.match(tried.failure.hint, hint)
      })
    }

    void it('redirects to another host is not followed, and the other host gets no key', async () => {
      await using other = await startEndpoint(() => ({ body: '' }))
      for (const code of [301, 307, 308]) {
        const { failure, requests } = await ask(wire, { status: code, headers: { location: `${other.origin}/v1?k=1` } })
        assert.deepEqual([failure.code, requests, other.asked.length], ['model_refused', 1, 0])
        assert.ok(failure.message.includes(other.origin) && !failure.message.includes('k=1'), failure.message)
        assert.match(failure.hint, /Redirects are not followed/)
      }
    })
  })
}

void describe('an error inside a valid stream', () => {
  const streams: readonly (readonly [WireName, string, ErrorCode])[] = [
    [
      'openai-responses',
      'event: response.failed\ndata: {"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"context_length_exceeded","message":"Your input exceeds the context window of this model."},"output":[]}}\n\n',
      'context_overflow',
    ],
    [
      'openai-chat',
      'data: {"error":{"message":"This endpoint\'s maximum context length is 8192 tokens.","code":400}}\n\n',
      'context_overflow',
    ],
    [
      'anthropic',
      'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
      'model_overloaded',
    ],
    ['gemini', 'data: {"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}\n\n', 'model_rate_limited'],
  ]
  for (const [wire, body, code] of streams) {
    void it(`is ${code} over ${wire}`, async () => {
      assert.equal((await ask(wire, { body })).failure.code, code)
    })
  }

  void it('of a wrong key is a bad request at Gemini', async () => {
    const body = JSON.stringify({ error: { code: 400, message: 'API key not valid.', details: [{ reason: 'API_KEY_INVALID' }] } })
    const { failure, requests } = await ask('gemini', { status: 400, body })
    assert.deepEqual([failure.code, requests], ['model_auth', 1])
  })
})
