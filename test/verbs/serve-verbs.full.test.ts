/** Oxbow in the background, as a person starts and stops it. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { inTime } from '../support/patience.ts'

const home = mkdtempSync(join(tmpdir(), 'oxbow-serve-'))

interface Ended {
  readonly exit: number
  readonly text: string
}

const env = { PATH: process.env['PATH'] ?? '', HOME: home, OXBOW_HOME: join(home, 'oxbow') }
shareCompileCache(env.OXBOW_HOME)

function oxbow(...words: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...words], { env, timeout: 60_000 }, (error, stdout, stderr) => {
      const exit = error === null ? 0 : typeof error.code === 'number' ? error.code : 99
      resolve({ exit, text: stdout + stderr })
    })
  })
}

/** A process that has ended and that nobody has waited for is still listed. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

after(async () => {
  await oxbow('stop')
  rmSync(home, { recursive: true, force: true })
})

test('serve and config validate warn of misspelt names, and start does once', async () => {
  const folder = join(home, 'misspelt')
  const own = { ...env, OXBOW_HOME: folder }
  mkdirSync(folder)
  writeFileSync(join(folder, 'config.toml'), '[agent]\nrights = ["memroy.read"]\n[approval.calls]\n"file.wirte" = "ask"\n')
  const type = (...words: readonly string[]): Promise<string> =>
    new Promise((resolve) => void execFile(process.execPath, [program, ...words], { env: own }, (_, out, err) => resolve(out + err)))
  const warning = /warning: agent\.rights names "memroy\.read"[^]*approval\.calls names "file\.wirte"/
  assert.match(await type('config', 'validate'), warning)
  const started = await type('start')
  assert.match(started, warning)
  assert.equal(started.split('memroy').length, 2, started)
  await type('stop')
  const server = spawn(process.execPath, [program, 'serve'], { env: own, stdio: ['ignore', 'pipe', 'pipe'] })
  let err = ''
  server.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  await new Promise((resolve) => server.stdout.once('data', resolve))
  server.kill('SIGINT')
  await new Promise((resolve) => server.once('close', resolve))
  assert.match(err, warning)
})

test('it starts in the background once, serves, restarts, and stops with everything that it ran', async () => {
  assert.match((await oxbow('stop')).text, /does not run/)
  const started = await oxbow('start')
  assert.match(started.text, /Oxbow runs: process \d+, ws:\/\/127/)
  const file = join(home, 'oxbow/users/default/ipc/serve.json')
  const first = JSON.parse(readFileSync(file, 'utf8')) as { pid: number; guest: number }
  assert.match((await oxbow('start')).text, new RegExp(`runs already: process ${first.guest}`))
  assert.equal((await oxbow('restart')).exit, 0)
  const second = JSON.parse(readFileSync(file, 'utf8')) as { pid: number; guest: number }
  assert.notEqual(second.guest, first.guest)
  const config = join(home, 'oxbow/users/default/config.toml')
  for (const broken of [
    '[model\n',
    '[model]\nprovider = "anthropic"\nname = "claud-nonsense"\n',
    '[gateway]\nhost = "10.99.99.99"\n',
    '[gateway]\nhost = "10.99.99.99"\nallow_plain = true\n',
  ]) {
    writeFileSync(config, broken)
    const refused = await oxbow('restart')
    assert.notEqual(refused.exit, 0)
    assert.match(refused.text, /was not restarted and goes on as it is/)
    assert.equal((JSON.parse(readFileSync(file, 'utf8')) as { guest: number }).guest, second.guest)
  }
  assert.match((await oxbow('run', '2+2')).text, /2\+2 = 4/)
  rmSync(config)
  const log = await oxbow('logs')
  assert.deepEqual([log.exit, log.text === ''], [0, false], 'an empty log is said to be empty')
  assert.match((await oxbow('stop')).text, /has stopped/)
  for (const pid of [first.pid, first.guest, second.guest]) assert.equal(isAlive(pid), false, `${pid}`)
})

test('of restarts at once each goes well, and Oxbow runs after, whatever a terminal does meanwhile', async () => {
  for (let round = 0; round < 3; round += 1) {
    const words = [['restart'], ['restart'], ['start'], ['run', '2+2']] as const
    const all = await Promise.all(words.map((each) => oxbow(...each)))
    // A restart may end what the start has just begun.
    for (const [at, { exit, text }] of all.entries())
      if (words[at]![0] !== 'start') assert.equal(exit, 0, `round ${round}, ${words[at]!.join(' ')}: ${text}`)
    const server = JSON.parse(readFileSync(join(home, 'oxbow/users/default/ipc/serve.json'), 'utf8')) as { pid: number; guest: number }
    assert.deepEqual([isAlive(server.pid), isAlive(server.guest)], [true, true])
  }
  assert.match((await oxbow('audit', 'verify')).text, /The journal verifies/)
  assert.match((await oxbow('stop')).text, /has stopped/)
})

test('followed events go on with the next guest, and none is missed', async () => {
  await oxbow('start')
  const follower = spawn(process.execPath, [program, 'events', '--follow', '--json', '--kind', 'turn_ended', '--after', '0'], { env })
  let said = ''
  follower.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ends = (count: number): Promise<void> =>
    inTime(
      new Promise((resolve) => {
        const look = (): void => void (said.split('\n').filter((line) => line.includes('turn_ended')).length >= count && resolve())
        follower.stdout.on('data', look)
        look()
      }),
      () => `${count} ends of turns; there are: ${said}`,
    )
  const before = ends(2)
  await oxbow('run', '3+3')
  await before
  assert.match((await oxbow('stop')).text, /has stopped/)
  assert.equal(follower.exitCode, null)
  // It starts no guest of its own.
  assert.match((await oxbow('stop')).text, /does not run/)
  await oxbow('start')
  const third = ends(3)
  await oxbow('run', '4+4')
  await third
  follower.kill()
  await oxbow('stop')
  const places = said
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { seq: number }).seq)
  assert.deepEqual(
    places,
    [...new Set(places)].sort((a, b) => a - b),
  )
})

test('an agent that is spawned where nothing runs is carried on by a guest that stays', async () => {
  const spawned = await oxbow('spawn', 'write "kept" to spawned.txt', '--name', 'lasting')
  assert.equal(spawned.exit, 0, spawned.text)
  assert.match(spawned.text, /Started lasting[^]*runs in the background now/)
  const waited = await oxbow('wait', 'lasting', '--timeout', '50')
  assert.match(waited.text, /spawned\.txt/)
  assert.match((await oxbow('stop')).text, /has stopped/)
})

test('it says what is wrong when it cannot start', async () => {
  const refused = await oxbow('start', '--model', 'nonsense/model')
  assert.ok(refused.exit > 1)
  assert.match(refused.text, /^error: [^]+hint: /)
})
