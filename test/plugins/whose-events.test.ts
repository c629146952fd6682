/** Events and tasks of plugins follow the agent that holds the right: of the session where something happens, else the usual one, else another. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPluginEvents } from '../../src/services/plugins/plugin-events.ts'
import { createPluginWork } from '../../src/services/plugins/plugin-callers.ts'
import type { UserId } from '../../src/base/index.ts'
import type { CallOutcome, Caller, RecordView } from '../../src/protocol/index.ts'
import type { DefinitionText, HostPort } from '../../src/config/index.ts'
import { createFakeHosts } from './fake-hosts.ts'
import { openPartsFixture } from './parts-fixture.ts'

interface Made {
  readonly actor: string
  readonly session: string
  readonly plugin: string
}

const fine: CallOutcome = { status: 'ok', output: {}, text: '', ok: true }

function openWork(usual: readonly string[], character: readonly string[]) {
  const made: Made[] = []
  const work = createPluginWork({
    user: 'ada' as UserId,
    config: { agent: { name: 'ox', rights: usual, instructions: '' } } as never,
    gate: {
      async call({ actor, session }: Caller, _: string, input: unknown) {
        made.push({ actor, session, plugin: (input as { plugin: string }).plugin })
        return fine
      },
    },
    newId: () => 'id',
    profileOf: (session) => (session === 'alfreds' ? Promise.resolve({ name: 'alfred', rights: character }) : null),
    definedAgents: async () => [{ name: 'alfred', rights: character }],
  })
  return { made, work }
}

const message = (session: string): RecordView =>
  ({ seq: 1, at: 5, actor: 'user:ada', session, turn: 't', call: 'c', name: 'turn.send', phase: 'started', body: { text: 'Hi' } }) as never

async function toldOf(usual: readonly string[], character: readonly string[]): Promise<readonly string[]> {
  const { made, work } = openWork(usual, character)
  const events = createPluginEvents(work, async () => {})
  const hosts = createFakeHosts({ spy: { exports: { events: ['*'] } } })
  events.take([{ plugin: hosts.plugins()[0]!, exports: hosts.known('spy')! }])
  events.observe(message('plain'))
  events.observe(message('alfreds'))
  await new Promise((resolve) => setImmediate(resolve))
  return made.map(({ actor, session }) => `${actor} ${session}`)
}

void test('a plugin learns of the conversations of agents that have the right to it, and of no others', async () => {
  assert.deepEqual(
    await toldOf(['plugin.spy'], []),
    ['agent:ox plain'],
    'granted to the usual agent, it reads no conversation of a character',
  )
  assert.deepEqual(await toldOf([], ['plugin.spy']), ['agent:alfred alfreds'], 'granted to a character, it reads its conversations alone')
  assert.deepEqual(await toldOf(['plugin.spy'], ['plugin.spy']), ['agent:ox plain', 'agent:alfred alfreds'])
  assert.deepEqual(await toldOf([], []), [])
})

void test('a task runs for the usual agent, else for another with the right, else not', async () => {
  const taskOf = async (usual: readonly string[], character: readonly string[]): Promise<readonly string[]> => {
    const { made, work } = openWork(usual, character)
    const outcome = await work.call('', 'plugin.task', { plugin: 'spy', task: 'strike', due: 1 })
    assert.equal(outcome === null, made.length === 0)
    return made.map(({ actor }) => actor)
  }
  assert.deepEqual(await taskOf(['plugin.spy'], ['plugin.spy']), ['agent:ox'])
  assert.deepEqual(await taskOf([], ['plugin.spy']), ['agent:alfred'])
  assert.deepEqual(await taskOf([], []), [])
})

void test(
  'what happens in no session is for an agent with a definition that has the right, where the usual one lacks it',
  { timeout: 15_000 },
  async () => {
    const told = Promise.withResolvers<void>()
    const hosts = createFakeHosts({
      spy: {
        exports: { events: ['ROOM_JOINED'] },
        async event() {
          told.resolve()
          return {}
        },
      },
    })
    const alfred: DefinitionText = {
      kind: 'agents',
      name: 'alfred',
      toml: 'description = "A butler"\nrights = ["plugin.spy"]',
      text: '',
      problem: '',
    }
    const host = { definitions: async () => [alfred] } as unknown as HostPort
    await using fixture = await openPartsFixture(hosts, { config: { agent: { rights: ['file.read'] } }, host })
    await told.promise
    // Answers once what has happened is in the store.
    await fixture.kernel.listSessions(1)
    const records = await fixture.store.records({ phases: ['intent'], order: 'oldest_first', limit: 100, hydrate: false })
    assert.deepEqual([...new Set(records.filter(({ name }) => name === 'plugin.event').map(({ actor }) => actor))], ['agent:alfred'])
  },
)
