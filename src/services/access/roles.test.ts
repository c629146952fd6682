import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Json } from '../../base/index.ts'
import type { CallOutcome } from '../../protocol/index.ts'
import { shellExec } from '../../tools/shell/exec-call.ts'
import { asks, done, inOrder, openFixture, says, testCall } from '../../kernel/kernel-fixture.ts'

const outputOf = (outcome: CallOutcome): Json => (outcome.status === 'ok' ? (outcome.output as Json) : assert.fail(outcome.text))
const codeOf = (outcome: CallOutcome): string => (outcome.status === 'ok' ? 'ok' : outcome.failure.code)

describe('a role that was added', () => {
  it('gives a key its rights as they are now, and stays while a key has it', async () => {
    await using fixture = await openFixture()
    const { kernel } = fixture
    const call = async (name: string, input: Json) => codeOf(await kernel.call(name, input))
    assert.equal(await call('role.set', { role: 'reader', rights: ['session.read', '!session.write'] }), 'ok')
    const { key } = outputOf(await kernel.call('key.create', { name: 'k', rights: ['reader'] })) as { key: string }
    const keyed = await kernel.withKey(key)
    await keyed.listSessions(1)
    assert.equal(codeOf(await keyed.call('time.now', {})), 'unknown_call')
    assert.equal(codeOf(await keyed.call('budget.show', {})), 'denied')
    assert.equal(await call('role.set', { role: 'reader', rights: ['system.read'] }), 'ok')
    assert.notEqual(codeOf(await keyed.call('budget.show', {})), 'denied')
    await assert.rejects(keyed.listSessions(1), { code: 'denied' })
    assert.equal(await call('role.remove', { role: 'reader' }), 'bad_input')
    assert.equal(await call('key.revoke', { key: 'k' }), 'ok')
    assert.equal(await call('role.remove', { role: 'reader' }), 'ok')
    assert.equal(await call('role.remove', { role: 'reader' }), 'not_found')
    assert.equal(await call('key.create', { name: 'k', rights: ['reader'] }), 'bad_input')
  })

  it('never replaces a built-in role, contains no other role, and gives nobody more than they have', async () => {
    await using fixture = await openFixture()
    const { kernel } = fixture
    const set = async (role: string, rights: string[]) => codeOf(await kernel.call('role.set', { role, rights }))
    for (const role of ['admin', 'worker', 'Reader', 'a b', '', '__proto__', 'file.read'])
      assert.equal(await set(role, ['file.read']), 'bad_input', role)
    assert.equal(await set('one', ['file.read']), 'ok')
    assert.equal(await set('two', ['one']), 'bad_input')
    const keyFor = async (name: string, rights: string[]) =>
      kernel.withKey((outputOf(await kernel.call('key.create', { name, rights })) as { key: string }).key)
    const maker = await keyFor('maker', ['access.write', 'file.read', 'one'])
    assert.equal(codeOf(await maker.call('role.set', { role: 'three', rights: ['file.read'] })), 'ok')
    assert.equal(codeOf(await maker.call('role.set', { role: 'one', rights: ['*'] })), 'denied')
    assert.equal(await set('strong', ['audit.read']), 'ok')
    assert.equal(codeOf(await maker.call('role.set', { role: 'strong', rights: ['file.read'] })), 'denied')
    assert.equal(codeOf(await maker.call('role.remove', { role: 'strong' })), 'denied')
    assert.equal(codeOf(await maker.call('key.create', { name: 'x', rights: ['strong'] })), 'denied')
  })

  it('gives an agent that a person spawns its rights, but a model cannot give it', async () => {
    const play = inOrder(says('done'), asks(['agent_spawn', { task: 'x', name: 'b', rights: ['reporter'] }]), says('no'))
    await using fixture = await openFixture({ play })
    const { kernel } = fixture
    assert.equal(codeOf(await kernel.call('role.set', { role: 'reporter', rights: ['file.read', 'file.write:/shared/reports'] })), 'ok')
    const spawned = outputOf(await kernel.call('agent.spawn', { task: 'x', name: 'a', rights: ['reporter'] })) as {
      rights: string[]
      id: string
    }
    assert.deepEqual(spawned.rights, ['file.read', 'file.write:/shared/reports'])
    await kernel.call('agent.wait', { agents: [spawned.id] })
    await fixture.turn('Go.')
    const refused = await fixture.record(({ name, phase }) => name === 'agent.spawn' && phase === 'outcome')
    assert.match(JSON.stringify(refused.body), /not a right, nor a role/)
  })
})

describe('a refusal', () => {
  it('at each stage is on record with its reason and what would allow the call', async () => {
    const right = 'memory.write'
    const sink = testCall('test.send', async () => done('sent'), { right, labels: { adds: [], sink: true } })
    const reading = testCall('test.read', async () => done('read'), {
      right,
      tier: 'read_only',
      labels: { adds: ['untrusted'], sink: false },
    })
    const plain = testCall('test.act', async () => done('acted'), { right })
    const costly = testCall('test.pay', async () => done('paid'), { right, reserve: () => ({ microDollars: 0, tokens: 1_000_000 }) })
    const other = testCall('test.other', async () => done(''), { right: 'web.read' })
    const people = testCall('test.people', async () => done(''), { right, audience: ['terminal'] })
    const asked = [
      'test_none',
      'test_people',
      'test_other',
      'test_act',
      'file_write',
      'shell_exec',
      'test_read',
      'test_send',
      'test_pay',
    ] as const
    const inputs: Record<string, object> = { file_write: { path: '/shared/b' }, shell_exec: { command: 'git push' } }
    const play = inOrder(...asked.map((name) => asks([name, inputs[name] ?? {}])), says('done'))
    const write = testCall('file.write', async () => done(''), { reaches: { kind: 'paths', fields: ['path'] } })
    await using fixture = await openFixture({
      play,
      calls: [sink, reading, plain, costly, other, people, write, shellExec],
      config: {
        agent: { rights: ['file.write', '!file.write:/shared/b', 'memory.write', 'shell.run'] },
        approval: { calls: { 'test.act': 'deny' } },
        exec: { deny: ['git push'] },
        flow: { untrusted: 'deny' },
        budget: { session: { tokens: 100_000 } },
      },
    })
    await fixture.turn('Go.')
    const refused = fixture.events.flatMap((event) => (event.type === 'record' && event.record.phase === 'refused' ? [event.record] : []))
    const about = (name: string) => {
      const body = refused.find((record) => record.name === name || record.name === name.replace('_', '.'))?.body as
        | { message: string; hint: string; code: string }
        | undefined
      assert.ok(body !== undefined && body.message !== '' && body.hint !== '', `${name}: ${JSON.stringify(body)}`)
      return `${body.code}: ${body.message} ${body.hint}`
    }
    assert.match(about('test_none'), /^unknown_call/)
    assert.match(about('test_people'), /^denied.*not offered to a model/)
    assert.match(about('test_other'), /^denied.*"web\.read" in rights under \[agent\]/)
    assert.match(about('test_act'), /^denied.*calls\."test\.act" under \[approval\]/)
    assert.match(about('file_write'), /^denied.*Remove "!file\.write/)
    assert.match(about('shell_exec'), /^denied.*oxbow exec remove/)
    assert.match(about('test_send'), /^denied.*\[flow\] in config\.toml/)
    assert.match(about('test_pay'), /^budget_exhausted/)
  })
})
