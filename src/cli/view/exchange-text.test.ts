import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { describeExchange } from './exchange-text.ts'

void test('an exchange is one short line: wire, model, status and bytes, never what was said', () => {
  const body = {
    id: 'g#1',
    wire: 'openai-chat',
    model: 'gpt-5',
    url: 'https://api.openai.com/v1/chat/completions',
    status: 200,
    request: { after: { id: 'f#1', bytes: 10_000 }, text: 'sécret' },
    response: { base64: Buffer.from([0, 255, 1]).toString('base64') },
  }
  assert.equal(describeExchange(JSON.stringify(body)), 'openai-chat gpt-5, status 200, 10.0 kB out, 3 bytes in')
  assert.equal(
    describeExchange(JSON.stringify({ ...body, status: 0, response: { text: '' } })),
    'openai-chat gpt-5, no answer, 10.0 kB out, 0 bytes in',
  )
})

void test('a body that is none of ours says what is missing and does not throw', () => {
  assert.equal(describeExchange('{}'), '? ?, status ?, ? bytes out, ? bytes in')
  const bodies = fc.oneof(
    fc.string(),
    fc.json(),
    fc.json().map((value) => `{"wire":${value},"request":${value},"status":${value}}`),
  )
  fc.assert(fc.property(bodies, (body) => typeof describeExchange(body) === 'string'))
})
