/** A turn that ends the guest: it is resumed once, and ends with an error after the second time, so that the guest can be started again. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { leaveCrashMark } from '../../src/base/index.ts'
import { newId, openConversation } from '../support/conversation.ts'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { startModel } from '../support/model.ts'
import { openTerminal, type Terminal } from '../support/terminal.ts'
import { makeWorkspace, type TestWorkspace } from '../support/workspace.ts'
import { crashingArguments } from './crashing-guest.ts'

const entry = fileURLToPath(new URL('./crashing-guest.ts', import.meta.url))

const scenario = {
  turns: [
    {
      match: 'read it',
      steps: [{ events: [{ tool_call: { name: 'file_read', arguments: crashingArguments } }] }, { events: [{ text: 'read' }] }],
    },
    { match: 'hello', steps: [{ events: [{ text: 'hello' }] }] },
  ],
}

interface Sent {
  readonly session: string
  readonly turn: string
}

/** Lives with the open turn until the guest has gone. @returns its exit */
async function life(guest: TestGuest): Promise<Awaited<TestGuest['gone']>> {
  assert.equal((await guest.started).type, 'ready')
  return guest.ended()
}

async function connect(guest: TestGuest, workspace: TestWorkspace): Promise<Terminal> {
  const started = await guest.started
  assert.ok(started.type === 'ready', JSON.stringify(started))
  return openTerminal(started.url, workspace)
}

async function send(guest: TestGuest, workspace: TestWorkspace): Promise<Sent> {
  using terminal = await connect(guest, workspace)
  const { session, send: say } = await openConversation(terminal)
  return { session, turn: await say('read it') }
}

/** @returns how often the log says why the guest ended */
const lastWords = ({ root }: TestWorkspace): number =>
  readFileSync(join(root, 'logs/guest.log'), 'utf8')
    .split('\n')
    .filter((line) => /"fatal".*a planted bug/.test(line)).length

async function endOf(terminal: Terminal, { session, turn }: Sent): Promise<{ readonly status: string; readonly text: string }> {
  await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
  const { body } = await terminal.record(({ call, phase }) => String(call) === turn && phase === 'outcome')
  return body as never
}

void test('a turn in which the guest crashed twice ends with an error and is not resumed again', { timeout: 120_000 }, async () => {
  using workspace = makeWorkspace()
  await using model = await startModel(scenario)
  const start = (): TestGuest => startGuest({ workspace, entry, config: { model: model.config, memory: { embedder: 'none' } } })
  let sent: Sent | undefined
  {
    await using guest = start()
    sent = await send(guest, workspace)
    await guest.ended()
  }
  assert.equal(lastWords(workspace), 1)
  await life(start())
  assert.equal(lastWords(workspace), 2, 'it is resumed once')
  await using guest = start()
  using terminal = await connect(guest, workspace)
  const end = await endOf(terminal, sent)
  assert.equal(end.status, 'failed')
  assert.match(end.text, /crashed every time/)
  await terminal.expect('ack', 'send_turn', { session: sent.session, client_id: newId(), text: 'hello' })
  await terminal.record(
    ({ name, phase, body }) => name === 'turn.send' && phase === 'outcome' && (body as { reply?: string }).reply === 'hello',
  )
  assert.equal((await guest.stop()).exitCode, 0)
})

void test('a guest that a signal of its own has ended counts as crashed, by the mark of its runner', { timeout: 120_000 }, async () => {
  using workspace = makeWorkspace()
  await using model = await startModel(scenario)
  const start = (): TestGuest =>
    startGuest({ workspace, entry, args: ['abort'], config: { model: model.config, memory: { embedder: 'none' } } })
  let sent: Sent | undefined
  for (let round = 0; round < 2; round++) {
    await using guest = start()
    sent ??= await send(guest, workspace)
    assert.equal((await guest.ended()).signal, 'SIGABRT')
    leaveCrashMark(workspace.root)
  }
  await using guest = start()
  using terminal = await connect(guest, workspace)
  assert.equal((await endOf(terminal, sent!)).status, 'failed')
})

void test('a turn goes on after the guest was stopped or killed from outside, also twice', { timeout: 120_000 }, async () => {
  using workspace = makeWorkspace()
  await using model = await startModel({
    turns: [{ match: 'read it', steps: [{ events: [{ delay_ms: 1_500 }, { text: 'read' }] }] }],
  })
  const start = (): TestGuest => startGuest({ workspace, config: { model: model.config, memory: { embedder: 'none' } } })
  let sent: Sent | undefined
  for (const end of ['kill', 'stop', 'kill'] as const) {
    await using guest = start()
    sent ??= await send(guest, workspace)
    assert.equal((await guest.started).type, 'ready')
    await guest[end]()
  }
  await using guest = start()
  using terminal = await connect(guest, workspace)
  assert.equal((await endOf(terminal, sent!)).status, 'ok')
})
