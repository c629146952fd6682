/** The chats that were written by hand: nothing is chosen by them, so all that is asked of them is that they can be asked. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handwrittenDialogue } from '../../bench/recall/handwritten/read-written.ts'

test('every handwritten turn and question is parsed, and every question names turns of its own chat', () => {
  const { turns, questions } = handwrittenDialogue()
  assert.deepEqual([turns.length, new Set(turns.map(({ id }) => id)).size, questions.length], [180, 180, 80])
  assert.deepEqual(new Set(turns.map(({ speaker }) => speaker)), new Set(['Nadia', 'Greg', 'Bel', 'Oren']))
  const speakers = new Map(turns.map(({ id, speaker }) => [id, speaker]))
  for (const { text, evidence } of questions) {
    const chats = new Set(evidence.map((id) => (['Nadia', 'Greg'].includes(speakers.get(id) ?? '') ? 'neighbours' : 'bandmates')))
    assert.equal(chats.size, 1, text)
  }
})
