/** Restores into a home that has something: what it says beforehand, and what becomes of the key that the home had. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, before, test } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { runProgram } from '../../src/cli/program.ts'
import type { Terminal } from '../../src/cli/terminal.ts'
import { lockWorkspace } from '../../src/store/sqlite/workspace-lock.ts'
import { shareCompileCache } from '../support/compile-cache.ts'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-restore-')))
const at = (...path: string[]): string => join(root, ...path)
const keyOf = (home: string): string => at(home, 'runner', 'keys', 'default.json')
const backup = at('a.oxbow-backup')

interface Ran {
  readonly exit: number
  readonly text: string
}

/** A verb in a home where no guest serves. */
async function oxbow(home: string, args: readonly string[], piped = ''): Promise<Ran> {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  input.end(piped)
  const env = { PATH: process.env['PATH'], OXBOW_HOME: at(home), HOME: '/nonexistent' }
  const exit = await runProgram(args, { input, output, errors, env, version: '1' } as unknown as Terminal)
  return { exit, text: `${String(output.read() ?? '')}${String(errors.read() ?? '')}` }
}

async function ok(home: string, args: readonly string[], piped = ''): Promise<string> {
  const { exit, text } = await oxbow(home, args, piped)
  assert.equal(exit, 0, `${args.join(' ')}: ${text}`)
  return text
}

async function refused(home: string, args: readonly string[], why: RegExp): Promise<void> {
  const { exit, text } = await oxbow(home, args)
  assert.notEqual(exit, 0, text)
  assert.match(text, why)
}

/** A home with a turn, a file and a secret of its own, and so with a key. */
async function makeHome(name: string, file: string): Promise<void> {
  mkdirSync(at(name))
  chmodSync(at(name), 0o755)
  shareCompileCache(at(name))
  await ok(name, ['run', '--yes', `write '${name}' to ${file}`])
  await ok(name, ['secret', 'set', 'TOKEN'], `the secret of ${name}`)
}

before(async () => {
  chmodSync(root, 0o755)
  await makeHome('first', 'a.txt')
  await makeHome('second', 'b.txt')
})
after(() => rmSync(root, { recursive: true, force: true }))

test('a backup names the folders of the person that are not in it', async () => {
  mkdirSync(at('project'))
  chmodSync(at('project'), 0o777)
  await ok('first', ['folder', 'add', at('project')])
  const said = await ok('first', ['backup', backup])
  assert.ok(said.includes(`not in it: ${at('project')}, your folder that agents see as /shared/project: copy it yourself`), said)
  // The list of folders is sealed.
  assert.equal(readFileSync(backup).includes(at('project')), false)
})

test('a dry run refuses what a restore would refuse, in the same words, and changes nothing', async () => {
  const key = readFileSync(keyOf('second'), 'utf8')
  for (const [args, why] of [
    [[], /The store .* is not empty[^]*--replace/],
    [['--key', keyOf('first')], /another key in this home[^]*--replace/],
  ] as const) {
    await refused('second', ['restore', backup, '--dry-run', ...args], why)
    await refused('second', ['restore', backup, ...args], why)
  }
  const said = await ok('second', ['restore', backup, '--dry-run', '--replace', '--key', keyOf('first')])
  assert.match(said, /The backup was made at/)
  assert.match(said, /Nothing was changed\.\nNothing stands in the way/)
  assert.equal(said.split('checking the backup').length, 2, said)
  assert.equal(readFileSync(keyOf('second'), 'utf8'), key)
  assert.ok(existsSync(at('second', 'users', 'default', 'shared', 'b.txt')))
  assert.deepEqual(
    readdirSync(at('second', 'users', 'default')).filter((name) => /restoring|replaced/.test(name)),
    [],
  )
})

test('a dry run does not wait for a guest that uses the store', async (t) => {
  const shared = at('second', 'users', 'default')
  const locked = lockWorkspace(join(shared, 'internal', 'oxbow.db'))
  t.after(() => locked.release())
  const args = ['restore', backup, '--replace', '--key', keyOf('first')]
  assert.match(await ok('second', [...args, '--dry-run']), /Nothing was changed/)
  assert.deepEqual(
    [...readdirSync(shared), ...readdirSync(join(shared, 'internal'))].filter((name) => /rehearsing(?!\.lock)/.test(name)),
    [],
  )
  await refused('second', args, /already runs Oxbow/)
})

