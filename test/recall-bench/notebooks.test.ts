/** What the prompts of eighteen people's messages get, by recall itself. `notebooks.full.test.ts` has the held-out ones through a guest. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { askNotebooks, scoreNotebooks, scoresByClass } from '../../bench/recall/turns/score-notebooks.ts'
import { type NotebookHalf, readNotebooks } from './notebooks/read-notebooks.ts'

/** As docs/recall.md has them, a little lower. */
const bounds: Readonly<Record<NotebookHalf, { precision: number; recall: number; fires: number; tokens: number }>> = {
  tune: { precision: 0.63, recall: 0.75, fires: 7, tokens: 60 },
  'held-out': { precision: 0.6, recall: 0.7, fires: 7, tokens: 60 },
}

for (const half of ['tune', 'held-out'] as const) {
  test(`messages are given the notes that they need, and few others (${half})`, async (t) => {
    const given = await askNotebooks(readNotebooks(half))
    const score = scoreNotebooks(given)
    t.diagnostic(JSON.stringify(score))
    for (const [what, each] of scoresByClass(given)) t.diagnostic(`${what} ${JSON.stringify(each)}`)
    const { precision, recall, fires, tokens } = bounds[half]
    assert.ok(score.precision >= precision)
    assert.ok(score.recall >= recall)
    assert.ok(score.falseFires <= fires)
    assert.ok(score.tokens <= tokens)
  })
}

test('eighteen notebooks ask some six hundred messages, a third of them held out, and a third of all needs nothing', () => {
  const asked = (half: NotebookHalf) => readNotebooks(half).flatMap((notebook) => [...notebook.asked, ...notebook.talk])
  const [tune, heldOut] = [asked('tune'), asked('held-out')]
  assert.deepEqual([tune.length, heldOut.length], [395, 199])
  const idle = [...tune, ...heldOut].filter(({ needs }) => needs.length === 0)
  assert.equal(idle.length, 264)
})
