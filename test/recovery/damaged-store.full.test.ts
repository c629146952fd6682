/** A full disk and a damaged database: a clear error with advice, no crash loop, and what can be read is read. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Failure } from '../../src/base/index.ts'
import { newId, openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { assertNothingOpen, readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import type { Terminal } from '../support/terminal.ts'
import { makeWorkspace, type TestWorkspace } from '../support/workspace.ts'

/** Enough for a database and its log, little enough to be full soon. */
const diskBytes = 4 * 1024 * 1024

/** Puts a small disk under `internal`. @returns null, with the reason printed, where that is not permitted. */
function mountSmallDisk(workspace: TestWorkspace, t: TestContext): Disposable | null {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', workspace.internal], { stdio: 'pipe' })
  } catch (error) {
    t.skip(`a small disk cannot be mounted here: ${(error as Error).message.trim()}; run as root on Linux`)
    return null
  }
  return { [Symbol.dispose]: () => void execFileSync('umount', ['--lazy', workspace.internal]) }
}

const ballast = (workspace: TestWorkspace): string => join(workspace.internal, 'ballast')

/** Leaves no block free. */
function fillDisk(workspace: TestWorkspace): void {
  const { bavail, bsize } = statfsSync(workspace.internal)
  writeFileSync(ballast(workspace), Buffer.alloc(bavail * bsize))
}

/** Sends messages until one is refused. @returns those that were acknowledged, and the refusal. */
async function sendUntilRefused(terminal: Terminal, session: string): Promise<{ sent: string[]; refusal: Failure }> {
  const sent: string[] = []
  for (;;) {
    const turn = newId()
    const answer = await terminal.ask('send_turn', { session, client_id: turn, text: 'x'.repeat(100_000) })
    if (answer.type === 'error') return { sent, refusal: answer.payload }
    sent.push(turn)
  }
}

async function assertReadOnly(terminal: Terminal, session: string, code: string): Promise<void> {
  const { result } = await terminal.expect('result', 'status', {})
  const { read_only: failure } = result as unknown as { read_only: Failure | null }
  assert.equal(failure?.code, code)
  assert.match(failure?.hint ?? '', /\w+ .*\w+/)
  // Reading goes on: the list, and the whole past of a session.
  const listed = (await terminal.expect('result', 'list_sessions', {})).result as unknown as { id: string }[]
  assert.ok(listed.some((row) => row.id === session))
  await terminal.expect('result', 'unsubscribe', { session })
  await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
}

const model = () => startModel([{ events: [{ text: 'Fine.' }] }])

test('on a full disk the guest says so, still reads, and loses nothing that it acknowledged', async (t) => {
  using workspace = makeWorkspace()
  using disk = mountSmallDisk(workspace, t)
  if (disk === null) return
  await using fine = await model()
  const config = { model: fine.config }
  let session = ''
  let sent: string[] = []
  {
    await using guest = startGuest({ workspace, config })
    using terminal = await openReady(guest, workspace)
    const conversation = await openConversation(terminal)
    ;({ session } = conversation)
    assert.equal((await conversation.say('Before.')).reply, 'Fine.')
    fillDisk(workspace)
    const full = await sendUntilRefused(terminal, session)
    sent = full.sent
    assert.equal(full.refusal.code, 'store_full')
    assert.match(full.refusal.hint, /space/)
    await assertReadOnly(terminal, session, 'store_full')
    const again = await terminal.expect('error', 'send_turn', { session, client_id: newId(), text: 'Again?' })
    assert.equal(again.code, 'store_full')
    assert.equal((await guest.stop()).exitCode, 0)
  }
  // With space again, what was acknowledged is answered.
  rmSync(ballast(workspace))
  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  assert.equal(terminal.status.read_only, null)
  await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
  for (const turn of sent) await terminal.record((record) => String(record.call) === turn && record.phase === 'outcome')
  assert.equal((await guest.stop()).exitCode, 0)
  const ledger = await readLedger(workspace)
  assertNothingOpen(ledger)
  for (const turn of sent) assert.deepEqual(ledger.of(turn).filter((entry) => entry.phase === 'started').length, 1)
})

