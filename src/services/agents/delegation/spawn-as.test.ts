/** Agents and runs of schedules as a persona: never with more than it has, within its budget, and whoever waits for them hears of their end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json, JsonObject } from '../../../base/index.ts'
import type { GenerateRequest } from '../../../protocol/index.ts'
import type { DefinitionText, HostPort } from '../../../config/index.ts'
import { asks, done, type Fixture, type FixtureOptions, openFixture, says, testCall } from '../../../kernel/kernel-fixture.ts'
import type { AgentView } from '../agent-view.ts'

type Play = NonNullable<FixtureOptions['play']>

const tomls: Readonly<Record<string, string>> = {
  dev: 'rights = ["file.read", "file.write"]',
  poor: 'rights = ["file.read"]\nbudget = { tokens = 20 }',
}
const host = {
  definitions: async () =>
    Object.entries(tomls).map(([name, toml]): DefinitionText => ({
      kind: 'agents',
      name,
      toml: `description = "${name}"\n${toml}`,
      text: '',
      problem: '',
    })),
} as unknown as HostPort
const calls = [
  testCall('test.read', async () => done('read'), { right: 'file.read', tier: 'read_only', effect: 'none' }),
  testCall('test.write', async () => done('written'), { right: 'file.write' }),
  testCall('test.run', async () => done('ran'), { right: 'shell.run' }),
]
const nameOf = ({ system }: GenerateRequest): string => /You are ([\w-]+)/.exec(system)![1]!
const toolsOf = ({ tools }: GenerateRequest): readonly string[] => tools.map(({ name }) => name).filter((name) => name.startsWith('test_'))

async function ok<Output = JsonObject>(guest: Fixture, name: string, input: Json): Promise<Output> {
  const outcome = await guest.kernel.call(name, input)
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as unknown as { output: Output }).output
}

const waitFor = (guest: Fixture, id: string) =>
  ok<{ agents: readonly AgentView[]; timed_out: boolean }>(guest, 'agent.wait', { agents: [id], timeout_s: 60 })

test('more rights than a persona has are refused with those that it has, fewer are given', async () => {
  const offered: (readonly string[])[] = []
  const play: Play = (request) => {
    offered.push(toolsOf(request))
    return says(`${nameOf(request)} is done`)
  }
  await using guest = await openFixture({ play, host, calls })
  const refused = await guest.kernel.call('agent.spawn', { task: 'x', as: 'dev', rights: ['file.read', 'shell.run'] })
  assert.equal(refused.status === 'ok' ? 'ok' : refused.failure.code, 'denied')
  assert.match(refused.text, /The agent dev does not have shell\.run\. It has: file\.read, file\.write, /)
  assert.equal(offered.length, 0)
  const { id } = await ok<AgentView>(guest, 'agent.spawn', { task: 'x', as: 'dev', rights: ['file.read'] })
  const waited = await waitFor(guest, id)
  assert.deepEqual([waited.timed_out, waited.agents[0]!.reply], [false, 'dev is done'])
  assert.deepEqual(offered, [['test_read']])
})

test('a wait for agents with a definition ends with them, whether they end before it, during it or fail, many times over', async () => {
  const gates: PromiseWithResolvers<void>[] = []
  const block = testCall(
    'test.block',
    async (_, { signal }) => {
      const gate = Promise.withResolvers<void>()
      signal.addEventListener('abort', () => gate.reject(signal.reason))
      gates.push(gate)
      await gate.promise
      return done('went on')
    },
    { right: 'file.read' },
  )
  const play: Play = ({ messages }) => {
    const asked = JSON.stringify(messages[0])
    if (asked.includes('fail')) throw new Error('no model')
    return asked.includes('block') && messages.length === 1 ? asks(['test_block']) : says('done')
  }
  await using guest = await openFixture({ play, host, calls: [...calls, block] })
  const start = (task: string) => ok<AgentView>(guest, 'agent.spawn', { task, as: 'dev' })
  for (let round = 0; round < 10; round++) {
    const first = await start('early')
    const waits = [waitFor(guest, first.id), waitFor(guest, first.id)]
    assert.ok((await Promise.all(waits)).every(({ timed_out: late }) => !late))
    assert.equal((await waitFor(guest, first.id)).agents[0]!.reply, 'done', 'it had ended before')
    const blocked = await start('block')
    const during = waitFor(guest, blocked.id)
    for (let left = 1_000; left > 0 && gates.length === 0; left--) await new Promise((resolve) => setTimeout(resolve, 5))
    gates.shift()!.resolve()
    assert.equal((await during).agents[0]!.reply, 'done')
    const killed = await start('block')
    const meanwhile = waitFor(guest, killed.id)
    await ok(guest, 'agent.kill', { agent: killed.id })
    assert.equal((await meanwhile).agents[0]!.state, 'killed')
    gates.length = 0
  }
  const lost = await start('fail')
  assert.equal((await waitFor(guest, lost.id)).agents[0]!.state, 'failed')
})

interface Run {
  readonly status: string
  readonly summary: string
}

async function ranOnce(guest: Fixture, id: string): Promise<Run> {
  await ok(guest, 'schedule.trigger', { id })
  for (let left = 3_000; left > 0; left--) {
    const [run] = (await ok<{ runs: readonly Run[] }>(guest, 'schedule.runs', { id, limit: 1 })).runs
    if (run !== undefined && run.status !== 'waiting' && run.status !== 'running') return run
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`it does not end: ${JSON.stringify(await ok(guest, 'schedule.runs', { id, limit: 5 }))}`)
}

test('a schedule as a persona runs with its name and rights, each time it is triggered, and within its budget', async () => {
  const heard: (readonly [string, readonly string[]])[] = []
  const play: Play = (request) => {
    heard.push([nameOf(request), toolsOf(request)])
    return says('done')
  }
  await using guest = await openFixture({ play, host, calls })
  const cadence = { type: 'interval', every_s: 3_600 }
  const { id } = await ok<{ id: string }>(guest, 'schedule.create', { name: 'daily', goal: 'Look.', cadence, as: 'dev', context: 'keep' })
  for (let round = 0; round < 5; round++) assert.equal((await ranOnce(guest, id)).status, 'success')
  assert.deepEqual(
    heard,
    Array.from({ length: 5 }, () => ['dev', ['test_read', 'test_write']]),
  )
  const poor = await ok<{ id: string }>(guest, 'schedule.create', { name: 'poor', goal: 'Look.', cadence, as: 'poor' })
  const run = await ranOnce(guest, poor.id)
  assert.equal(run.status, 'failed', JSON.stringify(run))
  assert.match(run.summary, /budget/i)
  assert.equal(heard.length, 5, 'no model was asked beyond the budget of its definition')
})
