import assert from 'node:assert/strict'
import { it } from 'node:test'
import { openMemoryFixture } from './memory-fixture.ts'

it('an export of yesterday is taken in again without conflict by memories that were only recalled and have faded since', async () => {
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

it('what a person notes is kept, whatever an import of others said before of the hash of its own words', async () => {
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
