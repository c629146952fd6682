import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { reportText, tidyStepSchema } from './tidy-change.ts'
import { day, type House, openHouse } from './tidy-fixture.ts'

/** A cold fact as tidying leaves it, `days` ago. */
async function fact(house: House, text: string, days: number, more: Parameters<House['note']>[1] = {}): Promise<string> {
  const at = house.clock.at - days * day
  const facts = { kind: 'fact', createdAt: at, updatedAt: at, validFrom: at, accessedAt: at, tier: 'cold', importance: 0.05 } as const
  return house.note(text, { ...facts, ...more })
}

describe('what tidying extracts', () => {
  it('is limited: the lowest-scored surplus facts are removed, reported with their text, and restored by undo', async () => {
    // No place in a context: then all of them are cold.
    await using house = await openHouse({ facts: 600 })
    const kept = [
      await fact(house, 'Confirmed: the cellar is dry.', 900, { confirmedBy: ['note-1'] }),
      await fact(house, 'Pinned: the key hangs behind the clock.', 900, { tags: ['pinned'] }),
      await fact(house, 'Wanted often: bread is baked on Fridays.', 900, { accesses: 9, accessedAt: house.clock.at }),
    ]
    const note = await house.note('A note of a person, as old as anything.', { createdAt: house.clock.at - 999 * day, tier: 'cold' })
    const ended = await fact(house, 'It held once: the dog is called Rex.', 5, { supersededBy: kept[0]!, validTo: house.clock.at - day })
    const old = await fact(house, 'The oldest of all: a kettle was bought.', 800)
    for (let i = 0; i < 600; i++) await fact(house, `Passing remark ${i} about thing-${i} and colour-${i * 7}.`, 400 - i / 2)

    const [born] = (await house.store.memory.items([old])).map(({ entry }) => entry.createdAt)
    const done = await house.run()
    // 605 facts, and 600 are kept: what ended first, then the oldest ones.
    assert.equal(done.dropped, 5)
    const left = new Set((await house.entries(2_000)).map(({ id }) => id))
    assert.deepEqual([left.has(ended), left.has(old), left.has(note)], [false, false, true])
    for (const id of kept) assert.ok(left.has(id), id)

    const steps = house.steps.map((step) => tidyStepSchema.parse(JSON.parse(JSON.stringify(step))))
    assert.match(reportText(steps), /Removed: extracted facts[^\n]* \(5\)\n[^]*the dog is called Rex\./)
    await house.tidy.undo(steps)
    const back = (await house.entries(2_000)).find(({ id }) => id === old)
    assert.deepEqual([back?.text, back?.kind, back?.createdAt], ['The oldest of all: a kettle was bought.', 'fact', born])
    assert.ok((await house.entries(2_000)).length === 606)
  })

  it('fades and loses its tier regardless of how many newer entries exist', async () => {
    await using house = await openHouse()
    const hot = await house.note('I prefer tea over anything.', { type: 'preference', importance: 0.9, tier: 'hot' })
    house.clock.at += 300 * day
    for (let i = 0; i < 1_001; i++) await fact(house, `Remark ${i} of thing-${i}, colour-${i * 3}.`, 0, { type: 'fact', importance: 0.6 })
    await house.run()
    const entry = (await house.entries(2_000)).find(({ id }) => id === hot)
    assert.notEqual(entry?.tier, 'hot')
    assert.ok(entry!.importance < 0.1)
  })

  it('is all that is ever removed: notes and messages stay, however low the limit', async () => {
    await using house = await openHouse({ facts: 0 })
    await house.note('A note of a person.', { tier: 'cold' })
    await house.says('Just a remark.')
    assert.equal((await house.run()).dropped, 0)
  })
})
