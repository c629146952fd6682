/**
 * What the product promises, checked through a real guest with real hands, each test named after its check. Elsewhere:
 *
 * | check | where |
 * | --- | --- |
 * | `kill` stops a running child in seconds; `wait` returns only at an end | test/tools/agents.full.test.ts |
 * | a sixth agent waits; the rate delays and drops nothing | test/tools/agents.full.test.ts, src/runs/queue.test.ts |
 * | a budget that is used up | test/engine/budget.full.test.ts |
 * | an edited, removed, reordered or cut journal is found by its verifier | test/audit/export.full.test.ts, src/kernel/audit/ |
 * | a program without a shell refuses what is not listed | src/services/access/exec-lists.test.ts, test/verbs/exec-verbs.full.test.ts |
 * | a scheduled run is stopped at its time limit, and one that is due meanwhile is skipped | src/kernel/schedules/schedules.test.ts |
 * | every doctor check names its problem and its fix | src/cli/verbs/doctor.full.test.ts |
 * | a second guest on a workspace is refused | test/bad-input/bad-frames.full.test.ts |
 * | empty input, unknown keys, programs that are missing, restore | test/acceptance-program.full.test.ts |
 */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Failure } from '../src/base/index.ts'
import { newId, openConversation } from './support/conversation.ts'
import { startGuest, type TestGuest } from './support/guest-process.ts'
import { startModel, type TestModel } from './support/model.ts'
import { openReady } from './support/ready.ts'
import type { Terminal } from './support/terminal.ts'
import { makeWorkspace, type TestWorkspace } from './support/workspace.ts'

interface Outcome<Output> {
  readonly status: string
  readonly output: Output
  readonly text: string
  readonly failure?: Failure
}

async function outcomeOf<Output>(terminal: Terminal, name: string, input: object): Promise<Outcome<Output>> {
  return (await terminal.expect('result', 'call', { name, input: input as never })).result as unknown as Outcome<Output>
}

async function ask<Output>(terminal: Terminal, name: string, input: object): Promise<Output> {
  const outcome = await outcomeOf<Output>(terminal, name, input)
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return outcome.output
}

const tool = (name: string, input: object) => ({ events: [{ tool_call: { name, arguments: input as never } }] })
const answer = { events: [{ text: 'Done.' }] }

/** What the model does, by a word of the message. */
const scenario = {
  turns: [
    {
      match: 'Escape',
      steps: [
        tool('file_read', { path: '../../etc/passwd' }),
        tool('file_write', { path: '/etc/oxbow', text: 'x' }),
        tool('file_read', { path: 'way-out' }),
        answer,
      ],
    },
    { match: 'Look', steps: [tool('file_list', { path: '/shared' }), answer] },
    { match: 'Tick', steps: [answer] },
    { match: 'Hello', steps: [answer] },
  ],
}

let workspace: TestWorkspace
let project = ''
let model: TestModel
let guest: TestGuest
let terminal: Terminal

const start = (): TestGuest =>
  startGuest({
    workspace,
    config: {
      model: model.config,
      approval: { privileged: 'allow' },
      memory: { embedder: 'none' },
      schedules: { min_interval_s: 1 },
    },
    folders: [{ name: 'project', path: project, readOnly: false }],
  })

before(async () => {
  workspace = makeWorkspace()
  project = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-project-')))
  // Where this runs as root, hands have a uid of their own, and change what everybody may change.
  chmodSync(project, 0o777)
  model = await startModel(scenario)
  guest = start()
  terminal = await openReady(guest, workspace)
})

after(async () => {
  terminal[Symbol.dispose]()
  const { exitCode, stderr } = await guest.stop()
  await model[Symbol.asyncDispose]()
  workspace[Symbol.dispose]()
  rmSync(project, { recursive: true })
  assert.equal(exitCode, 0, stderr)
})

interface Commits {
  readonly commits: readonly { readonly commit: string }[]
}

