/** Plans that start agents and send files: what stands for that, and that applying them does no more than they list. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { SessionId } from '../../base/index.ts'
import { asks, type FixtureOptions, says } from '../../kernel/kernel-fixture.ts'
import type { PlanView } from './plan-calls.ts'
import { sent, withPlans } from './plans-fixture.ts'

const rights = ['agent.spawn', 'agent.use', 'mail.send', 'media.send', 'file.write', 'file.read']

/** A planning model that names the agent which it has started, and agents that answer. */
function starting(last: readonly [string, unknown]): { play: NonNullable<FixtureOptions['play']>; asked: () => number } {
  let asked = 0
  return {
    asked: () => asked,
    play({ messages }) {
      asked += 1
      const said = JSON.stringify(messages)
      if (!said.includes('Have it read')) return says('It is fine.')
      const [, id] = /Planned: reader \(([0-9a-f-]{36})\)/.exec(said) ?? []
      if (id === undefined) return asks(['agent_spawn', { task: 'Read all of it.', name: 'reader', read_only: true }])
      if (!said.includes('agent_send')) return asks(['agent_send', { to: id, text: 'And the notes.' }])
      return said.includes(last[0]) ? says('done') : asks(last)
    },
  }
}

test('a plan that starts an agent goes on, and its steps name the real one once it is applied', async () => {
  const { play, asked } = starting(['mail_send', { to: 'list', text: 'It is read.' }])
  await withPlans(
    async ({ guest, ok }) => {
      const made = await ok<PlanView>('plan.make', { text: 'Have it read' })
      assert.deepEqual([made.ends, made.effects.map(({ call }) => call)], ['', ['agent.spawn', 'agent.send', 'mail.send']])
      assert.equal(made.difference, '')
      const agents = async () =>
        (await ok<{ agents: { id: string; state: string; reply: string }[] }>('agent.list', { ended: true })).agents
      assert.deepEqual([await agents(), sent], [[], []])
      const before = asked()
      const applied = await ok<PlanView>('plan.apply', { plan: made.id, digest: made.digest })
      assert.equal(applied.state, 'applied', JSON.stringify(applied.applied))
      const [reader] = await agents()
      const isReported = async (): Promise<boolean> =>
        /"report":"sent"/.test((await guest.store.document('system/agents', reader!.id))?.body ?? '')
      while (!(await isReported())) await setImmediate()
      const [read] = await agents()
      assert.deepEqual([read!.state, read!.reply, sent.length], ['done', 'It is fine.', 1])
      // Its answer begins no turn of the agent that has planned: only its own model was asked, for the task and perhaps again for the message.
      const records = await guest.store.records({ session: made.session as SessionId, order: 'oldest_first', limit: 200, hydrate: false })
      const own = records.filter(({ phase, name }) => phase === 'intent' && !/^(?:model|plan)\./.test(name)).map(({ name }) => name)
      assert.deepEqual(own, ['agent.spawn', 'agent.send', 'mail.send'])
      assert.ok(asked() - before <= 2, `${asked() - before} requests`)
    },
    { play, config: { agent: { rights } } },
  )
})

test('a plan ends where it would wait for what it has started', async () => {
  for (const last of ['agent_wait', 'agent_list'] as const)
    await withPlans(
      async ({ ok }) => {
        const made = await ok<PlanView>('plan.make', { text: 'Have it read' })
        assert.deepEqual(
          [made.state, made.ends, made.effects.map(({ call }) => call)],
          ['ready', 'What reader will answer cannot be known before the plan is applied.', ['agent.spawn', 'agent.send']],
        )
      },
      { play: starting([last, {}]).play, config: { agent: { rights } } },
    )
})

test('an agent that may not be started is no step of a plan', async () => {
  await withPlans(
    async ({ plan }) => {
      const made = await plan(
        ['agent_spawn', { task: 'Read.', rights: ['vault.read'] }],
        ['agent_send', { to: 'helper', text: 'Hello' }],
        ['agent_wait', {}],
      )
      assert.deepEqual([made.state, made.ends, made.effects], ['ready', '', []])
    },
    { config: { agent: { rights } } },
  )
})

test('a plan that sends a file goes on, and the file is sent as it is when the plan is applied', async () => {
  await withPlans(
    async ({ guest, ok, plan }) => {
      const made = await plan(
        ['file_write', { path: 'note.txt', text: 'It is done.' }],
        ['media_send', { path: 'note.txt', media_type: 'document' }],
        ['media_send', { path: 'none.txt', media_type: 'document' }],
        ['mail_send', { to: 'list' }],
      )
      assert.deepEqual([made.ends, made.effects.map(({ call }) => call)], ['', ['media.send', 'mail.send']])
      const applied = await ok<PlanView>('plan.apply', { plan: made.id, digest: made.digest })
      assert.equal(applied.state, 'applied', JSON.stringify(applied.applied))
      const records = await guest.store.records({ session: made.session as SessionId, order: 'oldest_first', limit: 200, hydrate: true })
      const done = records.find(({ name, phase }) => name === 'media.send' && phase === 'outcome')
      assert.match(String(done?.body), /note\.txt.*"pieces":\["[0-9a-f]+"\]/)
    },
    { config: { agent: { rights } } },
  )
})
