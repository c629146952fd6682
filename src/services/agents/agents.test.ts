import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore } from '../../store/index.ts'
import type { Json, JsonObject } from '../../base/index.ts'
import { type CallOutcome, type GenerateRequest, textOf } from '../../protocol/index.ts'
import { asks, type Fixture, type FixtureOptions, inOrder, openFixture, says, testCall } from '../../kernel/kernel-fixture.ts'
import type { AgentView } from './agent-view.ts'

type Play = NonNullable<FixtureOptions['play']>

/** The last message of a person or a parent in a request. */
const lastSaid = ({ messages }: GenerateRequest): string => textOf(messages.findLast(({ role }) => role === 'user')!)
const lastResult = ({ messages }: GenerateRequest): string => {
  const last = messages.at(-1)!
  return last.role === 'tool' ? last.parts[0].text : ''
}

async function outcomeOf<Output = JsonObject>(guest: Fixture, name: string, input: Json): Promise<CallOutcome<Output>> {
  return (await guest.kernel.call(name, input)) as CallOutcome<Output>
}

async function ok<Output = JsonObject>(guest: Fixture, name: string, input: Json): Promise<Output> {
  const outcome = await outcomeOf<Output>(guest, name, input)
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Output> & { status: 'ok' }).output
}

const spawn = (guest: Fixture, input: JsonObject): Promise<AgentView> => ok<AgentView>(guest, 'agent.spawn', input)
const listed = async (guest: Fixture): Promise<readonly AgentView[]> =>
  (await ok<{ agents: readonly AgentView[] }>(guest, 'agent.list', { ended: true })).agents
const wait = (guest: Fixture, agents: readonly string[], more: JsonObject = {}) =>
  ok<{ agents: readonly AgentView[]; timed_out: boolean }>(guest, 'agent.wait', { agents, timeout_s: 20, ...more })

/** Calls of a model that block until they are let go. */
function gated() {
  const waiting: (() => void)[] = []
  let entered = 0
  const watchers: { readonly count: number; readonly wake: () => void }[] = []
  const call = testCall('test.block', async (_, { signal }) => {
    entered += 1
    for (const watcher of watchers) if (entered >= watcher.count) watcher.wake()
    await new Promise<void>((resolve, reject) => {
      waiting.push(resolve)
      signal.addEventListener('abort', () => reject(signal.reason))
    })
    return { output: null, text: 'went on' }
  })
  return {
    call,
    release: () => waiting.shift()?.(),
    until: (count: number): Promise<void> =>
      new Promise((wake) => {
        if (entered >= count) wake()
        else watchers.push({ count, wake })
      }),
  }
}

/** Blocks in its first step, then answers. */
const blocks: Play = (request) => (lastResult(request) === '' ? asks(['test_block']) : says('finished'))

test('an agent that a person spawns works in a session of its own, and a wait returns its answer', async () => {
  let seen: GenerateRequest | undefined
  const play: Play = (request) => {
    seen = request
    return says('forty-two')
  }
  await using guest = await openFixture({ play })
  const { id, session } = await spawn(guest, {
    task: 'What is the answer?',
    name: 'thinker',
    instructions: 'Be deep.',
    rights: ['file.read'],
  })
  const { agents, timed_out } = await wait(guest, [id])
  assert.equal(timed_out, false)
  assert.deepEqual(
    agents.map(({ state, reply, name }) => ({ state, reply, name })),
    [{ state: 'done', reply: 'forty-two', name: 'thinker' }],
  )
  assert.notEqual(session, guest.session)
  assert.match(seen!.system, /You are thinker/)
  assert.match(seen!.system, /Be deep\./)
  assert.equal(lastSaid(seen!), 'What is the answer?')
  const records = await guest.store.records({ session, order: 'oldest_first', limit: 100, hydrate: false })
  assert.deepEqual([...new Set(records.map(({ actor }) => actor))].sort(), ['agent:thinker', 'kernel', 'user:ada'])
})

