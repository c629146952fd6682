import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Fixture, openFixture, says } from '../../kernel/kernel-fixture.ts'
import { openMemoryStore, type Store } from '../../store/index.ts'
import { type CallId, type JsonObject, systemClock } from '../../base/index.ts'
import { type GenerateRequest, textOf } from '../../protocol/index.ts'

const most = 16
const agents = { helper: { description: 'Helps.', rights: [] } }
const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A store that outlives the guests on it, and what they played: the text of each task, and what lets all of them end. */
async function makeRig(config: JsonObject = {}) {
  const opened = await openMemoryStore({ user: 'ada' as never })
  const store: Store = Object.assign(Object.create(opened) as Store, { close: async () => {} })
  const begun: string[] = []
  let gate = Promise.withResolvers<void>()
  let last = 0
  /** No two tasks come at once. */
  const clock = { now: () => (last = Math.max(last + 1, Date.now())), monotonicMs: systemClock.monotonicMs }
  const play = async function* ({ messages }: GenerateRequest, signal: AbortSignal) {
    begun.push(textOf(messages.findLast(({ role }) => role === 'user')!))
    const gone = new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    await Promise.race([gate.promise, gone])
    yield* says('done')
  }
  return {
    store,
    begun,
    /** The text that a task was sent with. */
    texts: () => begun.map((text) => /Help \d+\./.exec(text)?.[0] ?? text),
    open: (): Promise<Fixture> => openFixture({ store, play, clock, config: { ...config, a2a: { agents, max_running: 3 } } }),
    /** Lets end what runs, and what begins later too. */
    release: () => gate.resolve(),
    /** Those that begin from now on do not end. */
    hold: () => (gate = Promise.withResolvers()),
    async until(fits: () => boolean | Promise<boolean>): Promise<void> {
      while (!(await fits())) await soon()
    },
    isEmpty: async () => (await store.documents({ category: 'system/open_tasks', after: '', limit: 1 })).length === 0,
    async endOf(task: string): Promise<string> {
      const asked = { call: task as CallId, phases: ['outcome', 'refused'], order: 'newest_first', limit: 1, hydrate: true } as const
      const [end] = await store.records(asked)
      return end === undefined ? '' : (JSON.parse(end.body) as { status: string }).status
    },
  }
}

async function send({ kernel }: Pick<Fixture, 'kernel'>, message: string, more: JsonObject = {}): Promise<string> {
  const outcome = await kernel.call('task.send', { agent: 'helper', message, text: 'Help.', ...more })
  return outcome.status === 'ok' ? (outcome.output as { task: string }).task : outcome.failure.code
}

test('of tasks that come at once as many are taken as may be open, also after a restart, and others when they have ended', async () => {
  const rig = await makeRig()
  {
    await using first = await rig.open()
    const sent = await Promise.all(Array.from({ length: most + 4 }, async (_, i) => send(first, `message ${i}`)))
    assert.equal(sent.filter((end) => end === 'limit_reached').length, 4)
    assert.equal(new Set(sent).size, most + 1)
  }
  await using second = await rig.open()
  assert.equal(await send(second, 'one more'), 'limit_reached', 'those from before the restart go on')
  rig.release()
  await rig.until(rig.isEmpty)
  assert.notEqual(await send(second, 'one more'), 'limit_reached')
})

async function queuedIn({ kernel }: Fixture): Promise<readonly string[]> {
  const now = await kernel.call('system.now', {})
  assert.ok(now.status === 'ok')
  return (now.output as { admission: { queued: readonly string[] } }).admission.queued
}

test('as many tasks run at once as may; the others begin in the order in which they came, in the next guest too', async () => {
  const rig = await makeRig()
  const tasks: string[] = []
  {
    await using first = await rig.open()
    for (let i = 0; i < 6; i++) tasks.push(await send(first, `message ${i}`, { text: `Help ${i}.` }))
    await rig.until(() => rig.begun.length === 3)
    for (let i = 0; i < 20; i++) await soon()
    assert.deepEqual(rig.texts(), ['Help 0.', 'Help 1.', 'Help 2.'])
    assert.deepEqual(await queuedIn(first), tasks.slice(3))
  }
  rig.begun.length = 0
  await using second = await rig.open()
  await rig.until(() => rig.begun.length === 3)
  assert.deepEqual(rig.texts().toSorted(), ['Help 0.', 'Help 1.', 'Help 2.'], 'those that had begun go on')
  assert.deepEqual(await queuedIn(second), tasks.slice(3))
  rig.release()
  await rig.until(rig.isEmpty)
  assert.deepEqual(rig.texts().slice(3).toSorted(), ['Help 3.', 'Help 4.', 'Help 5.'])
  for (const task of tasks) assert.equal(await rig.endOf(task), 'ok')
})

