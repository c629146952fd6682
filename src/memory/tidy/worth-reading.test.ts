import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Statement } from './statements.ts'
import { groundedIn, isWorthReading, mayTell } from './worth-reading.ts'

test('small talk, questions, requests and suppositions are not worth a look', () => {
  for (const text of [
    'Thanks!',
    'Hello there, how are you?',
    "I'm fine, thank you.",
    'I think so.',
    'I want you to list the files.',
    'Summarise /shared/report.md in three sentences.',
    'Can you tell me what my sister does?',
    'What is my name?',
    'Maybe we are in Leeds.',
    'It was a long day.',
    'ls -la /shared',
    'ok',
    '',
  ])
    assert.equal(mayTell(text), false, text)
})

test('statements about people and projects are, in several languages; what a rule reads needs no model', () => {
  for (const text of [
    'My sister Clara plays the cello in Lisbon.',
    'Our project Heron runs on three boards.',
    "Clara's husband is a baker.",
    'We use pnpm in this repository.',
    'Hello! Rafael leads the Heron team.',
    'Meine Schwester heißt Clara und ich wohne in Köln.',
    'Ma sœur habite à Lyon.',
    'Mi hermana vive en Sevilla.',
    '우리 팀은 부산에 있어요.',
  ])
    assert.equal(isWorthReading(text), true, text)
  assert.equal(isWorthReading('I live in Leeds.'), false)
  assert.equal(mayTell('I live in Leeds.'), true)
})

test('a statement of a model counts only with a value and a subject that were said, and in words that were', () => {
  const said = 'My sister Clara plays the cello in Lisbon since 2012.'
  const of = (more: Partial<Statement>): string | undefined =>
    groundedIn(
      { type: 'fact', subject: 'clara', attribute: 'plays', value: 'the cello', single: false, text: 'Clara plays the cello.', ...more },
      said,
    )?.text
  assert.equal(of({}), 'Clara plays the cello.')
  assert.equal(
    of({ subject: 'me', text: 'The user has a sister, Clara, playing the cello.' }),
    'The user has a sister, Clara, playing the cello.',
  )
  assert.equal(of({ value: 'the violin' }), undefined)
  assert.equal(of({ value: '...' }), undefined)
  assert.equal(of({ subject: 'rafael' }), undefined)
  // A number, a name or a deed that was not said: the person's own sentence stands for it.
  for (const text of ['Clara plays the cello since 2013.', 'Clara and Rafael play the cello.', 'Clara teaches the cello.'])
    assert.equal(of({ text }), said)
})
