/** `--dry-run` of every verb that destroys something, with a real guest: it names what would go, changes nothing, and reports what is missing. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, before, test } from 'node:test'
import { buildProgram, runProgram } from '../../src/cli/program.ts'
import { loadServiceVerbs } from '../../src/cli/service-verbs.ts'
import type { Terminal } from '../../src/cli/terminal.ts'
import { errorTable } from '../../src/base/index.ts'
import { type Home, openHome, type Ran } from '../support/program.ts'

let home: Home
let project = ''

/** In this process, which takes a tenth of the time of a new one. */
async function oxbow(args: readonly string[], piped = ''): Promise<Ran> {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  input.end(piped)
  const env = { OXBOW_HOME: home.folder, HOME: '/nonexistent' }
  const exit = await runProgram(args, { input, output, errors, env, version: '1' } as unknown as Terminal)
  return { exit, out: String(output.read() ?? ''), err: String(errors.read() ?? '') }
}

async function json(...args: readonly string[]): Promise<Record<string, string>> {
  const { exit, out, err } = await oxbow([...args, '--json'])
  assert.equal(exit, 0, `${args.join(' ')}: ${err}`)
  return JSON.parse(out) as Record<string, string>
}

interface Case {
  /** The verb, its target last. */
  readonly verb: readonly string[]
  /** Further options, also of the real run. */
  readonly options?: readonly string[]
  /** What `--yes` is to verbs that need it. */
  readonly confirm?: readonly string[]
  /** Lists what there is. */
  readonly list: readonly string[]
  /** It is no failure to end or to forget twice. */
  readonly twice?: 'well'
}

let cases: readonly Case[] = []

before(async () => {
  home = await openHome('[memory]\nembedder = "none"\n[exec]\nallow = []\n')
  project = mkdtempSync(join(tmpdir(), 'project-'))
  chmodSync(project, 0o777)
  const schedule = await json('schedule', 'add', 'check the backups', '--every', '3600')
  await json('state', 'save', 'projects/oxbow', '{"status": "active"}')
  await json('budget', 'set', 'user', '--per', 'day', '--calls', '1000')
  await json('keys', 'create', 'ci', '--right', 'session.read')
  await json('roles', 'add', 'reporter', '--right', 'session.read')
  await json('exec', 'allow', 'git log **')
  await json('folder', 'add', project)
  assert.equal((await oxbow(['secret', 'set', 'TEST_TOKEN'], 'a secret of a test')).exit, 0)
  await json('channel', 'add', 'webhook', '--name', 'alerts')
  // Returns when it is connected: its state, which a list shows, stays as it is from then on.
  await json('channel', 'test', 'alerts')
  const { session } = await json('run', 'help')
  await json('spawn', '--keep', '--name', 'stayer', 'help')
  await json('wait', 'stayer')
  cases = [
    { verb: ['schedule', 'remove', schedule['id']!], list: ['schedule', 'list'] },
    { verb: ['state', 'delete', 'projects/oxbow'], list: ['state', 'list', 'projects'], twice: 'well' },
    { verb: ['budget', 'reset', 'user'], options: ['--per', 'day'], list: ['budget', 'list'], twice: 'well' },
    { verb: ['budget', 'remove', 'user'], options: ['--per', 'day'], list: ['budget', 'list'] },
    { verb: ['keys', 'revoke', 'ci'], list: ['keys', 'list'] },
    { verb: ['roles', 'remove', 'reporter'], list: ['roles', 'list'] },
    { verb: ['exec', 'remove', 'git log **'], list: ['exec', 'list'] },
    { verb: ['folder', 'remove', basename(project)], list: ['folder', 'list'] },
    { verb: ['secret', 'remove', 'TEST_TOKEN'], list: ['secret', 'list'] },
    { verb: ['channel', 'remove', 'alerts'], list: ['channel', 'list'] },
    { verb: ['sessions', 'delete', session!], confirm: ['--yes'], list: ['sessions'] },
    { verb: ['kill', 'stayer'], list: ['agents', '--all'], twice: 'well' },
  ]
})

