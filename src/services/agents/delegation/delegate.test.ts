import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore } from '../../../store/index.ts'
import type { JsonObject } from '../../../base/index.ts'
import { type GenerateRequest, textOf } from '../../../protocol/index.ts'
import type { DefinitionText, HostPort } from '../../../config/index.ts'
import { asks, done, type Fixture, type FixtureOptions, openFixture, says, testCall } from '../../../kernel/kernel-fixture.ts'
import type { Delegated } from './delegated-end.ts'

type Play = NonNullable<FixtureOptions['play']>

const lastSaid = ({ messages }: GenerateRequest): string => textOf(messages.findLast(({ role }) => role === 'user')!)
const lastResult = ({ messages }: GenerateRequest): string => {
  const last = messages.at(-1)!
  return last.role === 'tool' ? last.parts[0].text : ''
}
const nameOf = ({ system }: GenerateRequest): string => /You are (\w+)/.exec(system)![1]!

/** The host with these definitions of agents, by name. */
function hostWith(agents: Readonly<Record<string, string>>): HostPort {
  const texts = Object.entries(agents).map(([name, toml]): DefinitionText => ({
    kind: 'agents',
    name,
    toml: `description = "${name}"\n${toml}`,
    text: `Work as ${name}.`,
    problem: '',
  }))
  return { definitions: async () => texts } as unknown as HostPort
}

async function ask<Output = Delegated>(guest: Fixture, name: string, input: JsonObject): Promise<Output> {
  const outcome = await guest.kernel.call(name, input, guest.session)
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as unknown as { output: Output }).output
}

const delegated = (guest: Fixture, input: JsonObject): Promise<Delegated> => ask(guest, 'agent.delegate', { goal: 'Do it.', ...input })

test('a delegation runs in a conversation of its own that begins with the brief, and returns the answer between marks', async () => {
  let seen: GenerateRequest | undefined
  let read = ''
  const play: Play = (request) => {
    if (nameOf(request) === 'reader') {
      seen = request
      return says('three questions')
    }
    read = lastResult(request)
    if (read !== '') return says('ok')
    return asks(['agent_delegate', { agent: 'reader', goal: 'Count the questions.', key_facts: ['The file is long.'] }])
  }
  await using guest = await openFixture({ play, host: hostWith({ reader: 'rights = ["system.read"]' }) })
  await guest.turn('A secret of this conversation.')
  assert.equal(lastSaid(seen!), 'Count the questions.\n\nKnown facts:\n- The file is long.')
  assert.match(seen!.system, /Work as reader\./)
  assert.doesNotMatch(JSON.stringify(seen!.messages), /secret of this conversation/)
  assert.match(read, /^reader \(.*\): success; \d+ tokens\n<<data \S+\nthree questions\n\S+>>$/)
})

test('an agent is found by what it can do; where none fits, the answer says so', async () => {
  const host = hostWith({
    reviewer: 'capabilities = ["reviewing code", "typescript"]',
    writer: 'capabilities = ["letters"]\nrights = ["file.write", "web.read"]',
  })
  await using guest = await openFixture({ host })
  const find = async (capability: string) =>
    (await ask<{ agents: readonly { name: string; without: readonly string[] }[] }>(guest, 'agent.find', { capability })).agents
  assert.deepEqual(
    (await find('review TypeScript')).map(({ name }) => name),
    ['reviewer'],
  )
  assert.deepEqual(
    (await find('')).map(({ name }) => name),
    ['reviewer', 'writer'],
  )
  assert.deepEqual(await find('cook'), [])
})

test('in the background the end comes as mail, with how it ended', async () => {
  const play: Play = (request) => {
    if (nameOf(request) === 'reader') return says('counted')
    if (/Delegation to reader .*: success/.test(lastSaid(request))) return says('Thanks.')
    return lastResult(request) === '' ? asks(['agent_delegate', { agent: 'reader', goal: 'Count.', wait: false }]) : says('Started.')
  }
  await using guest = await openFixture({ play, host: hostWith({ reader: '' }) })
  await guest.turn('Start.')
  const ended = await guest.record(
    ({ name, phase, body }) => name === 'turn.send' && phase === 'outcome' && (body as JsonObject)['reply'] === 'Thanks.',
  )
  const mail = await guest.record(({ call, phase }) => call === ended.call && phase === 'intent')
  assert.match(JSON.stringify(mail.body), /counted/)
})

