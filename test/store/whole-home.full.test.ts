/** A home with one of everything, its backup, and new homes with and without its key: every list is the same, and each thing works. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, before, test } from 'node:test'
import { runProgram } from '../../src/cli/program.ts'
import type { Terminal } from '../../src/cli/terminal.ts'
import { homeItemOf } from '../../src/config/index.ts'
import { type Home, openHome, type Ran } from '../support/program.ts'

const user = 'default'
let root = ''
let backup = ''
let backupSaid: Ran
let lists: Readonly<Record<string, unknown>> = {}
/** What the first home had below it. */
let names: readonly string[] = []

const at = (...path: string[]): string => join(root, ...path)

/** A verb in a home where no guest serves; in this process, which takes a tenth of the time of a new one. */
async function oxbowIn(home: string, ...args: readonly string[]): Promise<Ran> {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  input.end()
  const env = { OXBOW_HOME: home, HOME: '/nonexistent' }
  const exit = await runProgram(args, { input, output, errors, env, version: '1' } as unknown as Terminal)
  return { exit, out: String(output.read() ?? ''), err: String(errors.read() ?? '') }
}

const listing: readonly (readonly string[])[] = [
  ['graph', 'list'],
  ['plugin', 'list'],
  ['roles', 'list'],
  ['exec', 'list'],
  ['schedule', 'list'],
  ['keys', 'list'],
  ['budget', 'list'],
  ['state', 'list', 'projects'],
  ['secret', 'list'],
  ['folder', 'list'],
  ['skills', 'list'],
  ['servers', 'list'],
  ['coders', 'list'],
  ['remotes', 'list'],
  ['flow', 'show'],
  ['approvals', 'rules'],
  ['call', 'definition.list', '{"kind":"agents"}'],
  ['log', '--limit', '2'],
]

/** Times and states that differ between two starts. */
const passing = new Set([
  'last_used',
  'last_used_at',
  'next',
  'next_at',
  'next_run',
  'phase',
  'state',
  'started_at',
  'memory',
  'uptime',
  'pid',
])

function lasting(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lasting)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).flatMap(([key, inner]) => (passing.has(key) ? [] : [[key, lasting(inner)]])))
}

async function listsOf(home: Home): Promise<Readonly<Record<string, unknown>>> {
  const found: Record<string, unknown> = {}
  for (const verb of listing) {
    const { exit, out, err } = await home.oxbow([...verb, '--json'])
    assert.equal(exit, 0, `${verb.join(' ')}: ${err}`)
    found[verb.join(' ')] = lasting(out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as unknown])))
  }
  return found
}

