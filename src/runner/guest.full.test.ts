import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isOxbowError } from '../base/index.ts'
import { parseHead } from '../protocol/index.ts'
import { parseConfig } from '../services/index.ts'
import { findGuest } from './find-guest.ts'
import { askOffline, ensureGuest, type GuestSetup } from './guest.ts'
import { readSeal } from './heads/head-signing.ts'
import { openHome, openWorkspace, parseUser } from './home.ts'
import { portProbeTimeoutMs } from './limits.ts'
import { makeMasterKeys } from './master-keys.ts'

/** What every fake guest can do: read its envelope, listen, say JSON lines, and go when stdin ends. */
const prelude = `
import { createServer } from 'node:net'
import { existsSync, writeFileSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n')
const lines = createInterface({ input: process.stdin })
const envelope = JSON.parse(await new Promise((resolve) => lines.once('line', resolve)))
const ipc = envelope.workspaceRoot + '/ipc/'
const listen = async () => {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = 'ws://127.0.0.1:' + server.address().port + '/ws'
  writeFileSync(ipc + 'token', 'secret')
  writeFileSync(ipc + 'gateway.json', JSON.stringify({ url, pid: process.pid }))
  say({ type: 'ready', url, pid: process.pid })
}
lines.once('close', () => { rmSync(ipc + 'gateway.json', { force: true }); process.exit(0) })
`

async function withGuest(script: string, check: (options: GuestSetup, warnings: string[]) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-guest-'))
  try {
    const entry = join(root, 'guest.mjs')
    writeFileSync(entry, prelude + script)
    const home = openHome({ OXBOW_HOME: join(root, 'home') })
    const warnings: string[] = []
    await check(
      {
        home,
        workspace: openWorkspace(home, parseUser('default')),
        config: parseConfig({}, 'test'),
        insecure: false,
        version: '0.0.0-test',
        env: { PATH: process.env['PATH'], OPENAI_API_KEY: 'sk-test', HOST_SECRET: 'stays outside' },
        warn: (text) => warnings.push(text),
        program: { entry },
      },
      warnings,
    )
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

async function collect(values: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const value of values) all.push(value)
  return all
}

void test('a guest is started, found by the next terminal, and gone after stop', async () => {
  await withGuest('await listen()', async (options) => {
    const first = await ensureGuest(options)
    const second = await ensureGuest(options)
    assert.equal(first.owned, true)
    assert.equal(second.owned, false)
    assert.deepEqual([second.url, second.token, second.pid], [first.url, 'secret', first.pid])
    await second.stop()
    assert.notEqual(await findGuest(options.workspace), null)
    await first.stop()
    assert.equal(await first.gone, null)
    assert.equal(await findGuest(options.workspace), null)
  })
})

void test('after a guest that held the workspace ends without being found, another one starts', async () => {
  const script = `
if (existsSync(ipc + 'held')) await listen()
else {
  writeFileSync(ipc + 'held', '')
  say({ type: 'fatal', code: 'workspace_busy', message: 'another one runs', hint: '' })
}`
  await withGuest(script, async (options) => {
    const guest = await ensureGuest(options)
    assert.equal(guest.owned, true)
    await guest.stop()
  })
})

void test('a guest sees the keys that are configured and no other variable of the host', async () => {
  await withGuest(
    "writeFileSync(ipc + 'seen', JSON.stringify({ keys: envelope.keys, env: process.env })); await listen()",
    async (options) => {
      const guest = await ensureGuest(options)
      const seen = JSON.parse(readFileSync(join(options.workspace.ipc, 'seen'), 'utf8')) as { keys: object; env: object }
      await guest.stop()
      assert.deepEqual(seen.keys, { OPENAI_API_KEY: 'sk-test' })
      assert.ok(!('HOST_SECRET' in seen.env) && !('OPENAI_API_KEY' in seen.env))
    },
  )
})

void test('a fatal report of the guest becomes the error, with its hint', async () => {
  await withGuest(
    "say({ type: 'fatal', code: 'store_corrupt', message: 'page 7 is damaged', hint: 'restore a backup' })",
    async (options) => {
      await assert.rejects(ensureGuest(options), (error) => isOxbowError(error, 'store_corrupt') && error.hint === 'restore a backup')
    },
  )
})

void test('a guest that dies without a report is described by its exit and its log', async () => {
  await withGuest("console.error('boom'); process.exit(3)", async (options) => {
    await assert.rejects(
      ensureGuest(options),
      (error) => isOxbowError(error, 'guest_unreachable') && error.message.includes('exit code 3') && error.hint.includes('oxbow logs'),
    )
    assert.match(readFileSync(join(options.workspace.logs, 'guest.stderr.log'), 'utf8'), /boom/)
  })
})

void test('a guest without a usable signing key is not left running', async () => {
  const children = (): number => process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length
  await withGuest('await listen()', async (options) => {
    writeFileSync(join(options.home.runner, 'signing-key.pem'), 'no key')
    const before = children()
    await assert.rejects(ensureGuest(options), (error) => isOxbowError(error, 'bad_config'))
    assert.equal(children(), before)
  })
})

void test('a guest that is never ready is stopped at the time limit', async () => {
  await withGuest('', async (options) => {
    await assert.rejects(
      ensureGuest({ ...options, readyTimeoutMs: 300 }),
      (error) => isOxbowError(error, 'guest_unreachable') && error.message.includes('0.3 seconds'),
    )
  })
})

void test('of two terminals that start together one uses the guest of the other', async () => {
  const script = `
import { openSync } from 'node:fs'
try { openSync(ipc + 'lock', 'wx'); await listen() }
catch { say({ type: 'fatal', code: 'workspace_busy', message: 'held', hint: '' }); process.exit(16) }`
  await withGuest(script, async (options) => {
    const both = await Promise.all([ensureGuest(options), ensureGuest(options)])
    assert.equal(both.filter((guest) => guest.owned).length, 1)
    assert.equal(both[0].pid, both[1].pid)
    for (const guest of both) await guest.stop()
  })
})

void test('stale gateway files from a crash are ignored', async () => {
  await withGuest('await listen()', async (options) => {
    writeFileSync(join(options.workspace.ipc, 'token'), 'old')
    writeFileSync(join(options.workspace.ipc, 'gateway.json'), JSON.stringify({ url: 'ws://127.0.0.1:1/ws', pid: process.pid }))
    assert.equal(await findGuest(options.workspace), null)
    const guest = await ensureGuest(options)
    assert.equal(guest.owned, true)
    await guest.stop()
  })
})

void test('a terminal that was suspended while the guest answered still finds it', async () => {
  await withGuest('await listen()', async (options) => {
    const guest = await ensureGuest(options)
    const looking = findGuest(options.workspace)
    // It connects behind this turn; the time that an answer may take is then over before anything is heard.
    process.nextTick(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, portProbeTimeoutMs + 100))
    assert.equal((await looking)?.pid, guest.pid)
    await guest.stop()
  })
})

