/** Crashes at the moments that people notice: while a call waits for them, right after the acknowledgement, in a long command. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '../../src/client/index.ts'
import type { CallId, SessionId } from '../../src/base/index.ts'
import type { RecordView } from '../../src/protocol/index.ts'
import { newId } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { assertNothingOpen, readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady, readyUrl } from '../support/ready.ts'
import type { Terminal } from '../support/terminal.ts'
import { emptied, makeWorkspace, processesInside, tokenOf } from '../support/workspace.ts'
import { assertRecovered } from './aftermath.ts'
import { createDriver } from './driver.ts'
import { jobText, startJobs } from './jobs.ts'

const isEndOf =
  (turn: string) =>
  (record: RecordView): boolean =>
    record.call === (turn as CallId) && record.phase === 'outcome'

/** Says yes to the one call that waits, as soon as it waits; its record may be from before a crash and tells nothing. */
async function approveWhenAsked(terminal: Terminal, session: string): Promise<void> {
  for (;;) {
    await terminal.expect('result', 'unsubscribe', { session })
    const { pending, cursor } = await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
    if (pending[0] !== undefined) return void (await terminal.expect('result', 'approve', { call: pending[0].call, allow: true }))
    const ended = terminal.frames.find(
      (frame) => frame.type === 'record' && frame.payload.record.phase === 'outcome' && isTurn(frame.payload.record),
    )
    assert.equal(ended, undefined, `nothing waits at ${cursor}`)
  }
}

const isTurn = (record: RecordView): boolean => record.name === 'turn.send'

test('a call that waits for approval still waits after a crash, and runs once when it is approved', async () => {
  using workspace = makeWorkspace()
  await using jobs = await startJobs(1, { shell: 'ask' })
  jobs.prepare(workspace)
  const turn = newId()
  let session = ''
  let call = ''
  for (let life = 0; life < 2; life++) {
    await using guest = startGuest({ workspace, config: jobs.config })
    using terminal = await openReady(guest, workspace)
    if (life === 0) {
      session = (await terminal.expect('result', 'create_session', {})).result!['id' as never]
      await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
      await terminal.expect('ack', 'send_turn', { session, client_id: turn, text: jobText(0) })
    } else {
      await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
    }
    const parked = await terminal.record((record) => record.phase === 'parked')
    assert.ok(call === '' || call === parked.call, 'it is the same call')
    call = parked.call
    await guest.kill()
  }
  await emptied(workspace)
  assert.deepEqual(workspace.lines('log.txt'), [], 'nothing ran without a yes')

  const driver = createDriver(workspace, { session, turns: [turn] })
  await using guest = startGuest({ workspace, config: jobs.config })
  {
    using terminal = await openReady(guest, workspace)
    await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
    await approveWhenAsked(terminal, session)
    assert.deepEqual((await terminal.record((record) => record.phase === 'decided')).call, call)
  }
  assert.equal(await driver.drive(guest, 1), true)
  await guest.stop()
  assert.deepEqual(await assertRecovered(workspace, driver, jobs), ['ran'])
})

test('a message that was acknowledged while another turn ran is answered after a crash, once', async () => {
  using workspace = makeWorkspace()
  await using jobs = await startJobs(2, { shell: 'ask' })
  jobs.prepare(workspace)
  const [first, second] = [newId(), newId()]
  let session = ''
  {
    await using guest = startGuest({ workspace, config: jobs.config })
    using terminal = await openReady(guest, workspace)
    session = (await terminal.expect('result', 'create_session', {})).result!['id' as never]
    await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
    await terminal.expect('ack', 'send_turn', { session, client_id: first, text: jobText(0) })
    await terminal.record((record) => record.phase === 'parked')
    const { duplicate } = await terminal.expect('ack', 'send_turn', { session, client_id: second, text: 'And be quick.' })
    assert.equal(duplicate, false)
    await guest.kill()
  }
  await using guest = startGuest({ workspace, config: jobs.config })
  using terminal = await openReady(guest, workspace)
  await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
  const again = await terminal.expect('ack', 'send_turn', { session, client_id: second, text: 'And be quick.' })
  assert.equal(again.duplicate, true, 'the same id is the same message, also after a crash')
  await approveWhenAsked(terminal, session)
  await terminal.record(isEndOf(first))
  await terminal.record(isEndOf(second))
  await guest.stop()
  const ledger = await readLedger(workspace)
  assertNothingOpen(ledger)
  for (const message of [first, second]) {
    assert.deepEqual(
      ledger.of(message).map((entry) => entry.phase),
      ['intent', 'started', 'outcome'],
    )
  }
  const said = jobs.lastRequest().filter((message) => message.role === 'user')
  assert.deepEqual(
    said.map((message) => message.content),
    [jobText(0), 'And be quick.'],
  )
})

test('a client that reconnects after a crash with its cursor has every record once and in order', async () => {
  using workspace = makeWorkspace()
  await using jobs = await startJobs(2)
  jobs.prepare(workspace)
  const records: RecordView[] = []
  let session = '' as SessionId
  for (const job of [0, 1]) {
    await using guest = startGuest({ workspace, config: jobs.config })
    const client = await connect({ url: await readyUrl(guest), token: tokenOf(workspace), client: 'test', reconnect: false })
    if (session === '') session = (await client.createSession()).id
    const ended = Promise.withResolvers<void>()
    const clientId = newId() as CallId
    await client.follow(session, records.at(-1)?.seq ?? 0, (event) => {
      if (event.type !== 'record') return
      records.push(event.record)
      if (isEndOf(clientId)(event.record)) ended.resolve()
    })
    await client.sendTurn({ session, text: jobText(job), clientId })
    await ended.promise
    await guest.kill()
    await client.close()
  }
  const ledger = await readLedger(workspace)
  // The bytes of exchanges are in the journal and not for terminals.
  const past = ledger.entries.filter((entry) => entry.session === session && entry.phase !== 'exchange' && entry.seq <= records.at(-1)!.seq)
  assert.deepEqual(records, past)
})

test('a killed guest takes the command that it ran, and all that the command started, with it', async () => {
  using workspace = makeWorkspace()
  const command = 'sleep 1000 & (sleep 1000 &) ; touch begun; sleep 1000'
  await using model = await startModel([
    { events: [{ tool_call: { name: 'shell_exec', arguments: { command } } }] },
    { events: [{ text: 'I see.' }] },
  ])
  const config = { model: model.config, approval: { privileged: 'allow' } }
  let session = ''
  const turn = newId()
  {
    await using guest = startGuest({ workspace, config })
    using terminal = await openReady(guest, workspace)
    session = (await terminal.expect('result', 'create_session', {})).result!['id' as never]
    await terminal.expect('ack', 'send_turn', { session, client_id: turn, text: 'Sleep.' })
    await workspace.appears('begun')
    assert.ok(processesInside(workspace).length >= 4, 'hands, and what the command started')
    await guest.kill()
  }
  await emptied(workspace)
  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
  const { body } = await terminal.record(isEndOf(turn))
  assert.equal((body as { reply?: string }).reply, 'I see.')
  const reconciled = await terminal.record((record) => record.phase === 'reconciled' && record.name === 'shell.exec')
  assert.match((reconciled.body as { text: string }).text, /a crash hid how .* ended. It was not repeated/i)
})
