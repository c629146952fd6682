import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive } from '../base/index.ts'
import type { GuestEnvelope } from '../config/index.ts'
import { beginGuest, type GuestProgram } from './begin-guest.ts'
import { spawnGuest } from './guest-process.ts'
import { type Home, type HostEnv, openHome, openWorkspace, parseUser, type Workspace } from './home.ts'

/** Says which process read which envelope, and ends with its input. */
const script = `
import { createInterface } from 'node:readline'
const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => process.stdout.write(JSON.stringify({ pid: process.pid, read: JSON.parse(line) }) + '\\n'))
`
const envelope = { user: 'ada' } as unknown as GuestEnvelope

interface Place {
  readonly env: HostEnv
  readonly home: Home
  readonly workspace: Workspace
  readonly program: GuestProgram
}

async function inHome(check: (place: Place) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-begin-'))
  try {
    const env = { OXBOW_HOME: join(root, 'home'), PATH: process.env['PATH'] }
    const entry = join(root, 'guest.mjs')
    writeFileSync(entry, script)
    const home = openHome(env)
    await check({ env, home, workspace: openWorkspace(home, parseUser('ada')), program: { entry } })
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

void test('a guest that was begun early reads the envelope, and is one process', async () => {
  await inHome(async ({ env, home, workspace, program }) => {
    const begun = beginGuest(env, 'ada', program)
    const guest = await spawnGuest({ home, workspace, envelope, program, env, begun: begun ?? undefined })
    begun?.end()
    for await (const line of guest.lines) {
      assert.deepEqual(line, { pid: guest.pid, read: envelope })
      void guest.stop()
    }
    assert.equal((await guest.gone).exitCode, 0)
    assert.equal(begun?.take(workspace, program), undefined)
  })
})

void test('what was begun for another workspace ends, and the guest is a process of its own', async () => {
  await inHome(async ({ env, home, program }) => {
    const begun = beginGuest(env, 'ada', program)
    const workspace = openWorkspace(home, parseUser('ben'))
    const guest = await spawnGuest({ home, workspace, envelope, program, env, begun: begun ?? undefined })
    assert.notEqual(begun, null)
    for await (const line of guest.lines) {
      assert.deepEqual(line, { pid: guest.pid, read: envelope })
      void guest.stop()
    }
    assert.equal(begun?.take(workspace, program), undefined)
  })
})

void test('none is begun for a user without a workspace, for a name that cannot be one, and while a guest is running', async () => {
  await inHome(async ({ env, workspace, program }) => {
    assert.equal(beginGuest(env, 'nobody', program), null)
    assert.equal(beginGuest(env, '../ada', program), null)
    writeFileSync(join(workspace.ipc, 'token'), 'secret')
    writeFileSync(join(workspace.ipc, 'gateway.json'), JSON.stringify({ url: 'ws://127.0.0.1:1/ws', pid: process.pid }))
    assert.equal(beginGuest(env, 'ada', program), null)
  })
})

void test('the guest program ends without a word when its input ends before an envelope', async () => {
  await inHome(async ({ env, workspace }) => {
    const begun = beginGuest(env, 'ada')
    const child = begun?.take(workspace, { entry: join(import.meta.dirname, '../guest/main.ts') })
    assert.ok(child?.pid !== undefined)
    child.stdin.end()
    while (child.exitCode === null && child.signalCode === null) await sleep(10)
    assert.deepEqual([child.exitCode, isAlive(child.pid)], [0, false])
    assert.equal(readFileSync(join(workspace.logs, 'guest.stderr.log'), 'utf8'), '')
  })
})