test('a result matches its schema, or is returned at most twice with what is wrong', async () => {
  const schema = { type: 'object', properties: { count: { type: 'integer' } }, required: ['count'], additionalProperties: false }
  const said: string[] = []
  const answers = ['Three.', '```json\n{"count": "3"}\n```', 'Here: {"count": 3}', 'no', 'no', 'no']
  const play: Play = (request) => {
    said.push(lastSaid(request))
    return says(answers[said.length - 1]!)
  }
  await using guest = await openFixture({ play, host: hostWith({ counter: '' }) })
  const good = await delegated(guest, { agent: 'counter', result: schema })
  assert.equal(good.status, 'success', good.reason)
  assert.deepEqual(good.value, { count: 3 })
  assert.match(said[0]!, /"count":\{"type":"integer"\}/)
  assert.match(said[1]!, /not one JSON value/)
  assert.match(said[2]!, /\/count must be integer/)
  const bad = await delegated(guest, { agent: 'counter', result: schema })
  assert.deepEqual([bad.status, bad.code, bad.text], ['failure', 'bad_input', 'no'])
  assert.equal(said.length, 6)
  const broken = await delegated(guest, { agent: 'counter', result: { $ref: 'https://example.com/x' } })
  assert.deepEqual([broken.status, broken.code], ['refused', 'bad_input'])
})

test('a child has what its parent can pass on and its definition names, and can pass on only what its definition says', async () => {
  const tools: Record<string, readonly string[]> = {}
  const play: Play = (request) => {
    const name = nameOf(request)
    tools[name] ??= request.tools.map((tool) => tool.name)
    const result = lastResult(request)
    if (name === 'leaf') return says('leaf')
    if (result !== '') return says('ok')
    return asks(['agent_delegate', { agent: name === 'ox' ? 'middle' : 'leaf', goal: 'x' }])
  }
  const calls = [
    testCall('test.write', async () => done(''), { right: 'file.write' }),
    testCall('test.read', async () => done(''), { right: 'file.read' }),
    testCall('test.web', async () => done(''), { right: 'web.read' }),
  ]
  const host = hostWith({
    middle: 'rights = ["file.read", "file.write", "web.read", "agent.spawn"]\ndelegable = ["file.read"]',
    leaf: 'rights = ["file.read", "file.write", "web.read"]',
  })
  await using guest = await openFixture({ play, calls, host })
  await guest.turn('Go.')
  const held = (name: string) => tools[name]!.filter((tool) => tool.startsWith('test_'))
  assert.deepEqual(held('ox'), ['test_write', 'test_read'])
  assert.deepEqual(held('middle'), ['test_write', 'test_read'])
  assert.deepEqual(held('leaf'), ['test_read'])
})

test('limits are refusals with a code and a hint', async () => {
  const config = { agents: { max_depth: 1, max_per_turn: 1 }, sandbox: { tier: 'process' } }
  const host = hostWith({ a: '', vm: 'tier = "micro_vm"', odd: 'rights = 3' })
  const play: Play = () => says('x')
  await using guest = await openFixture({ play, config, host })
  const codes = async (input: JsonObject) => {
    const { status, code, hint } = await delegated(guest, input)
    assert.notEqual(hint, '')
    return [status, code]
  }
  assert.deepEqual(await codes({ agent: 'nobody' }), ['refused', 'not_found'])
  assert.deepEqual(await codes({ agent: 'vm' }), ['refused', 'sandbox_missing'])
  assert.deepEqual(await codes({ agent: 'odd' }), ['refused', 'bad_config'])
})

