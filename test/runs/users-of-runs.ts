/**
 * One of each kind of work that is a run: agents that wait for a person, for each other and for places, trees of delegations, a schedule, a
 * graph, tasks of another program, the task of a plugin. What is begun under a name or an id is begun once, so that a life may begin it again.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ScenarioStep } from '../../src/engine/index.ts'
import { treeHash } from '../../src/plugins/index.ts'
import type { JsonObject } from '../../src/base/index.ts'
import type { HostedPlugin } from '../../src/protocol/index.ts'
import type { DefinitionText, HostQuestion } from '../../src/config/index.ts'
import { assertNothingOpen, type Ledger } from '../support/ledger.ts'
import { outputOf } from '../support/ready.ts'
import type { Terminal } from '../support/terminal.ts'
import type { TestWorkspace } from '../support/workspace.ts'

const workers = 3
const bosses = 2
const kings = 1
/** More than run at once: some wait in the queue when the guest is killed. */
const tasks = 5
const everyMs = 1_000
const fewestRuns = 3
const fewestStrikes = 2

const calls = (name: string, input: JsonObject): ScenarioStep => ({ events: [{ tool_call: { name, arguments: input } }] })
const says = (text: string): ScenarioStep => ({ events: [{ text }] })
/** A command that must not happen twice. */
const notes = (word: string): ScenarioStep => calls('shell_exec', { command: `echo done >> ${word}.log` })
const guide = (id: string) => ({ id, agent: 'lead', goal: `Guide ${id}.` })

export const scenario = {
  turns: [
    ...Array.from({ length: workers }, (_, i) => ({
      match: `Work ${i}.`,
      steps: [calls('file_write', { path: `worker${i}.txt`, text: 'worked\n' }), says('Worked.')],
    })),
    {
      match: 'Boss',
      steps: [
        calls('agent_spawn', { task: 'Help, first.', name: 'helper' }),
        calls('agent_spawn', { task: 'Help, second.', name: 'helper', priority: 'low' }),
        calls('agent_wait', {}),
        says('All done.'),
      ],
    },
    { match: 'Help', steps: [calls('state_list', { category: 'none' }), says('Helped.')] },
    { match: 'Agent helper', steps: [says('Noted.')] },
    { match: 'Rule', steps: [calls('agent_fan_out', { tasks: [guide('a'), guide('b')] }), says('Ruled.')] },
    ...['a', 'b'].map((id) => ({
      match: `Guide ${id}`,
      steps: [calls('agent_delegate', { agent: 'hand', goal: `Toil ${id}.` }), says('Guided.')],
    })),
    ...['a', 'b'].map((id) => ({ match: `Toil ${id}`, steps: [notes(`hand-${id}`), says('Toiled.')] })),
    { match: 'Tick', steps: [says('Ticked.')] },
    { match: 'Judge', steps: [says('{"points": 7}')] },
    ...Array.from({ length: tasks }, (_, i) => ({ match: `Serve ${i}.`, steps: [notes(`task${i}`), says('Served.')] })),
  ],
}

/** A map with parallel branches, a loop, a wait, a nested graph, an agent. A doubt about a command is noted, and the run goes on. */
const whole = `
start = "each"
inputs = ["items"]
[state.items]
type = "array"
[state.item]
type = "string"
[state.sure]
type = "string"
default = "no"
[state.all]
type = "array"
default = []
[state.judged]
type = "object"
required = ["points"]
properties = { points = { type = "integer" } }
[nodes.each]
type = "map"
over = "items"
as = "item"
to = "command"
join = "joined"
parallel = 3
[nodes.command]
type = "call"
call = "shell.exec"
input = { command = "echo done >> graph-\${item}.log" }
set = { sure = "yes" }
on_error = "joined"
next = "joined"
[nodes.joined]
type = "join"
collect = { all = "sure" }
next = "tick"
[nodes.tick]
type = "call"
call = "state.save"
input = { category = "ticks", name = "tick\${visits.tick}", data = 1 }
max_visits = 4
next = "count"
[nodes.count]
type = "wait"
seconds = 0.05
max_visits = 4
edges = [{ when = { field = "visits.tick", lt = 3 }, to = "tick" }]
else = "inner"
[nodes.inner]
type = "graph"
graph = "inner"
input = { item = "nested" }
next = "judge"
[nodes.judge]
type = "agent"
agent = "judge"
goal = "Judge."
save = { judged = "value" }
next = "done"
[nodes.done]
type = "end"
output = { all = "\${all}", points = "\${judged.points}" }`

