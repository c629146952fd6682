import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore } from '../../store/index.ts'
import { OxbowError } from '../../base/index.ts'
import type { CallOutcome } from '../../protocol/index.ts'
import { newCallId, says, testCall, user } from '../../kernel/kernel-fixture.ts'
import { notedCall, openGraphs } from './graph-fixture.ts'

const done = '\n[nodes.done]\ntype = "end"\n'
const note = (name: string, text: string, rest: string): string =>
  `\n[nodes.${name}]\ntype = "call"\ncall = "test.note"\ninput = { text = "${text}" }\n${rest}\n`

const failureOf = (outcome: CallOutcome): string => ('failure' in outcome ? `${outcome.failure.code} ${outcome.failure.message}` : 'ok')

test('nodes run in order, save what they return, and the guards choose the way', async () => {
  const { call, seen } = notedCall('test.note')
  const toml = `
start = "first"
inputs = ["who"]
[state.who]
type = "string"
[state.greeting]
type = "string"
[state.count]
type = "integer"
default = 0
${note('first', 'hello ${who}', 'save = { greeting = "text" }\nset = { count = 2 }\nnext = "choose"')}
${note('choose', '${count}', 'edges = [{ when = { field = "greeting", matches = "^hello B" }, to = "never" }, { when = { and = [{ field = "count", gte = 2 }, { not = { field = "error", exists = true } }] }, to = "second" }]\nelse = "never"')}
${note('second', '${greeting}!', 'next = "done"')}
${note('never', 'no', 'next = "done"')}
[nodes.done]
type = "end"
output = { said = "\${greeting}", times = "\${count}" }
text = "done with \${who}"
`
  await using guest = await openGraphs({ 'graphs/greet': toml }, { calls: [call] })
  const view = await guest.run('greet', { who: 'Ada' })
  assert.deepEqual(seen, ['hello Ada', 2, 'hello Ada!'])
  assert.equal(view.status, 'success')
  assert.deepEqual(view.output, { said: 'hello Ada', times: 2 })
  assert.equal(view.text, 'done with Ada')
  assert.equal(view.visits, 4)
})

test('what a graph is not given, or does not take, is refused before anything runs', async () => {
  const { call, seen } = notedCall('test.note')
  const toml = `start = "a"\ninputs = ["n"]\n[state.n]\ntype = "integer"\n${note('a', '${n}', 'next = "done"')}${done}`
  await using guest = await openGraphs({ 'graphs/g': toml, 'graphs/bad': 'start = "a"' }, { calls: [call] })
  const refusal = async (graph: string, input: object): Promise<string> =>
    failureOf(await guest.kernel.call('graph.run', { graph, input: input as never }))
  assert.match(await refusal('g', {}), /bad_input.*needs the input n/)
  assert.match(await refusal('g', { n: 'x' }), /bad_input.*n cannot have/)
  assert.match(await refusal('g', { n: 1, m: 2 }), /bad_input.*takes no input m/)
  assert.match(await refusal('none', {}), /not_found/)
  assert.match(await refusal('bad', {}), /bad_config|bad_input/)
  assert.deepEqual(seen, [])
})

test('a loop ends with max_visits, and a guard on visits leaves it before', async () => {
  const { call, seen } = notedCall('test.note')
  const loop = (edges: string): string => `start = "a"\n${note('a', '${visits.a}', `max_visits = 3\n${edges}`)}${done}`
  const files = {
    'graphs/runaway': loop('edges = [{ when = { field = "visits.a", gt = 100 }, to = "done" }]\nelse = "a"'),
    'graphs/bounded': loop('edges = [{ when = { field = "visits.a", lt = 3 }, to = "a" }]\nelse = "done"'),
  }
  await using guest = await openGraphs(files, { calls: [call] })
  const runaway = await guest.run('runaway')
  assert.equal(runaway.status, 'failed')
  assert.equal(runaway.failure?.code, 'limit_reached')
  assert.deepEqual(seen, [1, 2, 3])
  const bounded = await guest.run('bounded')
  assert.equal(bounded.status, 'success')
  assert.deepEqual(seen.slice(3), [1, 2, 3])
})

test('a failing node is tried again, then leads on by on_error, or fails the run with its code', async () => {
  let tries = 0
  const flaky = testCall('test.flaky', async () => {
    tries += 1
    throw new OxbowError('tool_failed', `try ${tries} failed`, { hint: 'Wait.' })
  })
  const { call, seen } = notedCall('test.note')
  const node = (more: string): string =>
    `start = "f"\n[nodes.f]\ntype = "call"\ncall = "test.flaky"\nretries = 2\nretry_delay_s = 0\n${more}\n`
  const files = {
    'graphs/caught': `${node('next = "done"\non_error = "report"')}${note('report', '${error.code}: ${error.message}', 'next = "done"')}${done}`,
    'graphs/fails': `${node('next = "done"')}${done}`,
  }
  await using guest = await openGraphs(files, { calls: [flaky, call] })
  assert.equal((await guest.run('caught')).status, 'success')
  assert.equal(tries, 3)
  assert.deepEqual(seen, ['tool_failed: try 3 failed'])
  const failed = await guest.run('fails')
  assert.equal(failed.status, 'failed')
  assert.deepEqual([failed.failure?.code, failed.failure?.node, failed.failure?.hint], ['tool_failed', 'f', 'Wait.'])
})

