import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JournalRecord } from '../../protocol/index.ts'
import { refusal, refusalBody, refusalText, replay } from './refusals.ts'

test('a hint is separated from a message that ends with output', () => {
  const found = { code: 'edit_mismatch', message: 'Nearest match, at line 1:\nconst port = 80', hint: 'Copy it exactly.' } as const
  assert.equal(refusalText(found), 'Error (edit_mismatch): Nearest match, at line 1:\nconst port = 80\nCopy it exactly.')
  const plain = { code: 'not_found', message: 'a.txt does not exist.', hint: 'List the folder.' } as const
  assert.equal(refusalText(plain), 'Error (not_found): a.txt does not exist. List the folder.')
  assert.equal(refusalText({ ...plain, hint: '' }), 'Error (not_found): a.txt does not exist.')
  const unfinished = { ...plain, message: 'unknown model "a" of openai' }
  assert.equal(refusalText(unfinished), 'Error (not_found): unknown model "a" of openai. List the folder.')
})

test('a call that a crash has ended is told with its hint, and a refusal with its message alone', () => {
  const of = (phase: 'reconciled' | 'refused', body: object): JournalRecord => ({ phase, body: JSON.stringify(body) }) as JournalRecord
  const abandoned = replay(of('reconciled', { status: 'abandoned', code: 'cancelled', text: 'It was abandoned.', hint: 'Make it again.' }))
  assert.deepEqual(abandoned, {
    status: 'failed',
    failure: { code: 'cancelled', message: 'It was abandoned.', hint: 'Make it again.' },
    text: 'It was abandoned.',
  })
  const failure = { code: 'not_found', message: 'a.txt does not exist.', hint: 'List the folder.' } as const
  assert.deepEqual(replay(of('refused', refusalBody(refusal(failure)))), refusal(failure))
})
