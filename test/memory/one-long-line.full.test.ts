/** Ten megabytes of one line, wherever they come from: refused with advice or bounded, and all else is remembered as before. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createFakeSandbox } from '../../src/sandbox/fake/fake-sandbox.ts'
import { openMemoryFixture } from './memory-fixture.ts'

const mega = 1024 * 1024
const tenMegabytes = 'apricot '.repeat((10 * mega) / 8)
/** As long as a document may be, and of one line. */
const longest = `${'apricot plum '.repeat((4 * mega) / 13 - 2)}mulberry`

interface Hit {
  readonly text: string
  readonly author: string
}

it('a document of one line is refused with advice when it is too long, and found to its end when it is not', async () => {
  const files = new Map([
    ['/shared/in/huge.txt', tenMegabytes],
    ['/shared/in/long.txt', longest],
    ['/shared/in/nospace.txt', 'q'.repeat(mega)],
    ['/shared/in/small.md', 'The quince ripens in October.'],
  ])
  await using guest = await openMemoryFixture({ sandbox: createFakeSandbox(files) })
  const { documents, failed } = await guest.ask<{
    documents: { address: string }[]
    failed: { path: string; code: string; message?: string }[]
  }>('memory.ingest', { path: 'in' })
  assert.deepEqual(documents.map(({ address }) => address).toSorted(), [
    '/shared/in/long.txt',
    '/shared/in/nospace.txt',
    '/shared/in/small.md',
  ])
  assert.deepEqual(
    failed.map(({ path, code }) => [path, code]),
    [['/shared/in/huge.txt', 'limit_reached']],
  )
  const [end] = await guest.ask<Hit[]>('memory.search', { query: 'mulberry' })
  assert.equal(end?.author, '/shared/in/long.txt')
  assert.ok(end.text.length < 20_000, 'as much as a search may tell')
  const [small] = await guest.ask<Hit[]>('memory.search', { query: 'quince' })
  assert.equal(small?.author, '/shared/in/small.md')
  const alone = await guest.call('memory.ingest', { path: 'in/huge.txt' })
  assert.match(alone.text, /10485759 characters; the limit is 4194304\. Ingest parts of it/)
})

it('a message, a note, a query and an import of one line are limited, and memory continues to work', async () => {
  await using guest = await openMemoryFixture()
  await assert.rejects(guest.say(`The nectarine is ripe. ${tenMegabytes}`), { code: 'bad_input' })
  await guest.say(`The nectarine is ripe. ${tenMegabytes.slice(0, 1_000_000)}`)
  await guest.say('The cherries are ripe, too.')
  const [said] = await guest.ask<Hit[]>('memory.search', { query: 'nectarine', include_conversation: true })
  assert.match(said?.text ?? '', /nectarine/)
  const [next] = await guest.ask<Hit[]>('memory.search', { query: 'cherries', include_conversation: true })
  assert.match(next?.text ?? '', /cherries/)
  for (const [name, input] of [
    ['memory.save', { content: tenMegabytes }],
    ['memory.search', { query: tenMegabytes }],
    ['memory.import', { lines: [tenMegabytes] }],
    ['memory.forget', { text: tenMegabytes }],
    ['memory.save', { content: 'A plum.', tags: [tenMegabytes] }],
  ] as const) {
    const outcome = await guest.call(name, input)
    assert.ok(outcome.status !== 'ok' && /bad_input|limit_reached/.test(outcome.failure.code), name)
    assert.ok(outcome.failure.hint !== '' || outcome.failure.message !== '', name)
    assert.ok(outcome.text.length < 4_000, `${name} repeats what it was given`)
  }
  // An import of many lines, one too long for a memory.
  const { note_id: id } = await guest.ask<{ note_id: string }>('memory.save', { content: 'The fig is dry.' })
  const { lines } = await guest.ask<{ lines: string[] }>('memory.export', {})
  const line = lines.find((each) => each.includes(id))!
  const refused = await guest.ask<{ added: number; refused: { line: number }[] }>('memory.import', {
    lines: [line.replaceAll(id, 'note-other').replace('The fig is dry.', 'x'.repeat(400_000)), line],
  })
  assert.deepEqual([refused.added, refused.refused.map((each) => each.line)], [0, [1]])
})
