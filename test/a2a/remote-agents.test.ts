/** Agents of others as calls: our client on our own server, and on agents that lie. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { createRemotes } from '../../src/connect/index.ts'
import type { Delegated } from '../../src/services/agents/delegation/delegated-end.ts'
import { asks, openFixture, says as model, testCall } from '../../src/kernel/kernel-fixture.ts'
import { remoteAgent } from '../../src/config/index.ts'
import { type A2aBench, makeA2aBench } from './a2a-fixture.ts'
import { makeRemoteBench, type RemoteBench } from './remote-fixture.ts'

describe('an agent of others', () => {
  let server: A2aBench
  let remotes: RemoteBench
  before(async () => {
    server = await makeA2aBench({ play: () => model('god morgen') })
    const key = await server.key('us')
    remotes = await makeRemoteBench(undefined, new Map([['TOKEN', key]]))
    await remotes.add('translator', { url: server.http, headers: { authorization: 'Bearer $TOKEN' } })
  })
  after(async () => {
    await remotes[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  it('is no call before a person has approved its card', async () => {
    assert.deepEqual(remotes.source.tools(), [])
    const { output } = await remotes.call('remote.diff', { remote: 'translator' })
    assert.equal(output['state'], 'new')
    await assert.rejects(remotes.call('remote.approve', { remote: 'translator', digest: 'other' }), { code: 'denied' })
    await remotes.approve('translator')
    const [call] = remotes.source.tools()
    assert.equal(call?.name, 'a2a.translator')
    assert.deepEqual(call.labels, { adds: ['untrusted'], sink: true })
    assert.equal(call.right, 'a2a.translator')
  })

  it('answers a task, and continues its conversation', async () => {
    const { output, ok } = await remotes.call('a2a.translator', { goal: 'good morning', key_facts: ['to Danish'] })
    assert.equal(ok, true)
    assert.equal(output['status'], 'success')
    assert.equal(output['text'], 'god morgen')
    const more = await remotes.call('a2a.translator', { goal: 'again', context: output['context']! })
    assert.equal(more.output['context'], output['context'])
  })

  it('gives a call that is repeated the same task', async () => {
    const id = crypto.randomUUID()
    const first = await remotes.call('a2a.translator', { goal: 'one' }, { id })
    await remotes.reopen()
    const second = await remotes.call('a2a.translator', { goal: 'one' }, { id })
    assert.deepEqual(second.output, first.output)
    const listed = (await server.fixture.kernel.call('task.list', {})) as unknown as { output: { tasks: { message: string }[] } }
    const messages = listed.output.tasks.map(({ message }) => message)
    assert.equal(new Set(messages).size, messages.length)
    assert.equal(messages.length, 3)
  })

  it('is not asked any more once its card has changed', async () => {
    const key = [...remotes.kept.keys()].find((name) => name.startsWith('system/remotes '))!
    const held = remotes.kept.get(key) as { approved: { hash: string } }
    remotes.kept.set(key, { ...held, approved: { ...held.approved, hash: 'another' } })
    await remotes.reopen()
    await assert.rejects(remotes.call('a2a.translator', { goal: 'x' }), { code: 'denied' })
    assert.deepEqual(remotes.source.tools(), [])
    const { output } = await remotes.call('remote.list', {})
    assert.equal((output['remotes'] as { changed: boolean }[])[0]!.changed, true)
    await remotes.approve('translator')
    assert.equal(remotes.source.tools().length, 1)
  })
})

describe('a task that waits for the owner of the agent', () => {
  it('is waiting for input, and goes on once the owner has decided', async () => {
    const steps = [() => asks(['test_act']), () => model('done it')]
    await using server = await makeA2aBench({
      play: () => steps.shift()!(),
      calls: [testCall('test.act', async () => ({ output: null, text: 'acted' }), { right: 'file.write' })],
      agents: { helper: { description: 'Acts.', rights: ['file.write'] } },
      config: { approval: { calls: { 'test.act': 'ask' } } },
    })
    const key = await server.key('us')
    await using remotes = await makeRemoteBench(undefined, new Map([['TOKEN', key]]))
    await remotes.add('helper', { url: server.http, headers: { authorization: 'Bearer $TOKEN' } })
    await remotes.approve('helper')
    const { output } = await remotes.call('a2a.helper', { goal: 'act' })
    assert.equal(output['status'], 'input_required')
    const pending = (await server.fixture.kernel.call('approval.list', {})) as unknown as { output: { call: string }[] }
    await server.fixture.kernel.approve(pending.output[0]!.call as never, true)
    const more = await remotes.call('a2a.helper', { goal: 'and now?', context: output['context']! })
    assert.equal(more.output['status'], 'success', JSON.stringify(more.output))
    assert.equal(more.output['text'], 'done it')
  })
})

describe('agent.delegate to an agent of others', () => {
  it('is one task there, with the labels of its answer', async () => {
    await using server = await makeA2aBench({ play: () => model('{"points": 7}') })
    const token = await server.key('us')
    await using guest = await openFixture({
      servers: (host) =>
        createRemotes({
          ...host,
          secrets: { get: () => token },
          config: { remotes: { judge: remoteAgent.parse({ url: server.http, headers: { authorization: 'Bearer $TOKEN' } }) } },
          openFetch: async () => fetch,
          hash: async () => (text) => hash('sha256', text),
          nowMs: () => performance.now(),
        }),
    })
    const call = async <Output>(name: string, input: object): Promise<Output> => {
      const outcome = await guest.kernel.call(name, input as never, guest.session)
      assert.ok(outcome.status === 'ok', outcome.text)
      return outcome.output as Output
    }
    const refused = await call<Delegated>('agent.delegate', { agent: 'a2a.judge', goal: 'Judge.' })
    assert.equal(refused.status, 'refused')
    const { digest } = await call<{ digest: string }>('remote.diff', { remote: 'judge' })
    await call('remote.approve', { remote: 'judge', digest })
    const result = { type: 'object', properties: { points: { type: 'integer' } }, required: ['points'] }
    const { status, value, labels } = await call<Delegated>('agent.delegate', { agent: 'a2a.judge', goal: 'Judge.', result })
    assert.deepEqual([status, value, labels], ['success', { points: 7 }, ['untrusted']])
    assert.match((await guest.store.session(guest.session))!.labels, /untrusted/)
    const { tasks } = ((await server.fixture.kernel.call('task.list', {})) as { output: { tasks: readonly unknown[] } }).output
    assert.equal(tasks.length, 1)
  })
})
