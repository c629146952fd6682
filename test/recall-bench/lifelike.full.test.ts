/** The second generated data set, and the plain means that it is set by. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateLifelike } from '../../bench/recall/lifelike/make-lifelike.ts'
import { createTally } from '../../bench/recall/recall-score.ts'
import { createPlainRankings } from '../../bench/recall/simple-means.ts'
import { createLocalTextEngine } from '../../src/memory/index.ts'

const size = { dialogues: 2, questionsPerDialogue: 154 }

test('lifelike dialogues are the same for the same seed, and others for another', () => {
  assert.deepEqual(generateLifelike(1, size), generateLifelike(1, size))
  assert.notDeepEqual(generateLifelike(1, size)[0]?.turns, generateLifelike(2, size)[0]?.turns)
})

test('lifelike questions name existing turns, in the proportions of LoCoMo, and some have no answer', () => {
  for (const { turns, questions, unanswered = [] } of generateLifelike(3, size)) {
    const ids = new Set(turns.map(({ id }) => id))
    assert.equal(ids.size, turns.length)
    assert.ok(turns.length > 450 && turns.length < 800, String(turns.length))
    for (const { text, evidence } of questions) {
      assert.ok(evidence.length > 0 && evidence.every((id) => ids.has(id)), text)
      assert.ok(!/\{\w+\}/.test(text), text)
    }
    for (const { text } of turns) assert.ok(!/\{\w+\}|undefined/.test(text), text)
    const share = (kind: string): number => questions.filter((each) => each.kind === kind).length / questions.length
    assert.ok(share('single_hop') > 0.45 && share('temporal') > 0.18 && share('multi_hop') > 0.15, JSON.stringify(questions.length))
    assert.ok(share('open_domain') > 0.04 && share('open_domain') < 0.1)
    assert.ok(unanswered.length > 30)
  }
})

test('simple baselines find significantly more with the previous turn as context', async () => {
  const text = createLocalTextEngine({ embedder: 'words-50k' })
  const [dialogue] = generateLifelike(4, { dialogues: 1, questionsPerDialogue: 60 })
  assert.ok(dialogue !== undefined)
  const rankings = await createPlainRankings(dialogue, text)
  const [plain, means] = [createTally(), createTally()]
  for (const question of dialogue.questions) {
    const ranked = await rankings.rank(question.text)
    plain.add(question, ranked['BM25, plain'])
    means.add(question, ranked['simple means'])
  }
  await text.close()
  const atTen = (tally: typeof plain): number => tally.score().recall[2] ?? 0
  assert.ok(atTen(means) > 0.4, String(atTen(means)))
  assert.ok(atTen(means) > atTen(plain), `${atTen(means)} ${atTen(plain)}`)
})
