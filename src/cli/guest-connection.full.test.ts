/** A verb whose guest ends under it: the real program with real guests and a scripted model. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { shareCompileCache } from '../../test/support/compile-cache.ts'
import { errorTable } from '../base/index.ts'
import { openPty } from './chat/pty-fixture.ts'
import { changedFiles, describeStale } from './guest-connection.ts'
import { program } from '../../test/support/built.ts'

const says = (...events: readonly object[]): string => JSON.stringify({ turns: [{ steps: [{ events }] }] })

interface Started {
  readonly over: Promise<{ exit: number | null; out: string; err: string }>
  says(text: string): Promise<void>
  interrupt(): void
  kill(): void
}

function start(home: string, ...args: readonly string[]): Started {
  const child = spawn(process.execPath, [program, ...args], { env: { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home } })
  let out = ''
  let err = ''
  let wake = (): void => {}
  child.stdout.on('data', (chunk: Buffer) => ((out += chunk.toString()), wake()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  child.stdin.end()
  const over = new Promise<{ exit: number | null; out: string; err: string }>((resolve) =>
    child.once('close', (exit) => resolve({ exit, out, err })),
  )
  return {
    over,
    async says(text) {
      while (!out.includes(text)) await new Promise<void>((resolve) => (wake = resolve))
    },
    interrupt: () => void child.kill('SIGINT'),
    kill: () => void child.kill('SIGKILL'),
  }
}

/** Resolves when a model is being asked. */
async function asking(home: string): Promise<void> {
  const path = join(home, 'users/default/internal/oxbow.db')
  while (!isAsking(path)) await sleep(20)
}

function isAsking(path: string): boolean {
  if (!existsSync(path)) return false
  const journal = new Sqlite(path, { readonly: true })
  try {
    return journal.prepare(`select 1 from journal where name = 'model.generate' and phase = 'intent'`).get() !== undefined
  } catch {
    // Its tables are being made.
    return false
  } finally {
    journal.close()
  }
}

function configure(home: string, scenario: string): void {
  const path = join(home, `${scenario.length}.json`)
  writeFileSync(path, scenario)
  writeFileSync(join(home, 'config.toml'), `[model]\nprovider = "scripted"\nname = "scripted"\nscenario = ${JSON.stringify(path)}\n`)
}

