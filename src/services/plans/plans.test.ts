import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { errorMessage } from '../../base/index.ts'
import { asks, done, type FixtureOptions, says, testCall } from '../../kernel/kernel-fixture.ts'
import type { PlanView } from './plan-calls.ts'
import { address, put, sent, withPlans } from './plans-fixture.ts'

/** A model that names in its second message what the first one has made. */
function answering(): NonNullable<FixtureOptions['play']> {
  let step = 0
  return ({ messages }) => {
    step += 1
    if (step === 1) return asks(['mail_send', { to: 'a' }])
    const [, id] = /"id":"([0-9a-f-]{36})"/.exec(JSON.stringify(messages.at(-1)).replaceAll('\\', '')) ?? []
    return step === 2 ? asks(['mail_send', { to: 'b', about: id }]) : says('done')
  }
}

test('a plan does nothing, shows all of it, and is then applied exactly', async () => {
  await withPlans(async ({ guest, write, read, ok, call, plan }) => {
    write('a.txt', 'old\n')
    await ok('state.save', { category: 'projects', name: 'ox', data: { status: 'old' } })
    const made = await plan(
      ['file_write', { path: 'a.txt', text: 'new\n' }],
      ['shell_exec', { command: 'cat a.txt > b.txt' }],
      ['state_save', { category: 'projects', name: 'ox', data: { status: 'new' } }],
      ['state_load', { category: 'projects', name: 'ox' }],
      ['mail_send', { to: 'list', text: 'It is done' }],
    )
    assert.deepEqual(
      [made.state, made.ends, made.effects.map(({ call: name, asks: isAsked, outside }) => [name, isAsked, outside])],
      [
        'ready',
        '',
        [
          ['state.save', false, false],
          ['mail.send', true, true],
        ],
      ],
    )
    assert.deepEqual(
      made.files.map(({ path, change }) => `${change} ${path}`),
      ['changed /shared/a.txt', 'added /shared/b.txt'],
    )
    assert.match(made.difference, /-old\n\+new[^]*"status": "new"/)
    // Nothing has happened.
    assert.deepEqual([read('a.txt'), read('b.txt'), sent], ['old\n', null, []])
    const loaded = await ok<{ data: unknown }>('state.load', { category: 'projects', name: 'ox' })
    assert.deepEqual(loaded.data, { status: 'old' })
    assert.ok(!guest.events.some((event) => event.type === 'record' && event.record.name === 'mail.send'))
    const applied = await ok<PlanView>('plan.apply', { plan: made.id, digest: made.digest })
    assert.equal(applied.state, 'applied', JSON.stringify(applied.applied))
    assert.deepEqual([read('a.txt'), read('b.txt'), sent], ['new\n', 'new\n', [{ to: 'list', text: 'It is done' }]])
    assert.deepEqual((await ok<{ data: unknown }>('state.load', { category: 'projects', name: 'ox' })).data, { status: 'new' })
    // Again: nothing more.
    await call('plan.apply', { plan: made.id, digest: made.digest })
    assert.equal(sent.length, 1)
  })
})

test('a plan ends at a call for which nothing can stand, and says so', async () => {
  await withPlans(async ({ plan }) => {
    const made = await plan(['shop_order', { what: 'hay' }], ['mail_send', { to: 'list' }])
    assert.deepEqual(
      made.effects.map(({ call }) => call),
      ['shop.order'],
    )
    assert.match(made.ends, /shop\.order/)
    assert.deepEqual(sent, [])
  })
})

test('a program of others that sees folders changes nothing while a plan is made', async () => {
  let made = 0
  const tidy = testCall('test.tidy', async () => ((made += 1), done('tidied')), { files: 'workspace', folders: ['/shared'] })
  await withPlans(
    async ({ plan }) => {
      const { effects, ends } = await plan(['test_tidy', {}])
      assert.deepEqual([made, effects.map(({ call }) => call)], [0, ['test.tidy']])
      assert.match(ends, /test\.tidy gives back cannot be known/)
    },
    { calls: [tidy] },
  )
})

test('a program of others that may write to folders is not asked on a branch, even to read: it would change the workspace', async () => {
  let asked = 0
  let refusal = ''
  const folders = ['/shared']
  const goesOn = { program: 'server:notes', lives: () => true }
  const look = testCall(
    'test.look',
    async (_, { whileProgram }) => {
      const read = whileProgram({ folders, goesOn }, async () => (asked += 1))
      await read.catch((error: unknown) => (refusal = errorMessage(error)))
      return done('looked')
    },
    { files: 'workspace', folders, tier: 'read_only', effect: 'none' },
  )
  await withPlans(
    async ({ plan, ok }) => {
      const { effects, state } = await plan(['test_look', {}])
      assert.deepEqual([asked, effects, state], [0, [], 'ready'])
      assert.match(refusal, /^You work on the branch of files plan-.*server:notes writes to the workspace/)
      await ok('test.look', {})
      assert.equal(asked, 1, 'in the workspace')
    },
    { calls: [look] },
  )
})

