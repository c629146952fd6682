import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JournalRecord } from '../../types/index.ts'
import { textWidth } from '../wrap/text-width.ts'
import { recordLine } from './record-line.ts'

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

void test('a body that was erased is told by its reason', () => {
  const body = JSON.stringify({ erased: 'ab'.repeat(32), bytes: 40, reason: 'forgotten' })
  assert.match(recordLine({ ...record, body }, 80), /\(erased\) 40 bytes: forgotten$/)
})
