import assert from 'node:assert/strict'
import { it } from 'node:test'
import { says } from '../../src/kernel/kernel-fixture.ts'
import { openMemoryFixture } from './memory-fixture.ts'

it('an export of yesterday is imported without conflict into memories that were only recalled and have faded since', async () => {
  await using guest = await openMemoryFixture()
  const { note_id: id } = await guest.ask<{ note_id: string }>('memory.save', { content: 'The kayak hangs in the barn.' })
  const { lines } = await guest.ask<{ lines: string[] }>('memory.export', { after: '' })
  const patch = { accesses: 7, accessedAt: Date.now() + 1_000, importance: 0.3, tier: 'cold', protection: 'high' } as const
  await guest.store.memory.change([{ change: 'patch', id, patch }])
  assert.deepEqual(await guest.ask('memory.import', { lines, overwrite: false }), {
    added: 0,
    replaced: 0,
    unchanged: 1,
    conflicts: [],
    refused: [],
  })
  assert.equal((await guest.store.memory.items([id]))[0]?.entry.accesses, 7, 'and what use has made of them stays')
  await guest.store.memory.change([{ change: 'patch', id, patch: { tags: ['boats'] } }])
  const { conflicts } = await guest.ask<{ conflicts: string[] }>('memory.import', { lines, overwrite: false })
  assert.deepEqual(conflicts, [id])
})

it('memories from another journal refer to no record of this one', async () => {
  await using other = await openMemoryFixture()
  for (let i = 0; i < 3; i++) await other.say('My favourite colour is green.')
  await other.ask('memory.tidy', {})
  const { lines } = await other.ask<{ lines: string[] }>('memory.export', {})
  await using guest = await openMemoryFixture()
  for (let i = 0; i < 3; i++) await guest.turn('Hello.')
  await guest.ask('memory.import', { lines })
  for (const { id } of lines.map((line) => JSON.parse(line) as { id: string })) {
    assert.equal((await guest.ask<{ record: unknown }>('memory.why', { note_id: id })).record, null)
    assert.notEqual((await other.ask<{ record: unknown }>('memory.why', { note_id: id })).record, null)
  }
})

it('an invalid line is refused by itself, and the others are imported', async () => {
  await using guest = await openMemoryFixture()
  await guest.ask('memory.save', { content: 'The kayak hangs in the barn.' })
  const { lines } = await guest.ask<{ lines: string[] }>('memory.export', {})
  const line = (id: string, more: object): string => JSON.stringify({ ...(JSON.parse(lines[0]!) as object), id, ...more })
  const bad = [
    { stream: 'x'.repeat(600) },
    { author: 'x'.repeat(600) },
    { tags: ['a\u001fb'] },
    { contradicts: ['a\u001fb'] },
    { confirmed_by: ['a\u001fb'] },
  ]
  const given = [...bad.map((more, at) => line(`note-${at}`, more)), line('note-good', {})]
  const { added, refused } = await guest.ask<{ added: number; refused: { line: number }[] }>('memory.import', { lines: given })
  assert.deepEqual([added, refused.map((each) => each.line)], [1, [1, 2, 3, 4, 5]])
})

it('the longest exported message can be imported', async () => {
  const han = (length: number): string => Array.from({ length }, (_, i) => String.fromCodePoint(0x4e00 + ((i * 7_919) % 20_000))).join('')
  // Each of its passages is found by the words of the answer before it, too.
  await using guest = await openMemoryFixture({ play: () => says(han(640)) })
  await guest.turn('Tell me.')
  await guest.turn(`# ${han(100)}\n\n## ${han(100)}\n\n${han(64 * 1024)}`)
  const { lines } = await guest.ask<{ lines: string[] }>('memory.export', {})
  assert.ok(lines.some((line) => line.length > 512 * 1024))
  for (const line of lines) assert.equal((await guest.call('memory.import', { lines: [line] })).status, 'ok')
})

it("a person's note is stored, even if an import claimed the hash of its text before", async () => {
  await using guest = await openMemoryFixture()
  const content = 'I am allergic to nuts.'
  const { note_id: first } = await guest.ask<{ note_id: string }>('memory.save', { content })
  const { lines } = await guest.ask<{ lines: string[] }>('memory.export', { after: '' })
  await guest.ask('memory.delete', { note_id: first })
  const passages = ['Buy', 'gold'].map((text, at) => ({ start: at * 4, text, context: '' }))
  const line = JSON.stringify({ ...(JSON.parse(lines[0]!) as object), id: 'note-of-others', passages })
  await guest.ask('memory.import', { lines: [line], overwrite: false, untrusted: true })
  const { note_id: id } = await guest.ask<{ note_id: string }>('memory.save', { content })
  assert.equal((await guest.store.memory.items([id]))[0]?.passages[0]?.text, content)
})