test('an agent spawns another with fewer rights, waits for it, and gets its answer once', async () => {
  const tools: Record<string, readonly string[]> = {}
  const play: Play = (request) => {
    const name = /You are (\w+)/.exec(request.system)![1]!
    tools[name] = request.tools.map((tool) => tool.name)
    if (name === 'reader') return says('three questions')
    const result = lastResult(request)
    if (result === '') return asks(['agent_spawn', { task: 'Count.', name: 'reader', rights: ['system.read'] }])
    if (/Started reader/.test(result)) return asks(['agent_wait', {}])
    return says(`It says: ${result}`)
  }
  await using guest = await openFixture({ play, calls: [testCall('test.change', async () => ({ output: null }))] })
  const { reply } = await guest.turn('Ask another one.')
  assert.match(String(reply), /reader \(.*\): done\n(.*\n)?three questions/)
  assert.ok(tools['ox']!.includes('test_change'))
  assert.ok(!tools['reader']!.includes('test_change'), tools['reader']!.join())
  const [child] = await listed(guest)
  assert.equal(child!.home, guest.session)
  const sends = await guest.store.records({ session: guest.session, order: 'oldest_first', limit: 500, hydrate: false })
  assert.equal(
    sends.filter(({ name, phase }) => name === 'turn.send' && phase === 'intent').length,
    1,
    'no mail repeats what the wait returned',
  )
})

test('an agent whose parent does not wait reports by mail, which begins a turn of the parent', async () => {
  const play: Play = (request) => {
    if (/You are helper/.test(request.system)) return says('all counted')
    if (/\[Agent helper .* is done\]/.test(lastSaid(request))) return says('Thanks.')
    return lastResult(request) === '' ? asks(['agent_spawn', { task: 'Count.', read_only: true }]) : says('Started.')
  }
  await using guest = await openFixture({ play })
  await guest.turn('Start one.')
  const ended = await guest.record(
    ({ name, phase, body }) => name === 'turn.send' && phase === 'outcome' && (body as JsonObject)['reply'] === 'Thanks.',
  )
  const mail = await guest.record(({ call, phase }) => call === ended.call && phase === 'intent')
  assert.equal(mail.actor, 'agent:helper')
  assert.match(JSON.stringify(mail.body), /all counted/)
})

test('a right that the parent lacks, or may not pass on, is refused without a question', async () => {
  const results: string[] = []
  // The last ones are of services that say so of their own rights.
  const tried = ['session.write', 'vault.copy', 'schedule.write', 'config.write', 'access.write', 'call.decide', 'turn.run']
  const play: Play = (request) => {
    const result = lastResult(request)
    if (result !== '') results.push(result)
    const right = tried[results.length]
    return right === undefined ? says('no') : asks(['agent_spawn', { task: 'x', rights: [right] }])
  }
  await using guest = await openFixture({ play, config: { agent: { rights: ['agent.spawn', ...tried.slice(1)] } } })
  await guest.turn('Go.')
  for (const [at, right] of tried.entries()) assert.match(results[at]!, new RegExp(`cannot be passed on: ${right.replace('.', '\\.')}`))
  assert.equal((await listed(guest)).length, 0)
})

test('spawning an agent that can change something asks the person; one that only reads does not', async () => {
  const play: Play = (request) => {
    if (!/You are ox/.test(request.system)) return says('done')
    return lastResult(request) === '' ? asks(['agent_spawn', { task: 'x', name: 'writer', rights: ['file.write'] }]) : says('ok')
  }
  await using guest = await openFixture({ play, calls: [testCall('test.change', async () => ({ output: null }))] })
  const turn = guest.turn('Go.')
  const parked = await guest.record(({ phase }) => phase === 'parked')
  assert.equal(parked.name, 'agent.spawn')
  assert.equal((await listed(guest)).length, 0)
  await guest.kernel.approve(parked.call, true)
  await turn
  assert.equal((await listed(guest))[0]!.name, 'writer')
})

