import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ErrorCode } from '../../base/index.ts'
import { problemOfStatus } from '../model-problem.ts'
import { kindOf } from './breakers.ts'

const answered = (status: number, message = '', origin = 'https://api.example') =>
  problemOfStatus({ status, body: JSON.stringify({ error: { message } }), key: '', origin, retryAfterMs: null, redirect: '' }).failure

const failure = (code: ErrorCode, message = '') => ({ code, message, hint: '' })

void describe('the kind of a failure', () => {
  void it('of a status distinguishes faults of the endpoint, the account and the request', () => {
    const kinds = [500, 503, 529, 408, 401, 403, 402, 404, 429, 400, 422, 307].map((status) => kindOf(answered(status)))
    assert.deepEqual(kinds, [
      ...Array<string>(4).fill('endpoint'),
      ...Array<string>(5).fill('account'),
      ...Array<string>(3).fill('request'),
    ])
  })

  void it('is of the account when a service answers 400 for missing credit or an unknown model', () => {
    for (const words of [
      'Your credit balance is too low to access the Anthropic API.',
      'Insufficient balance',
      'x/y is not a valid model ID',
      'The model `gpt-9` does not exist or you do not have access to it.',
      'Model Not Exist',
      'Invalid model: foo',
    ]) {
      assert.equal(kindOf(answered(400, words)), 'account', words)
    }
    assert.equal(kindOf(answered(400, 'temperature does not exist')), 'request')
  })

  void it('does not take a status from the endpoint’s own words', () => {
    assert.equal(kindOf(answered(400, 'somebody answered 404')), 'request')
  })

  void it('is of the request when the conversation is too long, whatever the status', () => {
    for (const words of [
      "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
      'Your input exceeds the context window of this model. Please adjust your input and try again.',
      'prompt is too long: 213462 tokens > 200000 maximum',
      'input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000',
      'The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).',
      'the request exceeds the available context size, try increasing it',
      'context_length_exceeded',
      "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    ]) {
      for (const status of [400, 413, 500]) assert.equal(kindOf(answered(status, words)), 'request', words)
    }
  })

  void it('of our own codes', () => {
    const codes: ErrorCode[] = ['cancelled', 'bad_config', 'internal_failure', 'model_garbled', 'model_stalled', 'context_overflow']
    assert.deepEqual(
      codes.map((code) => kindOf(failure(code))),
      ['cancelled', 'setup', 'setup', 'endpoint', 'endpoint', 'request'],
    )
  })
})