describe('a restore', () => {
  it('brings back a nested file from an older commit, in the workspace and in a folder of the person', async () => {
    for (const [root, folder] of [
      [workspace.shared, '/shared'],
      [project, '/shared/project'],
    ] as const) {
      mkdirSync(join(root, 'deep/er'), { recursive: true })
      const file = join(root, 'deep/er/plan.txt')
      writeFileSync(file, 'first\n')
      await ask(terminal, 'version.commit', { message: 'First' })
      writeFileSync(file, 'second\n')
      await ask(terminal, 'version.commit', { message: 'Second' })
      rmSync(join(root, 'deep'), { recursive: true })
      const path = `${folder}/deep/er/plan.txt`
      const { commits } = await ask<Commits>(terminal, 'version.log', { path })
      const preview = await ask<object>(terminal, 'version.restore', { path, at: commits.at(-1)!.commit })
      assert.ok(!existsSync(file), JSON.stringify(preview))
      await ask(terminal, 'version.restore', { path, at: commits.at(-1)!.commit, apply: true })
      assert.equal(readFileSync(file, 'utf8'), 'first\n')
    }
  })

  it('refuses a path that leads out, and one of a link that does', async () => {
    for (const path of ['../../etc/passwd', '/etc/passwd', 'a\0b']) {
      const { status, failure } = await outcomeOf(terminal, 'version.restore', { path, at: 'HEAD', apply: true })
      assert.deepEqual([status, failure?.code], ['failed', 'path_refused'], path)
    }
    const outside = mkdtempSync(join(tmpdir(), 'oxbow-outside-'))
    mkdirSync(join(workspace.shared, 'kept'))
    writeFileSync(join(workspace.shared, 'kept/file.txt'), 'inside\n')
    await ask(terminal, 'version.commit', { message: 'Kept' })
    rmSync(join(workspace.shared, 'kept'), { recursive: true })
    symlinkSync(outside, join(workspace.shared, 'kept'))
    await outcomeOf(terminal, 'version.restore', { path: 'kept/file.txt', at: 'HEAD', apply: true })
    assert.ok(!existsSync(join(outside, 'file.txt')))
    rmSync(join(workspace.shared, 'kept'), { recursive: true, force: true })
    rmSync(outside, { recursive: true })
  })
})

describe('file tools', () => {
  it('refuse paths outside the workspace, links included, and each denial is in the journal', async () => {
    symlinkSync('/etc/passwd', join(workspace.shared, 'way-out'))
    const conversation = await openConversation(terminal)
    assert.equal((await conversation.say('Escape, please.')).status, 'ok')
    const results = model.results()
    assert.equal(results.length, 3)
    for (const result of results) assert.match(result, /^<<data \S+\nError \(path_refused\)/)
    assert.ok(!results.join().includes('root:'))
    assert.ok(!existsSync('/etc/oxbow'))
    const { records } = await ask<{ records: readonly { body: string }[] }>(terminal, 'audit.query', {
      session: conversation.session,
      name: 'file.',
    })
    assert.equal(records.filter(({ body }) => body.includes('"code":"path_refused"')).length, 3, JSON.stringify(records))
  })
})

interface Run {
  readonly status: string
  readonly summary: string
  readonly due_at: number
  readonly ended_at: number | null
}

describe('a schedule', () => {
  it('of five or six fields survives a kill of the guest, runs once when it is due, and has the result of its last run', async () => {
    const cron = (expression: string) => ({ type: 'cron', expression, time_zone: 'UTC' })
    const create = (name: string, expression: string) =>
      ask<{ id: string }>(terminal, 'schedule.create', { name, goal: 'Tick.', cadence: cron(expression) })
    const five = await create('five', '0 0 1 1 *')
    const six = await create('six', '* * * * * *')
    const ended = async (cursor: number): Promise<number> => {
      const { events } = await ask<{ events: readonly { seq: number }[] }>(terminal, 'events.next', {
        after: cursor,
        kinds: ['schedule_ended'],
        wait_s: 30,
        limit: 1,
      })
      return events[0]!.seq
    }
    await ended(0)
    terminal[Symbol.dispose]()
    await guest.kill()
    guest = start()
    terminal = await openReady(guest, workspace)
    const { seq } = (await ask<{ records: readonly { seq: number }[] }>(terminal, 'audit.query', { limit: 1 })).records[0]!
    await ended(seq)
    await ask(terminal, 'schedule.edit', { id: six.id, status: 'paused' })
    const { schedules } = await ask<{ schedules: readonly { id: string; next_at: number | null }[] }>(terminal, 'schedule.search', {})
    assert.deepEqual(schedules.map(({ id }) => id).toSorted(), [five.id, six.id].toSorted())
    assert.match(new Date(schedules.find(({ id }) => id === five.id)!.next_at!).toISOString(), /-01-01T00:00:00/)
    const { runs } = await ask<{ runs: readonly Run[] }>(terminal, 'schedule.runs', { id: six.id, limit: 100 })
    assert.equal(new Set(runs.map(({ due_at: dueAt }) => dueAt)).size, runs.length, 'each due time has one run')
    const done = runs.filter(({ status }) => status === 'success')
    assert.ok(done.length >= 2 && done.every(({ summary }) => summary === 'Done.'), JSON.stringify(runs))
    for (const { id } of [five, six]) await ask(terminal, 'schedule.delete', { id })
  })
})

