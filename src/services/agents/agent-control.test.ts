import assert from 'node:assert/strict'
import { setImmediate as soon } from 'node:timers/promises'
import { test } from 'node:test'
import { openMemoryStore } from '../../store/index.ts'
import type { Json, JsonObject } from '../../base/index.ts'
import { type CallOutcome, type GenerateRequest, textOf } from '../../protocol/index.ts'
import { asks, done, type Fixture, type FixtureOptions, openFixture, says, testCall } from '../../kernel/kernel-fixture.ts'
import type { AgentView } from './agent-view.ts'

type Play = NonNullable<FixtureOptions['play']>

const nameIn = ({ system }: GenerateRequest): string => /You are (\w+)/.exec(system)![1]!
const resultsOf = ({ messages }: GenerateRequest): readonly string[] =>
  messages.flatMap((message) => (message.role === 'tool' ? [message.parts[0].text] : []))

async function ok<Output = JsonObject>(guest: Fixture, name: string, input: Json): Promise<Output> {
  const outcome = (await guest.kernel.call(name, input)) as CallOutcome<Output>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Output> & { status: 'ok' }).output
}

const listed = async (guest: Fixture): Promise<readonly AgentView[]> =>
  (await ok<{ agents: readonly AgentView[] }>(guest, 'agent.list', { ended: true })).agents

async function until(fits: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await fits())) await soon()
}

/** A tool whose first call in each agent waits until it is opened. */
function gate() {
  const opened = Promise.withResolvers<void>()
  let entered = 0
  const call = testCall('test.step', async (_, { signal }) => {
    entered += 1
    await Promise.race([opened.promise, new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))])
    return done('stepped')
  })
  return { call, open: () => opened.resolve(), entered: () => entered }
}

test('a paused agent and those below it stop before their next step, survive a restart, and go on with what they were told meanwhile', async () => {
  const store = await openMemoryStore({ user: 'ada' as never })
  const { call, open, entered } = gate()
  const generated: string[] = []
  const play: Play = (request) => {
    const name = nameIn(request)
    generated.push(name)
    const results = resultsOf(request)
    if (name === 'boss' && results.length === 0) return asks(['agent_spawn', { task: 'work', name: 'hand' }], ['test_step'])
    if (name === 'hand' && results.length === 0) return asks(['test_step'])
    return says(`${name}: ${textOf(request.messages.findLast(({ role }) => role === 'user')!)}`)
  }
  const options: FixtureOptions = { store, play, calls: [call], config: { approval: { privileged: 'allow' } } }
  let id = ''
  let session: Fixture['session']
  {
    await using guest = await openFixture({ ...options, store: Object.assign(Object.create(store), { close: async () => {} }) })
    session = guest.session
    id = (await ok<AgentView>(guest, 'agent.spawn', { task: 'lead', name: 'boss', orphans: 'finish' })).id
    await until(() => entered() === 2)
    const paused = await ok<{ agents: readonly string[] }>(guest, 'agent.pause', { agent: id })
    assert.equal(paused.agents.length, 2)
    const before = generated.length
    open()
    await until(async () => (await listed(guest)).every(({ current_call: now, state }) => now === null && state === 'paused'))
    await ok(guest, 'agent.send', { to: id, text: 'be quick' })
    for (let i = 0; i < 50; i++) await soon()
    assert.equal(generated.length, before, 'no model was asked')
  }
  await using guest = await openFixture({ ...options, session })
  for (let i = 0; i < 50; i++) await soon()
  assert.deepEqual(
    (await listed(guest)).map(({ state }) => state),
    ['paused', 'paused'],
  )
  const resumed = await ok<{ agents: readonly string[] }>(guest, 'agent.resume', { agent: id })
  assert.equal(resumed.agents.length, 2)
  const { agents } = await ok<{ agents: readonly AgentView[] }>(guest, 'agent.wait', { agents: [id], timeout_s: 20 })
  assert.equal(agents[0]!.state, 'done', JSON.stringify(agents))
  assert.match(agents[0]!.reply, /be quick|hand/)
  assert.equal((await ok<{ agents: readonly string[] }>(guest, 'agent.resume', { agent: id })).agents.length, 0)
})

test('a paused agent can be killed', async () => {
  const { call, open, entered } = gate()
  const play: Play = (request) => (resultsOf(request).length === 0 ? asks(['test_step']) : says('never'))
  await using guest = await openFixture({ play, calls: [call] })
  const { id } = await ok<AgentView>(guest, 'agent.spawn', { task: 'work', name: 'hand' })
  await until(() => entered() === 1)
  await ok(guest, 'agent.pause', { agent: id })
  open()
  await until(async () => (await listed(guest))[0]!.current_call === null)
  await ok(guest, 'agent.kill', { agent: id })
  assert.deepEqual(
    (await listed(guest)).map(({ state, reply }) => [state, reply]),
    [['killed', '']],
  )
})

