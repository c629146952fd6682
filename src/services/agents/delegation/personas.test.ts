/** Conversations that switch to personas: from the next turn on, on record, over a crash, with no more rights than both sides have. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore, type Store } from '../../../store/index.ts'
import type { JsonObject, SessionId } from '../../../base/index.ts'
import { type Done, type GenerateRequest, textOf } from '../../../protocol/index.ts'
import type { DefinitionText, HostPort } from '../../../config/index.ts'
import { asks, done, type Fixture, type FixtureOptions, openFixture, says, testCall, user } from '../../../kernel/kernel-fixture.ts'

type Play = NonNullable<FixtureOptions['play']>

const nameOf = ({ system }: GenerateRequest): string => /You are ([\w-]+)/.exec(system)![1]!
const lastSaid = ({ messages }: GenerateRequest): string => textOf(messages.findLast(({ role }) => role === 'user')!)

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

const host = hostWith({
  dev: 'rights = ["file.read", "file.write"]\nstyle = "Dry, and in short sentences."',
  review: 'rights = ["file.read"]',
  off: 'rights = ["file.read"]\nenabled = false',
  ...Object.fromEntries([1, 2, 3, 4].map((n) => [`p${n}`, ''])),
  one: 'memory = "persona"\nid = "aaaaaaaa"',
  two: 'memory = "persona"\nid = "aaaaaaaa"',
  keyless: 'memory = "persona"',
})
const calls = [testCall('test.write', async () => done('written')), testCall('test.read', async () => done('read'), { right: 'file.read' })]
const named: Play = (request) => says(`${nameOf(request)} heard: ${lastSaid(request)}`)

const choose = ({ kernel, session }: Pick<Fixture, 'kernel' | 'session'>, agent: string) => kernel.call('session.agent', { agent }, session)
const codeOf = (outcome: Awaited<ReturnType<Fixture['kernel']['call']>>): string => (outcome.status === 'ok' ? 'ok' : outcome.failure.code)

test('a conversation switches from its next turn on, with the voice of the persona, and each turn records whom it began with', async () => {
  const systems: Record<string, string> = {}
  const play: Play = (request, signal) => {
    systems[nameOf(request)] = request.system
    return named(request, signal)
  }
  await using guest = await openFixture({ play, host, calls })
  const started = async (text: string): Promise<unknown> => {
    await guest.turn(text)
    const { body } = await guest.record((record) => record.phase === 'started' && (record.body as JsonObject)['text'] === text)
    return (body as JsonObject)['agent']
  }
  assert.deepEqual(await started('a'), { name: 'ox', handoff: '' })
  assert.equal(codeOf(await choose(guest, 'dev')), 'ok')
  assert.equal(((await started('b')) as JsonObject)['name'], 'dev')
  assert.match(systems['dev']!, /How you speak, in every answer:\nDry, and in short sentences\./)
  assert.equal(codeOf(await choose(guest, '')), 'ok')
  assert.deepEqual(await started('c'), { name: 'ox', handoff: '' })
  assert.ok(!systems['ox']!.includes('How you speak'))
})

/** The guest dies while a turn acts, and after somebody has switched its conversation. */
async function crashInSwitch(
  store: Store,
  switches: readonly string[],
): Promise<{ spoke: readonly string[]; tools: readonly string[]; later: unknown }> {
  const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as Store
  const begun = Promise.withResolvers<void>()
  const over = Promise.withResolvers<Done<unknown>>()
  const acting = testCall('test.act', () => (begun.resolve(), over.promise), { right: 'file.read', effect: 'none' })
  const first = await openFixture({ play: () => asks(['test_act']), calls: [...calls, acting], host, store: keepOpen })
  assert.equal(codeOf(await choose(first, 'review')), 'ok')
  void first.turn('act').catch(() => {})
  await begun.promise
  for (const agent of switches) assert.equal(codeOf(await choose(first, agent)), 'ok')
  await first.kernel.close()
  over.resolve(done('late'))

  const spoke: string[] = []
  const tools: string[] = []
  const play: Play = (request, signal) => {
    spoke.push(nameOf(request))
    tools.push(...request.tools.map(({ name }) => name).filter((name) => name.startsWith('test_')))
    return named(request, signal)
  }
  const again = testCall('test.act', async () => done('acted'), { right: 'file.read', effect: 'none' })
  await using second = await openFixture({ play, calls: [...calls, again], host, store: keepOpen, session: first.session })
  await second.record(({ name, phase }) => name === 'turn.send' && phase === 'outcome')
  const own = [...spoke]
  return { spoke: own, tools: [...new Set(tools)], later: (await second.turn('and now?'))['reply'] }
}

test('a turn that a crash interrupts behind a switch resumes as whom it began with, and the next is the new one', async () => {
  const { spoke, tools, later } = await crashInSwitch(await openMemoryStore({ user }), ['dev'])
  assert.deepEqual([...new Set(spoke)], ['review'])
  assert.deepEqual(tools.toSorted(), ['test_act', 'test_read'], 'the wider rights of the new persona are not the turn’s')
  assert.match(String(later), /^dev heard/)
})