/** One of everything that a person makes. */
async function fill(home: Home): Promise<void> {
  const here = (...path: string[]): string => join(home.folder, ...path)
  const ok = async (...args: string[]): Promise<Ran> => {
    const ran = await home.oxbow(args)
    assert.equal(ran.exit, 0, `${args.join(' ')}: ${ran.err}`)
    return ran
  }
  for (const [path, text] of [
    ['agents/reader.toml', 'description = "Reads"\nrights = ["file.read"]\n'],
    ['agents/reader.md', 'You read.\n'],
    [`users/${user}/agents/writer.toml`, 'description = "Writes"\nrights = ["file.write"]\n'],
    ['skills/tidy/SKILL.md', '---\nname: tidy\ndescription: Tidies notes.\n---\nTidy them.\n'],
    ['prompts/hi.md', 'Say hi.\n'],
    ['catalog/overlay.json', '{}\n'],
    [`users/${user}/vault/pin.txt`, '1234\n'],
    [`users/${user}/config.toml`, '# of the user\n'],
  ] as const) {
    mkdirSync(join(here(path), '..'), { recursive: true })
    writeFileSync(here(path), text)
  }
  cpSync(new URL('../../examples/graphs', import.meta.url), here('graphs'), { recursive: true })
  cpSync(new URL('../../examples/plugins/notes', import.meta.url), at('notes'), { recursive: true })
  const [preview] = await home.json<{ target: { tree_hash: string } }>('plugin', 'add', at('notes'), '--dry-run')
  await ok('plugin', 'add', at('notes'), '--digest', preview!.target.tree_hash)
  await ok('schedule', 'add', 'check the backups', '--every', '3600')
  await ok('state', 'save', 'projects/oxbow', '{"status": "active"}')
  await ok('budget', 'set', 'user', '--per', 'day', '--calls', '1000')
  await ok('keys', 'create', 'ci', '--right', 'session.read')
  await ok('roles', 'add', 'reporter', '--right', 'session.read')
  await ok('exec', 'allow', 'git log **')
  mkdirSync(at('project'))
  chmodSync(at('project'), 0o777)
  chmodSync(at('project'), 0o777)
  await ok('folder', 'add', at('project'))
  assert.equal((await home.oxbow(['secret', 'set', 'TEST_TOKEN'], 'a secret of a test')).exit, 0)
  await ok('servers', 'add', 'clock', 'node', 'clock.js')
  await ok('coders', 'add', 'helper', 'node', 'coder.js')
  await ok('remotes', 'add', 'lab', 'http://127.0.0.1:9/')
  mkdirSync(here('users', user, 'shared', '.agents', 'skills', 'note'), { recursive: true })
  writeFileSync(
    here('users', user, 'shared', '.agents', 'skills', 'note', 'SKILL.md'),
    '---\nname: note\ndescription: Notes.\n---\nNote.\n',
  )
  const [skill] = await home.json<{ hash: string }>('skills', 'show', 'note')
  await ok('skills', 'trust', 'note', '--hash', skill!.hash)
  const [schedule] = await home.json<{ id: string }>('schedule', 'add', 'help', '--every', '7200')
  await ok('schedule', 'run', schedule!.id)
  for (const text of ['one', 'two']) await ok('run', '--yes', `write '${text}' to f.txt`)
  await ok('tag', 'before-backup')
}

before(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-whole-')))
  chmodSync(root, 0o755)
  backup = at('x.oxbow-backup')
  const home = await openHome('[memory]\nembedder = "none"\n')
  try {
    await fill(home)
    lists = await listsOf(home)
    writeFileSync(join(home.folder, 'strange.txt'), 'nobody knows it')
    backupSaid = await home.oxbow(['backup', backup])
    assert.equal(backupSaid.exit, 0, backupSaid.err)
    rmSync(join(home.folder, 'strange.txt'))
    cpSync(join(home.folder, 'runner', 'keys', `${user}.json`), at('key.json'))
    names = ['', 'runner', `users/${user}`, `users/${user}/internal`].flatMap((folder) =>
      readdirSync(join(home.folder, folder)).map((name) => (folder === '' ? name : `${folder}/${name}`)),
    )
  } finally {
    await home[Symbol.asyncDispose]()
  }
})

after(() => rmSync(root, { recursive: true, force: true }))

test('everything that Oxbow writes below its home has a place in the table of backups', () => {
  const unknown = names.filter((name) => {
    if (name === 'runner' || name === `users/${user}/internal`) return false
    const ofUser = `users/${user}/`
    return homeItemOf(name.startsWith(ofUser) ? 'user' : 'home', name.replace(ofUser, ''), user) === undefined
  })
  assert.deepEqual(unknown, [], 'add it to src/config/home-items.ts, and to docs/storage.md')
  assert.ok(names.includes('plugins.lock') && names.includes(`users/${user}/internal/versions`))
})

test('a backup says what is not in it, also of what it does not know', () => {
  assert.match(backupSaid.out, /not in it: strange\.txt, unknown to Oxbow/)
  assert.match(backupSaid.out, /not in it: runner\/keys, .*--key/)
})