const inner = `
start = "command"
inputs = ["item"]
[state.item]
type = "string"
[nodes.command]
type = "call"
call = "shell.exec"
input = { command = "echo done >> graph-\${item}.log" }
on_error = "done"
next = "done"
[nodes.done]
type = "end"`

const items = ['a', 'b', 'c']
const definition = (kind: DefinitionText['kind'], name: string, toml: string): DefinitionText => ({
  kind,
  name,
  toml,
  text: kind === 'agents' ? `You are ${name}.` : '',
  problem: '',
})
const agent = (name: string, rights: readonly string[]): DefinitionText =>
  definition('agents', name, `description = "${name}"\nrights = ${JSON.stringify(rights)}\ndelegable = ${JSON.stringify(rights)}`)
const definitions = [
  agent('lead', ['agent.spawn', 'agent.use', 'shell.run']),
  agent('hand', ['shell.run']),
  agent('judge', []),
  definition('graphs', 'whole', whole),
  definition('graphs', 'inner', inner),
]
export const answer = ({ ask }: HostQuestion): unknown => (ask === 'definitions' ? definitions : null)

const clock = `
import { appendFileSync } from 'node:fs'
export default { name: 'clock', tasks: [{ name: 'strike', every_s: 1, async run(runtime, due) {
  appendFileSync('/data/struck', due + '\\n')
  await new Promise((resolve) => setTimeout(resolve, 30))
} }] }`

export async function makeClock(home: string): Promise<HostedPlugin> {
  const folder = join(home, 'clock')
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.mjs'), clock)
  const none = { rights: [], hosts: [], secrets: [], paths: [], hooks: [], public_routes: [], config: {} }
  const entries = ['index.mjs']
  return { ...none, name: 'clock', version: '1.0.0', program: 'plugin-host', folder, tree_hash: await treeHash(folder), entries }
}

export const config = {
  agent: { rights: ['superuser', 'plugin.clock'] },
  approval: { side_effecting: 'allow', privileged: 'allow', calls: { 'file.write': 'ask' } },
  agents: { max_running: 3, max_starts_per_minute: 1_000 },
  schedules: { min_interval_s: 1, max_run_history: 1_000, max_running: 20 },
  a2a: { max_running: 2, agents: { server: { description: 'Serves.', rights: ['shell.run'] } } },
  memory: { embedder: 'none', index_messages: false },
  versions: { enabled: false },
}

interface Agent {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly parent: string
  readonly reason: string
}

interface ScheduleRun {
  readonly due_at: number
  readonly turn: string
  readonly status: string
}

interface Task {
  readonly task: string
  /** Its session. */
  readonly context: string
  readonly message: string
}

interface GraphRun {
  readonly id: string
  readonly status: string
  readonly output: { readonly all: readonly string[]; readonly points: number }
  readonly failure: unknown
}

/** What is there when all has ended. */
export interface Ended {
  readonly agents: readonly Agent[]
  readonly fired: readonly ScheduleRun[]
  readonly tasks: readonly Task[]
  readonly graph: GraphRun
}

const listed = async (terminal: Terminal): Promise<readonly Agent[]> =>
  (await outputOf<{ agents: readonly Agent[] }>(terminal, 'agent.list', { ended: true, limit: 1_000 })).agents

