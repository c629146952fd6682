/** What a person sees of a search: the sentence that matches, and what stands around it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { searchText, type ShownHit } from '../../src/terminal/index.ts'
import { asks, done, says, testCall } from '../../src/kernel/kernel-fixture.ts'
import { openMemoryFixture } from './memory-fixture.ts'

const talk = { include_conversation: true }
const chatter = 'The walls of the hall were painted twice, and then the rain came through the roof again. '.repeat(8)

describe('a result', () => {
  it('begins with the sentence that matches, marked, and shows its neighbour after it', async () => {
    await using guest = await openMemoryFixture()
    await guest.turn(`${chatter}So I had enough of it.`)
    await guest.turn('We moved on. The code of my locker is 4417, I think.')
    const hits = await guest.ask<ShownHit[]>('memory.search', { query: 'which code has my locker', top_k: 1, ...talk })
    const [head, first, second] = searchText(hits, false).split('\n')
    assert.match(head ?? '', /^said by you/)
    assert.equal(first, '  > The code of my locker is 4417, I think.')
    assert.match(second ?? '', /^ {2}\S/)
    assert.doesNotMatch(second ?? '', /locker/, 'the rest does not repeat it')
  })

  it('shows a match at the end of a long text', async () => {
    await using guest = await openMemoryFixture()
    await guest.ask('memory.save', { content: `${chatter.slice(0, 500)} and so on. The plumber is called Bruno Falk.` })
    const hits = await guest.ask<ShownHit[]>('memory.search', { query: 'plumber' })
    assert.match(searchText(hits, false), /^[^\n]*\n {2}> The plumber is called Bruno Falk\.\n/)
  })

  it('of one sentence is shown once', async () => {
    await using guest = await openMemoryFixture()
    await guest.ask('memory.save', { content: 'I prefer Helix.' })
    const hits = await guest.ask<ShownHit[]>('memory.search', { query: 'Helix' })
    assert.equal(searchText(hits, false).match(/Helix/g)?.length, 1)
  })

  it("is trusted if the person wrote it, even after untrusted text; the agent's answer is not", async () => {
    const page = testCall('test.page', async () => done('a page'), { labels: { adds: ['untrusted'], sink: false } })
    const steps = [asks(['test_page']), says('It says that dentists are dear.')]
    await using guest = await openMemoryFixture({ calls: [page], play: () => steps.shift() ?? says('Your dentist is noted.') })
    await guest.turn('Read the page.')
    await guest.turn('My dentist is Doctor Marlow.')
    const hits = await guest.ask<ShownHit[]>('memory.search', { query: 'dentist', ...talk })
    const labelsOf = (author: string): readonly (readonly string[])[] =>
      hits.filter((hit) => hit.author === author).map((hit) => hit.labels)
    assert.deepEqual(labelsOf('user'), [[]])
    assert.ok(labelsOf('agent').length > 0 && labelsOf('agent').every((labels) => labels.includes('untrusted')))
  })
})
