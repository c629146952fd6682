/** A guest whose runner goes, in an orderly way or not, goes too, and so does everything that it runs. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { assertNothingOpen, readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import { openTerminal } from '../support/terminal.ts'
import { emptied, makeWorkspace, processesInside, type TestWorkspace } from '../support/workspace.ts'

const runnerToKill = fileURLToPath(new URL('./runner-to-kill.ts', import.meta.url))

/** A model that has a long command run. */
const sleeper = () =>
  startModel([
    { events: [{ tool_call: { name: 'shell_exec', arguments: { command: 'sleep 1000 & touch begun; sleep 1000' } } }] },
    { events: [{ text: 'I see.' }] },
  ])

/** Long for a guest that closes all it has; a guest that hangs would be here for ever. */
const patienceMs = 60_000

/** Resolves when no process has this id: the guest is not a child of this process, so nobody tells. */
async function ended(pid: number): Promise<void> {
  for (const until = performance.now() + patienceMs; existsSync(`/proc/${pid}`);) {
    assert.ok(performance.now() < until, `guest ${pid} lives on`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function isAnnounced(workspace: TestWorkspace): boolean {
  return existsSync(join(workspace.root, 'ipc', 'gateway.json'))
}

test('a guest whose stdin closes stops its command, keeps the turn for its next start, and exits with 0', async () => {
  using workspace = makeWorkspace()
  await using model = await sleeper()
  const config = { model: model.config, approval: { privileged: 'allow' } }
  let turn = ''
  {
    await using guest = startGuest({ workspace, config })
    using terminal = await openReady(guest, workspace)
    turn = await (await openConversation(terminal)).send('Sleep.')
    await workspace.appears('begun')
    assert.ok(processesInside(workspace).length > 0)
    const end = await guest.stop()
    assert.deepEqual([end.exitCode, end.signal], [0, null], end.stderr)
    assert.deepEqual(processesInside(workspace), [], 'nothing is left when the guest is gone')
    assert.equal(isAnnounced(workspace), false)
  }
  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  const session = (await readLedger(workspace)).of(turn)[0]?.session
  await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
  const { body } = await terminal.record((record) => String(record.call) === turn && record.phase === 'outcome')
  assert.equal((body as { reply?: string }).reply, 'I see.')
  await guest.stop()
  assertNothingOpen(await readLedger(workspace))
})

test('a guest whose runner is killed ends by itself, and its sandbox with it', async () => {
  using workspace = makeWorkspace()
  await using model = await sleeper()
  const runner = spawn(process.execPath, [runnerToKill, workspace.home, model.config.base_url], {
    env: { PATH: process.env['PATH'] ?? '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = new Promise((resolve) => runner.once('exit', resolve))
  try {
    const line = await new Promise<string>((resolve, reject) => {
      createInterface({ input: runner.stdout }).once('line', resolve)
      void gone.then(() => reject(new Error('the runner ended before its guest was ready')))
    })
    const { url, pid } = JSON.parse(line) as { url: string; pid: number }
    using terminal = await openTerminal(url, workspace)
    await (await openConversation(terminal)).send('Sleep.')
    await workspace.appears('begun')
    assert.ok(processesInside(workspace).length > 0)
    runner.kill('SIGKILL')
    await ended(pid)
    await emptied(workspace)
    assert.equal(isAnnounced(workspace), false, 'it took back its address: it ended in order, not by an error')
    assert.doesNotMatch(readFileSync(join(workspace.root, 'logs', 'guest.log'), 'utf8'), /Error|EPIPE/)
  } finally {
    runner.kill('SIGKILL')
    await gone
  }
})

test('a guest that receives SIGTERM, as from a service manager, exits with 0 and without output', async () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    using workspace = makeWorkspace()
    await using guest = startGuest({ workspace })
    assert.equal((await guest.started).type, 'ready')
    process.kill(guest.pid, signal)
    assert.deepEqual(await guest.ended(), { type: 'gone', exitCode: 0, signal: null, stderr: '' }, signal)
    assert.equal(isAnnounced(workspace), false)
  }
})