test("a restore with a key replaces the home's key, keeps the old one aside, and everything works afterwards", async () => {
  const key = readFileSync(keyOf('second'), 'utf8')
  const said = await ok('second', ['restore', backup, '--replace', '--key', keyOf('first')])
  const [kept = ''] = readdirSync(at('second', 'runner', 'keys')).filter((name) => name.startsWith('default.json.replaced-'))
  assert.ok(said.includes(kept) && kept !== '', said)
  assert.equal(readFileSync(at('second', 'runner', 'keys', kept), 'utf8'), key)
  assert.equal(readFileSync(keyOf('second'), 'utf8'), readFileSync(keyOf('first'), 'utf8'))
  // A run reads all stored secrets, and none opens with another key.
  assert.match(await ok('second', ['secret', 'list']), /TOKEN/)
  assert.equal(readFileSync(at('second', 'users', 'default', 'shared', 'a.txt'), 'utf8'), 'first')
  await ok('second', ['run', '--yes', "write 'again' to c.txt"])
  await ok('second', ['secret', 'set', 'OTHER'], 'one more')
  await ok('second', ['audit', 'verify'])
  // The next one finds the same key.
  await ok('second', ['restore', backup, '--replace', '--key', keyOf('first')])
  await ok('second', ['audit', 'verify'])
})

test('a restore that is refused leaves the home its key', async () => {
  await ok('first', ['run', 'what time is it'])
  const db = new Sqlite(at('first', 'users', 'default', 'internal', 'oxbow.db'))
  db.exec('update journal set at = at + 1 where seq = 3')
  db.close()
  const damaged = at('damaged.oxbow-backup')
  assert.match(await ok('first', ['backup', damaged]), /WARNING/)
  await makeHome('third', 'd.txt')
  const key = readFileSync(keyOf('third'), 'utf8')
  const restore = ['restore', damaged, '--replace', '--key', keyOf('first')]
  for (const args of [restore, [...restore, '--dry-run']]) {
    await refused('third', args, /The journal of the backup does not verify: record 3[^]*--accept-damage/)
    assert.equal(readFileSync(keyOf('third'), 'utf8'), key)
  }
  assert.match(await ok('third', [...restore, '--dry-run', '--accept-damage']), /to be recorded with the restore:\n +record 3/)
  await ok('third', ['run', '--yes', "write 'mine' to e.txt"])
  await ok('third', ['restore', damaged, '--replace', '--accept-damage', '--key', keyOf('first')])
  assert.equal(readFileSync(at('third', 'users', 'default', 'shared', 'a.txt'), 'utf8'), 'first')
  await ok('third', ['run', 'what time is it'])
})

test('a space comes back in a home that has nothing of it, and a mistyped name makes none', async () => {
  await ok('first', ['space', 'new', 'taxes'])
  await ok('first', ['run', '--yes', '--space', 'taxes', "write 'tax' to t.txt"])
  const file = at('taxes.oxbow-backup')
  assert.match(await ok('first', ['space', 'export', 'taxes', file]), /To restore it: oxbow restore --user default~taxes \//)
  mkdirSync(at('elsewhere'))
  chmodSync(at('elsewhere'), 0o755)
  const rest = [file, '--key', keyOf('first')]
  await refused('elsewhere', ['restore', '--user', 'default~taxse', ...rest], /Use `oxbow restore --user default~taxes`/)
  await ok('elsewhere', ['restore', '--user', 'default~taxes', '--dry-run', ...rest])
  assert.doesNotMatch(await ok('elsewhere', ['space', 'list']), /tax/)
  await ok('elsewhere', ['restore', '--user', 'default~taxes', ...rest])
  assert.match(await ok('elsewhere', ['space', 'list']), /taxes/)
  assert.ok(existsSync(at('elsewhere', 'users', 'default~taxes', 'shared', 't.txt')))
})