test('a command that reports a failure fails its node, unless the node saves `ok`', async () => {
  const exits = testCall('test.exits', async () => ({ output: { code: 1 }, text: 'exit 1', ok: false }))
  const node = (more: string): string =>
    `start = "x"\n[state.passed]\ntype = "boolean"\n[nodes.x]\ntype = "call"\ncall = "test.exits"\n${more}\nnext = "done"\n[nodes.done]\ntype = "end"\noutput = { passed = "\${passed}" }`
  await using guest = await openGraphs(
    { 'graphs/plain': node('set = { passed = true }'), 'graphs/saves': node('save = { passed = "ok" }') },
    { calls: [exits] },
  )
  assert.equal((await guest.run('plain')).failure?.code, 'tool_failed')
  assert.deepEqual((await guest.run('saves')).output, { passed: false })
})

test('a map runs its branches at once, and its join collects in the order of the items', async () => {
  let most = 0
  let now = 0
  const slow = testCall('test.slow', async ({ text }: { text: number }) => {
    most = Math.max(most, (now += 1))
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, 20 - text * 5)))
    now -= 1
    if (text === 9) throw new OxbowError('tool_failed', 'nine', { hint: 'Not nine.' })
    return { output: { double: text * 2 }, text: '' }
  })
  const map = (join: string): string => `
start = "each"
inputs = ["items"]
[state.items]
type = "array"
[state.item]
type = "integer"
[state.double]
type = "integer"
[state.doubles]
type = "array"
default = []
[nodes.each]
type = "map"
over = "items"
as = "item"
to = "work"
join = "all"
parallel = 3
[nodes.work]
type = "call"
call = "test.slow"
input = { text = "\${item}" }
save = { double = "output.double" }
next = "all"
[nodes.all]
type = "join"
collect = { doubles = "double" }
${join}
next = "done"
[nodes.done]
type = "end"
output = { doubles = "\${doubles}" }`
  const files = { 'graphs/all': map(''), 'graphs/some': map('on_failure = "continue"'), 'graphs/one': map('need = "any"') }
  await using guest = await openGraphs(files, { calls: [slow] })
  assert.deepEqual((await guest.run('all', { items: [0, 1, 2, 3] })).output, { doubles: [0, 2, 4, 6] })
  assert.equal(most, 3)
  assert.deepEqual((await guest.run('all', { items: [] })).output, { doubles: [] })
  assert.equal((await guest.run('all', { items: [0, 9, 1] })).failure?.message, 'nine')
  assert.deepEqual((await guest.run('some', { items: [9, 1, 9, 2] })).output, { doubles: [2, 4] })
  assert.deepEqual((await guest.run('one', { items: [0, 3] })).output, { doubles: [6] })
})

test('a graph in a node has a state of its own, and graphs that contain each other are refused', async () => {
  const { call, seen } = notedCall('test.note')
  const inner = `start = "a"\ninputs = ["x"]\n[state.x]\ntype = "string"\n${note('a', 'inner ${x}', 'next = "done"')}[nodes.done]\ntype = "end"\noutput = { y = "\${x}\${x}" }`
  const outer = `start = "a"\n[state.x]\ntype = "string"\ndefault = "o"\n[state.got]\ntype = "string"\n[nodes.a]\ntype = "graph"\ngraph = "inner"\ninput = { x = "\${x}i" }\nsave = { got = "output.y" }\nnext = "done"\n[nodes.done]\ntype = "end"\noutput = { got = "\${got}", x = "\${x}" }`
  const self = `start = "a"\n[nodes.a]\ntype = "graph"\ngraph = "self"\nnext = "done"${done}`
  await using guest = await openGraphs({ 'graphs/inner': inner, 'graphs/outer': outer, 'graphs/self': self }, { calls: [call] })
  assert.deepEqual((await guest.run('outer')).output, { got: 'oioi', x: 'o' })
  assert.deepEqual(seen, ['inner oi'])
  assert.match(failureOf(await guest.kernel.call('graph.run', { graph: 'self' })), /bad_input.*contain each other: self → self/)
})