test('a delegation that runs out of its budget, or of its time, says so and returns what there is', async () => {
  const play: Play = async function* (request, signal) {
    if (nameOf(request) === 'slow') {
      if (lastResult(request) !== '') {
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
        return
      }
      yield [{ type: 'text', text: 'Half of it.' }]
    }
    yield* asks(['time_pass'])
  }
  const calls = [testCall('time.pass', async () => done('later'), { right: 'system.read', tier: 'read_only' })]
  const rights = 'rights = ["system.read"]\n'
  const host = hostWith({ slow: `${rights}deadline_s = 1`, spender: `${rights}[budget]\ncalls = 5` })
  await using guest = await openFixture({ play, calls, host })
  const late = await delegated(guest, { agent: 'slow' })
  assert.deepEqual([late.status, late.code, late.text], ['timeout', 'timeout', 'Half of it.'])
  const spent = await delegated(guest, { agent: 'spender' })
  assert.deepEqual([spent.status, spent.code], ['budget_exhausted', 'budget_exhausted'])
})

test('after a crash the same call finds its child again', async () => {
  const store = await openMemoryStore({ user: 'ada' as never })
  const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
  const host = hostWith({ reader: '' })
  let began = (): void => {}
  const inChild = new Promise<void>((resolve) => (began = resolve))
  const stuck: Play = async function* (request, signal) {
    if (nameOf(request) === 'reader') {
      began()
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    } else yield* asks(['agent_delegate', { agent: 'reader', goal: 'Count.' }])
  }
  const first = await openFixture({ play: stuck, host, store: keepOpen })
  const { session } = first
  void first.kernel.sendTurn({ session, clientId: '01890a5d-ac96-774b-bcce-b302099a8057' as never, text: 'Go.' })
  await inChild
  await first.kernel.close()
  const play: Play = (request) => (nameOf(request) === 'reader' ? says('counted') : says(`It says ${lastResult(request)}`))
  await using second = await openFixture({ play, host, store: keepOpen, session })
  const ended = await second.record(({ name, phase, session: of }) => name === 'turn.send' && phase === 'outcome' && of === session)
  assert.match(JSON.stringify(ended.body), /counted/)
  const { agents } = await ask<{ agents: readonly unknown[] }>(second, 'agent.list', { ended: true })
  assert.equal(agents.length, 1)
})

test('after a crash the end of a child that was faster than the call which waits for it is reported once', async () => {
  const store = await openMemoryStore({ user: 'ada' as never })
  const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
  const host = hostWith({ reader: '' })
  const inChild = Promise.withResolvers<void>()
  const stuck: Play = async function* (request, signal) {
    if (nameOf(request) === 'reader') {
      inChild.resolve()
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    } else yield* asks(['agent_delegate', { agent: 'reader', goal: 'Count.' }])
  }
  const agentOf = async (guest: Fixture, name: string): Promise<{ id: string; state: string }> => {
    const { agents } = await ask<{ agents: readonly { id: string; name: string; state: string }[] }>(guest, 'agent.list', { ended: true })
    return agents.find((agent) => agent.name === name)!
  }
  {
    await using first = await openFixture({ play: stuck, host, store: keepOpen })
    await ask(first, 'agent.spawn', { task: 'Go.', name: 'boss', rights: ['agent.spawn', 'agent.use'] })
    await inChild.promise
    await ask(first, 'agent.pause', { agent: (await agentOf(first, 'boss')).id })
  }
  const play: Play = (request) => (nameOf(request) === 'reader' ? says('counted') : says(`It says ${lastResult(request)}`))
  await using second = await openFixture({ play, host, store: keepOpen })
  await ask(second, 'agent.resume', { agent: (await agentOf(second, 'reader')).id })
  while ((await agentOf(second, 'reader')).state !== 'done') await new Promise(setImmediate)
  const { id } = await agentOf(second, 'boss')
  await ask(second, 'agent.resume', { agent: id })
  const { agents } = await ask<{ agents: readonly { reply: string }[] }>(second, 'agent.wait', { agents: [id] })
  assert.match(agents[0]!.reply, /^It says reader .*counted/s)
})

