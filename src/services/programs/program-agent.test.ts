import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asks, says, testCall } from '../../kernel/kernel-fixture.ts'
import { type Call, type GenerateRequest, textOf } from '../../protocol/index.ts'
import { openPrograms, type ProgramFixture, programOf } from './program-fixture.ts'

function counted(name: string, more: Partial<Call> = {}) {
  const seen: unknown[] = []
  const call = testCall(
    name,
    async (input: { text?: string }) => {
      seen.push(input.text ?? null)
      return { output: { said: input.text ?? '' }, text: `noted ${input.text ?? ''}` }
    },
    more,
  )
  return { call, seen }
}

const results = ({ messages }: GenerateRequest): readonly string[] =>
  messages.flatMap((message) => (message.role === 'tool' ? message.parts.map(({ text }) => text) : []))
const taskOf = ({ messages }: GenerateRequest): string => textOf(messages.find(({ role }) => role === 'user')!)

/** A model that makes these calls one after another, and then answers with what came of them. */
const makes =
  (...calls: readonly (readonly [name: string, args?: unknown])[]) =>
  (request: GenerateRequest) => {
    const done = results(request)
    const next = calls[done.length]
    return next === undefined ? says(JSON.stringify(done)) : asks(next)
  }

async function refusalsOf({
  store,
}: ProgramFixture): Promise<readonly { readonly name: string; readonly actor: string; readonly body: string }[]> {
  return store.records({ phases: ['refused'], order: 'oldest_first', limit: 20, hydrate: true })
}

test('an agent that follows SKILL.md makes the calls that the manifest lists, and is refused all others on record', async () => {
  const note = counted('test.note')
  const other = counted('test.other')
  const play = makes(['test_note', { text: 'hello Ada' }], ['test_other', { text: 'x' }], ['test_note', { text: 'bye' }])
  const rights = 'calls = [{ call = "test.note", input = { text = "hello *" } }]'
  await using guest = await openPrograms([programOf('polite', rights)], { calls: [note.call, other.call], play })
  const run = await guest.run('polite')
  assert.equal(run.status, 'success', JSON.stringify(run.failure))
  const [allowed, unlisted, unfit] = JSON.parse(run.result as string) as string[]
  assert.match(allowed!, /noted hello Ada/)
  assert.match(unlisted!, /does not list the call test\.other/)
  assert.match(unfit!, /may not make the call test\.note with this text/)
  assert.deepEqual(note.seen, ['hello Ada'])
  assert.deepEqual(other.seen, [])
  const refused = await refusalsOf(guest)
  assert.deepEqual(
    refused.map(({ name, actor }) => [name, actor]),
    [
      ['test.other', 'agent:polite'],
      ['test.note', 'agent:polite'],
    ],
  )
})

test('agents of its agents are held to the manifest, too, with what a person switched to auto', async () => {
  const note = counted('test.note')
  const other = counted('test.other')
  const play = (request: GenerateRequest) =>
    taskOf(request).includes('as the program')
      ? makes(['agent_spawn', { task: 'Go.', rights: ['file.write'] }], ['agent_wait', {}])(request)
      : makes(['test_other', { text: 'x' }], ['test_note', { text: 'deep' }])(request)
  const program = programOf('boss', 'calls = ["test.note", "agent.spawn", "agent.wait"]')
  await using guest = await openPrograms([program], { calls: [note.call, other.call], play, config: { approval: { mode: 'auto' } } })
  const run = await guest.run('boss')
  assert.equal(run.status, 'success', JSON.stringify(run.failure))
  assert.deepEqual(note.seen, ['deep'], run.result as string)
  assert.deepEqual(other.seen, [])
  assert.deepEqual(
    (await refusalsOf(guest)).map(({ name, actor }) => [name, actor]),
    [['test.other', 'agent:helper']],
  )
})

test('agents that a script starts are held to its manifest', async () => {
  const note = counted('test.note')
  const other = counted('test.other')
  const script = `export default () => {
    const { output } = oxbow.call('agent.spawn', { task: 'Go.', rights: ['file.write'] })
    return oxbow.call('agent.wait', { agents: [output.id] }).output.agents[0].reply
  }`
  const program = programOf('boss', 'calls = ["test.note", "agent.spawn", "agent.wait"]', script)
  const play = makes(['test_other', { text: 'x' }], ['test_note', { text: 'in' }])
  await using guest = await openPrograms([program], { calls: [note.call, other.call], play, config: { approval: { mode: 'auto' } } })
  const run = await guest.run('boss')
  assert.equal(run.status, 'success', JSON.stringify(run.failure))
  assert.match(run.result as string, /does not list the call test\.other/)
  assert.deepEqual([note.seen, other.seen], [['in'], []])
})

