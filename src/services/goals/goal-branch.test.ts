/** Who works on the branch of a goal changes nothing outside of it, whatever they start. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostPort } from '../../config/index.ts'
import { textOf } from '../../protocol/index.ts'
import { asks, type FixtureOptions, says } from '../../kernel/kernel-fixture.ts'
import { command, openGoals, seedWith } from './goal-fixture.ts'

const toml = `[program]\nname = "out"\nversion = "1.0.0"\ndescription = "A test."\n[rights]\ncalls = ["file.write"]\npaths = ["/shared"]\n`
const script = `export default () => oxbow.call('file.write', { path: '/shared/program', text: 'out' }).text`
const graph = `start = "a"\n[nodes.a]\ntype = "call"\ncall = "file.write"\ninput = { path = "/shared/graph", text = "out" }\nnext = "done"\n[nodes.done]\ntype = "end"\n`
const host = {
  definitions: async () => [
    { kind: 'programs', name: 'out', toml, text: 'Does it.', script, problem: '' },
    { kind: 'graphs', name: 'out', toml: graph, text: '', problem: '' },
  ],
} as unknown as HostPort

test('a program, a graph or a goal that is started on a branch of files changes nothing in the workspace', async () => {
  const inner = seedWith([command('inner', 'true')], { goal: 'inner' })
  const rights = ['file.write', 'file.read', 'agent.spawn', 'agent.use', 'shell.run']
  const spawned = ['agent_spawn', { task: 'Go.', files: 'branch', rights }] as const
  const started = [
    ['program_run', { program: 'out', input: {} }],
    ['graph_run', { graph: 'out', input: {}, wait: true }],
    ['goal_start', { request: 'inner', seed: inner }],
  ] as const
  let isTold = false
  const play: NonNullable<FixtureOptions['play']> = ({ messages, system }) => {
    const said = textOf(messages.find(({ role }) => role === 'user')!)
    if (messages.some(({ role }) => role === 'tool')) return says('done')
    if (said === 'begin') return asks(spawned, ['agent_wait', {}])
    if (system.includes('goal-worker')) return asks(['file_write', { path: '/shared/goal', text: 'out' }])
    if (isTold) return says('done')
    isTold = true
    return asks(...started)
  }
  await using place = await openGoals({}, { host, play })
  await place.guest.turn('begin')
  const ofAgent = (
    await place.guest.store.records({ phases: ['outcome', 'refused'], order: 'oldest_first', limit: 1_000, hydrate: true })
  ).filter(({ actor }) => actor === 'agent:helper')
  const texts = ofAgent
    .filter(({ name }) => /^(?:program|graph|goal)\./.test(name))
    .map(({ body }) => (JSON.parse(body) as { text: string }).text)
  assert.deepEqual([place.read('program'), place.read('graph'), place.read('goal')], [null, null, null], texts.join('\n'))
  assert.equal(texts.length, 3)
  for (const text of texts) assert.match(text, /You work on the branch of files/)
})
