/** The daemon of a person, by its verbs and its socket. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ended, openDaemonHome, run, until } from './daemon-fixture.ts'

interface Status {
  readonly user: string
  readonly state: string
  readonly pid: number | null
  readonly losses: number
  readonly reason: string
}

const parse = (text: string): Status[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Status)

test('it keeps guests for users, which outlive terminals, come back when they are killed, and stop when they are told', async () => {
  await using home = openDaemonHome()
  const daemon = await home.daemon()
  assert.match((await home.oxbow('user', 'add', 'ada')).text, /ada is added/)
  assert.match((await home.oxbow('start', '--user', 'ada')).text, /Oxbow runs: process \d+/)
  assert.match((await home.oxbow('start', '--json')).text, /"running":true,"started":true/)
  assert.match((await home.oxbow('start', '--json')).text, /"running":true,"started":false/)
  assert.equal(home.guests().length, 2)
  assert.match((await home.oxbow('run', '2+2', '--user', 'ada')).text, /2\+2 = 4/)
  assert.equal(home.guests().length, 2)

  const [before] = parse((await home.oxbow('status', '--all', '--json')).text)
  process.kill(before!.pid!, 'SIGKILL')
  await until(async () => parse((await home.oxbow('status', '--all', '--json')).text)[0]!.losses === 1)
  await until(async () => parse((await home.oxbow('status', '--all', '--json')).text)[0]!.state === 'running')
  const [after] = parse((await home.oxbow('status', '--all', '--json')).text)
  assert.notEqual(after!.pid, before!.pid)

  // With the next daemon they come back.
  assert.equal(await ended(daemon, 'SIGTERM'), 0)
  assert.deepEqual(home.guests(), [])
  await home.daemon()
  await until(() => home.guests().length === 2)
  await until(async () => parse((await home.oxbow('status', '--all', '--json')).text).every(({ state }) => state === 'running'))
  const restarted = await home.oxbow('restart', '--user', 'ada')
  assert.equal(restarted.exit, 0, restarted.text)
  assert.match((await home.oxbow('stop', '--all')).text, /ada: Oxbow has stopped\.\ndefault: Oxbow has stopped/)
  assert.deepEqual(home.guests(), [])
  assert.match((await home.oxbow('stop')).text, /does not run/)
  // Without the daemon's help a terminal works as ever.
  assert.match((await home.oxbow('run', '3+3')).text, /3\+3 = 6/)
  assert.deepEqual(home.guests(), [])

  const { events, next } = (await home.ask('events', { limit: 200 })).output as unknown as {
    events: { kind: string; n: number }[]
    next: number
  }
  const kinds = events.map(({ kind }) => kind)
  for (const kind of ['daemon_started', 'user_added', 'guest_started', 'guest_lost', 'guest_stopped', 'daemon_stopped'])
    assert.ok(kinds.includes(kind), kind)
  const waiting = home.ask('events', { after: next, wait_s: 30 })
  await home.oxbow('start')
  assert.equal(((await waiting).output as unknown as { events: { kind: string }[] }).events[0]?.kind, 'guest_started')
  assert.match((await home.oxbow('audit', 'verify')).text, /The journal verifies/)
})

test('a page stops its own guest by the daemon that keeps it, and nobody else’s', async () => {
  await using home = openDaemonHome()
  await home.daemon()
  for (const user of ['ada', 'default']) assert.equal((await home.oxbow('start', '--user', user)).exit, 0)
  const users = JSON.parse((await home.oxbow('call', 'machine.users', '{}', '--json')).text.split('\n')[0]!) as { users: { by: string }[] }
  assert.deepEqual(
    users.users.map(({ by }) => by),
    ['service', 'service'],
  )
  const stopped = await home.oxbow('call', 'guest.stop', '{}', '--user', 'ada')
  assert.equal(stopped.exit, 0, stopped.text)
  const states = async (): Promise<readonly string[]> =>
    parse((await home.oxbow('status', '--all', '--json')).text).map(({ user, state }) => `${user} ${state}`)
  await until(async () => (await states())[0] === 'ada stopped')
  assert.deepEqual(await states(), ['ada stopped', 'default running'])
  assert.equal(home.guests().length, 1)
  // The next daemon does not bring it back.
  const { output } = await home.ask('status', { user: 'ada' })
  assert.equal((output as unknown as { users: { wanted: boolean }[] }).users[0]!.wanted, false)
  // Without the daemon a guest belongs to its terminal, or its server.
  await home.oxbow('stop', '--all')
  assert.match((await home.oxbow('call', 'guest.stop', '{}')).text, /belongs to a terminal/)
})

test('variables of the command line and of a file reach the guest, and the first win', async () => {
  await using home = openDaemonHome()
  const keys: string[] = []
  const service = createHttpServer((request, response) => {
    keys.push(request.headers.authorization ?? '')
    response.writeHead(401).end('{}')
  }).listen(0, '127.0.0.1')
  await once(service, 'listening')
  const { port } = service.address() as AddressInfo
  const file = join(home.folder, 'keys.env')
  writeFileSync(file, '# keys\nMY_KEY=from-file\nexport OTHER="two words"\n')
  const config = `[model]\nname = "thing"\nbase_url = "http://127.0.0.1:${port}/v1"\napi_key_env = "MY_KEY"\n`
  writeFileSync(join(home.env['OXBOW_HOME']!, 'config.toml'), config)
  await home.daemon()
  for (const [words, key] of [
    [['--env-file', file], 'from-file'],
    [['--env-file', file, '-e', 'MY_KEY=typed'], 'typed'],
  ] as const) {
    const started = await home.oxbow('start', ...words)
    assert.equal(started.exit, 0, started.text)
    await home.oxbow('run', 'hello')
    assert.equal(keys.at(-1), `Bearer ${key}`)
    await home.oxbow('stop')
  }
  service.close()
  for (const bad of ['novalue', '=x', '1A=x', 'A B=x']) {
    const refused = await home.oxbow('start', '-e', bad)
    assert.equal(refused.exit, 2, refused.text)
  }
})

test('a guest with nothing to do is ended, and a terminal that connects gets it back', async () => {
  await using home = openDaemonHome()
  await home.oxbow('config', 'set', 'runner.idle_stop_min', '0.05')
  await home.daemon()
  await home.oxbow('start')
  const state = async (): Promise<string> => parse((await home.oxbow('status', '--all', '--json')).text)[0]!.state
  await until(async () => (await state()) === 'idle')
  assert.deepEqual(home.guests(), [])
  assert.match((await home.oxbow('run', '2+2')).text, /2\+2 = 4/)
  const { events } = (await home.ask('events', { limit: 200 })).output as unknown as { events: { kind: string }[] }
  assert.equal(events.filter(({ kind }) => kind === 'guest_started').length, 2, 'it is the daemon’s')
  await until(async () => (await state()) === 'idle')
  // A schedule that is near keeps it.
  const added = await home.oxbow('schedule', 'add', 'write "x" to x.txt', '--every', '5m')
  assert.equal(added.exit, 0, added.text)
  await sleep(6_000)
  assert.equal(await state(), 'running')
})

test('there is one daemon, whatever an earlier one, or a liar, has left', async () => {
  await using home = openDaemonHome()
  const first = await home.daemon()
  const second = await run(process.execPath, [first.spawnargs[1]!], home.env)
  assert.equal(second.exit, 2)
  assert.match(second.text, /a daemon runs already: process \d+/)
  await ended(first, 'SIGKILL')
  // Its note now names a process that lives, and is another one; its socket is stale, and then a pipe, a folder, a link.
  const note = join(home.env['OXBOW_HOME']!, 'runner/daemon.json')
  assert.ok(existsSync(note) && existsSync(home.socket))
  writeFileSync(note, JSON.stringify({ pid: process.pid, began: 'another boot' }))
  const third = await home.daemon()
  assert.equal((await home.ask('health')).ok, true)
  await ended(third, 'SIGKILL')
  for (const garbage of ['', '{', '{"pid":"x"}', '{"pid":-1}', '\0']) {
    writeFileSync(note, garbage)
    await ended(await home.daemon(), 'SIGKILL')
  }
  symlinkSync('/etc/passwd', `${home.socket}.x`)
  renameSync(`${home.socket}.x`, home.socket)
  await home.daemon()
  assert.match(readFileSync('/etc/passwd', 'utf8'), /^root:/)
  assert.equal((await home.ask('health')).ok, true)
})

test('a home whose path is too long for a socket, and a socket that nobody answers, keep nobody from working', async () => {
  const long = join(tmpdir(), `oxbow-${'long-'.repeat(22)}${process.pid}`)
  mkdirSync(long)
  await using home = openDaemonHome({ OXBOW_HOME: long })
  const child = await home.daemon()
  assert.match((await home.oxbow('start')).text, /Oxbow runs: process/)
  assert.match((await home.oxbow('service', 'status')).text, /The daemon runs since/)
  await home.oxbow('stop')
  await ended(child, 'SIGTERM')
  // The socket of a daemon that was killed.
  const env = { ...home.env, OXBOW_HOME: join(home.folder, 'oxbow') }
  mkdirSync(join(env.OXBOW_HOME, 'control'), { recursive: true })
  const server = createServer().listen(join(env.OXBOW_HOME, 'control/a.sock'))
  await once(server, 'listening')
  renameSync(join(env.OXBOW_HOME, 'control/a.sock'), join(env.OXBOW_HOME, 'control/admin.sock'))
  server.close()
  const { program } = await import('../support/built.ts')
  assert.match((await run(process.execPath, [program, 'run', '2+2'], env)).text, /2\+2 = 4/)
  rmSync(long, { recursive: true })
})

test('who is removed is stopped and kept aside, and who is purged is gone but for what was signed', async () => {
  await using home = openDaemonHome()
  const removed = join(home.env['OXBOW_HOME']!, 'removed')
  for (const withDaemon of [false, true]) {
    if (withDaemon) await home.daemon()
    const name = withDaemon ? 'bea' : 'ada'
    assert.equal((await home.oxbow('user', 'add', name)).exit, 0)
    assert.match((await home.oxbow('user', 'add', name)).text, /there is a user .* already/)
    assert.equal((await home.oxbow('start', '--user', name)).exit, 0)
    await home.oxbow('memory', 'add', 'kept', '--user', name)
    assert.match((await home.oxbow('user', 'remove', name)).text, /was not removed/)
    assert.match((await home.oxbow('user', 'remove', name, '--dry-run')).text, /Would stop .* aside/)
    const done = await home.oxbow('user', 'remove', name, '--yes')
    assert.match(done.text, /is removed; everything they had is in/)
    assert.deepEqual(home.guests(), [])
    assert.equal(readdirSync(removed).filter((each) => each.startsWith(`${name}@`)).length, 1)
    assert.match((await home.oxbow('user', 'remove', name, '--yes')).text, /there is no user/)
    assert.match((await home.oxbow('user', 'remove', name, '--yes', '--purge')).text, /is erased/)
    assert.equal(readdirSync(removed).filter((each) => each.startsWith(`${name}@`)).length, 0)
    assert.ok(existsSync(join(home.env['OXBOW_HOME']!, 'runner/heads', `${name}.jsonl`)))
  }
})

test('a setting that is changed leaves the others as they were, with a daemon and without', async () => {
  await using home = openDaemonHome()
  for (const withDaemon of [false, true]) {
    if (withDaemon) await home.daemon()
    const name = withDaemon ? 'bea' : 'ada'
    await home.oxbow('user', 'add', name, '--processes', '300', '--cpu-weight', '50')
    await home.oxbow('user', 'set', name, '--memory', '900')
    const { settings } = JSON.parse((await home.oxbow('user', 'set', name, '--env-file', '/dev/null', '--json')).text.split('\n')[0]!) as {
      settings: object
    }
    const limits = { cpu_weight: 50, memory_mb: 900, max_processes: 300, disk_mb: null }
    assert.deepEqual(settings, { run: false, ...limits, env_file: '/dev/null' })
  }
})

test('a list of users says whose guest runs where no daemon does, and a file of variables is named from everywhere', async () => {
  await using home = openDaemonHome()
  await home.oxbow('start')
  assert.match((await home.oxbow('user', 'list')).text, /^default +running/m)
  assert.match((await home.oxbow('user', 'show', 'default')).text, /^state +running/m)
  await home.oxbow('stop')
  assert.match((await home.oxbow('user', 'list')).text, /^default +stopped/m)
  const { text } = await home.oxbow('user', 'set', 'default', '--env-file', relative(process.cwd(), '/dev/null'), '--json')
  const { settings } = JSON.parse(text.split('\n')[0]!) as { settings: { env_file: string } }
  assert.equal(settings.env_file, '/dev/null')
})

test('names that are paths, options or garbage are refused by verbs and by the socket', async () => {
  await using home = openDaemonHome()
  await home.daemon()
  for (const name of ['../x', '/etc', 'a/b', '.hidden', 'a b', 'a\nb', 'a\u202eb', '..', 'x'.repeat(65), 'a\\b']) {
    const refused = await home.oxbow('user', 'add', '--', name)
    assert.equal(refused.exit, 2, `${name}: ${refused.text}`)
    for (const op of ['start', 'stop', 'logs', 'config', 'restart']) {
      const { ok, failure } = await home.ask(op, { user: name })
      assert.equal(ok, false, `${op} ${name}`)
      assert.ok(['bad_input', 'not_found'].includes(failure!.code), `${op} ${name}: ${failure!.code}`)
    }
  }
  for (const name of ['--all', '-x', '--json']) assert.equal((await home.oxbow('user', 'add', '--', name)).exit, 2)
  assert.match((await home.ask('upgrade', { version: '9.9.9' })).failure?.message ?? '', /runs from its sources|bad_input/)
  for (const input of [{ version: '--help' }, { version: '1.2.3', from: 'x.tar.gz' }, { kind: 'sidegrade' }, { more: 1 }])
    assert.equal((await home.ask('upgrade', input)).failure?.code, 'bad_input', JSON.stringify(input))
  assert.equal((await home.ask('start', { user: 'nobody-there' })).failure?.code, 'not_found')
  assert.equal((await home.ask('__proto__', {})).failure?.code, 'unknown_call')
})
