import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore } from '../../../store/index.ts'
import type { JsonObject } from '../../../base/index.ts'
import { type GenerateRequest, textOf } from '../../../protocol/index.ts'
import type { DefinitionText, HostPort } from '../../../config/index.ts'
import { asks, done, type Fixture, type FixtureOptions, newCallId, openFixture, says, testCall } from '../../../kernel/kernel-fixture.ts'

type Play = NonNullable<FixtureOptions['play']>

const lastSaid = ({ messages }: GenerateRequest): string => textOf(messages.findLast(({ role }) => role === 'user')!)
const nameOf = ({ system }: GenerateRequest): string => /You are (\w+)/.exec(system)![1]!

function hostWith(agents: Readonly<Record<string, string>>): HostPort {
  const texts = Object.entries(agents).map(([name, toml]): DefinitionText => ({
    kind: 'agents',
    name,
    toml: `description = "${name}"\n${toml}`,
    text: '',
    problem: '',
  }))
  return { definitions: async () => texts } as unknown as HostPort
}

const replied = (guest: Fixture, reply: string) =>
  guest.record(({ name, phase, body }) => name === 'turn.send' && phase === 'outcome' && (body as JsonObject)['reply'] === reply)

const host = hostWith({
  reviewer: 'rights = ["file.read", "agent.spawn"]\ndelegable = ["file.read"]',
  narrow: 'rights = ["file.read", "file.write"]',
  branched: 'files = "branch"',
})
const calls = [testCall('test.write', async () => done('written')), testCall('test.read', async () => done('read'), { right: 'file.read' })]

test('another agent takes the session with its conversation, has no more than was passed on, and hands it back', async () => {
  const tools: Record<string, readonly string[]> = {}
  const play: Play = (request) => {
    const [name, said] = [nameOf(request), lastSaid(request)]
    tools[name] = request.tools.map((tool) => tool.name).filter((tool) => tool.startsWith('test_'))
    if (name === 'reviewer' && said === 'And now?') return asks(['agent_handoff', { agent: 'back', goal: 'I am done.' }])
    if (name === 'reviewer') return says(`reviewer read: ${request.messages.map(textOf).join(' | ')}`)
    return said.startsWith('[reviewer hands') ? says('Mine again.') : asks(['agent_handoff', { agent: 'reviewer', goal: 'Review it.' }])
  }
  await using guest = await openFixture({ play, calls, host })
  const first = await guest.turn('Look at my letter.')
  assert.equal(first['reply'], 'reviewer takes over.')
  const taken = await guest.record(
    ({ name, phase, body }) => name === 'turn.send' && phase === 'outcome' && (body as { reply: string }).reply.startsWith('reviewer read'),
  )
  assert.match(JSON.stringify(taken.body), /Look at my letter\..*\[ox hands this conversation over to you\]/)
  assert.deepEqual([tools['ox'], tools['reviewer']], [['test_write', 'test_read'], ['test_read']])
  const second = await guest.turn('And now?')
  assert.equal(second['reply'], 'the agent of this conversation takes over.')
  await replied(guest, 'Mine again.')
})

test('a handoff passes on nothing wider, is limited in depth, and says why it is refused', async () => {
  const results: string[] = []
  const tools: Record<string, readonly string[]> = {}
  const play: Play = (request) => {
    const name = nameOf(request)
    tools[name] = request.tools.map((tool) => tool.name).filter((tool) => tool.startsWith('test_'))
    const last = request.messages.at(-1)!
    if (last.role === 'tool') results.push(last.parts[0].text)
    if (name === 'narrow') return says('narrow is here')
    if (name === 'reviewer') return asks(['agent_handoff', { agent: 'narrow', goal: 'x' }])
    const next = ['nobody', 'branched', 'reviewer'][results.length]
    return asks(['agent_handoff', { agent: next, goal: 'x' }])
  }
  await using guest = await openFixture({ play, calls, host })
  await guest.turn('Go.')
  await replied(guest, 'narrow is here')
  assert.match(results[0]!, /not_found/)
  assert.match(results[1]!, /denied.*branch of files/)
  // The reviewer can pass on only reading.
  assert.deepEqual(tools['narrow'], ['test_read'])
})

test('a handoff survives a restart, and a person takes the session back', async () => {
  const store = await openMemoryStore({ user: 'ada' as never })
  const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
  const play: Play = (request) => says(`${nameOf(request)} heard: ${lastSaid(request)}`)
  const first = await openFixture({ play, calls, host, store: keepOpen })
  const { session } = first
  const handed = await first.kernel.call('agent.handoff', { agent: 'reviewer', goal: 'Talk to me.' }, session)
  assert.equal(handed.status, 'ok', JSON.stringify(handed))
  await first.record(({ phase, name }) => name === 'turn.send' && phase === 'outcome')
  await first.kernel.close()
  await using second = await openFixture({ play, calls, host, store: keepOpen, session })
  assert.match(String((await second.turn('Hello?'))['reply']), /^reviewer heard: Hello/)
  const id = newCallId()
  for (let i = 0; i < 2; i++) await second.kernel.call('agent.handoff', { agent: 'back', goal: 'Thanks.' }, session, id)
  assert.match(String((await second.turn('And you?'))['reply']), /^ox heard: And you/)
  const none = await second.kernel.call('agent.handoff', { agent: 'back', goal: 'x' }, session)
  assert.equal(none.status === 'failed' && none.failure.code, 'bad_input')
})

test('an agent that a person has chosen does not hand the conversation back to the one with more rights', async () => {
  const written: string[] = []
  const write = testCall('test.write', async (_, { caller }) => (written.push(caller.actor), done('written')))
  const play: Play = (request) => {
    if (request.messages.at(-1)!.role === 'tool') return says('done')
    return nameOf(request) === 'reviewer' ? asks(['agent_handoff', { agent: 'back', goal: 'Write it.' }]) : asks(['test_write', {}])
  }
  await using guest = await openFixture({ play, calls: [write], host, config: { approval: { mode: 'auto' } } })
  assert.equal((await guest.kernel.call('session.agent', { agent: 'reviewer' }, guest.session)).status, 'ok')
  const { reply } = await guest.turn('Review it.')
  assert.equal(reply, 'done')
  const { body } = await guest.record(({ name, phase }) => name === 'agent.handoff' && phase === 'outcome')
  assert.match(JSON.stringify(body), /The person has chosen reviewer/)
  assert.deepEqual(written, [])
})
