/** What a strong embedder does to recall: its weights are its own, and both lists together find more than each. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateLifelike } from '../../bench/recall/lifelike/make-lifelike.ts'
import { indexDialogue } from '../../bench/recall/indexed-dialogue.ts'
import { createRankings, rankingNames } from '../../bench/recall/rankings.ts'
import { createTally, depths } from '../../bench/recall/recall-score.ts'
import { simulatedName, simulateEmbedder } from '../../bench/recall/simulated-embedder.ts'
import { createLocalTextEngine } from '../../src/memory/index.ts'

test('with a strong embedder both lists together find more than each at every depth, and full recall finds even more', async () => {
  const dialogues = generateLifelike(4, { dialogues: 1, questionsPerDialogue: 154 })
  const [dialogue] = dialogues
  assert.ok(dialogue !== undefined)
  const text = createLocalTextEngine({ embedder: simulatedName, service: simulateEmbedder(dialogues, 4, 3.4) })
  const store = await indexDialogue(dialogue, text)
  const tallies = rankingNames.map((name) => [name, createTally()] as const)
  try {
    const rankings = createRankings(store.memory, text, Date.UTC(2024, 11, 1))
    for (const question of dialogue.questions) {
      const ranked = await rankings.rank(question.text)
      for (const [name, tally] of tallies) tally.add(question, ranked[name])
    }
  } finally {
    await store.close()
    await text.close()
  }
  const found = Object.fromEntries(tallies.map(([name, tally]) => [name, tally.score().recall]))
  const at = (name: string, i: number): number => found[name]?.[i] ?? 0
  assert.ok(Math.abs(at('vector only', 2) - 0.75) < 0.06, 'it is as strong as it is meant to be')
  for (const [i] of depths.entries()) {
    assert.ok(at('weights', i) > Math.max(at('text only', i), at('vector only', i)), JSON.stringify(found))
    assert.ok(at('full recall', i) > at('weights', i), JSON.stringify(found))
  }
})

test('vectors of a table, a folder and a service have separate weights, higher for better vectors', async () => {
  const service = createLocalTextEngine({ embedder: simulatedName, service: simulateEmbedder([], 1, 1) })
  const table = createLocalTextEngine({ embedder: 'words-50k' })
  const [strong, weak] = [(await service.embedder())?.weights, (await table.embedder())?.weights]
  await Promise.all([service.close(), table.close()])
  assert.ok(strong !== undefined && weak !== undefined)
  assert.ok(strong.vector > weak.vector && strong.closeness < weak.closeness)
})