test('calls of its agent are judged and asked as calls of any agent', async () => {
  const note = counted('test.note', { tier: 'privileged' })
  await using guest = await openPrograms([programOf('careful', 'calls = ["test.note"]')], {
    calls: [note.call],
    play: makes(['test_note', { text: 'ask me' }]),
  })
  const run = await guest.begin('careful')
  let asked: readonly { readonly call: string; readonly name: string }[] = []
  for (let left = 400; left > 0 && asked.length === 0; left--) {
    asked = await guest.ok('approval.list', {})
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.deepEqual([asked[0]?.name, note.seen], ['test.note', []])
  await guest.ok('call.decide', { call: asked[0]!.call, allow: true })
  assert.equal((await guest.ended(run.id)).status, 'success')
  assert.deepEqual(note.seen, ['ask me'])
})

test('paths of the manifest bind the agent, and its result must be the JSON that the manifest describes', async () => {
  const path = counted('test.path', {
    right: 'test.path',
    reaches: { kind: 'paths', fields: ['text'], values: ({ text }: { text: string }) => [text] } as unknown as NonNullable<Call['reaches']>,
  })
  const base = programOf('bound', 'calls = ["test.path"]\npaths = ["/shared/notes"]')
  const program = { ...base, toml: `${base.toml}\n[result]\ntype = "array"\nminItems = 2\n` }
  await using guest = await openPrograms([program], {
    calls: [path.call],
    play: makes(['test_path', { text: '/shared/notes/a' }], ['test_path', { text: '/shared/other/a' }]),
  })
  const run = await guest.run('bound')
  assert.equal(run.status, 'success', JSON.stringify(run.failure))
  assert.deepEqual(path.seen, ['/shared/notes/a'])
})

test('an agent ends with the run that is cancelled', async () => {
  const entered = Promise.withResolvers<void>()
  const slow = testCall('test.slow', async (_, { signal }) => {
    entered.resolve()
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    return { output: {}, text: 'stopped' }
  })
  await using guest = await openPrograms([programOf('long', 'calls = ["test.slow"]')], { calls: [slow], play: makes(['test_slow']) })
  const run = await guest.begin('long')
  await entered.promise
  await guest.ok('program.cancel', { run: run.id })
  const { agents } = await guest.ok<{ agents: readonly { state: string }[] }>('agent.list', { ended: true })
  assert.deepEqual(
    agents.map(({ state }) => state),
    ['killed'],
  )
})

test('graphs that a script starts are held to its manifest', async () => {
  const note = counted('test.note')
  const other = counted('test.other')
  const toml = 'start = "a"\n[nodes.a]\ntype = "call"\ncall = "test.other"\nnext = "done"\n[nodes.done]\ntype = "end"\n'
  const graph = { kind: 'graphs', name: 'go', toml, text: '', problem: '' } as const
  const script = `export default () => {
    const { output } = oxbow.call('graph.run', { graph: 'go', input: {}, wait: true })
    return output.status
  }`
  const program = programOf('boss', 'calls = ["test.note", "agent.spawn", "graph.run"]', script)
  await using guest = await openPrograms([program, graph], {
    calls: [note.call, other.call],
    config: { approval: { mode: 'auto' } },
  })
  await guest.run('boss')
  assert.deepEqual(other.seen, [])
  assert.deepEqual(
    (await refusalsOf(guest)).map(({ name }) => name),
    ['test.other'],
  )
})

test('what a program may do with a call binds the programs that it runs, too', async () => {
  const note = counted('test.note')
  const inner = programOf('inner', 'calls = ["test.note"]', `export default ({ text }) => oxbow.call('test.note', { text }).text`)
  const middle = programOf('middle', 'calls = ["test.note", "program.run"]', `export default (input) => oxbow.run('inner', input)`)
  const outer = programOf(
    'outer',
    'calls = [{ call = "test.note", input = { text = "hello *" } }, "program.run"]',
    `export default (input) => oxbow.run(input.by, { text: input.text })`,
  )
  await using guest = await openPrograms([inner, middle, outer], { calls: [note.call] })
  for (const by of ['inner', 'middle']) {
    assert.equal((await guest.run('outer', { by, text: 'hello Ada' })).status, 'success')
    const refused = await guest.run('outer', { by, text: 'rm -rf /' })
    assert.equal(refused.status, 'failed', by)
    assert.match(refused.failure!.message, /outer may not make the call test\.note with this text/)
  }
  assert.deepEqual(note.seen, ['hello Ada', 'hello Ada'])
})

test('instructions that no agent can be given are found before anything runs', async () => {
  const long = { ...programOf('long', 'calls = []'), text: 'Read on. '.repeat(1_000) }
  const fits = { ...programOf('fits', 'calls = []'), text: 'x'.repeat(8_000) }
  const scripted = { ...programOf('scripted', 'calls = []', 'export default () => 1'), text: 'Read on. '.repeat(1_000) }
  await using guest = await openPrograms([long, fits, scripted], { play: () => says('done') })
  const { ok, problems } = await guest.ok<{ ok: boolean; problems: readonly { file: string; message: string }[] }>('program.verify', {
    name: 'long',
  })
  assert.equal(ok, false)
  assert.deepEqual(
    problems.map(({ file, message }) => [file, message.slice(0, 54)]),
    [['SKILL.md', 'has 9000 characters; an agent follows at most 8000: le']],
  )
  assert.equal((await guest.run('fits')).status, 'success')
  assert.equal((await guest.run('scripted')).result, 1)
})

test('what is listed for whoever a script starts is no unused right', async () => {
  const warnings = async (call: string): Promise<readonly string[]> => {
    const script = `export default () => oxbow.call('${call}', {})`
    await using guest = await openPrograms([programOf('boss', `calls = ["${call}", "agent.find"]`, script)])
    const found = await guest.ok<{ warnings: readonly { message: string }[] }>('program.verify', { name: 'boss' })
    return found.warnings.map(({ message }) => message)
  }
  for (const call of ['goal.start', 'graph.run', 'agent.delegate', 'program.run']) assert.deepEqual(await warnings(call), [], call)
  assert.deepEqual(await warnings('agent.list'), ['lists agent.find, which main.js does not name'])
})
