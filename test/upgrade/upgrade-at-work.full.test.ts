/** A change of versions while work is going on: open turns, a daemon that is asked for it, a store on a server, isolated guests. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HostEvent } from '../../src/protocol/index.ts'
import { postgresSkip, usePostgres } from '../../src/store/postgres/postgres-fixture.ts'
import { askSocket, until } from '../daemon/daemon-fixture.ts'
import { isShortSeries } from '../support/scale.ts'
import { builtVersion, packVersions, type Releases } from './built-versions.ts'
import { versionedHome, type VersionedHome } from './upgrade-fixture.ts'

let folder = ''
let sound: Releases
const postgres = usePostgres()

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'oxbow-releases-'))
  sound = packVersions(join(folder, 'sound'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

interface SlowModel extends AsyncDisposable {
  readonly url: string
  /** Answers that are asked for and held back. */
  readonly held: (() => void)[]
}

/** Its answers come when the test says so. */
async function slowModel(): Promise<SlowModel> {
  const held: (() => void)[] = []
  const server = createServer((request, response) => {
    request.resume()
    request.once('end', () => {
      held.push(() => {
        const piece = (choice: object): string => `data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, ...choice }] })}\n\n`
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.end(`${piece({ delta: { content: 'said at last' } })}${piece({ delta: {}, finish_reason: 'stop' })}data: [DONE]\n\n`)
      })
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    held,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const progressOf = (home: VersionedHome): string => {
  const file = join(home.folder, 'versions', 'progress.jsonl')
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

async function configure(home: VersionedHome, ...pairs: readonly string[]): Promise<void> {
  const { exit, err } = await home.oxbow('config', 'set', ...pairs)
  assert.equal(exit, 0, err)
}

async function isSound(home: VersionedHome, version: string): Promise<void> {
  assert.equal((await home.oxbow('--version')).out.trim(), version)
  await until(async () => (await home.oxbow('audit', 'verify')).exit === 0)
}

for (const [what, drain, expected] of [
  ['an open turn ends in the version that began it', '600', 1],
  ['a turn that takes too long goes on in the new version, from its records', '1', 2],
] as const) {
  void test(`${what}, and who is waited for is told`, async () => {
    await using model = await slowModel()
    await using home = versionedHome(sound)
    await configure(home, 'model.provider', 'openai', 'model.base_url', model.url, 'model.name', 'slow', 'upgrade.drain_s', drain)
    assert.equal((await home.oxbow('start')).exit, 0)
    const answer = home.oxbow('run', 'hello there')
    await until(() => model.held.length === 1)
    const change = home.oxbow('upgrade', '0.2.0', '--json')
    await until(() => progressOf(home).includes('waiting for an open turn: default, \\"hello there\\"'))
    if (expected === 1) model.held[0]!()
    const { exit, out, err } = await change
    assert.equal(exit, 0, out + err)
    assert.equal(progressOf(home).includes('not done within 1 s, and going on afterwards: default'), expected === 2)
    if (expected === 2) {
      await until(() => model.held.length === 2)
      model.held[1]!()
    }
    const said = await answer
    if (expected === 1) assert.match(said.out, /said at last/, said.err)
    else {
      // The terminal is a program of the version before, which starts no guest; the answer is in the session.
      const [session = ''] = /[0-9a-f-]{36}/.exec(said.err) ?? []
      await until(async () => (await home.oxbow('sessions', 'export', session, '--format', 'markdown')).out.includes('said at last'))
    }
    assert.equal(model.held.length, expected)
    await isSound(home, '0.2.0')
  })
}

void test('an administrator changes the version by the control socket, and its events tell all of it over the end of the daemon', async () => {
  await using home = versionedHome(sound)
  const env = { PATH: process.env['PATH'], HOME: home.folder, OXBOW_HOME: home.folder }
  const daemon = spawn(process.execPath, [join(builtVersion('0.1.0'), 'bin', 'oxbowd.js')], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  await once(daemon.stdout, 'data')
  const note = join(home.folder, 'runner', 'daemon.json')
  const ask = (op: string, input: object) => askSocket(join(home.folder, 'control', 'admin.sock'), { id: '1', op, input })
  /** Reads on until one of them fits, whoever answers. */
  const follow = async (cursor: number, end: RegExp): Promise<readonly HostEvent[]> => {
    const found: HostEvent[] = []
    await until(
      async () => {
        const answer = await ask('events', { after: found.at(-1)?.n ?? cursor }).catch(() => null)
        found.push(...((answer?.output as unknown as { events: readonly HostEvent[] } | undefined)?.events ?? []))
        await sleep(100)
        return found.some(({ kind, text }) => kind === 'version_change' && end.test(text))
      },
      () => JSON.stringify(found.slice(-5)),
    )
    return found
  }
  const begin = async (input: object): Promise<number> => {
    const { ok, output, failure } = await ask('upgrade', input)
    assert.ok(ok, failure?.message)
    return (output as unknown as { next: number }).next
  }
  try {
    assert.equal((await home.oxbow('start')).exit, 0)
    await follow(await begin({ version: '9.9.9' }), /^nothing was changed: .* has no 9\.9\.9/)
    await follow(await begin({ version: '0.2.0', dry_run: true }), /^0\.2\.0 works on a copy$/)
    const from = await begin({ version: '0.2.0' })
    await until(() => existsSync(join(home.folder, 'versions', 'change.json')))
    assert.equal((await ask('upgrade', { version: '0.3.0' })).failure?.code, 'workspace_busy')
    const told = await follow(from, /^0\.2\.0 runs now$/)
    const texts = told.filter(({ kind }) => kind === 'version_change').map(({ text }) => text)
    const steps = [
      'copying the store of default',
      'stopping the daemon',
      'backing up the store of default',
      '0.2.0 migrates',
      'watching for',
    ]
    const places = steps.map((step) => texts.findIndex((text) => text.includes(step)))
    assert.deepEqual(
      [...places].sort((a, b) => a - b),
      places,
      texts.join('\n'),
    )
    assert.ok(
      places.every((at) => at >= 0),
      texts.join('\n'),
    )
    assert.equal(new Set(told.map(({ n }) => n)).size, told.length, 'each once')
    assert.ok(told.some(({ kind }) => kind === 'daemon_stopped') && told.some(({ kind }) => kind === 'daemon_started'))
    assert.equal((await ask('health', {})).output?.['version'], '0.2.0')
    await isSound(home, '0.2.0')
    await follow(await begin({ kind: 'downgrade', version: '0.1.0' }), /^failed: .*0\.1\.0 cannot read all that 0\.2\.0 has written/)
    await follow(await begin({ kind: 'downgrade', version: '0.1.0', yes: true }), /^0\.1\.0 runs now$/)
    await isSound(home, '0.1.0')
  } finally {
    process.kill((JSON.parse(readFileSync(note, 'utf8')) as { pid: number }).pid, 'SIGTERM')
    await until(() => !existsSync(note))
  }
})

async function upAndDown(home: VersionedHome): Promise<void> {
  const say = async (text: string): Promise<void> => {
    const { exit, err } = await home.oxbow('run', '--model', 'offline', text)
    assert.equal(exit, 0, err)
  }
  await say('before')
  assert.equal((await home.oxbow('start')).exit, 0)
  assert.equal((await home.json('upgrade', '0.2.0'))['state'], 'done')
  await say('between')
  assert.equal((await home.json('downgrade', '0.1.0', '--yes'))['state'], 'done')
  await say('after')
  const { out } = await home.oxbow('sessions', '--json')
  assert.deepEqual(out.match(/"title":"\w+"/g)?.toSorted(), ['"title":"after"', '"title":"before"', '"title":"between"'])
  await isSound(home, '0.1.0')
}

/** Each takes a minute, and is like what changes without them. */
const inFullRun = isShortSeries ? 'in the full run' : false

void test('a store on a Postgres goes up and down', { skip: inFullRun || postgresSkip() }, async () => {
  await using database = await postgres.database()
  await using home = versionedHome(sound)
  await configure(home, 'store.url', database.url)
  await upAndDown(home)
})

void test(
  'isolated guests go up and down',
  { skip: inFullRun || (existsSync('/usr/bin/bwrap') ? false : 'bubblewrap is missing') },
  async () => {
    await using home = versionedHome(sound)
    await configure(home, 'sandbox.isolate_guest', 'true')
    await upAndDown(home)
  },
)