/** Begins what is missing: an acknowledgement may have been lost. @returns the schedule and the graph's run */
async function begin(terminal: Terminal): Promise<{ readonly schedule: string; readonly graph: string }> {
  const { schedules } = await outputOf<{ schedules: readonly { id: string }[] }>(terminal, 'schedule.search', {})
  const tick = { name: 'tick', goal: 'Tick.', cadence: { type: 'interval', every_s: everyMs / 1_000 }, misfire: 'all', overlap: 'parallel' }
  const schedule = schedules[0] ?? (await outputOf<{ id: string }>(terminal, 'schedule.create', tick))
  const { runs } = await outputOf<{ runs: readonly { id: string; graph: string }[] }>(terminal, 'graph.list', { ended: true })
  const graph =
    runs.find((run) => run.graph === 'whole') ??
    (await outputOf<{ id: string }>(terminal, 'graph.run', { graph: 'whole', input: { items }, wait: false }))
  for (let i = 0; i < tasks; i++) await outputOf(terminal, 'task.send', { agent: 'server', message: `message ${i}`, text: `Serve ${i}.` })
  const there = await listed(terminal)
  const spawn = async (name: string, count: number, task: (i: number) => string): Promise<void> => {
    for (let i = there.filter((each) => each.name === name).length; i < count; i++)
      await outputOf(terminal, 'agent.spawn', { name, task: task(i) })
  }
  for (let i = 0; i < workers; i++) await spawn(`worker${i}`, 1, () => `Work ${i}.`)
  await spawn('boss', bosses, () => 'Boss.')
  await spawn('king', kings, () => 'Rule.')
  return { schedule: schedule.id, graph: graph.id }
}

const strikesOf = (workspace: TestWorkspace): readonly number[] => {
  const path = join(workspace.internal, 'plugins/clock/struck')
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').map(Number) : []
}

/** Begins what is missing, allows what waits, and stops the schedule when it has fired a few times. Resolves when all has ended. */
export async function work(terminal: Terminal, workspace: TestWorkspace, onBegun: () => void): Promise<Ended> {
  const { schedule, graph: id } = await begin(terminal)
  onBegun()
  let isPaused = false
  for (let cursor = 0; ;) {
    for (const { call } of await outputOf<readonly { call: string }[]>(terminal, 'approval.list', {}))
      await terminal.expect('result', 'call', { name: 'call.decide', input: { call, allow: true } })
    const { runs: fired } = await outputOf<{ runs: readonly ScheduleRun[] }>(terminal, 'schedule.runs', { id: schedule, limit: 100 })
    if (!isPaused && fired.length >= fewestRuns) {
      await outputOf(terminal, 'schedule.edit', { id: schedule, status: 'paused' })
      isPaused = true
      continue
    }
    const agents = await listed(terminal)
    const graph = await outputOf<GraphRun>(terminal, 'graph.show', { run: id, wait_s: 0 })
    const { tasks: sent } = await outputOf<{ tasks: readonly Task[] }>(terminal, 'task.list', {})
    const sessions = await outputOf<readonly { id: string; turns: number; busy: boolean }[]>(terminal, 'session.list', { limit: 500 })
    const isOver =
      isPaused &&
      fired.every(({ status }) => status !== 'running' && status !== 'waiting') &&
      agents.every(({ state }) => ['done', 'failed', 'killed'].includes(state)) &&
      !['running', 'waiting', 'paused'].includes(graph.status) &&
      sessions.every(({ busy }) => !busy) &&
      sent.every(({ context }) => sessions.some(({ id: of, turns }) => of === context && turns > 0)) &&
      strikesOf(workspace).length >= fewestStrikes
    if (isOver) return { agents, fired, graph, tasks: sent }
    cursor = (await outputOf<{ cursor: number }>(terminal, 'events.next', { after: cursor, wait_s: 1 })).cursor
  }
}

