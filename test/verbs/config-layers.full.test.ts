/** Where a value comes from, and versions of files, as people ask the built command line. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'

const root = mkdtempSync(join(tmpdir(), 'oxbow-layers-'))
after(() => rmSync(root, { recursive: true, force: true }))

const home = join(root, 'oxbow')
shareCompileCache(home)
const files = { machine: join(root, 'machine.toml'), all: join(home, 'config.toml'), user: join(home, 'users/default/config.toml') }

interface Ran {
  readonly exit: number
  readonly out: string
  readonly err: string
}

function oxbow(words: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: root, OXBOW_HOME: home, OXBOW_MACHINE_CONFIG: files.machine, ...variables }
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...words], { env, timeout: 60_000 }, (error, out, err) => {
      resolve({ exit: error === null ? 0 : Number(error.code ?? 99), out, err: err.replaceAll(/\n +/g, ' ') })
    })
  })
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

interface Explained {
  readonly value: unknown
  readonly layers: readonly { readonly source: string; readonly where: string; readonly line: number | null; readonly counts: boolean }[]
}

const explain = async (key: string, variables?: Readonly<Record<string, string>>): Promise<Explained> =>
  JSON.parse((await oxbow(['config', 'explain', key, '--json'], variables)).out) as Explained

test('explain names each kind of layer that has a value, with its line, and the one that counts', async () => {
  const said: [source: string, where: string, line: number | null][] = []
  const check = async (value: number, variables?: Readonly<Record<string, string>>): Promise<void> => {
    const { value: found, layers } = await explain('turn.max_turns', variables)
    assert.equal(found, value)
    assert.deepEqual(
      layers.map(({ source, where, line }) => [source, where, line]),
      said,
    )
    assert.deepEqual(
      layers.map(({ counts }) => counts),
      said.map((_, at) => at === said.length - 1),
    )
  }
  await check(100)
  write(files.machine, '# all\n[turn]\nmax_turns = 11\n')
  said.push(['machine', files.machine, 3])
  await check(11)
  write(files.all, '[turn]\nmax_turns = 12\n')
  said.push(['all_users', files.all, 2])
  await check(12)
  write(files.user, 'turn.max_turns = 13\n')
  said.push(['user', files.user, 1])
  await check(13)
  said.push(['environment', 'the environment', null])
  await check(14, { OXBOW__TURN__MAX_TURNS: '14' })
})

test('tables [[schedule]] of all files count, a later one replaces the one of its name, and the wrong one is named by its line', async () => {
  const entry = (name: string, goal: string): string => `[[schedule]]\nname = "${name}"\ngoal = "${goal}"\nevery_s = 3600\n`
  write(files.machine, entry('a', 'of the machine') + entry('b', 'of the machine'))
  write(files.all, entry('b', 'of all'))
  write(files.user, `# mine\n${entry('c', 'of the user')}`)
  const { value, layers } = await explain('schedule')
  assert.deepEqual(
    (value as readonly { name: string; goal: string }[]).map(({ name, goal }) => [name, goal]),
    [
      ['a', 'of the machine'],
      ['b', 'of all'],
      ['c', 'of the user'],
    ],
  )
  assert.deepEqual(
    layers.map(({ line }) => line),
    [1, 1, 2],
  )
  write(files.user, `${entry('c', 'x')}${entry('d', 'x').replace('every_s = 3600', 'cron = "daily"')}`)
  const { exit, err } = await oxbow(['config', 'validate'])
  assert.equal(exit, 3)
  assert.match(err, /line 8, schedule\.1\.cron: must have five or six parts/)
})

test('a file of an older version is told of, and moved there and back with a copy', async () => {
  for (const file of Object.values(files)) rmSync(file, { force: true })
  const old = '# mine\n[session]\nidle_s = 3\n\n[turn]\nmax_turns = 5\n'
  write(files.user, old)
  const got = await oxbow(['config', 'get', 'turn.max_turns'])
  assert.equal(got.out, '5\n')
  assert.match(got.err, /is of an older version of the configuration: it works/)
  const trial = await oxbow(['config', 'migrate', '--dry-run'])
  assert.match(trial.out, /move .*config\.toml to version 2/)
  assert.equal(readFileSync(files.user, 'utf8'), old)
  assert.equal((await oxbow(['config', 'migrate'])).exit, 0)
  assert.equal(readFileSync(files.user, 'utf8'), 'config_version = 2\n# mine\n[turn]\nmax_turns = 5\n')
  assert.equal(readFileSync(`${files.user}.version-1`, 'utf8'), old)
  assert.equal((await oxbow(['config', 'get', 'turn.max_turns'])).err, '')
  assert.equal((await oxbow(['config', 'migrate', '--to', '1'])).exit, 0)
  assert.equal(readFileSync(files.user, 'utf8'), '# mine\n[turn]\nmax_turns = 5\n')
  assert.ok(existsSync(`${files.user}.version-2`))
  assert.match((await oxbow(['config', 'migrate'])).out, /No file says anything of another version/)
  write(files.user, 'config_version = 9\n')
  assert.equal((await oxbow(['config', 'migrate'])).exit, 3)
  const { exit, err } = await oxbow(['config', 'validate'])
  assert.equal(exit, 3)
  assert.match(err, /is of version 9 of the configuration; [^]*oxbow config migrate --to 2/)
})