after(async () => {
  await home[Symbol.asyncDispose]()
  rmSync(project, { recursive: true })
})

test('a dry run names its target and changes nothing; the run itself does; what is missing is missing in both', async () => {
  for (const { verb, options = [], confirm = [], list, twice } of cases) {
    const name = verb.slice(0, -1).join(' ')
    const listed = await oxbow([...list, '--json'])
    const dry = await oxbow([...verb, ...options, '--dry-run', '--json'])
    assert.equal(dry.exit, 0, `${name}: ${dry.err}`)
    const said = JSON.parse(dry.out) as { dry_run: boolean; would: string; target: object }
    assert.deepEqual([said.dry_run, typeof said.would, typeof said.target], [true, 'string', 'object'], name)
    assert.equal((await oxbow([...verb, ...options, '--dry-run'])).out, `Would ${said.would}. Nothing is changed.\n`, name)
    assert.equal((await oxbow([...list, '--json'])).out, listed.out, name)
    const done = await oxbow([...verb, ...options, ...confirm, '--json'])
    assert.equal(done.exit, 0, `${name}: ${done.err}`)
    if (twice !== undefined) continue
    const [dryAgain, again] = [await oxbow([...verb, ...options, '--dry-run']), await oxbow([...verb, ...options, ...confirm])]
    assert.equal(again.exit, errorTable.not_found.exit, `${name}: ${again.err}`)
    assert.match(again.err, /\nhint: /, name)
    assert.deepEqual(dryAgain, again, name)
  }
})

test('a dry run of what is over, refused or not there answers as the run does', async () => {
  const users = join(home.folder, 'users/default')
  await json('branch', 'create', 'gone')
  await json('branch', 'drop', 'gone')
  await json('branch', 'create', 'torn')
  writeFileSync(join(users, 'shared/torn.txt'), 'mine')
  writeFileSync(join(users, 'branches/torn/shared.upper/torn.txt'), 'theirs')
  const definitions = join(users, 'shared/.oxbow/agents')
  mkdirSync(definitions, { recursive: true })
  writeFileSync(join(definitions, 'reviewer.toml'), 'description = "reads"\n')
  const { hash } = await json('agents', 'show', 'reviewer')
  await json('roles', 'add', 'held', '--right', 'session.read')
  await json('keys', 'create', 'holder', '--right', 'held')
  await json('spawn', '--wait', '--name', 'over', 'help')
  const differ: string[] = []
  for (const verb of [
    ['branch', 'drop', 'gone'],
    ['branch', 'merge', 'gone'],
    ['branch', 'merge', 'torn'],
    ['branch', 'drop', 'nonesuch'],
    ['agents', 'revoke', 'reviewer'],
    ['roles', 'remove', 'held'],
    ['roles', 'remove', 'worker'],
    ['kill', 'over'],
    ['kill', 'nonesuch'],
    ['state', 'delete', 'projects/nonesuch'],
    ['graph', 'cancel', 'nonesuch'],
    ['secret', 'withdraw', 'NONE_SUCH'],
    ['secret', 'remove', 'NONE_SUCH'],
    ['coders', 'remove', 'nonesuch'],
    ['remotes', 'remove', 'nonesuch'],
    ['servers', 'remove', 'nonesuch'],
    ['plugin', 'remove', 'nonesuch'],
    ['approvals', 'revoke', 'nonesuch'],
    ['flow', 'revoke', '01890a5d-ac96-774b-bcce-b302099a8057'],
    ['skills', 'revoke', 'nonesuch'],
    ['budget', 'remove', 'session', '--per', 'hour'],
    ['channel', 'remove', 'nonesuch'],
    ['memory', 'forget', '01890a5d-ac96-774b-bcce-b302099a8057'],
  ]) {
    const [dry, run] = [await oxbow([...verb, '--dry-run']), await oxbow(verb)].map((ran) => JSON.stringify(ran))
    if (dry !== run) differ.push(`${verb.join(' ')}: ${dry}, and the run: ${run}`)
  }
  assert.deepEqual(differ, [])
  // What was approved may be gone: that is taken back all the same.
  assert.equal((await oxbow(['agents', 'approve', 'reviewer', '--hash', hash!])).exit, 0)
  rmSync(definitions, { recursive: true })
  assert.match((await oxbow(['agents', 'revoke', 'reviewer', '--dry-run'])).out, /^Would take back the approval of reviewer/)
  assert.equal((await oxbow(['agents', 'revoke', 'reviewer'])).out, 'Revoked reviewer.\n')
})

