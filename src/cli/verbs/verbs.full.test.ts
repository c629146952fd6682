/** The verbs from end to end: the real program with a real guest and the offline interpreter. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { errorTable } from '../../base/index.ts'
import { describeMove } from '../store/store-text.ts'
import { movedTo } from '../store/store.ts'
import { shareCompileCache } from '../../../test/support/compile-cache.ts'
import { program } from '../../../test/support/built.ts'

interface Ran {
  readonly exit: number | null
  readonly out: string
  readonly err: string
}

interface Running {
  readonly over: Promise<Ran>
  /** Resolves when stdout has the text. */
  says(text: string): Promise<void>
  interrupt(): void
}

let home = ''
let server: Running

function start(args: readonly string[], piped = ''): Running {
  const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
  const child = spawn(process.execPath, [program, ...args], { env })
  let out = ''
  let err = ''
  let wake = (): void => {}
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
    wake()
  })
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  child.stdin.end(piped)
  const over = new Promise<Ran>((resolve) => child.once('close', (exit) => resolve({ exit, out, err })))
  return {
    over,
    async says(text) {
      const ended = over.then(({ err: said }) => Promise.reject(new Error(`it ended without ${JSON.stringify(text)}: ${said}`)))
      while (!out.includes(text)) await Promise.race([ended, new Promise<void>((resolve) => (wake = resolve))])
      ended.catch(() => {})
    },
    interrupt: () => void child.kill('SIGINT'),
  }
}

const oxbow = (...args: readonly string[]): Promise<Ran> => start(args).over

before(async () => {
  home = mkdtempSync(join(tmpdir(), 'oxbow-verbs-'))
  shareCompileCache(home)
  // A call that needs no sandbox, and asks.
  writeFileSync(join(home, 'config.toml'), '[approval.calls]\n"time.now" = "ask"\n')
  server = start(['serve'])
  await server.says('Ctrl+C stops it.')
})

after(async () => {
  server.interrupt()
  assert.equal((await server.over).exit, 0)
  rmSync(home, { recursive: true, force: true })
})

void test('run prints only the reply, and adds piped text to the prompt', async () => {
  const { exit, out, err } = await start(['run'], 'help\n').over
  assert.equal(exit, 0)
  assert.match(out, /You can say/)
  assert.equal(err, '')
})

void test('run reports why an agent has no files, and how to get them', async () => {
  mkdirSync(join(home, 'users/vm'), { recursive: true })
  writeFileSync(join(home, 'users/vm/config.toml'), '[sandbox]\ntier = "micro_vm"\n[sandbox.micro_vm]\nimage = "/nowhere"\n')
  const { exit, out, err } = await oxbow('run', 'help', '--user', 'vm')
  assert.equal(exit, 0)
  assert.match(out, /You can say/)
  assert.match(err, /^notice: No micro VM: \S/)
  assert.equal((await oxbow('run', 'help', '--user', 'vm', '--json')).err, '')
})

void test('after a move to the address in a variable, the configuration names the variable', () => {
  const report = { from: 'a', to: 'b', rows: {}, resumed: false, configure: 'store.url = "postgres://u@h/d"', kept: null, ms: 1 }
  assert.match(describeMove(movedTo('postgres://u:p@h/d', report)), /^ {2}store\.url = "postgres:\/\/u@h\/d"$/m)
  assert.match(describeMove(movedTo('env:MY_URL', report)), /^ {2}store\.url_env = "MY_URL"$/m)
})

