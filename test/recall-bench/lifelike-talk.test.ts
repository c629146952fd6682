/** The messages that the benches of turns send. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spokenText } from '../../bench/recall/indexed-dialogue.ts'
import { differentMessages, toldTalk } from '../../bench/talk/lifelike-talk.ts'

test('no two messages are alike, and every second one asks about what was told', () => {
  const told = toldTalk(1_000)
  const passages = new Set(told.flatMap(({ turns }) => turns.map(spokenText)))
  assert.equal(
    told.reduce((sum, { turns }) => sum + turns.length, 0),
    1_000,
  )
  const messages = differentMessages(told, 300)
  assert.equal(new Set(messages.map(({ text }) => text)).size, 300)
  const asked = messages.filter(({ answers }) => answers.length > 0)
  assert.ok(asked.length > 75, String(asked.length))
  assert.ok(asked.every(({ answers }) => answers.every((each) => passages.has(each))))
})

test('more messages than there are questions are still all different', () => {
  const messages = differentMessages(toldTalk(500), 2_000)
  assert.equal(new Set(messages.map(({ text }) => text)).size, 2_000)
})
