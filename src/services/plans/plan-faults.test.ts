import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Json, systemClock } from '../../base/index.ts'
import { openMemoryStore } from '../../store/index.ts'
import { createMemory, type MemoryHost } from '../../memory/index.ts'
import { memoryCalls } from '../../tools/index.ts'
import { configSchema } from '../index.ts'
import { user } from '../../kernel/kernel-fixture.ts'
import { applyBrokenPlans } from './broken-plans-fixture.ts'
import type { PlanView } from './plan-calls.ts'
import { sent, withPlans } from './plans-fixture.ts'

test('broken plans are refused with a reason, and nothing of them is done', async () => {
  assert.equal(await applyBrokenPlans(60), 60)
})

test('a plan sees the notes that it changes, which are there once it is applied, and go with its files when it is undone', async () => {
  const store = await openMemoryStore({ user })
  const memory = {
    make: (host: MemoryHost) =>
      createMemory({ store, host, config: configSchema.parse({ memory: { embedder: 'none' } }).memory, clock: systemClock }),
    calls: memoryCalls,
  }
  const rights = ['memory.read', 'memory.write', 'mail.send', 'file.write']
  await withPlans(
    async ({ ok, plan, guest, read }) => {
      const { note_id: old } = await ok<{ note_id: string }>('memory.save', { content: 'The ox is named Bo.' })
      const made = await plan(
        ['file_write', { path: 'cart.txt', text: 'red\n' }],
        ['memory_save', { content: 'The cart is red.' }],
        ['memory_update', { note_id: old, content: 'The ox is named Mo.' }],
        ['memory_search', { query: 'ox cart' }],
      )
      assert.deepEqual([made.state, made.ends], ['ready', ''], JSON.stringify(made.failure))
      assert.match(made.difference, /-The ox is named Bo\.\n\+The ox is named Mo\./)
      assert.match(made.difference, /\+The cart is red\./)
      const found = async (): Promise<string> => {
        const outcome = await guest.kernel.call('memory.search', { query: 'ox cart' })
        return 'text' in outcome ? outcome.text : ''
      }
      const before = await found()
      assert.match(before, /Bo/)
      assert.doesNotMatch(before, /Mo\.|red/)
      const applied = await ok<PlanView>('plan.apply', { plan: made.id, digest: made.digest })
      assert.equal(applied.state, 'applied', JSON.stringify(applied.applied))
      const after = await found()
      assert.match(after, /Mo\.[^]*red|red[^]*Mo\./)
      assert.doesNotMatch(after, /Bo/)
      assert.equal(read('cart.txt'), 'red\n')
      await ok('version.undo', { apply: true })
      assert.deepEqual([await found(), read('cart.txt')], [before, null])
      const notes = await plan(['memory_save', { content: 'The cart is blue.' }])
      await ok('plan.apply', { plan: notes.id, digest: notes.digest })
      await ok('version.undo', { apply: true })
      assert.equal(await found(), before, 'a plan of notes alone')
    },
    { store, memory, config: { agent: { rights } } },
  )
})

test('a plan that schedules shows the schedule, and makes it when it is applied', async () => {
  const rights = ['schedule.read', 'schedule.write', 'mail.send']
  const schedule = { name: 'Report', goal: 'Report what is new.', cadence: { type: 'interval', every_s: 3_600 } }
  await withPlans(
    async ({ ok, plan }) => {
      const made = await plan(['schedule_create', schedule], ['mail_send', { to: 'list' }])
      assert.deepEqual([made.ends, made.effects.map(({ call }) => call)], ['', ['schedule.create', 'mail.send']])
      const all = async (): Promise<readonly Json[]> => (await ok<{ schedules: Json[] }>('schedule.search', {})).schedules
      assert.deepEqual(await all(), [])
      const applied = await ok<PlanView>('plan.apply', { plan: made.id, digest: made.digest })
      assert.equal(applied.state, 'applied', JSON.stringify(applied.applied))
      assert.equal((await all()).length, 1)
      assert.equal(sent.length, 1)
    },
    { config: { agent: { rights } } },
  )
})

test('a plan that several terminals apply at once is applied once', async () => {
  await withPlans(async ({ call, plan, write, read }) => {
    write('a.txt', 'old\n')
    const made = await plan(['file_write', { path: 'a.txt', text: 'new\n' }], ['mail_send', { to: 'a' }], ['mail_send', { to: 'b' }])
    const asked = { plan: made.id, digest: made.digest }
    const all = await Promise.all(Array.from({ length: 5 }, () => call('plan.apply', asked)))
    const said = all.map(({ text }) => text.replace(made.id, 'It'))
    assert.deepEqual(said.toSorted(), [
      'Applied It: 1 file, 2 effects.',
      ...Array.from({ length: 4 }, () => 'It is applied already, and nothing was done twice.'),
    ])
    assert.deepEqual([read('a.txt'), sent], ['new\n', [{ to: 'a' }, { to: 'b' }]])
  })
})

test('a dropped plan is not applied, and its branch is gone', async () => {
  await withPlans(async ({ ok, plan, write, read, fails }) => {
    write('a.txt', 'old\n')
    const made = await plan(['file_write', { path: 'a.txt', text: 'new\n' }])
    await ok('plan.drop', { plan: made.id })
    assert.match(await fails('plan.apply', { plan: made.id, digest: made.digest }), /^bad_input: The plan .* is dropped/)
    assert.deepEqual((await ok<{ branches: unknown[] }>('branch.list', {})).branches, [])
    assert.equal(read('a.txt'), 'old\n')
  })
})
