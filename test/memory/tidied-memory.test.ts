import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Message, textOf } from '../../src/types/index.ts'
import { user } from '../../src/kernel/kernel-fixture.ts'
import { openMemoryStore } from '../../src/store/index.ts'
import { openMemoryFixture } from './memory-fixture.ts'

const recalledIn = (messages: readonly Message[] | undefined): string =>
  (messages ?? []).flatMap((message) => (message.role === 'user' && message.recalled === true ? [textOf(message)] : [])).join('\n')

describe('memory that is tidied', () => {
  it('knows later what people stated, tells it before a conversation, and takes it back by its report', async () => {
    await using guest = await openMemoryFixture()
    await guest.say('Good morning. I live in Leeds, near the canal.')
    const { id, learned } = await guest.ask<{ id: string; learned: number }>('memory.tidy', {})
    assert.equal(learned, 1)
    const report = await guest.call('memory.report', {})
    assert.match(report.text, new RegExp(`^Report ${id} of [^]*Learned \\(1\\)\n {2}fact-\\S+ {2}I live in Leeds, near the canal\\.`))

    await guest.turn('Write a poem about bicycles.')
    assert.match(recalledIn(guest.asked.at(-1)?.messages), /<<data \S+\n[^]*I live in Leeds, near the canal\.[^]*>>/)
    assert.doesNotMatch(guest.asked.at(-1)!.system, /Leeds/)

    const { undone } = await guest.ask<{ undone: number }>('memory.undo', { report: id })
    assert.ok(undone >= 1)
    assert.deepEqual(await guest.store.memory.list({ kinds: ['fact'] }, 10), [])
    const unknown = await guest.call('memory.undo', { report: 'nothing' })
    assert.match(unknown.text, /not_found/)
  })

  it('is tidied by one at a time', async () => {
    await using guest = await openMemoryFixture()
    await guest.store.claimLane('memory.tidy' as never, 'another guest', 60_000)
    const refused = await guest.call('memory.tidy', {})
    assert.match(refused.text, /being tidied elsewhere/)
  })
})

it('two runs of one guest are not made at once, and a run that died is taken over when its minute is up', async () => {
  const clock = { at: Date.now() }
  const now = { now: () => clock.at, monotonicMs: () => clock.at }
  const store = await openMemoryStore({ user, clock: now })
  await using guest = await openMemoryFixture({ store, clock: now })
  const outcomes = await Promise.all([guest.call('memory.tidy', {}), guest.call('memory.tidy', {})])
  assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ['failed', 'ok'])
  // As a guest of the same user leaves it that was killed.
  await store.claimLane('memory.tidy' as never, '01890a5d-ac96-774b-bcce-b302099a8057', 60_000)
  assert.match((await guest.call('memory.tidy', {})).text, /given up after a minute/)
  clock.at += 61_000
  assert.equal((await guest.call('memory.tidy', {})).status, 'ok')
})
