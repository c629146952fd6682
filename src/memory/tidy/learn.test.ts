import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SessionId } from '../../base/index.ts'
import { createLearning } from './learn.ts'
import { openHouse } from './tidy-fixture.ts'

const answer = JSON.stringify({
  n: 0,
  type: 'fact',
  subject: 'Clara',
  attribute: 'plays',
  value: 'the cello',
  single: false,
  text: 'Clara plays the cello.',
})

describe('learning', () => {
  it('keeps the labels of the message, and lets untrusted words end nothing that the person said', async () => {
    await using house = await openHouse()
    const learning = createLearning(house.deps)
    await house.says('I live in Leeds.')
    await learning.byRules(
      async () => {},
      async () => {},
    )
    await house.says('I live in York.', ['untrusted'])
    const { superseded, flagged } = await learning.byRules(
      async () => {},
      async () => {},
    )
    assert.deepEqual([superseded, flagged], [0, 2])
    const entries = await house.entries()
    assert.deepEqual(
      entries
        .map(({ text, labels, supersededBy }) => [text, labels, supersededBy])
        .toSorted(([a], [b]) => String(a).localeCompare(String(b))),
      [
        ['I live in Leeds.', [], ''],
        ['I live in York.', ['untrusted'], ''],
      ],
    )
  })

  it('asks about messages with the same labels only, and carries the labels of each', async () => {
    await using house = await openHouse()
    const learning = createLearning(house.deps)
    await house.says('My sister Clara plays the cello.')
    await house.says('My sister Clara plays the cello with Igor.', ['untrusted'])
    const unread: string[] = []
    await learning.byRules(
      async () => {},
      async (bySession) => void unread.push(...[...bySession.values()].flat()),
    )
    const questions = await learning.questions(unread)
    assert.deepEqual(
      questions.map(({ ids }) => ids.length),
      [1, 1],
    )
    for (const question of questions) await learning.take(question, answer, async () => {})
    assert.deepEqual(
      (await house.entries()).map(({ labels }) => labels.join(' ')).toSorted((a, b) => a.localeCompare(b)),
      ['', 'untrusted'],
    )
  })

  it('reads each message once, also where recording the facts fails, and takes back no fact that has ended', async () => {
    await using house = await openHouse()
    const learning = createLearning(house.deps)
    await house.says('I live in Leeds.')
    await assert.rejects(
      learning.byRules(
        async () => {
          throw new Error('the disk is full')
        },
        async () => {},
      ),
      /disk is full/,
    )
    assert.deepEqual(await house.entries(), [])
    assert.equal(
      (
        await learning.byRules(
          async () => {},
          async () => {},
        )
      ).learned,
      1,
    )
    await house.says('I moved to York.')
    assert.equal(
      (
        await learning.byRules(
          async () => {},
          async () => {},
        )
      ).superseded,
      1,
    )
    // Tidying reads the same messages, and finds that all is known.
    assert.equal((await house.run()).learned, 0)
    const holds = (await house.entries()).filter(({ supersededBy }) => supersededBy === '').map(({ text }) => text)
    assert.deepEqual(holds, ['I moved to York.'])
  })

  it('reads no message of a session that was made for a run, and none that was forgotten before its answer came', async () => {
    await using house = await openHouse()
    const learning = createLearning(house.deps)
    await house.note('I live in Leeds.', { kind: 'message', seq: 1, session: '01890a5d-ac96-8b4b-abcc-b302099a8057' as SessionId })
    assert.equal(
      (
        await learning.byRules(
          async () => {},
          async () => {},
        )
      ).learned,
      0,
    )
    const id = await house.says('My sister Clara plays the cello.')
    const [question] = await learning.questions([id])
    await house.store.memory.change([{ change: 'erase', id }])
    assert.equal((await learning.take(question!, answer, async () => {})).learned, 0)
    assert.deepEqual(await learning.questions([id]), [])
  })
})