test('after a crash the same call finds the task of a remote agent again', async () => {
  const store = await openMemoryStore({ user: 'ada' as never })
  const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
  const asked: string[] = []
  const began = Promise.withResolvers<void>()
  const remote = testCall(
    'a2a.judge',
    async (_, { id, signal }) => {
      asked.push(id)
      began.resolve()
      if (asked.length === 1)
        await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
      return { output: { status: 'success', text: 'seven', context: '' }, text: 'seven', labels: ['untrusted'] }
    },
    { right: 'file.read', effect: 'idempotent' },
  )
  const play: Play = (request) =>
    lastResult(request) === '' ? asks(['agent_delegate', { agent: 'a2a.judge', goal: 'Judge.' }]) : says(`It says ${lastResult(request)}`)
  const options = { play, host: hostWith({}), calls: [remote], store: keepOpen }
  const first = await openFixture(options)
  const { session } = first
  void first.kernel.sendTurn({ session, clientId: '01890a5d-ac96-774b-bcce-b302099a8057' as never, text: 'Go.' })
  await began.promise
  await first.kernel.close()
  await using second = await openFixture({ ...options, session })
  const ended = await second.record(({ name, phase, session: of }) => name === 'turn.send' && phase === 'outcome' && of === session)
  assert.match(JSON.stringify(ended.body), /success.*seven/)
  assert.equal(asked.length, 2)
  assert.equal(asked[0], asked[1], 'under the same id')
})

test('what is taken from an agent is taken at once, also from a turn that runs and from all agents below it', async () => {
  const results: Record<string, string[]> = {}
  let release = (): void => {}
  const inLeaf = Promise.withResolvers<void>()
  const play: Play = (request) => {
    const name = nameOf(request)
    const said = lastResult(request)
    if (said !== '') (results[name] ??= []).push(said)
    if (name === 'ox') return said === '' ? asks(['agent_delegate', { agent: 'middle', goal: 'x' }]) : says('ok')
    if (name === 'middle') return said === '' ? asks(['agent_delegate', { agent: 'leaf', goal: 'x' }]) : says('ok')
    return results[name] === undefined ? asks(['test_wait']) : results[name].length === 1 ? asks(['test_write']) : says('ok')
  }
  const wait = testCall(
    'test.wait',
    async () => {
      inLeaf.resolve()
      await new Promise<void>((resolve) => (release = resolve))
      return done('waited')
    },
    { right: 'file.read' },
  )
  const calls = [wait, testCall('test.write', async () => done('written'))]
  const rights = 'rights = ["file.read", "file.write", "agent.spawn"]\ndelegable = ["file.read", "file.write"]'
  await using guest = await openFixture({ play, calls, host: hostWith({ middle: rights, leaf: rights }) })
  const turn = guest.turn('Go.')
  await inLeaf.promise
  const { agents } = await ask<{ agents: readonly string[] }>(guest, 'agent.revoke', { agent: 'middle', rights: ['file.write'] })
  assert.equal(agents.length, 2)
  release()
  await turn
  assert.match(results['leaf']![1]!, /denied/)
})

test('a remote agent is a target under an id of its own, and its result has to match, too', async () => {
  const asked: JsonObject[] = []
  const remote = testCall(
    'a2a.weather',
    async (input) => {
      asked.push(input as JsonObject)
      const text = asked.length === 1 ? 'Sunny.' : '{"degrees": 20}'
      return { output: { status: 'success', text, context: 'c1' }, text, labels: ['untrusted'] }
    },
    { right: 'file.read', effect: 'once', summary: 'Weather of cities.' },
  )
  const slow = testCall('acp.coder', async () => ({ output: { status: 'refused', text: 'No.' }, text: 'No.' }), { right: 'file.read' })
  const refusedCall = testCall('a2a.secret', async () => done(''), { right: 'vault.list' })
  await using guest = await openFixture({ calls: [remote, slow, refusedCall], host: hostWith({}) })
  const result = { type: 'object', properties: { degrees: { type: 'number' } }, required: ['degrees'] }
  const good = await delegated(guest, { agent: 'weather', result, key_facts: ['In Athens.'] })
  assert.deepEqual([good.status, good.value, good.labels], ['success', { degrees: 20 }, ['untrusted']])
  assert.deepEqual(asked[0]!['key_facts'], ['In Athens.'])
  assert.equal(asked[1]!['context'], 'c1')
  assert.deepEqual((await delegated(guest, { agent: 'acp.coder' })).status, 'refused')
  const { agents } = await ask<{ agents: readonly { name: string }[] }>(guest, 'agent.find', { capability: 'weather' })
  assert.deepEqual(
    agents.map(({ name }) => name),
    ['a2a.weather'],
  )
})

