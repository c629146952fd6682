/** What a person has decided before a restart of the guest: how strict a session is, and a call that waits. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Guest, startGuest } from '../../src/guest/guest.ts'
import type { CallId, JsonObject, SessionId } from '../../src/base/index.ts'
import type { PendingApproval } from '../../src/protocol/index.ts'
import { envelopeFor } from '../support/guest-process.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { makeWorkspace } from '../support/workspace.ts'

const workspace = makeWorkspace()
let model: TestModel
let guest: Guest
const start = async (): Promise<Guest> => (guest = await startGuest(envelopeFor(workspace.root, { model: model.config })))
const command = { tool_call: { name: 'shell_exec', arguments: { command: 'cd sub && sh t.sh' } } }
const writes = { tool_call: { name: 'file_write', arguments: { path: 'a.txt', text: 'x' } } }

before(async () => {
  model = await startModel({
    turns: [
      { match: 'Write it.', steps: [{ events: [writes] }, { events: [{ text: 'So.' }] }] },
      { match: 'Run it.', steps: [{ events: [command] }, { events: [{ text: 'So.' }] }] },
    ],
  })
  await start()
})
after(async () => {
  await guest.close()
  await model[Symbol.asyncDispose]()
  workspace[Symbol.dispose]()
})

const call = async (name: string, input: JsonObject): Promise<any> => {
  const outcome = await guest.kernel.call(name, input)
  assert.ok(outcome.status === 'ok', JSON.stringify(outcome))
  return outcome.output
}

/** Resolves with the first record behind the cursor for which `find` has a value. */
function next<Found>(session: SessionId, find: (name: string, phase: string, body: JsonObject) => Found | null): Promise<Found> {
  return new Promise((resolve, reject) => {
    guest.kernel
      .follow(session, 0, (event) => {
        if (event.type !== 'record') return
        const found = find(event.record.name, event.record.phase, event.record.body as JsonObject)
        if (found !== null) resolve(found)
      })
      .catch(reject)
  })
}
const send = (session: SessionId, text: string): Promise<unknown> =>
  guest.kernel.sendTurn({ session, clientId: crypto.randomUUID() as CallId, text })

describe('a restart of the guest', () => {
  it('leaves a session and its forks read-only', { timeout: 60_000 }, async () => {
    const { id } = await guest.kernel.createSession()
    await call('session.set_mode', { session: id, mode: 'read_only' })
    await guest.close()
    await start()
    assert.deepEqual(await call('session.mode', { session: id }), { mode: 'read_only' })
    await send(id, 'Write it.')
    await next(id, (name, phase) => (name === 'turn.send' && phase === 'outcome' ? true : null))
    assert.equal(existsSync(join(workspace.root, 'shared/a.txt')), false)
    const forked = await call('session.fork', { session: id })
    assert.deepEqual(await call('session.mode', { session: forked.session }), { mode: 'read_only' })
    await call('session.set_mode', { session: id, mode: 'configured' })
    await send(id, 'Write it.')
    await next(id, (name, phase) => (name === 'file.write' && phase === 'outcome' ? true : null))
    assert.equal(readFileSync(join(workspace.root, 'shared/a.txt'), 'utf8'), 'x')
  })

  it('asks again for a command whose files were exchanged meanwhile, and says so', { timeout: 60_000 }, async () => {
    const script = join(workspace.root, 'shared/sub/t.sh')
    mkdirSync(join(workspace.root, 'shared/sub'))
    writeFileSync(script, 'echo harmless > /shared/ran.txt')
    const { id } = await guest.kernel.createSession()
    await send(id, 'Run it.')
    await next(id, (_, phase) => (phase === 'parked' ? true : null))
    await guest.close()
    writeFileSync(script, 'echo exchanged > /shared/ran.txt')
    await start()
    await next(id, (_, phase, body) =>
      phase === 'parked' && /changed since it was asked about, before a restart/.test(JSON.stringify(body['reason'])) ? true : null,
    )
    assert.equal(existsSync(join(workspace.root, 'shared/ran.txt')), false)
    const [waiting] = (await call('approval.list', { session: id })) as readonly PendingApproval[]
    await call('call.decide', { call: waiting!.call, allow: false })
    await next(id, (name, phase) => (name === 'turn.send' && phase === 'outcome' ? true : null))
    assert.equal(existsSync(join(workspace.root, 'shared/ran.txt')), false)
  })
})
