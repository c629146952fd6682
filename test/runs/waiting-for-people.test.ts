/** What waits for a person is shown as waiting, with for what: while it waits, and right after a stop and a kill of the guest. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostQuestion } from '../../src/config/index.ts'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { startModel } from '../support/model.ts'
import { openReady, outputOf } from '../support/ready.ts'
import type { Terminal } from '../support/terminal.ts'
import { makeWorkspace } from '../support/workspace.ts'

const write = { tool_call: { name: 'file_write', arguments: { path: 'a.txt', text: 'a\n' } } }
const scenario = {
  turns: [{ match: 'Write', steps: [{ events: [write] }, { events: [{ text: 'Written.' }] }] }],
}

const graphs = {
  asking: '[nodes.ask]\ntype = "ask"\nquestion = "Go on?"\nnext = "done"',
  delegating: '[nodes.ask]\ntype = "agent"\nagent = "writer"\ngoal = "Write."\nnext = "done"',
  nesting: '[nodes.ask]\ntype = "graph"\ngraph = "asking"\nnext = "done"',
}
const definitions = [
  { kind: 'agents', name: 'writer', toml: 'description = "Writes."\nrights = ["file.write"]', text: '', problem: '' },
  ...Object.entries(graphs).map(([name, nodes]) => ({
    kind: 'graphs',
    name,
    toml: `start = "ask"\n${nodes}\n[nodes.done]\ntype = "end"`,
    text: '',
    problem: '',
  })),
]
const answer = ({ ask }: HostQuestion): unknown => (ask === 'definitions' ? definitions : null)
const config = {
  agent: { rights: ['superuser'] },
  approval: { side_effecting: 'allow', privileged: 'allow', calls: { 'file.write': 'ask' } },
  memory: { embedder: 'none', index_messages: false },
  versions: { enabled: false },
}

interface Shown {
  readonly name?: string
  readonly graph?: string
  readonly state?: string
  readonly status?: string
  readonly waiting_for: string | null
  readonly waiting_on?: string
}

async function shown(terminal: Terminal): Promise<readonly string[]> {
  const { agents } = await outputOf<{ agents: readonly Shown[] }>(terminal, 'agent.list', {})
  const { runs } = await outputOf<{ runs: readonly Shown[] }>(terminal, 'graph.list', {})
  const lines = [
    ...agents.map(({ name, state, waiting_for: what, waiting_on: on }) => `${name}: ${state}, ${what} ${on}`),
    ...runs.map(({ graph, status, waiting_for: what }) => `${graph}: ${status}, ${what}`),
  ]
  return lines.toSorted()
}

/** The calls behind them: the agent below a graph asks for both. */
const waiting = 4
const expected: readonly string[] = [
  'asking: waiting, an answer',
  'delegating: waiting, an approval',
  'nesting: waiting, an answer',
  'worker: waiting, approval file.write',
  'writer: waiting, approval file.write',
]

test('what waits for a person is shown as waiting, also right after a stop and a kill', async () => {
  using workspace = makeWorkspace()
  await using model = await startModel(scenario)
  const start = (): TestGuest => startGuest({ workspace, config: { ...config, model: model.config }, answer })
  let guest = start()
  {
    using terminal = await openReady(guest, workspace)
    await outputOf(terminal, 'agent.spawn', { task: 'Write.', name: 'worker' })
    for (const graph of Object.keys(graphs)) await outputOf(terminal, 'graph.run', { graph, wait: false })
    for (;;) {
      const { length } = await outputOf<readonly object[]>(terminal, 'approval.list', {})
      if (length === waiting) break
      await outputOf(terminal, 'events.next', { wait_s: 1 })
    }
    assert.deepEqual(await shown(terminal), expected)
  }
  for (const end of ['stop', 'kill'] as const) {
    await guest[end]()
    guest = start()
    using terminal = await openReady(guest, workspace)
    assert.deepEqual(await shown(terminal), expected, `after a ${end}`)
    assert.equal((await outputOf<readonly object[]>(terminal, 'approval.list', {})).length, waiting)
  }
  await guest.stop()
})
