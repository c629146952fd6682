/**
 * A kernel that runs a graph until it is killed or the run has ended: its arguments are the database and a file for effects. Prints `ready`, then the run as JSON.
 */
import { appendFileSync } from 'node:fs'
import { openGraphs } from '../../src/services/graphs/graph-fixture.ts'
import { says, testCall } from '../../src/kernel/kernel-fixture.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { user } from '../support/workspace.ts'

const [path = '', effects = ''] = process.argv.slice(2)

/** A branch does something that must not happen twice, and something that may under one id; a doubt is noted and the run goes on. */
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
[state.did]
type = "string"
[state.all]
type = "array"
default = []
[state.doubts]
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
to = "once"
join = "joined"
parallel = 3
[nodes.once]
type = "call"
call = "test.once"
input = { text = "\${item}" }
set = { sure = "yes" }
on_error = "again"
next = "again"
[nodes.again]
type = "call"
call = "test.again"
input = { text = "\${item}" }
save = { did = "text" }
next = "joined"
[nodes.joined]
type = "join"
collect = { all = "did", doubts = "sure" }
next = "tick"
[nodes.tick]
type = "call"
call = "test.once"
input = { text = "tick \${visits.tick}" }
on_error = "count"
max_visits = 4
next = "count"
[nodes.count]
type = "wait"
seconds = 0.005
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
output = { all = "\${all}", sure = "\${doubts}", points = "\${judged.points}" }`

const inner = `
start = "once"
inputs = ["item"]
[state.item]
type = "string"
[nodes.once]
type = "call"
call = "test.once"
input = { text = "\${item}" }
on_error = "done"
next = "done"
[nodes.done]
type = "end"`

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 3))
/** As an effect on the world: it survives the process, whatever the journal knows. */
const effect = (name: string, kind: 'once' | 'idempotent') =>
  testCall(
    name,
    async ({ text }: { text: string }, { id }) => {
      await pause()
      appendFileSync(effects, `${JSON.stringify({ name, text, id })}\n`)
      await pause()
      return { output: { text }, text: `did ${text}` }
    },
    { effect: kind },
  )

const store = await openSqliteStore({ path, user, durability: 'normal' })
await using guest = await openGraphs(
  { 'graphs/whole': whole, 'graphs/inner': inner, 'agents/judge': 'description = "Judges."' },
  {
    store,
    calls: [effect('test.once', 'once'), effect('test.again', 'idempotent')],
    play: () => says('{"points": 7}'),
    config: { memory: { embedder: 'none' } },
  },
)
process.stdout.write('ready\n')
// A start whose outcome was lost may have happened.
const { runs } = await guest.ok<{ runs: readonly { id: string }[] }>('graph.list', { ended: true })
const [run = await guest.begin('whole', { items: ['a', 'b', 'c', 'd'] })] = runs
const ended = await guest.ended(run.id)
const { agents } = await guest.ok<{ agents: readonly { name: string; state: string }[] }>('agent.list', { ended: true })
process.stdout.write(`${JSON.stringify({ run: ended, agents })}\n`)