test('what was never there is missing in a dry run and in the run', async () => {
  for (const verb of ['skills', 'agents', 'graph'])
    for (const how of [['--dry-run'], []]) {
      const { exit, err } = await oxbow([verb, 'revoke', 'nonesuch', ...how])
      assert.equal(exit, errorTable.not_found.exit, `${verb} ${how.join('')}: ${err}`)
    }
})

test('hints name verbs, servers and agents as a person types them', async () => {
  assert.match((await oxbow(['branch', 'diff', 'nonesuch'])).err, /hint: `oxbow branch list` has those/)
  // A verb of another group, and one that no service describes.
  assert.match((await oxbow(['call', 'schedule.delete', '{"id":"01890a5d-ac96-774b-bcce-b302099a8057"}'])).err, /`oxbow schedule list`/)
  const key = await oxbow(['restore', 'x', '--database-only', '--key', 'k'])
  assert.deepEqual([key.exit, /'--key <file>' cannot be used with option '--database-only'/.test(key.err)], [2, true], key.err)
  for (const words of [
    ['prompts', 'nonesuch'],
    ['prompt', 'nonesuch', 'x'],
  ])
    assert.match((await oxbow(['servers', ...words])).err, /^error: No prompts are approved[^]*hint: `oxbow servers approve nonesuch`/)
  const earlier = (await oxbow(['sessions', '--json'])).out
  const chat = await oxbow(['chat', '--agent', 'nonesuch'], 'help\n')
  assert.deepEqual([chat.exit, chat.out], [(await oxbow(['run', '--agent', 'nonesuch', 'help'])).exit, ''])
  assert.match(chat.err, /nonesuch/)
  assert.equal((await oxbow(['sessions', '--json'])).out, earlier)
})

test('a shell is given the ids of what exists', async () => {
  const values = async (kind: string): Promise<string> => (await oxbow(['completion', 'bash', '--values', kind])).out
  assert.match(await values('roles list:role'), /^worker$/m)
  const { session } = await json('run', 'help')
  assert.match(await values('sessions:id'), new RegExp(`^${session}$`, 'm'))
  assert.equal(await values('nonsense:name'), '')
})

test('a backup that removes older ones names them first', async () => {
  assert.equal((await oxbow(['backup', '--database-only'])).exit, 0)
  const first = JSON.parse((await oxbow(['backup', '--keep', '1', '--dry-run', '--json'])).out) as { path: string; removed: string[] }
  assert.equal(first.removed.length, 1)
  const made = JSON.parse((await oxbow(['backup', '--keep', '1', '--database-only', '--json'])).out) as { path: string; removed: string[] }
  assert.deepEqual(made.removed, first.removed)
})

/** `audit restore` puts back bodies that are missing, and only such as the chain names; `space restore` brings a space back. */
const onlyAdds: ReadonlySet<string> = new Set(['audit restore', 'space restore'])

/** What takes something away for good, or as good as that. */
const destroys = /^(?:delete|remove|revoke|forget|reset|restore|withdraw|kill|migrate)$/

test('every verb that destroys something takes --dry-run', async () => {
  const found: string[] = []
  const terminal = { output: new PassThrough(), errors: new PassThrough(), version: '' } as unknown as Terminal
  const program = buildProgram(terminal, () => {}, await loadServiceVerbs(null))
  for (const verb of program.commands) {
    for (const each of verb.commands.length === 0 ? [verb] : verb.commands)
      if (destroys.test(each.name()) && !each.options.some(({ long }) => long === '--dry-run')) found.push(`${verb.name()} ${each.name()}`)
  }
  assert.deepEqual(
    found.filter((name) => !onlyAdds.has(name)),
    [],
  )
})
