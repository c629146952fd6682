/** Runs that agents start: their results, rights, budgets and ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../base/index.ts'
import { type GenerateRequest, textOf } from '../../protocol/index.ts'
import { asks, says, testCall } from '../../kernel/kernel-fixture.ts'
import { type GraphFixture, notedCall, openGraphs } from './graph-fixture.ts'
import type { GraphView } from './graph-view.ts'

const done = '\n[nodes.done]\ntype = "end"\ntext = "all done"\n'
const note = (name: string, rest: string): string =>
  `\n[nodes.${name}]\ntype = "call"\ncall = "test.note"\ninput = { text = "${name}" }\n${rest}\n`
const hangs = testCall(
  'test.hangs',
  (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
)
const hanging = `start = "h"\n[nodes.h]\ntype = "call"\ncall = "test.hangs"\nnext = "done"${done}`

const lastSaid = ({ messages }: GenerateRequest): string => textOf(messages.findLast(({ role }) => role === 'user')!)
const lastResult = ({ messages }: GenerateRequest): string => {
  const last = messages.at(-1)!
  return last.role === 'tool' ? last.parts[0].text : ''
}
const runs = async (guest: GraphFixture): Promise<readonly GraphView[]> =>
  (await guest.ok<{ runs: readonly GraphView[] }>('graph.list', { ended: true })).runs
/** Resolves when the run that an agent has started makes this call. */
async function reached(guest: GraphFixture, call: string): Promise<void> {
  for (let left = 1_000; left > 0; left--) {
    if ((await runs(guest))[0]?.waiting_for === call) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`no run makes the call ${call}`)
}

/** A model that runs a graph, and then says what it heard. */
const runner =
  (input: JsonObject) =>
  (request: GenerateRequest): ReturnType<typeof says> =>
    lastResult(request) === '' && !lastSaid(request).startsWith('[Graph')
      ? asks(['graph_run', input])
      : says(`heard ${lastResult(request)}${lastSaid(request)}`)
const agent = { rights: ['agent.spawn', 'agent.use', 'file.write', 'file.read'] }
const config = { agent }

test('an agent gets the result of a run as its call’s result, or as a message', async () => {
  const { call } = notedCall('test.note')
  const files = { 'graphs/g': `start = "a"${note('a', 'next = "done"')}${done}` }
  {
    await using guest = await openGraphs(files, { calls: [call], config, play: runner({ graph: 'g' }) })
    assert.match((await guest.turn('Go.'))['reply'] as string, /heard g \(.*\): success\nall done/)
  }
  await using guest = await openGraphs(files, { calls: [call], config, play: runner({ graph: 'g', wait: false }) })
  await guest.turn('Go.')
  const mail = await guest.record(({ name, phase, actor }) => name === 'turn.send' && phase === 'intent' && actor === 'agent:graph-g')
  assert.match(JSON.stringify(mail.body), /\[Graph g \(.*\): success\]/)
})

test('a turn that is cancelled ends the run that it waits for', async () => {
  await using guest = await openGraphs({ 'graphs/g': hanging }, { calls: [hangs], config, play: runner({ graph: 'g' }) })
  const turn = guest.turn('Go.')
  await reached(guest, 'test.hangs')
  await guest.kernel.cancelTurn(guest.session)
  await turn
  const [run] = await runs(guest)
  assert.equal((await guest.ended(run!.id)).status, 'cancelled')
})

test('the end of the agent that has started a run ends the run', async () => {
  await using guest = await openGraphs({ 'graphs/g': hanging }, { calls: [hangs], config, play: runner({ graph: 'g' }) })
  const { id } = await guest.ok<{ id: string }>('agent.spawn', { task: 'Run it.' })
  await reached(guest, 'test.hangs')
  await guest.ok('agent.kill', { agent: id })
  const [run] = await runs(guest)
  assert.equal((await guest.ended(run!.id)).status, 'cancelled')
})

test('a run has no right that the agent which started it lacks, whatever its definition names', async () => {
  const { call, seen } = notedCall('test.note', { right: 'web.read' })
  const files = { 'graphs/g': `start = "a"\nrights = ["web.read", "file.read"]${note('a', 'next = "done"')}${done}` }
  await using guest = await openGraphs(files, { calls: [call], config, play: runner({ graph: 'g' }) })
  await guest.turn('Go.')
  const [run] = await runs(guest)
  assert.equal(run?.failure?.code, 'denied')
  assert.deepEqual(seen, [])
  // A person may grant what the agent lacks: the definition is theirs.
  assert.equal((await guest.run('g')).status, 'success')
})

