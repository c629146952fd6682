/** What agents learn of each other's ends has the labels of who said it, and no labels of what nobody has read. */
import assert from 'node:assert/strict'
import { setImmediate as soon } from 'node:timers/promises'
import { test } from 'node:test'
import { openMemoryStore } from '../../store/index.ts'
import type { Json, SessionId } from '../../base/index.ts'
import type { CallOutcome, GenerateRequest } from '../../protocol/index.ts'
import { asks, done, type Fixture, type FixtureOptions, openFixture, says, testCall } from '../../kernel/kernel-fixture.ts'
import type { AgentView } from './agent-view.ts'

const secret = testCall('test.secret', async () => done('the code is 4711'), { labels: { adds: ['private'], sink: false } })
const nameIn = ({ system }: GenerateRequest): string => /You are (\w+)/.exec(system)?.[1] ?? ''
const said = ({ messages }: GenerateRequest): string => JSON.stringify(messages)
const resultsIn = ({ messages }: GenerateRequest): number => messages.filter(({ role }) => role === 'tool').length

async function ok<Output>(guest: Fixture, name: string, input: Json): Promise<Output> {
  const outcome = (await guest.kernel.call(name, input)) as CallOutcome<Output>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Output> & { status: 'ok' }).output
}

const listed = async (guest: Fixture): Promise<readonly AgentView[]> =>
  (await ok<{ agents: readonly AgentView[] }>(guest, 'agent.list', { ended: true })).agents

const labelsOf = async (guest: Fixture, session: SessionId): Promise<string> => (await guest.store.session(session))?.labels ?? ''

test('the reason for which an agent is killed has the labels of who gives it, where its parent reads it', async () => {
  let leafId = ''
  const heard = Promise.withResolvers<string>()
  const play = (request: GenerateRequest) => {
    const text = said(request)
    if (text.includes('was killed')) heard.resolve(text)
    if (nameIn(request) === 'parent')
      return resultsIn(request) === 0 ? asks(['agent_spawn', { task: 'rest', name: 'leaf', keep: true }]) : says('I have a child')
    if (nameIn(request) === 'leaf') return says('resting')
    switch (resultsIn(request)) {
      case 0:
        return asks(['agent_spawn', { task: 'be the parent', name: 'parent', keep: true }])
      case 1:
        return asks(['agent_wait', {}])
      case 2:
        return asks(['test_secret'])
      case 3:
        return asks(['agent_list', {}])
      case 4:
        leafId = /leaf \(([^)]+)\)/.exec(text)?.[1] ?? ''
        return asks(['agent_kill', { agent: leafId, reason: 'the code is 4711' }])
      default:
        return says('done')
    }
  }
  await using guest = await openFixture({ play, calls: [secret], config: { approval: { mode: 'auto' } } })
  await guest.turn('go')
  assert.match(await heard.promise, /the code is 4711/)
  const parent = (await listed(guest)).find(({ name }) => name === 'parent')!
  assert.match(await labelsOf(guest, parent.session), /private/)
})

test('an agent that is killed after a restart has the labels of what it has read, and gives its parent no others', async () => {
  const store = await openMemoryStore({ user: 'ada' as never })
  const play = (request: GenerateRequest) => {
    if (nameIn(request) === 'leaf') return says('resting')
    return resultsIn(request) === 0 && !said(request).includes('Agent leaf')
      ? asks(['agent_spawn', { task: 'rest', name: 'leaf', keep: true }])
      : says('done')
  }
  const options: FixtureOptions = { store, play, config: { approval: { mode: 'auto' } } }
  const keepOpen = (): FixtureOptions => ({ ...options, store: Object.assign(Object.create(store), { close: async () => {} }) })
  let leaf: AgentView | undefined
  {
    await using guest = await openFixture(keepOpen())
    await guest.turn('go')
    while (leaf?.state !== 'idle') {
      await soon()
      ;[leaf] = await listed(guest)
    }
  }
  await using guest = await openFixture(keepOpen())
  await ok(guest, 'agent.kill', { agent: leaf.id })
  const [killed] = await listed(guest)
  assert.equal(killed?.state, 'killed')
  assert.deepEqual(killed.labels, [])
})
