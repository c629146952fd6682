import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { user } from '../../src/kernel/kernel-fixture.ts'
import { openMemoryStore, type Store } from '../../src/store/index.ts'
import { openMemoryFixture } from './memory-fixture.ts'

it('a session that is deleted while it is being indexed leaves nothing in memory', async () => {
  const kept = await openMemoryStore({ user })
  const [reached, open] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const change: Store['memory']['change'] = async (changes) => {
    // The indexer has read what was said, and has not kept it yet.
    if (changes.some((each) => each.change === 'put' && each.item.entry.kind === 'message')) {
      reached.resolve()
      await open.promise
    }
    await kept.memory.change(changes)
  }
  const memory = Object.assign(Object.create(kept.memory) as Store['memory'], { change })
  await using guest = await openMemoryFixture({ store: Object.assign(Object.create(kept) as Store, { memory }) })
  const saying = guest.say('The safe opens with quetzal.')
  await reached.promise
  await saying
  const [row] = await kept.sessions(1)
  assert.ok(row !== undefined)
  const deleting = guest.ask('session.delete', { session: row.id })
  for (let erased = false; !erased; await yieldToEventLoop()) {
    const records = await kept.records({ session: row.id, order: 'oldest_first', limit: 100, hydrate: true })
    erased = !records.some(({ body }) => body.includes('quetzal'))
  }
  open.resolve()
  await deleting
  await guest.memory.caughtUp()
  assert.deepEqual(await kept.memory.list({ sessions: [row.id] }, 10), [])
})