test('a plan is stale once a file or a document that it was made on has changed', async () => {
  await withPlans(async ({ write, read, ok, plan, fails }) => {
    write('a.txt', 'old\n')
    write('other.txt', 'x\n')
    const files = await plan(['file_write', { path: 'a.txt', text: 'new\n' }])
    write('other.txt', 'y\n')
    await ok('plan.apply', { plan: files.id, digest: files.digest, dry_run: true })
    write('a.txt', 'mine\n')
    assert.match(await fails('plan.apply', { plan: files.id, digest: files.digest }), /^plan_stale: .*\/shared\/a\.txt/)
    assert.equal(read('a.txt'), 'mine\n')
    const state = await plan(['state_save', { category: 'projects', name: 'ox', data: 1 }])
    await ok('state.save', { category: 'projects', name: 'ox', data: 2 })
    assert.match(await fails('plan.apply', { plan: state.id, digest: state.digest }), /^plan_stale: .*state\/projects\/ox/)
    assert.match(await fails('plan.apply', { plan: state.id, digest: 'f'.repeat(64) }), /^plan_stale/)
  })
})

test('a step that fails stops the run, which goes on with it, and repeats nothing before it', async () => {
  await withPlans(async ({ ok, call, plan }) => {
    const made = await plan(['mail_send', { to: 'a' }], ['mail_send', { to: 'bounces' }], ['mail_send', { to: 'c' }])
    const first = await ok<PlanView>('plan.apply', { plan: made.id, digest: made.digest })
    assert.deepEqual([first.state, first.applied?.next, first.applied?.failure?.code], ['stopped', 2, 'tool_failed'])
    address.bounces = false
    await call('plan.apply', { plan: made.id, digest: made.digest })
    assert.equal((await ok<PlanView>('plan.show', { plan: made.id })).state, 'applied')
    assert.deepEqual(sent, [{ to: 'a' }, { to: 'bounces' }, { to: 'c' }])
  })
})

test('a later step that names what an earlier one has made gets the real one', async () => {
  await withPlans(
    async ({ guest, ok }) => {
      const made = await ok<PlanView>('plan.make', { text: 'Answer what you have sent' })
      assert.deepEqual(made.effects[1]!.input, { to: 'b', about: made.effects[0]!.made[0] })
      await ok('plan.apply', { plan: made.id, digest: made.digest })
      assert.deepEqual(sent.at(-1), { to: 'b', about: 'real-1' })
      assert.ok(guest.events.every((event) => event.type !== 'record' || event.record.session !== made.session))
    },
    { play: answering() },
  )
})

test('records that are no plans are left out, and a changed one is not applied', async () => {
  await withPlans(async ({ guest, ok, fails, plan }) => {
    const made = await plan(['mail_send', { to: 'a' }])
    const { applied: _, ...record } = made
    const forged = { ...record, effects: [{ ...record.effects[0]!, input: { to: 'thief' } }] }
    const chance = fc.sample(fc.jsonValue(), { numRuns: 300, seed: 7 })
    const values = [...chance, { ...record, effects: 'none' }, { ...record, state: 'done' }, { ...record, digest: 7 }]
    for (const [n, value] of values.entries()) await put(guest, `fuzz-${n}`, value)
    assert.deepEqual(
      (await ok<{ plans: { id: string }[] }>('plan.list', {})).plans.map(({ id }) => id),
      [made.id],
    )
    await put(guest, made.id, forged)
    assert.match(await fails('plan.apply', { plan: made.id, digest: made.digest }), /^plan_stale/)
    assert.deepEqual(sent, [])
  })
})

test('the files of a plan are applied all or none: where one cannot be written, the others are as they were', async () => {
  await withPlans(async ({ root, write, read, ok, call, plan }) => {
    write('a.txt', 'old\n')
    write('big/b.txt', 'old\n')
    const made = await plan(
      ['file_write', { path: 'a.txt', text: 'new\n' }],
      ['file_write', { path: 'big/b.txt', text: 'new\n' }],
      ['shell_exec', { command: 'rm -rf big && echo file > big' }],
    )
    assert.deepEqual(
      made.files.map(({ path }) => path),
      ['/shared/a.txt', '/shared/big', '/shared/big/b.txt'],
    )
    // Ignored by versions, so that the plan is not stale: the folder cannot make room for a file.
    write('big/node_modules/kept.txt', 'mine')
    const applied = await ok<PlanView>('plan.apply', { plan: made.id, digest: made.digest })
    assert.equal(applied.state, 'stopped', JSON.stringify(applied.applied))
    assert.match(applied.applied?.failure?.message ?? '', /\/shared\/big/)
    assert.deepEqual([read('a.txt'), read('big/b.txt')], ['old\n', 'old\n'])
    rmSync(join(root, 'shared/big/node_modules'), { recursive: true })
    const again = await call('plan.apply', { plan: made.id, digest: made.digest })
    assert.ok(again.status === 'ok' && again.ok, JSON.stringify(again))
    assert.deepEqual([read('a.txt'), read('big')], ['new\n', 'file\n'])
  })
})
