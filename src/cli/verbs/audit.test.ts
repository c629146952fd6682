import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { JournalRecord } from '../../protocol/index.ts'
import { textWidth } from '../screen/word-wrap.ts'
import { describeExchange, recordLine } from './audit.ts'

const record = {
  seq: 12,
  at: Date.UTC(2026, 10, 22, 3, 56),
  actor: 'user:default',
  phase: 'outcome',
  name: 'session.history',
  body: `{"status":"ok","text":"${'word '.repeat(60)}"}`,
} as JournalRecord

void test('a record is one line in a pipe and in a wide terminal, and fits a narrow one in whole lines', () => {
  assert.equal(recordLine(record, Infinity).split('\n').length, 1)
  const wide = recordLine(record, 140)
  assert.ok(!wide.includes('\n') && textWidth(wide) === 140, wide)
  for (const columns of [40, 60, 80, 100]) {
    const lines = recordLine(record, columns).split('\n')
    assert.ok(lines.length >= 2 && lines.every((line) => textWidth(line) <= columns), lines.join('\n'))
    assert.match(lines.at(-1) ?? '', /^ {8}\{"status":"ok".*…$/)
  }
})

void test('an erased body is shown by its reason', () => {
  const body = JSON.stringify({ erased: 'ab'.repeat(32), bytes: 40, reason: 'forgotten' })
  assert.match(recordLine({ ...record, body }, 80), /\(erased\) 40 bytes: forgotten$/)
})

void test('an exchange is one short line: wire, model, status and bytes, never its content', () => {
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
  const packed = { bytes: 25_000_000, runs: [{ text: 'data: 1\n\n', head: 6, tail: 2, parts: ['2', '3'] }] }
  assert.match(describeExchange(JSON.stringify({ ...body, response: packed })), /25\.0 MB in$/)
})

void test('an unknown body shows what is missing and does not throw', () => {
  assert.equal(describeExchange('{}'), '? ?, status ?, ? bytes out, ? bytes in')
  const bodies = fc.oneof(
    fc.string(),
    fc.json(),
    fc.json().map((value) => `{"wire":${value},"request":${value},"status":${value}}`),
  )
  fc.assert(fc.property(bodies, (body) => typeof describeExchange(body) === 'string'))
})