test('a guest that starts on a full disk serves read-only or gives up with advice, and does not crash', async (t) => {
  using workspace = makeWorkspace()
  using disk = mountSmallDisk(workspace, t)
  if (disk === null) return
  await using fine = await model()
  const config = { model: fine.config }
  let session = ''
  {
    await using guest = startGuest({ workspace, config })
    using terminal = await openReady(guest, workspace)
    const conversation = await openConversation(terminal)
    ;({ session } = conversation)
    await conversation.say('Before.')
    await guest.kill()
  }
  fillDisk(workspace)
  {
    await using guest = startGuest({ workspace, config })
    const started = await guest.started
    t.diagnostic(`it ${started.type === 'ready' ? 'serves' : JSON.stringify(started)}`)
    if (started.type === 'ready') {
      using terminal = await openReady(guest, workspace)
      await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
      const { refusal } = await sendUntilRefused(terminal, session)
      assert.equal(refusal.code, 'store_full')
      await assertReadOnly(terminal, session, 'store_full')
    } else {
      assert.equal(started.type, 'fatal', JSON.stringify(started))
      assert.ok(started.type === 'fatal' && started.code === 'store_full', JSON.stringify(started))
      assert.match(started.hint, /space/)
      const storeFullExit = 15
      assert.equal((await guest.ended()).exitCode, storeFullExit)
    }
  }
  rmSync(ballast(workspace))
  await using guest = startGuest({ workspace, config })
  await openReady(guest, workspace).then((terminal) => terminal[Symbol.dispose]())
  await guest.stop()
  await readLedger(workspace)
})

const pageBytes = 4_096

/** A workspace with some history, at rest in one file. */
async function withHistory(workspace: TestWorkspace, config: object): Promise<string> {
  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  const conversation = await openConversation(terminal)
  for (let i = 0; i < 10; i++) await conversation.say(`Message ${i}. ${'words '.repeat(500)}`)
  assert.equal((await guest.stop()).exitCode, 0)
  return conversation.session
}

function spoilPage(workspace: TestWorkspace, page: number): void {
  const file = openSync(workspace.database, 'r+')
  writeSync(file, Buffer.alloc(pageBytes, 0xa5), 0, pageBytes, page * pageBytes)
  closeSync(file)
}

test('whichever page of the database is damaged, the guest serves or gives up with a code and advice, and never crashes', async (t) => {
  using workspace = makeWorkspace()
  await using fine = await model()
  const config = { model: fine.config }
  const session = await withHistory(workspace, config)
  const whole = readFileSync(workspace.database)
  const pages = whole.length / pageBytes
  const ends: Record<string, number> = {}
  // The first pages hold the roots of all tables; of the rest, one here and there.
  const chosen = [...Array.from({ length: Math.min(12, pages) }, (_, i) => i), ...[0.4, 0.6, 0.8].map((part) => Math.floor(pages * part))]
  for (const page of new Set(chosen)) {
    for (const suffix of ['-wal', '-shm']) rmSync(workspace.database + suffix, { force: true })
    writeFileSync(workspace.database, whole)
    spoilPage(workspace, page)
    await using guest = startGuest({ workspace, config })
    const started = await guest.started
    let how = ''
    if (started.type === 'ready') {
      using terminal = await openReady(guest, workspace)
      const answer = await terminal.ask('send_turn', { session, client_id: newId(), text: 'Still there?' })
      how = answer.type === 'error' ? `serves, refuses a message with ${answer.payload.code}` : 'serves, takes a message'
      if (answer.type === 'error') assert.match(answer.payload.hint, /\w/)
      const { result } = await terminal.expect('result', 'status', {})
      const readOnly = (result as unknown as { read_only: Failure | null }).read_only?.code ?? 'not read-only'
      how += `, ${readOnly}`
    } else {
      assert.equal(started.type, 'fatal', `page ${page}: ${JSON.stringify(started)}`)
      if (started.type === 'fatal') {
        how = `gives up with ${started.code}`
        assert.equal(started.code, 'store_corrupt', `page ${page}: ${JSON.stringify(started)}`)
        assert.match(started.hint, /backup/)
      }
    }
    ends[how] = (ends[how] ?? 0) + 1
    t.diagnostic(`page ${page} of ${pages}: ${how}`)
  }
})