/** Nothing is lost, and nothing has happened twice. */
export function assertWhole({ agents, fired, tasks: sent, graph }: Ended, workspace: TestWorkspace, ledger: Ledger): void {
  assertNothingOpen(ledger)
  assertAgents(agents)
  assertFired(fired, ledger)
  assert.equal(graph.status, 'success', JSON.stringify(graph.failure))
  assert.equal(graph.output.points, 7)
  assert.equal(sent.length, tasks, 'each message is one task')
  for (const { task } of sent) assert.equal(phasesOf(ledger, task, 'intent'), 1, `task ${task} is one turn`)
  const strikes = strikesOf(workspace)
  assert.deepEqual([...new Set(strikes)], strikes, 'the plugin has struck once for each time')
  assert.ok(strikes.every((due) => (due - strikes[0]!) % everyMs === 0))
  assertEffects(workspace, ledger, graph)
}

const phasesOf = (ledger: Ledger, call: string, phase: string): number => ledger.of(call).filter((entry) => entry.phase === phase).length

function assertAgents(agents: readonly Agent[]): void {
  const named = (name: string): readonly Agent[] => agents.filter((each) => each.name === name)
  for (const { id, name, state, reason } of agents) assert.equal(state, 'done', `${name} ${id}: ${reason}`)
  const counts = { boss: bosses, helper: bosses * 2, king: kings, lead: kings * 2, hand: kings * 2, judge: 1 }
  for (const [name, count] of Object.entries(counts)) assert.equal(named(name).length, count, `${name}: none is lost, none was made twice`)
  for (let i = 0; i < workers; i++) assert.equal(named(`worker${i}`).length, 1)
  for (const [above, below, children] of [
    ['boss', 'helper', 2],
    ['king', 'lead', 2],
    ['lead', 'hand', 1],
  ] as const)
    for (const { id } of named(above))
      assert.equal(named(below).filter(({ parent }) => parent === id).length, children, `each ${below} has its ${above}`)
}

/** Every due time from the first to the last has one run, which ended and was one turn. */
function assertFired(fired: readonly ScheduleRun[], ledger: Ledger): void {
  const due = fired.map(({ due_at: dueAt }) => dueAt).toSorted((a, b) => a - b)
  assert.deepEqual(
    due,
    due.map((_, i) => due[0]! + i * everyMs),
    'no due time was lost or repeated',
  )
  for (const { turn, status } of fired) {
    assert.equal(status, 'success')
    assert.equal(phasesOf(ledger, turn, 'intent'), 1, `the run ${turn} is one turn`)
  }
}

/** Each command that is known to have ended has happened once, and none has happened twice. */
function assertEffects(workspace: TestWorkspace, { entries, of }: Ledger, graph: GraphRun): void {
  const commands = entries.filter(({ name, phase }) => name === 'shell.exec' && phase === 'intent')
  assert.equal(commands.length, kings * 2 + tasks + items.length + 1, 'each command began once')
  for (const { call, body } of commands) {
    const [, file = ''] = />> (\S+)/.exec((body as { input: { command: string } }).input.command) ?? []
    const isKnown = of(call).some((entry) => entry.phase === 'outcome' && (entry.body as { status?: string }).status === 'ok')
    const times = workspace.lines(file).length
    assert.ok(times === 1 || (times === 0 && !isKnown), `${file}: ${times} times, ${isKnown ? 'known to have happened' : 'in doubt'}`)
  }
  for (const [i, item] of items.entries()) if (graph.output.all[i] === 'yes') assert.equal(workspace.lines(`graph-${item}.log`).length, 1)
  const parked = new Set(entries.filter(({ phase }) => phase === 'parked').map(({ call }) => call))
  for (const call of parked) {
    const allowed = of(call).filter(({ phase, body }) => phase === 'decided' && (body as { allow?: boolean }).allow === true)
    assert.ok(allowed.length >= 1, `${call} was decided`)
    assert.equal(of(call).filter(({ phase }) => phase === 'intent').length, 1, `${call} began once`)
  }
}