test('five agents run at once, a sixth waits for a place, and the highest priority gets it', async () => {
  const block = gated()
  await using guest = await openFixture({ play: blocks, calls: [block.call] })
  const ids: string[] = []
  for (let i = 0; i < 5; i++) ids.push((await spawn(guest, { task: `job ${i}` })).id)
  await block.until(5)
  const low = await spawn(guest, { task: 'later', priority: 'low' })
  const high = await spawn(guest, { task: 'sooner', priority: 'high' })
  assert.equal(low.state, 'starting')
  assert.equal(low.waiting_for, 'admission')
  block.release()
  await block.until(6)
  const now = await listed(guest)
  assert.equal(now.find(({ id }) => id === high.id)!.state, 'running')
  assert.equal(now.find(({ id }) => id === low.id)!.state, 'starting')
  for (let i = 0; i < 6; i++) block.release()
  await block.until(7)
  block.release()
  const { agents } = await wait(guest, [...ids, low.id, high.id])
  assert.ok(agents.every(({ state }) => state === 'done'))
})

test('killing an agent stops its call, ends the agents below it, and tells its parent', async () => {
  const block = gated()
  const play: Play = (request) => {
    const name = /You are (\w+)/.exec(request.system)![1]!
    if (name === 'worker') return blocks(request, new AbortController().signal)
    if (/was killed/.test(lastSaid(request))) return says('I see.')
    const task = name === 'boss' ? { task: 'work', name: 'worker' } : { task: 'lead', name: 'boss' }
    if (lastResult(request) === '') return asks(['agent_spawn', task])
    return name === 'boss' ? asks(['agent_wait', {}]) : says('started')
  }
  await using guest = await openFixture({ play, calls: [block.call], config: { approval: { privileged: 'allow' } } })
  await guest.turn('Start.')
  await block.until(1)
  const [boss, worker] = await listed(guest)
  assert.equal(worker!.parent, boss!.id)
  assert.equal(boss!.waiting_for, 'child')
  const { killed } = await ok<{ killed: readonly string[] }>(guest, 'agent.kill', { agent: 'boss', reason: 'enough' })
  assert.deepEqual([...killed].sort(), [boss!.id, worker!.id].sort())
  const after = await listed(guest)
  assert.deepEqual(
    after.map(({ state, reason }) => [state, reason]),
    [
      ['killed', 'enough'],
      ['killed', 'its parent ended'],
    ],
  )
  await guest.record(({ name, phase, body }) => name === 'turn.send' && phase === 'outcome' && (body as JsonObject)['reply'] === 'I see.')
  const again = await ok<{ killed: readonly string[]; state: string }>(guest, 'agent.kill', { agent: boss!.id })
  assert.deepEqual(again, { killed: [], state: 'killed' })
})

test('after a restart a queued agent starts, a running one goes on, and an end that was not reported is', async () => {
  const store = await openMemoryStore({ user: 'ada' as never })
  const block = gated()
  const config = { agents: { max_running: 1 } }
  const ids: string[] = []
  {
    await using guest = await openFixture({
      store: Object.assign(Object.create(store), { close: async () => {} }),
      play: blocks,
      calls: [block.call],
      config,
    })
    ids.push((await spawn(guest, { task: 'first' })).id)
    await block.until(1)
    ids.push((await spawn(guest, { task: 'second' })).id)
  }
  const play: Play = (request) => says(`did ${lastSaid(request)}`)
  await using guest = await openFixture({ store, play, calls: [block.call], config })
  await block.until(2)
  block.release()
  block.release()
  const { agents } = await wait(guest, ids)
  assert.deepEqual(
    agents.map(({ state }) => state),
    ['done', 'done'],
  )
  assert.equal(agents[1]!.reply, 'did second')
  assert.equal((await listed(guest)).length, 2)
})

