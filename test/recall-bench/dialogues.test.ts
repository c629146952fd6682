/** The data that recall is measured on. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { questionClasses } from '../../bench/recall/dialogue.ts'
import { generateDialogues } from '../../bench/recall/generated/generate-dialogues.ts'
import { readLocomo, readLocomoFile } from '../../bench/recall/locomo-file.ts'

const sample = {
  sample_id: 'conv-1',
  conversation: {
    speaker_a: 'Ann',
    speaker_b: 'Ben',
    session_2_date_time: '12:09 am on 13 September, 2023',
    session_2: [{ speaker: 'Ben', dia_id: 'D2:1', text: 'Look!', blip_caption: 'a photo of a red kite' }],
    session_1_date_time: '1:56 pm on 8 May, 2023',
    session_1: [
      { speaker: 'Ann', dia_id: 'D1:1', text: 'Hey Ben, I took up rowing.' },
      { speaker: 'Ben', dia_id: 'D1:2', text: 'Great!' },
      { speaker: 'Ann', dia_id: 'D1:3', img_url: ['x'] },
    ],
    session_10: 'not a list',
    session_27_date_time: '4:30 pm on 2 January, 2024',
  },
  event_summary: { events_session_1: { Ann: ['Ann takes up rowing.'], Ben: [], date: '8 May, 2023' } },
  observation: { session_1_observation: { Ann: [['Ann rows.', 'D1:1']] } },
  session_summary: { session_1_summary: 'Ann tells Ben that she rows.' },
  qa: [
    { question: 'What sport does Ann do?', answer: 'rowing', evidence: ['D1:01'], category: 4 },
    { question: 'What did both say?', answer: 2, evidence: ['D:1:1; D2:1'], category: 1 },
    { question: 'When was it?', answer: 2022, evidence: ['D1:1 D1:02 D', 'D2:1'], category: 2 },
    { question: 'Would Ann row again?', answer: 'Likely yes', evidence: ['D1:1', 'D30:05'], category: 3 },
    { question: 'Never answered?', adversarial_answer: 'no', evidence: ['D1:1'], category: 5 },
    { question: 'Evidence is gone?', evidence: ['D9:9'], category: 2 },
    { question: 'No evidence?', category: 3 },
  ],
}

test('a file of LoCoMo is read with its quirks: odd ids, several in one, captions, dates, and questions that cannot be asked', () => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-locomo-'))
  try {
    const path = join(folder, 'locomo.json')
    writeFileSync(path, JSON.stringify([sample]))
    const { dialogues, leftOut } = readLocomoFile(path)
    assert.equal(leftOut, 3)
    const [dialogue] = dialogues
    assert.deepEqual(
      dialogue?.turns.map(({ id, text }) => [id, text]),
      [
        ['D1:1', 'Hey Ben, I took up rowing.'],
        ['D1:2', 'Great!'],
        ['D2:1', 'Look! a photo of a red kite'],
      ],
    )
    assert.equal(new Date(dialogue?.turns[0]?.at ?? 0).toISOString(), '2023-05-08T13:56:00.000Z')
    assert.equal(new Date(dialogue?.turns[2]?.at ?? 0).toISOString(), '2023-09-13T00:09:00.000Z')
    assert.deepEqual(dialogue?.questions, [
      { text: 'What sport does Ann do?', kind: 'single_hop', evidence: ['D1:1'] },
      { text: 'What did both say?', kind: 'multi_hop', evidence: ['D1:1', 'D2:1'] },
      { text: 'When was it?', kind: 'temporal', evidence: ['D1:1', 'D1:2', 'D2:1'] },
      { text: 'Would Ann row again?', kind: 'open_domain', evidence: ['D1:1'] },
    ])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('another file is refused with an error, whatever its content', () => {
  for (const odd of [null, 7, 'text', [], {}, [{ qa: [] }], [{ conversation: [], qa: {} }], [[]]]) {
    assert.throws(() => readLocomo(odd), /format of LoCoMo/)
  }
})

test('the same seed makes the same dialogues, another seed others', () => {
  const size = { dialogues: 1, questionsPerDialogue: 30 }
  assert.deepEqual(generateDialogues(3, size), generateDialogues(3, size))
  assert.notDeepEqual(generateDialogues(3, size), generateDialogues(4, size))
})

test('ten dialogues have about 600 turns and 1 500 questions of every class, with existing evidence', () => {
  const dialogues = generateDialogues(1)
  assert.equal(dialogues.length, 10)
  for (const { turns, questions } of dialogues) {
    assert.ok(turns.length >= 590 && turns.length <= 640, String(turns.length))
    const known = new Map(turns.map((turn) => [turn.id, turn]))
    assert.equal(known.size, turns.length)
    assert.ok(turns.every((turn, i) => i === 0 || turn.at > (turns[i - 1]?.at ?? 0)))
    for (const { text, evidence } of questions) {
      assert.ok(evidence.length > 0 && evidence.every((id) => known.has(id)), text)
      assert.doesNotMatch(text, /[{}]/)
    }
    assert.ok(turns.every(({ text }) => !/[{}]/.test(text)))
    for (const kind of questionClasses)
      assert.ok(
        questions.some((each) => each.kind === kind),
        kind,
      )
  }
  const asked = dialogues.flatMap(({ questions }) => questions)
  assert.ok(asked.length >= 1_450 && asked.length <= 1_500, String(asked.length))
})
