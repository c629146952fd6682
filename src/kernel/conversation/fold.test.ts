import assert from 'node:assert/strict'
import { it } from 'node:test'
import { openMemoryStore, type Store } from '../../store/index.ts'
import type { GenerateRequest } from '../../types/index.ts'
import { asks, openFixture, says, user } from '../kernel-fixture.ts'

const named = ['turn.send', 'memory.recall', 'model.generate', 'session.history', '__proto__'] as const

/** A guest that was talked into asking for calls of the runtime by their names. */
async function play(store: Store, seen: GenerateRequest[], session?: Awaited<ReturnType<typeof openFixture>>['session']) {
  const steps = session === undefined ? [asks(...named.map((name) => [name] as const)), says('well')] : [says('on')]
  await using fixture = await openFixture({
    store: { ...store, close: async () => {} },
    ...(session !== undefined && { session }),
    play: (request) => {
      seen.push(request)
      return steps.shift() ?? says('on')
    },
  })
  await fixture.turn('go')
  if (session === undefined) await fixture.turn('and on')
  return fixture.session
}

it('a tool call that has the name of a call of the runtime keeps its result, warm and read back', async () => {
  const store = await openMemoryStore({ user })
  const seen: GenerateRequest[] = []
  const session = await play(store, seen)
  await play(store, seen, session)
  for (const { messages } of seen.slice(1)) {
    const results = messages.flatMap((message) => (message.role === 'tool' ? [message.parts[0].name] : []))
    assert.deepEqual(results, named)
  }
  await store.close()
})
