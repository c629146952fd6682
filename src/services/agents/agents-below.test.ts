/** What agents below an agent count for it: what they have spent, and whether they have begun. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../base/index.ts'
import { type CallOutcome, type GenerateRequest, textOf } from '../../protocol/index.ts'
import type { DefinitionText, HostPort } from '../../config/index.ts'
import { asks, type Fixture, openFixture, says, testCall } from '../../kernel/kernel-fixture.ts'
import { openMemoryStore } from '../../store/index.ts'
import { agentVerbs } from './agent-verbs.ts'
import type { AgentView } from './agent-view.ts'
import type { Delegated } from './delegation/delegated-end.ts'

const worker: DefinitionText = {
  kind: 'agents',
  name: 'worker',
  toml: 'description = "Works"\nrights = ["agent.spawn", "agent.use", "file.write"]',
  text: 'Work.',
  problem: '',
}
const host = { definitions: async () => [worker] } as unknown as HostPort

async function ok<Output>(guest: Fixture, name: string, input: JsonObject): Promise<Output> {
  const outcome = (await guest.kernel.call(name, input, guest.session)) as CallOutcome<Output>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Output> & { status: 'ok' }).output
}

const isBegun = ({ messages }: GenerateRequest): boolean => messages.at(-1)!.role === 'tool'
const said = ({ messages }: GenerateRequest): string => textOf(messages.find(({ role }) => role === 'user')!)

test('what the agents below an agent have spent is counted for it once, also after a restart', async () => {
  const store = await openMemoryStore({ user: 'ada' as never })
  const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
  const play = (request: GenerateRequest): ReturnType<typeof says> =>
    said(request).startsWith('Delegate') && !isBegun(request) ? asks(['agent_delegate', { agent: 'worker', goal: 'Work.' }]) : says('ok')
  const spent = async (guest: Fixture): Promise<readonly number[]> => {
    const { agents } = await ok<{ agents: readonly AgentView[] }>(guest, 'agent.list', { ended: true })
    return agents.map((agent) => agent.spent.tokens)
  }
  {
    await using guest = await openFixture({ store: keepOpen, host, play })
    const { spent: all } = await ok<Delegated>(guest, 'agent.delegate', { agent: 'worker', goal: 'Delegate it.' })
    // Three answers of 120 tokens, one of them by the agent below.
    assert.equal(all.tokens, 360)
    assert.deepEqual(await spent(guest), [360, 120])
  }
  await using again = await openFixture({ store, host, play })
  assert.deepEqual(await spent(again), [360, 120])
})

test('a delegation that nobody waits for says that it is queued while there is no place', async () => {
  const block = testCall(
    'test.block',
    (_, { signal }) => new Promise((_go, stop) => signal.addEventListener('abort', () => stop(signal.reason))),
    {
      timeoutMs: Infinity,
    },
  )
  const play = (): ReturnType<typeof says> => asks(['test_block'])
  await using guest = await openFixture({ host, play, calls: [block], config: { agents: { max_running: 1 } } })
  const delegate = () => ok<Delegated>(guest, 'agent.delegate', { agent: 'worker', goal: 'Work.', wait: false })
  await delegate()
  for (let state = ''; state !== 'running'; await new Promise(setImmediate))
    state = (await ok<{ agents: readonly AgentView[] }>(guest, 'agent.list', {})).agents[0]!.state
  assert.equal((await delegate()).status, 'queued')
})

test('who waits for an agent reads after some seconds why it has not begun', async () => {
  const told: string[] = []
  const asked: JsonObject[] = []
  const agent = { id: 'a1', name: 'reader', state: 'starting', waiting_for: 'admission', waiting_on: '', current_call: null }
  const admission = { running: 0, max_running: 3, paused_by: ['memory'] }
  const ask = async (name: string, input: JsonObject): Promise<object> => {
    asked.push(input)
    if (name === 'agent.list') return { agents: [], admission }
    return { agents: [agent], timed_out: asked.length < 3 }
  }
  const { follow } = agentVerbs.find(({ words }) => words === 'wait <agent>')!
  await follow!({} as never, { options: { agent: 'reader' }, ask: ask as never, tell: (text) => told.push(text) })
  assert.deepEqual(told, ['reader waits for a place: the machine is overloaded (memory).'])
  assert.deepEqual(asked[0], { agents: ['reader'], timeout_s: 3 })
})

test('who waits for an agent, or would end it, reads what it does as a sentence', async () => {
  const agent = { id: 'a1', name: 'reader', state: 'waiting', waiting_for: 'approval', waiting_on: 'shell.exec', current_call: null }
  const told: string[] = []
  const ask = async (): Promise<object> => ({ agents: [agent], timed_out: true })
  const verb = (words: string) => agentVerbs.find((each) => each.words === words)!
  const options = { agent: 'reader', timeout: 1 }
  await assert.rejects(verb('wait <agent>').follow!({} as never, { options, ask: ask as never, tell: (text) => told.push(text) }))
  assert.deepEqual(told, ['reader waits for approval: shell.exec; `oxbow approvals list` shows what it asks.'])
  const { would } = await verb('kill <agent>').preview!({ agent: 'reader' }, ask as never)
  assert.equal(would, 'end the agent reader (waits for approval: shell.exec) with everything that it runs')
})
