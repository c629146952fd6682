import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Fixture, openFixture, says } from '../../kernel/kernel-fixture.ts'
import { openMemoryStore, type Store } from '../../store/index.ts'

const most = 16
const config = { a2a: { agents: { helper: { description: 'Helps.', rights: [] } } } }

test('of tasks that come at once as many are taken as may be open, also after a restart, and others when they have ended', async () => {
  const opened = await openMemoryStore({ user: 'ada' as never })
  const store: Store = Object.assign(Object.create(opened) as Store, { close: async () => {} })
  const released = Promise.withResolvers<void>()
  const open = (play: () => Promise<void>): Promise<Fixture> =>
    openFixture({
      store,
      config,
      async *play() {
        await play()
        yield* says('done')
      },
    })
  const send = async ({ kernel }: Fixture, message: string): Promise<string> => {
    const outcome = await kernel.call('task.send', { agent: 'helper', message, text: 'Help.' })
    return outcome.status === 'ok' ? 'ok' : outcome.failure.code
  }
  {
    await using first = await open(() => new Promise(() => {}))
    const sent = await Promise.all(Array.from({ length: most + 4 }, async (_, i) => send(first, `message ${i}`)))
    assert.equal(sent.filter((end) => end === 'ok').length, most)
    assert.equal(sent.filter((end) => end === 'limit_reached').length, 4)
  }
  await using second = await open(() => released.promise)
  assert.equal(await send(second, 'one more'), 'limit_reached', 'those from before the restart go on')
  released.resolve()
  while ((await store.documents({ category: 'system/open_tasks', after: '', limit: 1 })).length > 0)
    await new Promise((resolve) => setImmediate(resolve))
  assert.equal(await send(second, 'one more'), 'ok')
})