test('an agent that a program started has no more than its key still has, and nothing once that is revoked', async () => {
  const results: string[] = []
  const play: Play = (request) => {
    const said = lastResult(request)
    if (said !== '') results.push(said)
    return lastSaid(request) === 'again' && said === '' ? asks(['test_write']) : says('ok')
  }
  await using guest = await openFixture({ play, calls: [testCall('test.write', async () => done('written'))] })
  const { id, key } = await ask<{ id: string; key: string }>(guest, 'key.create', {
    name: 'ci',
    rights: ['agent.spawn', 'agent.use', 'file.write'],
  })
  const kernel = await guest.kernel.withKey(key)
  const spawned = await kernel.call('agent.spawn', { task: 'first', rights: ['file.write'], keep: true, name: 'worker' })
  assert.equal(spawned.status, 'ok', JSON.stringify(spawned))
  await ask(guest, 'agent.wait', { agents: ['worker'] })
  await ask(guest, 'agent.send', { to: 'worker', text: 'again' })
  await ask(guest, 'agent.wait', { agents: ['worker'] })
  assert.deepEqual(results, ['written'])
  await ask(guest, 'key.revoke', { key: id })
  await ask(guest, 'agent.send', { to: 'worker', text: 'again' })
  await ask(guest, 'agent.wait', { agents: ['worker'] })
  assert.deepEqual(results, ['written'])
})

test('depth, delegations of a turn and budgets that do not cover one are refusals, and the next one within them runs', async () => {
  const results: string[] = []
  const play: Play = (request) => {
    const said = lastResult(request)
    if (said !== '') results.push(`${nameOf(request)}: ${said.split('\n', 1)[0]}`)
    if (nameOf(request) === 'deep' && said === '') return asks(['agent_delegate', { agent: 'deep', goal: 'x' }])
    if (nameOf(request) === 'ox' && results.length < 4)
      return asks(['agent_delegate', { agent: 'deep', goal: 'x', ...(results.length === 0 && { budget: { calls: 10_000 } }) }])
    return says('ok')
  }
  const host = hostWith({ deep: 'rights = ["agent.spawn"]' })
  const config = { agents: { max_depth: 1, max_per_turn: 1 } }
  await using guest = await openFixture({ play, host, config })
  await ask(guest, 'budget.set', { scope: `session:${guest.session}`, window: 'total', calls: 1_000 })
  await guest.turn('Go.')
  assert.match(results[0]!, /^ox: deep: budget_exhausted/)
  assert.match(results[1]!, /^deep: deep: refused \(limit_reached\): .*1 are allowed\. Do the work yourself\./)
  assert.match(results[2]!, /^ox: deep \(.*\): success/)
  assert.match(results[3]!, /^ox: deep: refused \(limit_reached\): This turn has delegated 1 times/)
})

test('a child that is killed is a cancelled delegation, and one whose parent is cancelled ends with it', async () => {
  let began = Promise.withResolvers<void>()
  const results: string[] = []
  const play: Play = async function* (request, signal) {
    if (nameOf(request) === 'slow') {
      began.resolve()
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    }
    const said = lastResult(request)
    if (said !== '') results.push(said)
    yield* said === '' ? asks(['agent_delegate', { agent: 'slow', goal: 'x' }]) : says('ok')
  }
  await using guest = await openFixture({ play, host: hostWith({ slow: '' }) })
  const killed = guest.turn('One.')
  await began.promise
  await ask(guest, 'agent.kill', { agent: 'slow' })
  await killed
  assert.match(results[0]!, /^slow \(.*\): cancelled: /)
  began = Promise.withResolvers()
  const cancelled = guest.turn('Two.')
  await began.promise
  await guest.kernel.cancelTurn(guest.session)
  await cancelled
  const { agents } = await ask<{ agents: readonly { state: string }[] }>(guest, 'agent.list', { ended: true })
  assert.deepEqual(
    agents.map(({ state }) => state),
    ['killed', 'killed'],
  )
})