interface Hit {
  readonly note_id: string
  readonly text: string
}

describe('memory', () => {
  it('keeps a note that is saved twice once, returns no more than was wanted, and finds Korean text', async () => {
    const save = async (content: string) => (await ask<{ note_id: string }>(terminal, 'memory.save', { content })).note_id
    assert.equal(await save('The build takes four minutes.'), await save('The build takes four minutes.'))
    for (let i = 0; i < 6; i++) await save(`The build of part ${i} is green.`)
    assert.equal((await ask<readonly Hit[]>(terminal, 'memory.search', { query: 'build', top_k: 3 })).length, 3)
    const korean = await save('회의는 매주 금요일 오후에 있습니다.')
    assert.equal((await ask<readonly Hit[]>(terminal, 'memory.search', { query: '금요일 회의' }))[0]?.note_id, korean)
  })
})

interface Page {
  readonly events: readonly { readonly seq: number; readonly kind: string }[]
}

describe('events and metrics', () => {
  it('stream live, are replayed to who comes back, and move with agents, tools and models', async () => {
    await ask(terminal, 'events.subscribe', { name: 'watcher', kinds: ['agent_*', 'turn_*'] })
    using other = await openReady(guest, workspace)
    const live = ask<Page>(other, 'events.next', { subscriber: 'watcher', wait_s: 30 })
    const { id } = await ask<{ id: string }>(terminal, 'agent.spawn', { task: 'Look.', name: 'looker' })
    assert.ok((await live).events.length > 0)
    await ask(terminal, 'agent.wait', { agents: [id], timeout_s: 30 })
    const kinds = async () => (await ask<Page>(terminal, 'events.next', { subscriber: 'watcher' })).events.map(({ kind }) => kind)
    const seen = await kinds()
    for (const kind of ['agent_created', 'turn_started', 'turn_ended']) assert.ok(seen.includes(kind), seen.join())
    assert.deepEqual((await kinds()).slice(0, seen.length), seen, 'what was not confirmed comes again')
    const { agents } = await ask<{ agents: readonly { id: string; spent: { tokens: number } }[] }>(terminal, 'agent.list', { ended: true })
    assert.ok(agents.find((agent) => agent.id === id)!.spent.tokens > 0, JSON.stringify(agents))
  })
})

describe('two clients of one guest', () => {
  it('see the same session, and the later of two writers of one version is refused', async () => {
    using other = await openReady(guest, workspace)
    const { session, send, ended } = await openConversation(terminal)
    await other.expect('snapshot', 'subscribe', { session, cursor: 0 })
    const turn = await send('Hello.')
    await other.record(({ call, phase }) => String(call) === turn && phase === 'outcome')
    assert.equal((await ended(turn)).status, 'ok')
    const save = (by: Terminal) => outcomeOf(by, 'state.save', { category: 'shared', name: 'plan', data: { by: 'x' }, if_version: 0 })
    const both = await Promise.all([save(terminal), save(other)])
    assert.deepEqual(both.map(({ status }) => status).toSorted(), ['failed', 'ok'])
    assert.match(both.find(({ status }) => status === 'failed')!.failure!.hint, /\S/)
  })
})

describe('a person without a model', () => {
  it('is told by the guest how to configure one, and a message for a model that does not exist is refused with a hint', async () => {
    using bare = makeWorkspace()
    await using offline = startGuest({ workspace: bare, config: { memory: { embedder: 'none' } } })
    using shown = await openReady(offline, bare)
    assert.match(shown.status.notice, /No model is set up/)
    const { session } = await openConversation(shown)
    const turn = newId()
    const refused = await shown.ask('send_turn', { session, client_id: turn, text: 'Hello.', model: 'nobody/none' })
    assert.ok(refused.type === 'error' && refused.payload.code === 'bad_config', JSON.stringify(refused))
    assert.match(
      `${refused.payload.message} ${refused.payload.hint}`,
      /There is no provider nobody, .* Known are openai.* `oxbow init` sets one up/,
    )
  })
})