test('with its key a new home has the same lists, and each thing works', { timeout: 300_000 }, async () => {
  const restored = await oxbowIn(at('new'), 'restore', backup, '--key', at('key.json'))
  assert.equal(restored.exit, 0, restored.err)
  assert.match(restored.out, /Not in the backup: runner\/heads/)
  await using home = await openHome('', at('new'))
  assert.deepEqual(await listsOf(home), lists)
  assert.equal(readFileSync(at('new', 'users', user, 'vault', 'pin.txt'), 'utf8'), '1234\n')
  const ok = async (...args: string[]): Promise<string> => {
    const ran = await home.oxbow(args)
    assert.equal(ran.exit, 0, `${args.join(' ')}: ${ran.err}`)
    return ran.out
  }
  await ok('run', '--yes', '--agent', 'reader', 'help')
  await ok('graph', 'run', 'collect', '--input', '{"paths":["/shared/f.txt"]}')
  await ok('plugin', 'verify', 'notes')
  await ok('call', 'notes.keep', '{"text":"after the restore"}')
  // The graph has written a file, so its version is the newest.
  await ok('restore', 'f.txt', '--to', 'HEAD~2', '--yes')
  assert.equal(readFileSync(at('new', 'users', user, 'shared', 'f.txt'), 'utf8'), 'one')
  await ok('secret', 'show', 'TEST_TOKEN')
  await ok('run', '--yes', '--folder', at('project'), "write 'here' to g.txt")
  assert.ok(existsSync(at('project', 'g.txt')))
  await ok('audit', 'verify')
})

test('without its key the rest comes back, and what does not is said', { timeout: 300_000 }, async () => {
  const restored = await oxbowIn(at('bare'), 'restore', backup)
  assert.equal(restored.exit, 0, restored.err)
  assert.match(restored.out, /does not come back: vault, configuration, list of folders and data of plugins/)
  assert.match(restored.out, /1 stored secret/)
  assert.match(restored.out, /1 plugins? (?:is|are) disabled/)
  assert.match(restored.out, /--key FILE/)
  await using home = await openHome('', at('bare'))
  const found = await listsOf(home)
  for (const same of ['graph list', 'roles list', 'exec list', 'skills list', 'call definition.list {"kind":"agents"}', 'log --limit 2'])
    assert.deepEqual(found[same], lists[same], same)
  assert.equal(existsSync(at('bare', 'users', user, 'vault', 'pin.txt')), false)
})

test('a home that has something keeps it: refused without --replace, set aside with it', async () => {
  mkdirSync(at('full', 'agents'), { recursive: true })
  writeFileSync(at('full', 'agents', 'mine.toml'), 'description = "Mine"\n')
  const refused = await oxbowIn(at('full'), 'restore', backup, '--key', at('key.json'))
  assert.notEqual(refused.exit, 0)
  assert.match(refused.err, /agents already exists/)
  assert.equal(existsSync(at('full', 'agents', 'reader.toml')), false)
  const replaced = await oxbowIn(at('full'), 'restore', backup, '--replace', '--key', at('key.json'))
  assert.equal(replaced.exit, 0, replaced.err)
  const kept = readdirSync(at('full')).find((name) => name.startsWith('agents.replaced-')) ?? assert.fail('nothing was set aside')
  assert.ok(existsSync(at('full', kept, 'mine.toml')))
})

test('a file that is cut short, changed or missing restores nothing', async () => {
  const bytes = readFileSync(backup)
  writeFileSync(at('short'), bytes.subarray(0, bytes.length - 5_000))
  const changed = Buffer.from(bytes)
  changed[Math.floor(bytes.length / 2)]! ^= 1
  writeFileSync(at('changed'), changed)
  for (const [name, why] of [
    ['short', /truncated|damaged/],
    ['changed', /hash|damaged/],
    ['none', /there is no backup/],
  ] as const) {
    const ran = await oxbowIn(at('damaged'), 'restore', at(name))
    assert.notEqual(ran.exit, 0, name)
    assert.match(ran.err, why)
  }
  assert.equal(existsSync(at('damaged', 'plugins.lock')), false)
})
