/** Places in the queue of runs: whoever waits for somebody else lends its own, so that no wait keeps out what it waits for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asks, type FixtureOptions, says } from '../../src/kernel/kernel-fixture.ts'
import { type GraphFixture, openGraphs } from '../../src/services/graphs/graph-fixture.ts'
import type { CallId } from '../../src/base/index.ts'
import { textOf } from '../../src/protocol/index.ts'

const config = {
  agents: { max_running: 1 },
  agent: { rights: ['superuser'] },
  approval: { side_effecting: 'allow', privileged: 'allow' },
  a2a: { agents: { helper: { description: 'Helps.', rights: ['agent.spawn', 'agent.use', 'state.write'] } } },
}

const files = {
  'graphs/asking': `
start = "ask"
[nodes.ask]
type = "agent"
agent = "judge"
goal = "Child."
next = "done"
[nodes.done]
type = "end"
text = "judged"`,
  'agents/judge': 'description = "Judges."\nrights = []',
}

/** What each goal does, a step after another; the last one says the last result. */
const steps: Readonly<Record<string, readonly (readonly [name: string, args: object])[]>> = {
  'Child.': [],
  'Spawn.': [
    ['agent_spawn', { task: 'Child.' }],
    ['agent_wait', {}],
  ],
  'Draw.': [['graph_run', { graph: 'asking', input: {} }]],
  'Ask.': [['state_save', { category: 'notes', name: 'a', data: 1 }]],
}
const play: FixtureOptions['play'] = ({ messages }) => {
  const said = textOf(messages.find(({ role }) => role === 'user')!)
  const todo = Object.entries(steps).find(([goal]) => said.includes(goal))?.[1] ?? []
  const results = messages.flatMap((message) => (message.role === 'tool' ? [message.parts[0].text] : []))
  return results.length < todo.length ? asks(todo[results.length]!) : says(`heard ${results.at(-1) ?? ''}`)
}

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10))

interface Ran {
  readonly runs: readonly { readonly status: string; readonly summary: string }[]
}

/** Runs a goal as a schedule does. @returns how it ended */
async function scheduled({ ok }: GraphFixture, goal: string): Promise<string> {
  const { id } = await ok<{ id: string }>('schedule.create', { name: goal, goal, cadence: { type: 'interval', every_s: 3_600 } })
  await ok('schedule.trigger', { id })
  for (;;) {
    const [run] = (await ok<Ran & Record<string, never>>('schedule.runs', { id })).runs
    if (run !== undefined && !/^(?:waiting|running)$/.test(run.status)) return `${run.status} ${run.summary}`
    await soon()
  }
}

/** Sends a goal as a program does. @returns how its turn ended */
async function sent({ ok, store }: GraphFixture, goal: string): Promise<string> {
  const { task } = await ok<{ task: CallId }>('task.send', { agent: 'helper', message: goal, text: goal })
  for (;;) {
    const [end] = await store.records({ call: task, phases: ['outcome'], order: 'newest_first', limit: 1, hydrate: true })
    if (end !== undefined) return end.body
    await soon()
  }
}

for (const [what, run] of [
  ['a run of a schedule', scheduled],
  ['a task of a program', sent],
] as const) {
  test(`${what} that waits for its agent lends it the only place`, async () => {
    await using guest = await openGraphs(files, { config, play })
    assert.match(await run(guest, 'Spawn.'), /(?:success|ok).*heard .*heard/s)
  })

  test(`${what} that waits for a graph, whose node is an agent, lends it the only place`, async () => {
    await using guest = await openGraphs(files, { config, play })
    assert.match(await run(guest, 'Draw.'), /(?:success|ok).*heard .*judged/s)
  })
}