test('what was revoked of an agent is no right of its runs any more', async () => {
  const { call, seen } = notedCall('test.note')
  let release = (): void => {}
  const gate = testCall('test.gate', () => new Promise((resolve) => (release = () => resolve({ output: null, text: 'went on' }))), {
    right: 'file.read',
  })
  const files = { 'graphs/g': `start = "g"\n[nodes.g]\ntype = "call"\ncall = "test.gate"\nnext = "a"${note('a', 'next = "done"')}${done}` }
  await using guest = await openGraphs(files, { calls: [call, gate], config, play: runner({ graph: 'g' }) })
  const { id } = await guest.ok<{ id: string }>('agent.spawn', { task: 'Run it.' })
  await reached(guest, 'test.gate')
  await guest.ok('agent.revoke', { agent: id, rights: ['file.write'] })
  release()
  const [run] = await runs(guest)
  const ended = await guest.ended(run!.id)
  assert.deepEqual([ended.failure?.code, seen], ['denied', []])
})

test('a budget that is gone in the middle fails the node, and a resume goes on with more', async () => {
  const { call, seen } = notedCall('test.note')
  const nodes = `${note('a', 'next = "b"')}${note('b', 'next = "c"')}${note('c', 'next = "done"')}`
  await using guest = await openGraphs({ 'graphs/g': `start = "a"\n[budget]\ncalls = 2${nodes}${done}` }, { calls: [call], config })
  const { id, status, failure } = await guest.run('g')
  assert.deepEqual([status, failure?.code, failure?.node, seen], ['failed', 'budget_exhausted', 'c', ['a', 'b']])
  await guest.ok('graph.resume', { run: id })
  assert.equal((await guest.ended(id)).status, 'success')
  assert.deepEqual(seen, ['a', 'b', 'c'])
})

test('a graph of the workspace counts once it is approved, and its runs end when that is taken back', async () => {
  const { createFakeSandbox } = await import('../../sandbox/fake/fake-sandbox.ts')
  const files = new Map([['/shared/.oxbow/graphs/g.toml', hanging]])
  const options = { calls: [hangs], config: { versions: { enabled: false } }, sandbox: createFakeSandbox(files) }
  await using guest = await openGraphs({}, options)
  assert.notEqual((await guest.kernel.call('graph.run', { graph: 'g' })).status, 'ok')
  const { hash } = await guest.ok<{ hash: string }>('definition.show', { kind: 'graphs', name: 'g' })
  await guest.ok('definition.approve', { kind: 'graphs', name: 'g', hash })
  const { id } = await guest.begin('g')
  await guest.until(id, ({ waiting_for: waits }) => waits === 'test.hangs')
  await guest.ok('definition.revoke', { kind: 'graphs', name: 'g' })
  assert.equal((await guest.ended(id)).status, 'cancelled')
})

test('with one place, agents and graphs that wait for each other all come to their end', async () => {
  const worker = 'description = "Works"\nrights = ["agent.spawn", "agent.use"]\ndelegable = ["agent.spawn", "agent.use"]'
  const node = (name: string, goal: string): string =>
    `start = "a"\n[nodes.a]\ntype = "agent"\nagent = "${name}"\ngoal = "${goal}"\nnext = "done"${done}`
  const files = {
    'agents/worker': worker,
    'graphs/outer': node('worker', 'Run the inner graph.'),
    'graphs/inner': node('worker', 'Look at the last graph.'),
    'graphs/last': node('worker', 'Say it.'),
  }
  const play = (request: GenerateRequest): ReturnType<typeof says> => {
    const [result, said] = [lastResult(request), lastSaid(request)]
    const run = /last \((\S+)\): running/.exec(result)?.[1]
    if (run !== undefined) return asks(['graph_show', { run, wait_s: 60 }])
    if (result !== '' || said.startsWith('[Graph')) return says('said')
    if (said === 'Go.') return asks(['graph_run', { graph: 'outer' }])
    if (said === 'Run the inner graph.') return asks(['graph_run', { graph: 'inner' }])
    return said === 'Look at the last graph.' ? asks(['graph_run', { graph: 'last', wait: false }]) : says('said')
  }
  await using guest = await openGraphs(files, { config: { agent, agents: { max_running: 1, max_depth: 8 } }, play })
  const { id } = await guest.ok<{ id: string }>('agent.spawn', { task: 'Go.', rights: ['agent.spawn', 'agent.use'] })
  const { timed_out: isLate } = await guest.ok<{ timed_out: boolean }>('agent.wait', { agents: [id], timeout_s: 20 })
  assert.equal(isLate, false)
  assert.deepEqual(
    (await runs(guest)).map(({ graph, status, failure }) => `${graph} ${status}${failure?.message ?? ''}`),
    ['last success', 'inner success', 'outer success'],
  )
})