test('so it does when the conversation was switched several times, and back to the usual agent', async () => {
  const { spoke, later } = await crashInSwitch(await openMemoryStore({ user }), ['dev', '', 'p1', ''])
  assert.deepEqual([...new Set(spoke)], ['review'])
  assert.match(String(later), /^ox heard/)
})

test('at most five personas answer at a time; the refusal says how to make room, and a release does', async () => {
  await using guest = await openFixture({ play: named, host, calls })
  const { kernel } = guest
  const sessions = await Promise.all(
    ['dev', 'review', 'p1', 'p2', 'p3', 'p4'].map(async (name) => ({ name, id: (await kernel.createSession(name)).id })),
  )
  for (const { name, id } of sessions.slice(0, 5)) assert.equal(codeOf(await choose({ kernel, session: id }, name)), 'ok')
  const { id: last } = sessions[5]!
  const refused = await choose({ kernel, session: last }, 'p4')
  assert.equal(codeOf(refused), 'limit_reached')
  assert.match(refused.text, /dev, p1, p2, p3, review; at most 5/)
  assert.match(refused.text, /oxbow persona release dev/)
  assert.equal(codeOf(await choose({ kernel, session: last }, 'dev')), 'ok', 'one that answers already is no more than there is')
  assert.equal(codeOf(await choose({ kernel, session: sessions[1]!.id }, 'p4')), 'ok', 'the one that it replaces makes room')
  const released = await kernel.call('persona.release', { persona: 'dev' }, '' as SessionId)
  assert.deepEqual(released.status === 'ok' && released.output, { sessions: [sessions[0]!.id, last] })
  assert.equal(codeOf(await choose({ kernel, session: last }, 'review')), 'ok')
})

test('one that is unknown, disabled, without a key or with the key of another is refused with what to do', async () => {
  await using guest = await openFixture({ play: named, host, calls })
  for (const [name, code, what] of [
    ['devv', 'not_found', /Did you mean dev/i],
    ['off', 'denied', /oxbow persona edit off --enable/],
    ['keyless', 'bad_config', /needs an id/],
    ['one', 'bad_config', /two has the same/],
  ] as const) {
    const outcome = await choose(guest, name)
    assert.equal(codeOf(outcome), code, name)
    assert.match(outcome.text, what)
    const spawned = await guest.kernel.call('agent.spawn', { task: 'x', as: name }, guest.session)
    assert.equal(codeOf(spawned), code, name)
    const schedule = { name: 's', goal: 'x', cadence: { type: 'interval', every_s: 3_600 }, as: name }
    assert.equal(codeOf(await guest.kernel.call('schedule.create', schedule, '' as SessionId)), code, name)
  }
  const listed = await guest.kernel.call('persona.list', {}, '' as SessionId)
  const states = Object.fromEntries(
    (listed.status === 'ok' ? (listed.output as { personas: readonly { name: string; state: string }[] }).personas : []).map(
      ({ name, state }) => [name, state],
    ),
  )
  assert.deepEqual([states['off'], states['one'], states['two'], states['dev']], ['disabled', 'broken', 'broken', 'ready'])
})

test('an agent that says what the schedule of a stronger persona does gives it no right that it could not pass on', async () => {
  const acts: Play = (request) => {
    const did = request.messages.some(({ role }) => role === 'tool')
    if (did) return says('ok')
    if (lastSaid(request).startsWith('edit ')) return asks(['schedule_edit', { id: lastSaid(request).slice(5), goal: 'write it down' }])
    return lastSaid(request).includes('write it down') ? asks(['test_write', {}]) : says('nothing')
  }
  const written: string[] = []
  const write = testCall('test.write', async (_, { caller }) => (written.push(caller.actor), done('written')), { right: 'file.write' })
  const config = {
    approval: { mode: 'auto' as const },
    agent: { rights: ['schedule.write', 'file.read'] },
    flow: { irreversible: 'allow' as const },
  }
  await using guest = await openFixture({ play: acts, host, calls: [write], config })
  const made = await guest.kernel.call(
    'schedule.create',
    { name: 's', goal: 'look', cadence: { type: 'interval', every_s: 3_600 }, as: 'dev' },
    '' as SessionId,
  )
  const { id } = (made as unknown as { output: { id: string } }).output
  await guest.turn(`edit ${id}`)
  await guest.kernel.call('schedule.trigger', { id }, '' as SessionId)
  for (let left = 300; left > 0; left--) {
    const { output } = (await guest.kernel.call('schedule.runs', { id }, '' as SessionId)) as unknown as {
      output: { runs: readonly { ended_at: number | null }[] }
    }
    if (output.runs.length > 0 && output.runs.every(({ ended_at: at }) => at !== null)) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const shown = (await guest.kernel.call('schedule.search', {}, '' as SessionId)) as unknown as {
    output: { schedules: readonly { goal: string }[] }
  }
  assert.equal(shown.output.schedules[0]!.goal, 'write it down')
  assert.deepEqual(written, [])
})