void test('run --json prints one object, and its session can be continued by an id prefix', async () => {
  const first = JSON.parse((await oxbow('run', 'help', '--json')).out) as {
    session: string
    status: string
    reply: string
    calls: unknown[]
  }
  assert.equal(first.status, 'ok')
  assert.deepEqual(first.calls, [])
  const second = JSON.parse((await oxbow('run', 'help', '--json', '--session', first.session.slice(0, 30))).out) as { session: string }
  assert.equal(second.session, first.session)
  const unknown = await oxbow('run', 'help', '--session', 'ffff')
  assert.equal(unknown.exit, errorTable.not_found.exit)
  assert.match(
    unknown.err,
    /^error: no session begins with "ffff"\nhint: `oxbow sessions --archived` lists them all\. .* --undo` restores an archived one/,
  )
})

void test('without a terminal, a waiting approval ends run with how to approve it, and approve finishes the turn', async () => {
  const asked = await oxbow('run', 'what time is it', '--json')
  assert.equal(asked.exit, errorTable.approval_required.exit)
  assert.match(asked.err, /time\.now is waiting for approval, with exactly this input: \{\}/)
  const { pending, status } = JSON.parse(asked.out) as { pending: { id: string }[]; status: string }
  assert.equal(status, 'waiting')
  const [{ id } = { id: '' }] = pending
  assert.match((await oxbow('approve')).out, new RegExp(`^${id}  time\\.now  \\{\\}`))
  const approved = await oxbow('approve', id)
  assert.equal(approved.exit, 0, approved.err)
  assert.match(approved.out, /\d{4}-\d{2}-\d{2}/)
  assert.match((await oxbow('approve', id)).err, /no call .* is waiting for approval/)
})

void test('a waiting approval still waits when no guest has run in between', async () => {
  const parked = ['--user', 'parked']
  const asked = await oxbow('run', 'what time is it then what time is it', ...parked)
  assert.equal(asked.exit, errorTable.approval_required.exit)
  assert.match(asked.err, /^notice: created a workspace for the new user parked: .*users\/parked\n/)
  const listed = await oxbow('approve', ...parked)
  assert.doesNotMatch(listed.err, /is new here/)
  assert.match(listed.out, /^\S+ {2}time\.now {2}\{\}/)
  const next = await oxbow('approve', listed.out.split(' ')[0]!, ...parked)
  assert.equal(next.exit, errorTable.approval_required.exit)
  // What is told to be typed is about the same user.
  const [, second = ''] = /oxbow approve (\S+) --user parked runs/.exec(next.err) ?? []
  const approved = await oxbow('approve', second, ...parked)
  assert.equal(approved.exit, 0, approved.err)
  assert.match(approved.out, /\d{4}-\d{2}-\d{2}/)
  assert.equal((await oxbow('approve', ...parked)).out, 'Nothing waits for approval.\n')
})

void test('run --yes approves every call', async () => {
  const { exit, out } = await oxbow('run', 'what time is it', '--yes', '--json')
  assert.equal(exit, 0)
  assert.deepEqual(
    (JSON.parse(out) as { calls: { name: string; status: string }[] }).calls.map(({ name, status }) => `${name} ${status}`),
    ['time.now ok'],
  )
})

void test('a second serve is refused with the pid that holds the workspace', async () => {
  const { exit, err } = await oxbow('serve')
  assert.equal(exit, errorTable.workspace_busy.exit)
  assert.match(err, /process \d+ already serves this workspace/)
})

void test('the journal of a session is read by an id prefix', async () => {
  const { session } = JSON.parse((await oxbow('run', 'help', '--json')).out) as { session: string }
  const other = JSON.parse((await oxbow('run', 'help', '--json')).out) as { session: string }
  const shown = await oxbow('audit', 'show', '--session', session.slice(0, 30).toUpperCase(), '--json')
  assert.equal(shown.exit, 0, shown.err)
  const sessions = shown.out
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { session: string }).session)
  assert.deepEqual([...new Set(sessions)], [session])
  const unknown = await oxbow('audit', 'show', '--session', 'ffff')
  assert.deepEqual([unknown.exit, unknown.out], [errorTable.not_found.exit, ''])
  assert.match(unknown.err, /^error: no session begins with "ffff"\nhint: `oxbow sessions --archived` lists them all\.\n$/)
  // Nothing was asked over a network, so there is nothing to take out; who is meant is known all the same.
  assert.match((await oxbow('audit', 'recording', session.slice(0, 30))).err, /has no recorded exchanges/)
  const both = await oxbow('audit', 'recording', '0')
  assert.equal(both.exit, errorTable.bad_input.exit)
  assert.match(both.err, new RegExp(`sessions begin with 0: .*${other.session}`))
})

void test('sessions and the journal can be read while a guest runs', async () => {
  assert.match((await oxbow('sessions')).out, /^[0-9a-f-]{8,} +\d{4}-\d\d-\d\d/)
  const shown = await oxbow('audit', 'show', '--limit', '3', '--json')
  assert.equal(shown.exit, 0, shown.err)
  assert.deepEqual(
    shown.out
      .trimEnd()
      .split('\n')
      .map((line) => typeof (JSON.parse(line) as { hash: string }).hash),
    ['string', 'string', 'string'],
  )
})

void test('call makes any call of a terminal, and state keeps documents', async () => {
  assert.equal((await oxbow('state', 'save', 'projects/oxbow', '{"status": "active"}')).exit, 0)
  assert.equal((await start(['state', 'save', 'projects/plan', '--markdown'], '# Plan\n').over).exit, 0)
  assert.match((await oxbow('state', 'list', 'projects')).out, /^oxbow {2}version \d+ .*\nplan {3}version/)
  assert.deepEqual(JSON.parse((await oxbow('state', 'load', 'projects/oxbow')).out), { status: 'active' })
  assert.equal((await oxbow('state', 'load', 'projects/plan')).out, '# Plan\n\n')
  const loaded = await start(['call', 'state.load', '-', '--json'], '{"category": "projects", "name": "oxbow"}').over
  assert.deepEqual((JSON.parse(loaded.out) as { data: unknown }).data, { status: 'active' })
  assert.equal((await oxbow('state', 'save', 'projects/oxbow', '1', '--if-version', '0')).exit, errorTable.bad_input.exit)
  assert.equal((await oxbow('state', 'delete', 'projects/oxbow')).exit, 0)
  assert.equal((await oxbow('state', 'load', 'projects/oxbow')).exit, errorTable.not_found.exit)
  assert.match((await oxbow('call', 'state.load', '{bad')).err, /^error: the input is not valid JSON\nhint: Give one JSON object/)
  assert.match((await oxbow('call', 'no.such.call')).err, /^error: There is no call named "no\.such\.call"/)
  assert.match((await oxbow('state', 'load', 'projects')).err, /is not category\/name/)
})