test('a task that waits has its files, and is one turn however often it is sent', async () => {
  const rig = await makeRig()
  const attachments = [{ name: 'notes.txt', media_type: 'text/plain', data: Buffer.from('the notes').toString('base64') }]
  let task = ''
  {
    await using first = await rig.open()
    for (let i = 0; i < 3; i++) await send(first, `before ${i}`)
    task = await send(first, 'with files', { attachments })
    assert.equal(await send(first, 'with files', { attachments }), task)
    await rig.until(() => rig.begun.length === 3)
  }
  rig.release()
  await using second = await rig.open()
  assert.equal(await send(second, 'with files', { attachments }), task)
  await rig.until(rig.isEmpty)
  assert.equal(rig.begun.filter((text) => text.includes('notes.txt')).length, 1)
})

for (const where of ['in the guest that cancels it', 'in the next guest'])
  test(`a task that is cancelled while it waits ends as cancelled and asks no model, ${where}`, async () => {
    const rig = await makeRig()
    let task = ''
    {
      await using first = await rig.open()
      for (let i = 0; i < 3; i++) await send(first, `before ${i}`, { text: `Help ${i}.` })
      task = await send(first, 'waiting', { text: 'Help 9.' })
      await rig.until(() => rig.begun.length === 3)
      const cancel = first.kernel.call('task.cancel', { task })
      if (where === 'in the next guest') await rig.until(() => first.events !== undefined && wasCancelled(rig.store, task))
      else {
        const outcome = await cancel
        assert.ok(outcome.status === 'ok')
        assert.deepEqual(outcome.output, { cancelled: true })
        await rig.until(async () => (await rig.endOf(task)) !== '')
      }
    }
    await using _ = await rig.open()
    rig.release()
    await rig.until(rig.isEmpty)
    assert.equal(await rig.endOf(task), 'cancelled')
    assert.ok(!rig.texts().includes('Help 9.'))
  })

async function wasCancelled(store: Store, task: string): Promise<boolean> {
  const row = await store.document('system/open_tasks', task)
  return row === null || (JSON.parse(row.body) as { cancelled?: true }).cancelled === true
}

for (const restarts of [false, true])
  test(`a task whose key is revoked while it waits does not run${restarts ? ', in the next guest either' : ''}`, async () => {
    const rig = await makeRig()
    let task = ''
    {
      await using first = await rig.open()
      const made = await first.kernel.call('key.create', { name: 'partner', rights: ['task.send'] })
      assert.ok(made.status === 'ok')
      const asKey = { kernel: await first.kernel.withKey((made.output as { key: string }).key) }
      for (let i = 0; i < 3; i++) await send(first, `before ${i}`, { text: `Help ${i}.` })
      task = await send(asKey, 'waiting', { text: 'Help 9.' })
      await rig.until(() => rig.begun.length === 3)
      assert.equal((await first.kernel.call('key.revoke', { key: 'partner' })).status, 'ok')
      if (!restarts) {
        rig.release()
        await rig.until(rig.isEmpty)
      }
    }
    rig.release()
    await using _ = await rig.open()
    await rig.until(rig.isEmpty)
    assert.equal(await rig.endOf(task), 'cancelled')
    assert.ok(!rig.texts().includes('Help 9.'))
  })

test('tasks that wait for places keep out no turn of a person', async () => {
  const rig = await makeRig({ turn: { max_running: 1 } })
  await using guest = await rig.open()
  for (let i = 0; i < 6; i++) await send(guest, `message ${i}`, { text: `Help ${i}.` })
  await rig.until(() => rig.begun.length === 3)
  const said = guest.turn('Hello.')
  await rig.until(() => rig.begun.length === 4)
  rig.release()
  assert.equal((await said)['status'], 'ok')
  await rig.until(rig.isEmpty)
})
