/** A verb whose guest ends under it: the real program beside real guests, with a scripted model. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { shareCompileCache } from '../../test/support/compile-cache.ts'
import { errorTable } from '../types/index.ts'
import { describeStale } from './guest-connection.ts'

const program = fileURLToPath(new URL('main.ts', import.meta.url))
const says = (...events: readonly object[]): string => JSON.stringify({ turns: [{ steps: [{ events }] }] })

interface Started {
  readonly over: Promise<{ exit: number | null; out: string; err: string }>
  says(text: string): Promise<void>
  interrupt(): void
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
  }
}

/** Resolves when a model is being asked. */
async function asking(home: string): Promise<void> {
  for (let out = ''; !/model\.generate .*intent|intent.*model\.generate/.test(out);) {
    out = (await start(home, 'audit', 'show', '--limit', '20').over).out
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

void test(
  'a turn whose guest ends with the terminal that had started it goes on in another, and is one turn',
  { timeout: 120_000 },
  async () => {
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
      assert.match(err, /\nnotice: The guest has ended with the terminal that had started it; this one starts another\.\n$/)
      const { out: sessions } = await start(home, 'sessions').over
      assert.match(sessions, /^\S+ .* 1 turn  hello\n$/)
    })
  },
)

void test('a turn whose own guest dies ends with what happened', { timeout: 120_000 }, async () => {
  await withHome(async (home) => {
    const run = start(home, 'run', 'hello')
    await asking(home)
    const { pid } = JSON.parse(readFileSync(join(home, 'users/default/ipc/gateway.json'), 'utf8')) as { pid: number }
    process.kill(pid, 'SIGKILL')
    const { exit, err } = await run.over
    assert.equal(exit, errorTable.guest_unreachable.exit)
    assert.match(err, /^error: the guest ended \(SIGKILL\)\nhint: Start Oxbow again/)
  })
})

void test('what came after the guest began is named, and nothing else', (t) => {
  const ipc = mkdtempSync(join(tmpdir(), 'oxbow-stale-'))
  t.after(() => rmSync(ipc, { recursive: true }))
  const [address, config] = [join(ipc, 'gateway.json'), join(ipc, 'config.toml')]
  const files = [config, join(ipc, 'none.toml')]
  const offline = { model: 'offline/offline' }
  for (const path of [address, config]) writeFileSync(path, '')
  const written = (path: string, seconds: number): void => utimesSync(path, seconds, seconds)
  written(address, 1_000)
  written(config, 900)
  assert.equal(describeStale({ choice: {}, ipc, files, status: offline, env: { HOME: '/x', OPENAI_API_KEY: ' ' } }), '')
  assert.equal(describeStale({ choice: {}, ipc, files, status: { model: 'openai/m' }, env: { OPENAI_API_KEY: 'k' } }), '')
  written(config, 1_100)
  const choice = { insecure: true, baseUrl: 'http://x' }
  assert.equal(
    describeStale({ choice, ipc, files, status: offline, env: { ANTHROPIC_API_KEY: 'k' } }),
    `--insecure and --base-url and what was changed in ${config} and ANTHROPIC_API_KEY`,
  )
})