test('a raised budget is taken from the budget above, keeps what was spent, and lets the agent go on', async () => {
  const { call, open, entered } = gate()
  const play: Play = (request) => {
    const results = resultsOf(request)
    if (nameIn(request) === 'ox')
      return results.length === 0 ? asks(['agent_spawn', { task: 'work', name: 'hand', budget: { calls: 2 } }]) : says('started')
    return results.length < 3 ? asks(['test_step']) : says('all steps')
  }
  await using guest = await openFixture({ play, calls: [call], config: { approval: { privileged: 'allow' } } })
  await ok(guest, 'budget.set', { scope: `session:${guest.session}`, window: 'total', calls: 20 })
  await guest.turn('start it')
  await until(() => entered() === 1)
  const [agent] = await listed(guest)
  assert.deepEqual([agent!.left!.calls, agent!.left!.tokens], [0, null])
  const tooMuch = await guest.kernel.call('agent.raise', { agent: agent!.id, calls: 50 })
  assert.equal('failure' in tooMuch && tooMuch.failure.code, 'budget_exhausted')
  const raised = await ok<{ budget: JsonObject }>(guest, 'agent.raise', { agent: agent!.id, calls: 6 })
  assert.deepEqual(raised.budget, { calls: 8 })
  assert.equal((await listed(guest))[0]!.left!.calls, 6)
  open()
  const { agents } = await ok<{ agents: readonly AgentView[] }>(guest, 'agent.wait', { agents: [agent!.id], timeout_s: 20 })
  assert.deepEqual(
    agents.map(({ state, reply }) => [state, reply]),
    [['done', 'all steps']],
  )
  const over = await guest.kernel.call('agent.raise', { agent: agent!.id, calls: 1 })
  assert.equal('failure' in over && over.failure.code, 'not_found')
})

for (const [rule, state] of [
  ['kill', 'killed'],
  ['adopt', 'done'],
  ['finish', 'done'],
] as const)
  test(`at the end of its parent a child is left as the rule ${rule} says`, async () => {
    const { call, open, entered } = gate()
    const play: Play = (request) => {
      const results = resultsOf(request)
      if (nameIn(request) === 'boss')
        return results.length === 0 ? asks(['agent_spawn', { task: 'work', name: 'hand' }]) : asks(['test_step'])
      return results.length === 0 ? asks(['test_step']) : says('answer')
    }
    await using guest = await openFixture({ play, calls: [call], config: { approval: { privileged: 'allow' } } })
    const { id } = await ok<AgentView>(guest, 'agent.spawn', { task: 'lead', name: 'boss', orphans: rule })
    await until(() => entered() === 2)
    await ok(guest, 'agent.kill', { agent: id })
    open()
    const hand = async (): Promise<AgentView> => (await listed(guest)).find(({ name }) => name === 'hand')!
    await until(async () => (await hand()).ended_at !== null)
    const ended = await hand()
    assert.equal(ended.state, state)
    assert.equal(ended.parent, rule === 'adopt' ? '' : id, 'who adopts is its parent')
  })

test('a call of an agent that waits for approval is shown in the session at the top of its tree, until it is decided', async () => {
  const play: Play = (request) => {
    const name = nameIn(request)
    const results = resultsOf(request)
    const next = { ox: 'boss', boss: 'hand' }[name]
    if (next !== undefined)
      return results.length === 0 ? asks(['agent_spawn', { task: 'go on', name: next }], ['agent_wait', {}]) : says('ok')
    return results.length === 0 ? asks(['test_risky', { what: 'x' }]) : says('did it')
  }
  const risky = testCall('test.risky', async () => done('risked'), { tier: 'privileged' })
  const config = { approval: { calls: { 'agent.spawn': 'allow' } }, agent: { rights: ['agent.spawn', 'agent.use', risky.right] } }
  await using guest = await openFixture({ play, calls: [risky], config })
  const turn = guest.turn('start')
  const asked = await guest.event('approval', ({ waits }) => waits)
  assert.deepEqual([asked.session, asked.approval.agent, asked.approval.name], [guest.session, 'hand', 'test.risky'])
  assert.match(asked.approval.reason!, /^Agent hand: /)
  const late: unknown[] = []
  const stop = await guest.kernel.follow(guest.session, 0, (event) => {
    if (event.type === 'snapshot') late.push(...event.pending)
  })
  assert.deepEqual(
    late.map((pending) => (pending as { agent: string }).agent),
    ['hand'],
  )
  stop()
  await guest.kernel.approve(asked.approval.call, true)
  await guest.event('approval', ({ waits }) => !waits)
  assert.equal((await turn)['reply'], 'ok')
})