test('a person answers a question with a choice, and a wrong answer is refused', async () => {
  const toml = `start = "q"\n[state.verdict]\ntype = "string"\n[nodes.q]\ntype = "ask"\nquestion = "Publish it?"\nchoices = ["yes", "no"]\nsave = { verdict = "answer" }\nnext = "done"\n[nodes.done]\ntype = "end"\noutput = { verdict = "\${verdict}" }`
  await using guest = await openGraphs({ 'graphs/q': toml })
  const { id } = await guest.begin('q')
  const waiting = await guest.until(id, ({ waiting_for: waits }) => waits === 'an answer')
  assert.deepEqual(
    waiting.questions.map(({ question, choices }) => [question, choices]),
    [['Publish it?', ['yes', 'no']]],
  )
  assert.match(failureOf(await guest.kernel.call('graph.answer', { run: id, answer: 'maybe' })), /bad_input.*one of: yes, no/)
  await guest.ok('graph.answer', { run: id, answer: 'no' })
  assert.deepEqual((await guest.ended(id)).output, { verdict: 'no' })
})

test('a question can be answered at once after the start of its run, and after a restart', async () => {
  const store = { ...(await openMemoryStore({ user })), close: async () => {} }
  const toml = `start = "q"\n[state.verdict]\ntype = "string"\n[nodes.q]\ntype = "ask"\nquestion = "Publish it?"\nchoices = ["yes", "no"]\nsave = { verdict = "answer" }\nnext = "done"\n[nodes.done]\ntype = "end"\noutput = { verdict = "\${verdict}" }`
  let id = ''
  {
    await using guest = await openGraphs({ 'graphs/q': toml }, { store })
    ;({ id } = await guest.begin('q'))
    // Not asked yet, either.
    assert.match(failureOf(await guest.kernel.call('graph.answer', { run: id, answer: 'maybe' })), /bad_input/)
  }
  await using guest = await openGraphs({ 'graphs/q': toml }, { store })
  await guest.ok('graph.answer', { run: id, answer: 'no' })
  assert.deepEqual((await guest.ended(id)).output, { verdict: 'no' })
  assert.match(failureOf(await guest.kernel.call('graph.answer', { run: id, answer: 'no' })), /not_found/)
})

test('a run is cancelled by the first call after a restart', async () => {
  const store = { ...(await openMemoryStore({ user })), close: async () => {} }
  const toml = `start = "w"\n[nodes.w]\ntype = "wait"\nseconds = 86400\nnext = "done"\n${done}`
  let id = ''
  {
    await using guest = await openGraphs({ 'graphs/w': toml }, { store })
    ;({ id } = await guest.begin('w'))
  }
  await using guest = await openGraphs({ 'graphs/w': toml }, { store })
  const ended = await guest.ok<{ status: string; cancelled: boolean }>('graph.cancel', { run: id })
  assert.deepEqual([ended.status, ended.cancelled], ['cancelled', true])
  assert.equal((await guest.ok<{ cancelled: boolean }>('graph.cancel', { run: id })).cancelled, false)
})