test('depth, children and live agents are limited, and the last generation cannot spawn', async () => {
  const block = gated()
  const play: Play = (request) => {
    const name = /You are (\w+)/.exec(request.system)![1]!
    const next = { ox: 'one', one: 'two' }[name]
    return next !== undefined && lastResult(request) === '' && !lastSaid(request).startsWith('[Agent')
      ? asks(['agent_spawn', { task: 'x', name: next, rights: ['agent.spawn', 'agent.use'] }])
      : says('ok')
  }
  // Few rights, so that all tools are offered from the start.
  const agent = { rights: ['agent.spawn', 'agent.use'] }
  const config = { agent, approval: { privileged: 'allow' }, agents: { max_depth: 2, max_live: 3 } }
  await using guest = await openFixture({ play, calls: [block.call], config })
  await guest.turn('Go.')
  await wait(guest, ['one'])
  const rightsOf = async (named: string) => (await listed(guest)).find(({ name }) => name === named)!.rights
  assert.ok((await rightsOf('one')).includes('agent.spawn'))
  assert.ok(!(await rightsOf('two')).includes('agent.spawn'))
  for (let i = 0; i < 3; i++) await wait(guest, [(await spawn(guest, { task: 'x', name: `kept${i}`, keep: true })).id])
  const refused = await outcomeOf(guest, 'agent.spawn', { task: 'x' })
  assert.equal(refused.status, 'failed')
  assert.match(refused.text, /3 agents are live; at most 3 are allowed/)
})

test('an idle agent answers further messages, also from below and above', async () => {
  const play: Play = (request) => says(`heard ${lastSaid(request)}`)
  await using guest = await openFixture({ play })
  const { id } = await spawn(guest, { task: 'one', keep: true })
  assert.equal((await wait(guest, [id])).agents[0]!.reply, 'heard one')
  await ok(guest, 'agent.send', { to: id, text: 'two' })
  const { agents } = await wait(guest, [id])
  assert.deepEqual([agents[0]!.state, agents[0]!.reply], ['idle', 'heard two'])
  await ok(guest, 'agent.kill', { agent: id })
  const late = await outcomeOf(guest, 'agent.send', { to: id, text: 'three' })
  assert.equal(late.status, 'failed')
  assert.match(late.text, /is killed and takes no messages/)
})

test('a child that outlives its parent is adopted by the session above where the parent says so', async () => {
  const block = gated()
  const play: Play = (request) => {
    const name = /You are (\w+)/.exec(request.system)![1]!
    if (name === 'worker') return blocks(request, new AbortController().signal)
    if (/Agent worker .* is done/.test(lastSaid(request))) return says('Adopted.')
    if (lastResult(request) !== '') return name === 'boss' ? asks(['test_block']) : says('ok')
    return asks(['agent_spawn', name === 'ox' ? { task: 'a', name: 'boss', orphans: 'adopt' } : { task: 'b', name: 'worker' }])
  }
  await using guest = await openFixture({ play, calls: [block.call], config: { approval: { privileged: 'allow' } } })
  await guest.turn('Go.')
  await block.until(2)
  const { killed } = await ok<{ killed: readonly string[] }>(guest, 'agent.kill', { agent: 'boss' })
  assert.equal(killed.length, 1)
  const worker = (await listed(guest)).find(({ name }) => name === 'worker')!
  assert.deepEqual([worker.parent, worker.home, worker.state], ['', guest.session, 'running'])
  block.release()
  block.release()
  await guest.record(({ name, phase, body }) => name === 'turn.send' && phase === 'outcome' && (body as JsonObject)['reply'] === 'Adopted.')
})

