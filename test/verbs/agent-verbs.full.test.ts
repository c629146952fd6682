/** `oxbow spawn`, `ps`, `top`, `wait`, `kill` and `graph` from end to end: the real program with a real guest. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, before, test } from 'node:test'
import { runProgram } from '../../src/cli/program.ts'
import type { Terminal } from '../../src/cli/terminal.ts'
import { errorTable } from '../../src/base/index.ts'
import { type Home, openHome, type Ran } from '../support/program.ts'

interface Listed {
  readonly id: string
  readonly name: string
  readonly state: string
}

let home: Home

before(async () => {
  home = await openHome(
    '[memory]\nembedder = "none"\n[agents]\nmax_running = 1\n[resources]\ncpu_percent = 100\nload_per_processor = 1000\n',
  )
})

after(async () => {
  await home[Symbol.asyncDispose]()
})

void test('an agent is spawned, waited for and listed, and its answer is printed', async () => {
  assert.match((await home.oxbow(['ps'])).out, /No agent is live/)
  const spawned = await home.oxbow(['spawn', '--wait', '--name', 'guide', '--read-only', 'help'])
  assert.equal(spawned.exit, 0, spawned.err)
  assert.match(spawned.out, /file/)
  const [agent] = await home.json<Listed>('ps', '--all')
  assert.deepEqual([agent!.name, agent!.state], ['guide', 'done'])
  assert.match((await home.oxbow(['ps', '--tree', '--all'])).out, /^ID +NAME +STATE .*\n\S+ +guide +done /)
  assert.equal((await home.oxbow(['wait', 'guide', '--timeout', '5'])).out, spawned.out)
  const top = await home.oxbow(['top', '--once'])
  assert.equal(top.exit, 0)
  assert.match(top.out, /agents: 0 live; runs of agents, schedules and tasks: 0 of at most 1, 0 waiting/)
})

void test('an agent that stays is killed, and what does not exist is named', async () => {
  const started = await home.oxbow(['spawn', '--keep', '--name', 'stayer', 'help'])
  assert.match(started.out, /^Started stayer, /)
  assert.equal((await home.oxbow(['wait', 'stayer'])).exit, 0)
  assert.equal((await home.json<Listed>('ps'))[0]!.state, 'idle')
  assert.equal((await home.oxbow(['kill', 'stayer', '--reason', 'enough'])).out, 'Killed it.\n')
  assert.equal((await home.oxbow(['kill', 'stayer'])).out, 'It has ended already: killed.\n')
  const waited = await home.oxbow(['wait', 'stayer'])
  assert.equal(waited.exit, errorTable.cancelled.exit)
  assert.match(waited.err, /was killed: enough/)
  const unknown = await home.oxbow(['kill', 'nobody'])
  assert.equal(unknown.exit, errorTable.not_found.exit)
  assert.equal((await home.oxbow(['spawn', '--priority', 'urgent', 'x'])).exit, errorTable.bad_input.exit)
  assert.equal((await home.oxbow(['spawn', '--right', '*', 'x'])).exit, errorTable.denied.exit)
  const mistyped = await home.oxbow(['spawn', '--right', 'file.raed', 'x'])
  assert.equal(mistyped.exit, errorTable.bad_input.exit, mistyped.out)
  assert.match(mistyped.err, /There is no right "file\.raed"\.\nhint: Did you mean file\.read/)
})

/** In this process, which takes a tenth of the time of a new one. */
async function typed(...args: readonly string[]): Promise<Ran> {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  input.end()
  const env = { OXBOW_HOME: home.folder, HOME: '/nonexistent' }
  const exit = await runProgram(args, { input, output, errors, env, version: '1' } as unknown as Terminal)
  return { exit, out: String(output.read() ?? ''), err: String(errors.read() ?? '') }
}

const survey = `
start = "ask"
inputs = ["topic"]
[state.topic]
type = "string"
[state.answer]
type = "string"
[nodes.ask]
type = "ask"
question = "What of \${topic}?"
choices = ["good", "bad"]
save = { answer = "answer" }
edges = [{ when = { field = "answer", eq = "good" }, to = "good" }]
else = "bad"
[nodes.good]
type = "end"
output = { answer = "\${answer}" }
text = "It is \${answer}."
[nodes.bad]
type = "end"
status = "failure"
text = "Nobody likes it."
`

void test('a graph of the person is checked, runs, asks, is answered, cancelled and resumed', async () => {
  mkdirSync(join(home.folder, 'graphs'))
  writeFileSync(join(home.folder, 'graphs', 'survey.toml'), survey)
  const broken = join(home.folder, 'broken.toml')
  writeFileSync(broken, survey.replace('else = "bad"', 'else = "worse"'))
  const wrong = await typed('graph', 'check', broken)
  assert.equal(wrong.exit, errorTable.bad_input.exit)
  assert.match(wrong.out, /nodes\.ask: leads to worse, which is no node\.\n {2}Correct the name/)
  assert.match((await typed('graph', 'check', 'survey')).out, /ask \(ask\) → good, bad/)
  assert.match((await typed('graph', 'list')).out, /survey +person +ready/)
  assert.match((await typed('graph', 'show', 'survey')).out, /What of/)

  const started = await typed('graph', 'run', 'survey', '--set', 'topic=tea', '--background', '--json')
  const { id } = JSON.parse(started.out) as { id: string }
  const following = typed('graph', 'resume', id)
  assert.equal((await following).exit, errorTable.bad_input.exit, 'it runs already')
  assert.match((await typed('graph', 'runs')).out, /survey +waiting for an answer +ask/)
  assert.match((await typed('graph', 'show', id)).out, /ask asks: What of tea\? \(good, bad\)/)
  assert.match((await typed('graph', 'cancel', id, '--dry-run')).out, /Would cancel the run/)
  assert.equal((await typed('graph', 'cancel', id)).out, `Cancelled ${id}.\n`)
  const over = { exit: 0, out: `${id} has ended already: cancelled.\n`, err: '' }
  for (const how of [['--dry-run'], []]) assert.deepEqual(await typed('graph', 'cancel', id, ...how), over)
  const resumed = typed('graph', 'resume', id)
  for (let left = 100; left > 0 && !(await typed('graph', 'show', id)).out.includes('ask asks:'); left--);
  assert.equal((await typed('graph', 'answer', id, 'ugly')).exit, errorTable.bad_input.exit)
  assert.equal((await typed('graph', 'answer', id, 'good')).out, 'Answered ask.\n')
  const ended = await resumed
  assert.deepEqual([ended.exit, ended.out], [0, 'It is good.\n{\n  "answer": "good"\n}\n'])
  assert.match(ended.err, /ask asks: What of tea\?.*\n.*oxbow graph answer/)
  assert.match((await typed('graph', 'runs', '--all')).out, /survey +success/)
})

void test('a refused name of a server and a mistyped plugin are told without the words of the call, and times have two digits', async () => {
  const server = await home.oxbow(['servers', 'add', 'NAME', '--', 'COMMAND'])
  assert.deepEqual(
    [server.exit, server.err],
    [
      errorTable.bad_input.exit,
      'error: server: must have up to 24 lower-case letters, digits and -.\nhint: Add --help to see the options.\n',
    ],
  )
  assert.match((await home.oxbow(['plugin', 'clear', 'wether'])).err, /There is no plugin wether\.\n.*oxbow plugin list/)
  const scheduled = await home.oxbow(['schedule', 'add', 'list files', '--cron', '0 7 * * *', '--zone', 'UTC'])
  assert.match(scheduled.out, /next \d{4}-\d\d-\d\d 07:00:00 UTC/, scheduled.err)
})
