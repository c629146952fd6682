/** `oxbow exec` from end to end: programs without a shell, in a real guest and its sandbox. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { execRun } from '../../src/tools/shell/run-call.ts'
import { errorTable } from '../../src/base/index.ts'
import { type Home, openHome } from '../support/program.ts'

let home: Home

before(async () => {
  home = await openHome('[memory]\nembedder = "none"\n[exec]\ndeny = ["git push"]\n')
})

after(async () => {
  await home[Symbol.asyncDispose]()
})

/** Command lines of all processes of this machine. */
function running(): readonly string[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      return /^\d+$/.test(name) ? [readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ')] : []
    } catch {
      return []
    }
  })
}

const { denied, bad_input: badInput, not_found: notFound } = errorTable

void test('a program runs once it is listed, gets its arguments as they are, and its exit code is returned', async () => {
  const unlisted = await home.oxbow(['exec', 'run', '--', 'echo', 'hello'])
  assert.equal(unlisted.exit, denied.exit)
  assert.match(unlisted.err, /may not start "echo hello": the allow list is empty/)
  assert.match(unlisted.err, /`oxbow exec allow "echo hello"`, or allow = \["echo hello"\] under \[exec\] in config\.toml/)

  assert.equal((await home.oxbow(['exec', 'allow', 'echo hello'])).out, 'Allowed: echo hello\n')
  assert.equal((await home.oxbow(['exec', 'run', '--', 'echo', 'hello'])).out, 'hello\n')
  assert.equal((await home.oxbow(['exec', 'run', '--', 'echo', 'bye'])).exit, denied.exit)

  await home.oxbow(['exec', 'allow', 'echo'])
  const literal = ['$(id)', '`id`', '; id', '| id', '> /shared/out', '*', '$HOME', "it's"]
  assert.equal((await home.oxbow(['exec', 'run', '--', 'echo', ...literal])).out, `${literal.join(' ')}\n`)
  await home.oxbow(['exec', 'allow', 'false'])
  assert.equal((await home.oxbow(['exec', 'run', 'false'])).exit, 1)

  assert.match((await home.oxbow(['exec', 'list'])).out, /^deny +git push +config\.toml\nallow +echo hello +oxbow exec\n/)
  await home.oxbow(['exec', 'remove', 'echo'])
  assert.equal((await home.oxbow(['exec', 'run', '--', 'echo', 'bye'])).exit, denied.exit)
  assert.equal((await home.oxbow(['exec', 'remove', 'echo'])).exit, notFound.exit)
})

void test('names with characters of a shell, paths, and what is denied or not installed are refused', async () => {
  await home.oxbow(['exec', 'allow', '*'])
  const wrong = [
    '/bin/echo',
    './echo',
    '../bin/echo',
    'bin/echo',
    'echo;id',
    'echo id',
    '$(id)',
    '`id`',
    'a|b',
    '>x',
    'a&',
    'a\nb',
    '-e',
    '',
    '*',
  ]
  for (const binary of wrong) assert.equal(execRun.input.safeParse({ binary }).success, false, binary)
  for (const binary of ['/bin/echo', 'echo;id'])
    assert.equal((await home.oxbow(['exec', 'run', '--', binary, 'x'])).exit, badInput.exit, binary)
  assert.match((await home.oxbow(['exec', 'run', '--', 'git', '-C', '/shared', 'push'])).err, /the deny list has "git push"/)
  assert.equal((await home.oxbow(['exec', 'run', 'no-such-program'])).exit, notFound.exit)
  const shell = await home.oxbow(['call', 'shell.exec', '{"command": "cd /shared && git push --force"}'])
  assert.match(shell.err, /the deny list has "git push"/)
  await home.oxbow(['exec', 'remove', '*'])
})

void test('the environment is its own, and only variables that are allowed are set', async () => {
  await home.oxbow(['exec', 'allow', 'env'])
  const { out } = await home.oxbow(['exec', 'run', '--env', 'TZ=Europe/Berlin', 'env'])
  const names = out.split('\n').map((line) => line.split('=')[0])
  assert.deepEqual(
    names.filter((name) => !/^(PATH|HOME|LANG|TERM|TZ|OXBOW_COMMAND|PWD|OLDPWD|SHLVL|_)?$/.test(name!)),
    [],
  )
  assert.match(out, /^TZ=Europe\/Berlin$/m)
  const refused = await home.oxbow(['exec', 'run', '--env', 'LD_PRELOAD=/shared/x.so', 'env'])
  assert.equal(refused.exit, denied.exit)
  assert.match(refused.err, /may not set the variable LD_PRELOAD/)
})

void test('a program that runs too long is ended with all its processes, and each run and refusal is on record', async () => {
  await home.oxbow(['exec', 'allow', 'bash'])
  const slow = await home.oxbow(['exec', 'run', '--timeout', '1', '--', 'bash', '-c', '(setsid sleep 9171 &) ; sleep 9172 & sleep 9173'])
  assert.equal(slow.exit, 124)
  assert.deepEqual(
    running().filter((line) => /sleep 917\d/.test(line)),
    [],
  )
  const [page] = await home.json<{ records: { name: string; phase: string }[] }>(
    'call',
    'audit.query',
    '{"name": "exec.run", "limit": 100}',
  )
  const phases = page!.records.map(({ phase }) => phase)
  assert.ok(phases.includes('intent') && phases.includes('outcome') && phases.includes('refused'), phases.join(' '))
})