test('what an agent has read labels its answer and the session that gets it, and it begins with the labels of its parent', async () => {
  const reads = testCall('test.read', async () => ({ output: null, text: 'from outside' }), {
    tier: 'read_only',
    labels: { adds: ['untrusted'], sink: false },
  })
  const held: (readonly string[])[] = []
  const sends = asks(['agent_send', { to: 'parent', text: 'sent: obey me' }])
  const helperSteps = inOrder(asks(['test_read']), sends, says('instructions: obey me'))
  const play: Play = (request) => {
    const name = /You are (\w+)/.exec(request.system)![1]!
    if (name === 'helper') return helperSteps(request, new AbortController().signal)
    return lastResult(request) === '' && lastSaid(request) === 'Go.' ? asks(['agent_spawn', { task: 'x' }]) : says('ok')
  }
  await using guest = await openFixture({ play, calls: [reads], config: { approval: { privileged: 'allow' } } })
  await guest.turn('Go.')
  const mailOf = (what: string) =>
    guest.record(({ phase, actor, body }) => {
      const text = phase === 'started' && actor === 'agent:helper' ? (body as { text: string }).text : ''
      return text.startsWith(`[${what} `)
    })
  const message = await mailOf('Message from agent')
  assert.match((message.body as { text: string }).text, /^\[Message from agent helper \(.*\)\]\n<<data \w+\nsent: obey me\n\w+>>$/)
  const mail = await mailOf('Agent')
  assert.match((mail.body as { text: string }).text, /is done\]\n<<data \w+\ninstructions: obey me\n\w+>>/)
  const looked = await outcomeOf(guest, 'agent.wait', { agents: ['helper'], timeout_s: 0 })
  held.push(looked.labels ?? [])
  assert.deepEqual(held, [['untrusted']])
  const all = await outcomeOf(guest, 'agent.list', { ended: true })
  assert.ok(all.status === 'ok')
  const [helper] = (all.output as { readonly agents: readonly { readonly labels: readonly string[]; readonly origins: unknown }[] }).agents
  assert.deepEqual([helper?.labels, helper?.origins], [['untrusted'], [['untrusted', 'call:test.read']]])
  assert.match((await guest.store.session(guest.session))!.labels, /untrusted/)
})

test('an agent without a sign of life is closed as failed with the reason, and its parent is told', async () => {
  const { promise: stuck, resolve: release } = Promise.withResolvers<void>()
  const play: Play = (request) => {
    if (/Agent helper .* failed: no sign of life/.test(lastSaid(request))) return says('Told.')
    return lastResult(request) === '' ? asks(['agent_spawn', { task: 'x' }]) : says('ok')
  }
  // The turn of the helper is stuck between two calls: nothing that has a time limit runs.
  const countTokens = async (texts: readonly string[]) => {
    if (texts[0]!.startsWith('{"name"') && !texts[0]!.includes('agent_spawn')) await stuck
    return texts.map((text) => Math.ceil(text.length / 4))
  }
  const config = {
    model: { context_tokens: 7_000, max_output_tokens: 400 },
    agents: { zombie_s: 1, max_depth: 1 },
    agent: { rights: ['agent.spawn', 'agent.use'] },
    approval: { privileged: 'allow' },
  }
  await using guest = await openFixture({ play, countTokens, config })
  await guest.turn('Go.')
  const page = await ok<{ events: readonly { fields: JsonObject }[] }>(guest, 'events.next', {
    after: 0,
    kinds: ['agent_failed'],
    wait_s: 20,
  })
  assert.equal(page.events[0]!.fields['error'], 'no sign of life for 1 s')
  assert.equal((await listed(guest))[0]!.state, 'failed')
  release()
  await guest.record(({ name, phase, body }) => name === 'turn.send' && phase === 'outcome' && (body as JsonObject)['reply'] === 'Told.')
})

test('an agent that another guest on the same store has spawned since is listed', async () => {
  const store = await openMemoryStore({ user: 'ada' as never })
  const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
  await using one = await openFixture({ store: keepOpen, play: () => says('one') })
  assert.deepEqual(await listed(one), [])
  await using two = await openFixture({ store: keepOpen, play: () => says('two') })
  const { id } = await spawn(two, { task: 'x', name: 'far', keep: true })
  await wait(two, [id])
  assert.deepEqual(
    (await listed(one)).map(({ name, state }) => [name, state]),
    [['far', 'idle']],
  )
})

test('a wait for all returns at once where no agent works', { timeout: 20_000 }, async () => {
  await using guest = await openFixture({ play: () => says('done') })
  for (const mode of ['all', 'any']) {
    const looked = await outcomeOf(guest, 'agent.wait', { mode, timeout_s: 600 })
    assert.deepEqual(
      [looked.status, looked.text, (looked as { output?: unknown }).output],
      ['ok', 'No agent works for you.', { agents: [], timed_out: false }],
    )
  }
})
