/** Two people, of whom one has a key: what their yes is good for over the gateway, also once the key is revoked. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { CallId, JsonObject } from '../../src/base/index.ts'
import { openRig, type Rig } from '../mcp-server/mcp-rig.ts'
import { startModel, type TestModel } from '../support/model.ts'

let model: TestModel
let rig: Rig
const paths = ['two.txt', 'revoked.txt', 'alone.txt', 'narrowed.txt']
before(async () => {
  const write = (path: string) => ({ events: [{ tool_call: { name: 'file_write', arguments: { path, text: 'x' } } }] })
  const remove = { events: [{ tool_call: { name: 'file_delete', arguments: { path: 'two.txt' } } }] }
  const turns = paths.map((path) => ({ match: path, steps: [write(path), { events: [{ text: 'So.' }] }] }))
  model = await startModel({ turns: [...turns, { match: 'Delete it.', steps: [remove, { events: [{ text: 'So.' }] }] }] })
  const approval = { calls: { 'file.delete': 'ask' }, two_person: ['file.write'] }
  rig = await openRig({ model: model.config, memory: { embedder: 'none' }, approval })
})
after(async () => {
  await rig[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

const exists = (path: string): boolean => existsSync(join(rig.workspace.root, 'shared', path))

/** Over the HTTP API, as the holder of the key. */
async function decide(key: string, call: string, allow = true): Promise<{ readonly status: number; readonly body: JsonObject }> {
  const address = new URL('/api/v1/calls/call.decide', rig.url)
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const response = await fetch(address, { method: 'POST', headers, body: JSON.stringify({ call, allow }) })
  return { status: response.status, body: (await response.json()) as JsonObject }
}

/** Sends a message whose call asks. @returns the call, and the end of the turn */
async function ask(text: string) {
  const cursor = await rig.cursor()
  const { id: session } = await rig.guest.kernel.createSession()
  const turn = crypto.randomUUID() as CallId
  await rig.guest.kernel.sendTurn({ session, clientId: turn, text })
  const { fields } = await rig.next('approval_requested', cursor)
  return { call: fields.call as CallId, ended: () => rig.next('turn_ended', cursor) }
}

describe('a call that two people must allow', () => {
  it('runs with the yes of the owner and of a key, and not with one of them twice', async () => {
    const { call, ended } = await ask('two.txt')
    const { key } = await rig.newKey('call.decide')
    assert.deepEqual((await decide(key, call)).body['decided'], false)
    assert.match(JSON.stringify((await decide(key, call)).body), /another person must/)
    assert.equal(await rig.guest.kernel.approve(call, true), '')
    await ended()
    assert.ok(exists('two.txt'))
  })

  it('does not run with the yes of a key that was revoked since, or may not decide any more', async () => {
    await rig.output('role.set', { role: 'decider', rights: ['call.decide'] })
    for (const [path, rights, end] of [
      ['revoked.txt', 'call.decide', (name: string) => revoke(name)],
      ['narrowed.txt', 'decider', () => rig.output('role.set', { role: 'decider', rights: ['session.read'] })],
    ] as const) {
      const { call, ended } = await ask(path)
      const { name, key } = await rig.newKey(rights)
      assert.equal((await decide(key, call)).body['decided'], false)
      await end(name)
      assert.match(await rig.guest.kernel.approve(call, true), /Another person must/)
      assert.equal(exists(path), false)
      const other = await rig.newKey('call.decide')
      assert.equal((await decide(other.key, call)).body['decided'], true)
      await ended()
      assert.ok(exists(path))
    }
  })

  it('is not run by a key that was revoked between the question and its yes', async () => {
    const { call, ended } = await ask('Delete it.')
    const { name, key } = await rig.newKey('call.decide')
    await revoke(name)
    const refused = await decide(key, call)
    assert.equal(refused.status, 401, JSON.stringify(refused.body))
    assert.ok(exists('two.txt'))
    await rig.guest.kernel.approve(call, false)
    await ended()
    assert.ok(exists('two.txt'))
  })

  it('is decided by one of many answers at once, each told whether it counts', async () => {
    const { call, ended } = await ask('alone.txt')
    const keys = await Promise.all([1, 2, 3, 4].map(() => rig.newKey('call.decide')))
    const answers = await Promise.all(keys.map(({ key }) => decide(key, call)))
    const counted = answers.filter(({ status }) => status === 200)
    assert.ok(counted.length >= 1 && counted.length <= 2, JSON.stringify(answers))
    if (counted.every(({ body }) => body['decided'] === false)) await rig.guest.kernel.approve(call, true)
    await ended()
    assert.ok(exists('alone.txt'))
  })
})

async function revoke(name: string): Promise<void> {
  await rig.output('key.revoke', { key: name })
}