test('a wait ends at its time, and a node that takes too long fails with `timeout`', async () => {
  const hangs = testCall(
    'test.hangs',
    (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  )
  const files = {
    'graphs/wait': `start = "w"\n[nodes.w]\ntype = "wait"\nseconds = 0.05\nnext = "done"${done}`,
    'graphs/late': `start = "h"\n[nodes.h]\ntype = "call"\ncall = "test.hangs"\ntimeout_s = 0.05\nnext = "done"${done}`,
    'graphs/whole': `start = "h"\ntimeout_s = 0.05\n[nodes.h]\ntype = "call"\ncall = "test.hangs"\nnext = "done"${done}`,
  }
  await using guest = await openGraphs(files, { calls: [hangs] })
  assert.equal((await guest.run('wait')).status, 'success')
  assert.equal((await guest.run('late')).failure?.code, 'timeout')
  assert.equal((await guest.run('whole')).failure?.code, 'timeout')
})

test('cancelling ends what runs at once; resuming goes on there, or from a node', async () => {
  let isOpen = false
  const gate = testCall('test.gate', (_, { signal }) =>
    isOpen
      ? Promise.resolve({ output: null, text: 'open' })
      : new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  )
  const { call, seen } = notedCall('test.note')
  const toml = `start = "a"\n${note('a', 'a', 'next = "g"')}[nodes.g]\ntype = "call"\ncall = "test.gate"\nnext = "b"\n${note('b', 'b', 'next = "done"')}${done}`
  await using guest = await openGraphs({ 'graphs/g': toml }, { calls: [gate, call] })
  const { id } = await guest.begin('g')
  await guest.until(id, ({ waiting_for: waits }) => waits === 'test.gate')
  assert.equal((await guest.ok<{ status: string }>('graph.cancel', { run: id })).status, 'cancelled')
  isOpen = true
  assert.match(failureOf(await guest.kernel.call('graph.resume', { run: id, from: 'none' })), /not_found/)
  await guest.ok('graph.resume', { run: id })
  assert.equal((await guest.ended(id)).status, 'success')
  assert.deepEqual(seen, ['a', 'b'])
  assert.match(failureOf(await guest.kernel.call('graph.resume', { run: id })), /bad_input/)
})

test('a run has the rights of its definition and of whoever starts it, and its nodes no more', async () => {
  const { call, seen } = notedCall('test.note', { right: 'state.write' })
  const graph = (rights: string, own: string): string => `start = "a"\n${rights}${note('a', 'x', `${own}next = "done"`)}${done}`
  const files = {
    'graphs/usual': graph('', ''),
    'graphs/few': graph('rights = ["file.read"]\n', ''),
    'graphs/node': graph('', 'rights = ["file.read"]\n'),
  }
  await using guest = await openGraphs(files, { calls: [call] })
  assert.equal((await guest.run('usual')).status, 'success')
  assert.equal((await guest.run('few')).failure?.code, 'denied')
  assert.equal((await guest.run('node')).failure?.code, 'denied')
  assert.deepEqual(seen, ['x'])
})

test('a run that is started twice by the same call is one run', async () => {
  const { call, seen } = notedCall('test.note')
  await using guest = await openGraphs({ 'graphs/g': `start = "a"\n${note('a', 'x', 'next = "done"')}${done}` }, { calls: [call] })
  const id = newCallId()
  const first = await guest.ok<{ id: string }>('graph.run', { graph: 'g' }, id)
  const again = await guest.kernel.call('graph.run', { graph: 'g' }, undefined, id)
  assert.equal(again.status, 'ok')
  assert.equal(
    (await guest.ok<{ runs: readonly { id: string }[] }>('graph.list', { ended: true })).runs.map((run) => run.id).join(),
    first.id,
  )
  assert.deepEqual(seen, ['x'])
})

test('a run goes on after a restart by the definition with which it began, and no finished node runs again', async () => {
  const store = await openMemoryStore({ user })
  const { call, seen } = notedCall('test.note', { effect: 'once' })
  const hangs = testCall(
    'test.gate',
    (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  )
  const opens = testCall('test.gate', async () => ({ output: null, text: 'open' }))
  const toml = (last: string): string =>
    `start = "a"\n${note('a', 'a', 'next = "g"')}[nodes.g]\ntype = "call"\ncall = "test.gate"\nnext = "b"\n${note('b', last, 'next = "done"')}${done}`
  const kept = { ...store, close: async () => {} }
  let id = ''
  {
    await using guest = await openGraphs({ 'graphs/g': toml('before') }, { calls: [call, hangs], store: kept })
    ;({ id } = await guest.begin('g'))
    await guest.until(id, ({ waiting_for: waits }) => waits === 'test.gate')
  }
  await using guest = await openGraphs({ 'graphs/g': toml('after') }, { calls: [call, opens], store: kept })
  assert.equal((await guest.ended(id)).status, 'success')
  assert.deepEqual(seen, ['a', 'before'])
})

test('an agent node delegates, and its value is what the type of the field allows', async () => {
  const agent = 'description = "Judges."\nrights = ["file.read"]'
  const toml = `start = "j"\n[state.score]\ntype = "object"\nrequired = ["points"]\nproperties = { points = { type = "integer" } }\n[nodes.j]\ntype = "agent"\nagent = "judge"\ngoal = "Judge it."\nsave = { score = "value" }\nnext = "done"\n[nodes.done]\ntype = "end"\noutput = { points = "\${score.points}" }`
  await using guest = await openGraphs({ 'agents/judge': agent, 'graphs/g': toml }, { play: () => says('{"points": 7}') })
  const view = await guest.run('g')
  assert.deepEqual([view.status, view.output, view.failure], ['success', { points: 7 }, null])
})

test('what the nodes have read is on the run, and on whoever gets its result', async () => {
  const reads = testCall('test.reads', async () => ({ output: null, text: 'secret', labels: ['private', 'untrusted'] }))
  const sends = testCall('test.sends', async () => ({ output: null, text: 'sent' }), { labels: { adds: [], sink: true } })
  const toml = `start = "r"\n[nodes.r]\ntype = "call"\ncall = "test.reads"\nnext = "s"\n[nodes.s]\ntype = "call"\ncall = "test.sends"\nnext = "done"${done}`
  await using guest = await openGraphs({ 'graphs/g': toml }, { calls: [reads, sends], config: { flow: { both: 'deny' } } })
  const outcome = await guest.kernel.call('graph.run', { graph: 'g' })
  assert.equal(outcome.status === 'ok' && (outcome.output as { failure: { code: string } }).failure.code, 'denied')
  assert.deepEqual(outcome.labels, ['private', 'untrusted'])
})