void test('heads are signed as they are reported, and one that goes back is a warning', async () => {
  const script = `
say({ type: 'head', seq: 5, hash: 'a'.repeat(64) })
say({ type: 'head', seq: 4, hash: 'b'.repeat(64) })
console.log('a stray print')
await listen()`
  await withGuest(script, async (options, warnings) => {
    const guest = await ensureGuest(options)
    await guest.stop()
    assert.deepEqual(
      readSeal(options.home, options.workspace.user).lines.map((line) => parseHead(line)?.seq),
      [0, 5],
    )
    assert.match(warnings.join(), /record 4/)
  })
})

void test('an invalid report is ignored: it is not signed and not reported as fatal', async () => {
  const script = `
for (const seq of ['9', 1.5, -1, 1e300, null]) say({ type: 'head', seq, hash: 'a'.repeat(64) })
say({ type: 'head', seq: 9, hash: 'no hash' })
say({ type: 'fatal', code: 'store_corrupt', message: { text: 'page 7' }, hint: '' })
say({ type: 'head', seq: 5, hash: 'b'.repeat(64) })
await listen()`
  await withGuest(script, async (options, warnings) => {
    const guest = await ensureGuest(options)
    await guest.stop()
    assert.deepEqual(
      readSeal(options.home, options.workspace.user).lines.map((line) => parseHead(line)?.seq),
      [0, 5],
    )
    assert.deepEqual(warnings, [])
  })
})

void test('a fatal report with an unknown code is reported as an unreachable guest', async () => {
  for (const code of ['not_known_yet', 'constructor']) {
    const script = `say({ type: 'fatal', code: '${code}', message: 'the moon is down', hint: '' }); process.exit(1)`
    await withGuest(script, async (options) => {
      await assert.rejects(
        ensureGuest(options),
        (error) => isOxbowError(error, 'guest_unreachable') && /the moon is down/.test(error.message),
      )
    })
  }
})

void test('a guest that is killed is noticed', async () => {
  await withGuest('await listen()', async (options) => {
    const guest = await ensureGuest(options)
    process.kill(guest.pid, 'SIGKILL')
    assert.match((await guest.gone)?.message ?? '', /SIGKILL/)
  })
})

void test("an offline question gets its answer and the runner's seal", async () => {
  const script = `
const { seal: { publicKey, ...seal }, host, ...question } = envelope.question
say({ seal, publicKey: publicKey.slice(0, 26), question, keys: Object.keys(host).filter((key) => key.startsWith('keys.')) })
say({ command: process.argv[2] })
process.exit(0)`
  await withGuest(script, async (options) => {
    const answer = await collect(askOffline(options, { command: 'audit-verify' }))
    assert.deepEqual(answer, [
      {
        seal: { lines: [], count: null },
        publicKey: '-----BEGIN PUBLIC KEY-----',
        question: { command: 'audit-verify' },
        keys: ['keys.signing'],
      },
      { command: 'audit-verify' },
    ])
  })
})

void test("a failed offline question throws the guest's error", async () => {
  await withGuest(
    "say({ type: 'fatal', code: 'not_found', message: 'no journal', hint: 'run a turn' }); process.exit(4)",
    async (options) => {
      await assert.rejects(collect(askOffline(options, { command: 'audit-show' })), (error) => isOxbowError(error, 'not_found'))
    },
  )
})

void test('questions without the store need no passphrase, others require it', async () => {
  await withGuest('say({ keys: envelope.masterKeys ?? [] }); process.exit(0)', async (options) => {
    const { home, workspace, config, env } = options
    makeMasterKeys({ home, user: workspace.user, config, env: { ...env, OXBOW_PASSPHRASE: 'opensesame' } })
    assert.deepEqual(await collect(askOffline(options, { command: 'calls' })), [{ keys: [] }])
    await assert.rejects(collect(askOffline(options, { command: 'audit-verify' })), (error) => isOxbowError(error, 'bad_config'))
    assert.deepEqual(await collect(askOffline(options, { command: 'keys', keys: { ask: 'list' } }, ['key'])), [{ keys: ['key'] }])
  })
})