async function withHome(check: (home: string) => Promise<void>): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-lost-guest-'))
  try {
    shareCompileCache(home)
    configure(home, says({ text: 'so' }, { stall: true }))
    await check(home)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

void test('a turn whose guest ends with the terminal that started it continues in another guest as one turn', async () => {
  await withHome(async (home) => {
    const server = start(home, 'serve')
    await server.says('Ctrl+C stops it.')
    // What the guest of `run` will read; the one that runs has its own.
    configure(home, says({ text: 'done' }))
    const run = start(home, 'run', 'hello', '--json')
    await asking(home)
    server.interrupt()
    await server.over
    const { exit, out, err } = await run.over
    assert.equal(exit, 0, err)
    assert.equal((JSON.parse(out) as { reply: string }).reply, 'done')
    assert.match(err, /^notice: the guest that this verb used has ended: [^\n]*; starting another to finish the turn$/m)
    const { out: sessions } = await start(home, 'sessions').over
    assert.match(sessions, /^\S+ .* 1 turn  hello\n$/)
  })
})

void test('a turn whose guest was killed continues in the guest that another terminal started at the same address', async () => {
  await withHome(async (home) => {
    const server = start(home, 'serve')
    await server.says('Ctrl+C stops it.')
    const port = readText(join(home, 'users/default/ipc/port'))
    configure(home, says({ text: 'done' }))
    // A port that is configured: whoever lost the guest keeps trying this address, with the token of the guest that is gone.
    appendFileSync(join(home, 'config.toml'), `[gateway]\nport = ${port}\n`)
    const run = start(home, 'run', 'hello', '--json')
    await asking(home)
    server.kill()
    await killGuest(home, 0)
    const next = start(home, 'serve')
    try {
      const { exit, out, err } = await run.over
      assert.equal(exit, 0, err)
      assert.equal((JSON.parse(out) as { reply: string }).reply, 'done')
      assert.doesNotMatch(err, /API key/)
      assert.match((await start(home, 'sessions').over).out, /^\S+ .* 1 turn {2}hello\n$/)
    } finally {
      next.interrupt()
      await next.over
    }
  })
})

/** Kills the guest that serves now. @param last pid of the one before. @returns its pid */
async function killGuest(home: string, last: number): Promise<number> {
  for (;;) {
    const pid = Number(/"pid":(\d+)/.exec(readText(join(home, 'users/default/ipc/gateway.json')))?.[1] ?? last)
    if (pid !== last) {
      process.kill(pid, 'SIGKILL')
      return pid
    }
    await sleep(20)
  }
}

function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

void test('a turn continues however often its guest dies, and is one turn', async () => {
  await withHome(async (home) => {
    const run = start(home, 'run', 'hello')
    await asking(home)
    let last = 0
    for (let deaths = 0; deaths < 3; deaths++) last = await killGuest(home, last)
    configure(home, says({ text: 'done' }))
    await killGuest(home, last)
    const { exit, out, err } = await run.over
    assert.deepEqual([exit, out], [0, 'done\n'], err)
    assert.ok((err.match(/^notice: .*[^.]; starting another to finish the turn$/gm)?.length ?? 0) >= 3, err)
    assert.match((await start(home, 'sessions').over).out, /^\S+ .* 1 turn  hello\n$/)
  })
})

void test('a run that cannot finish its turn names the session and how to continue', async () => {
  await withHome(async (home) => {
    configure(home, JSON.stringify({ turns: [{ steps: [{ events: [{ error: { code: 'model_rejected', message: 'no' } }] }] }] }))
    const failed = await start(home, 'run', 'hello').over
    assert.notEqual(failed.exit, 0)
    const id = /^(\S+)/.exec((await start(home, 'sessions').over).out)?.[1] ?? ''
    assert.ok(failed.err.includes(`\nnotice: the session is ${id}`), failed.err)
    assert.match(failed.err, /oxbow run --continue "…" or oxbow run --session [0-9a-f-]+ "…" continues it\n$/)
  })
})

void test('--continue continues the newest session that has a message', async () => {
  await withHome(async (home) => {
    configure(home, says({ text: 'done' }))
    const none = await start(home, 'run', '--continue', 'hello').over
    assert.equal(none.exit, errorTable.not_found.exit)
    assert.match(none.err, /^error: there is no session to continue\nhint: Omit --continue to start one\.\n$/)
    for (const args of [['first'], ['second'], ['--continue', 'third']]) assert.equal((await start(home, 'run', ...args).over).exit, 0)
    assert.match((await start(home, 'sessions').over).out, /^\S+ .* 2 turns  second\n\S+ .* 1 turn {3}first\n$/)
    const both = await start(home, 'run', '--continue', '--session', '0', 'x').over
    assert.equal(both.exit, errorTable.bad_input.exit)
  })
})

void test('a chat that opens after an interrupted turn says so and shows how to continue', async () => {
  await withHome(async (home) => {
    const run = start(home, 'run', 'hello there')
    await asking(home)
    run.kill()
    await run.over
    const pty = openPty(home, ['chat'], { OXBOW_HOME: home })
    await pty.see('was interrupted and is running again')
    await pty.see('/continue')
    await pty.see('› ')
    pty.type('/continue\r')
    await pty.see('› hello there')
    pty.type('/quit\r')
    assert.equal(await pty.exit, 0)
  })
})

void test('a change that waits for a restart is told where the result depends on it, and only to people', async () => {
  await withHome(async (home) => {
    configure(home, says({ text: 'Hello.' }))
    assert.equal((await start(home, 'start').over).exit, 0)
    try {
      const config = join(home, 'config.toml')
      const soon = new Date(statSync(join(home, 'users/default/ipc/gateway.json')).mtimeMs + 2_000)
      const change = (more: string): void => {
        appendFileSync(config, more)
        utimesSync(config, soon, soon)
      }
      change('\n[[schedule]]\nname = "tidy"\ngoal = "Tidy up."\nevery_s = 3600\n')
      let err = 'unknown'
      for (let tries = 0; err !== '' && tries < 20; tries += 1) ({ err } = await start(home, 'status').over)
      assert.equal(err, '', 'the guest has taken up what is live')
      change('\n[versions]\nmax_file_mb = 5\n')
      const told =
        /notice: a guest is already running \(pid \d+\); the change of versions\.max_file_mb will have no effect before `oxbow restart`/
      for (const verb of [['run', 'hi'], ['status']]) assert.match((await start(home, ...verb).over).err, told, verb[0])
      for (const verb of [['sessions'], ['memory', 'list'], ['run', '--json', 'hi'], ['status', '--json']])
        assert.doesNotMatch((await start(home, ...verb).over).err, /notice: a guest/, verb.join(' '))
    } finally {
      await start(home, 'stop').over
    }
  })
})

void test('a run whose model cannot be used says why, and keeps no session', async () => {
  await withHome(async (home) => {
    writeFileSync(join(home, 'config.toml'), '')
    const { exit, err } = await start(home, 'run', '--model', 'nosuch', 'hi').over
    assert.equal(exit, errorTable.bad_config.exit)
    assert.match(err, /The model nosuch cannot be used: no provider has a key/)
    assert.doesNotMatch(err, /the session is/)
    assert.equal((await start(home, 'sessions', '--json').over).out.trim(), '')
  })
})

void test('changes after the start of the guest are named, and nothing else', (t) => {
  const ipc = mkdtempSync(join(tmpdir(), 'oxbow-stale-'))
  t.after(() => rmSync(ipc, { recursive: true }))
  const [address, config] = [join(ipc, 'gateway.json'), join(ipc, 'config.toml')]
  const files = [config, join(ipc, 'none.toml')]
  const offline = { model: 'offline/offline' }
  for (const path of [address, config]) writeFileSync(path, '')
  const written = (path: string, seconds: number): void => utimesSync(path, seconds, seconds)
  written(address, 1_000)
  written(config, 900)
  assert.deepEqual(changedFiles(ipc, files), [])
  assert.equal(describeStale({ choice: {}, changes: [], status: offline, env: { HOME: '/x', OPENAI_API_KEY: ' ' } }), '')
  assert.equal(describeStale({ choice: {}, changes: [], status: { model: 'openai/m' }, env: { OPENAI_API_KEY: 'k' } }), '')
  written(config, 1_100)
  assert.deepEqual(changedFiles(ipc, files), [config])
  const choice = { insecure: true, baseUrl: 'http://x' }
  assert.equal(
    describeStale({ choice, changes: ['of agent.rights'], status: offline, env: { ANTHROPIC_API_KEY: 'k' } }),
    `--insecure and --base-url and the change of agent.rights and ANTHROPIC_API_KEY`,
  )
})

void test('a verb that starts a guest says once which rules are for calls that there are not', async () => {
  await withHome(async (home) => {
    writeFileSync(join(home, 'config.toml'), '[approval.calls]\n"shell.exce" = "ask"\n')
    const { exit, err } = await start(home, 'run', 'what time is it').over
    assert.equal(exit, 0)
    assert.equal(err.split('approval.calls names "shell.exce"').length, 2, err)
    writeFileSync(join(home, 'config.toml'), '[agent]\nrights = ["file.raed"]\n')
    assert.match((await start(home, 'run', 'what time is it').over).err, /agent\.rights names "file\.raed"/)
  })
})
