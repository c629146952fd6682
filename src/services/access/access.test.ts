import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Clock, Json } from '../../base/index.ts'
import { type CallOutcome, grantOf, type Reaches } from '../../protocol/index.ts'
import { configSchema } from '../../services/index.ts'
import { asks, done, inOrder, newCallId, openFixture, says, testCall } from '../../kernel/kernel-fixture.ts'
import { refuseLimited } from '../../kernel/policy/right-limits.ts'

/** A name that the compiler does not know: of a call that only this test has. */
const testActName: string = 'test.act'

const outputOf = (outcome: CallOutcome): Json => (outcome.status === 'ok' ? (outcome.output as Json) : assert.fail(outcome.text))
const codeOf = (outcome: CallOutcome): string => (outcome.status === 'ok' ? 'ok' : outcome.failure.code)
const right = (name: string, call: string, reaches?: Reaches) =>
  testCall(call, async () => done(''), { right: name, files: 'writes', ...(reaches !== undefined && { reaches }) })
const inPath: Reaches = { kind: 'paths', fields: ['path'] }
const refused = (rights: readonly string[], call: ReturnType<typeof right>, input: object) =>
  refuseLimited(
    { ...grantOf(rights), user: 'ada' as never, actor: 'key:k', audience: 'terminal', session: '', turn: '', process: '' },
    call,
    input,
  )

describe('rights', () => {
  it('of a role or a list are those that are granted, less those that are denied', () => {
    assert.ok(grantOf('worker').rights.has('shell.run'))
    assert.ok(!grantOf(['worker', '!shell.run']).rights.has('shell.run'))
    assert.ok(!grantOf(['!shell.run', 'shell.run', 'worker']).rights.has('shell.run'))
    for (const wrong of ['', 'file', '!*', '*:/shared', 'constructor', 'file.read:', 'file.read:/a b', '!worker'])
      assert.throws(() => grantOf([wrong]), { code: 'bad_input' }, wrong)
    assert.deepEqual(configSchema.parse({ agent: { rights: 'analyst' } }).agent.rights.includes('web.read'), true)
    assert.throws(() => configSchema.parse({ agent: { rights: ['everything'] } }), /not a right, nor a role/)
  })

  it('limited to a folder cover only that folder, and a denial inside of it wins', () => {
    const rights = ['file.write:/shared/work', '!file.write:/shared/work/private', '!shell.run', '*']
    const limited = rights.slice(0, 2)
    const write = right('file.write', 'file.write', inPath)
    assert.equal(refused(limited, write, { path: '/shared/work/a' }), null)
    assert.equal(refused(limited, write, { path: 'work/a' }), null)
    for (const path of ['/shared/a', '/shared/workshop/a', '/shared/work/../a', '/shared/work/private/a', '/etc/passwd', 'work/private', 7])
      assert.equal(refused(limited, write, { path })?.code, 'denied', String(path))
    assert.match(refused(limited, write, { path: '/shared/a' })?.hint ?? '', /Grant "file\.write:\/shared\/a" to allow it/)
    assert.equal(refused(limited, right('file.write', 'file.patch'), { diff: 'x' })?.code, 'denied', 'what it reaches is not known')
    assert.equal(
      refused(limited, right('file.write', 'file.delete', inPath), { path: '/shared/work' })?.code,
      'denied',
      'it contains what is denied',
    )
    assert.equal(refused(rights, right('shell.run', 'shell.exec'), {})?.code, 'denied', 'a denial wins over every right')
    const move = right('file.write', 'file.move', { kind: 'paths', fields: ['from', 'to'] })
    assert.equal(refused(limited, move, { from: '/shared/work/a', to: '/shared/b' })?.code, 'denied')
  })

  it('limited to hosts cover these', () => {
    const fetch = right('web.read', 'web.fetch', { kind: 'url', fields: ['url'] })
    const hosts = ['web.read:*.example.com', 'web.read:api.local', '!web.read:evil.example.com']
    for (const url of ['https://a.example.com/x', 'http://API.local:8080/']) assert.equal(refused(hosts, fetch, { url }), null, url)
    for (const url of ['https://example.com.evil.org', 'https://evil.example.com', 'https://a@other.org', 'no url', 'https://example.com'])
      assert.equal(refused(hosts, fetch, { url })?.code, 'denied', url)
    assert.equal(refused(hosts, right('web.read', 'web.search'), { query: 'x' })?.code, 'denied')
  })

  it('limited to skills open these, and searches are left to filter what they find', () => {
    const reaching: Record<string, Reaches> = { 'skill.open': { kind: 'name', fields: ['name'] }, 'skill.search': { kind: 'covered' } }
    const judge = (call: string, input: object, ...rights: string[]) =>
      refused(rights, right('skill.use', call, reaching[call]), input)?.code ?? 'ok'
    assert.equal(judge('skill.open', { name: 'deploy' }, 'skill.use:deploy'), 'ok')
    assert.equal(judge('skill.open', { name: 'ｄeploy' }, 'skill.use:deploy'), 'ok')
    assert.equal(judge('skill.open', { name: 'other' }, 'skill.use:deploy'), 'denied')
    assert.equal(judge('skill.open', { name: 'ｄeploy' }, 'skill.use', '!skill.use:deploy'), 'denied')
    assert.equal(judge('skill.search', { query: 'x' }, 'skill.use:deploy'), 'ok')
    assert.equal(judge('skill.search', { query: 'x' }, '!skill.use', '*'), 'denied')
    assert.equal(judge('skill.list', {}, 'skill.use:deploy'), 'denied')
  })

  it('of an agent with limits are judged at the gate', async () => {
    const ran: unknown[] = []
    const write = testCall('file.write', async (input) => (ran.push(input), done('written')), { reaches: inPath })
    const play = inOrder(asks(['file_write', { path: '/shared/b' }], ['file_write', { path: '/shared/a/c' }]), says('done'))
    await using fixture = await openFixture({ play, calls: [write], config: { agent: { rights: ['file.write:/shared/a'] } } })
    await fixture.turn('write')
    assert.deepEqual(ran, [{ path: '/shared/a/c' }])
    const { body } = await fixture.record(({ phase, name }) => phase === 'refused' && name === 'file.write')
    assert.match((body as { text: string }).text, /reaches \/shared\/b, which file\.write does not cover/)
  })
})

describe('an API key', () => {
  it('is shown once, stored hashed, and gives its rights and no others', async () => {
    await using fixture = await openFixture({ calls: [testCall('test.act', async () => done('ran'))] })
    const { kernel, session } = fixture
    const made = outputOf(await kernel.call('key.create', { name: 'ci', rights: ['session.read', 'turn.send', 'session.write'] })) as {
      key: string
      id: string
    }
    assert.match(made.key, /^oxbow_[\w-]{59}$/)
    const records = await fixture.store.records({ order: 'oldest_first', limit: 100, hydrate: true })
    assert.ok(!JSON.stringify(records).includes(made.key.slice(22)), 'its secret part is nowhere in the journal')

    const keyed = await kernel.withKey(made.key)
    assert.ok((await keyed.listSessions(10)).some(({ id }) => id === session))
    const refusal = await keyed.call(testActName, {})
    assert.equal(codeOf(refusal), 'denied')
    assert.match(refusal.status === 'refused' ? refusal.failure.hint : '', /oxbow keys create NAME --right file\.write/)
    assert.equal(codeOf(await keyed.call('key.create', { name: 'more', rights: ['*'] })), 'denied')
    const own = await keyed.createSession('mine', newCallId())
    const { turn } = await keyed.sendTurn({ session: own.id, clientId: newCallId(), text: 'hello' })
    const page = await fixture.store.records({ call: turn as never, phases: ['intent'], order: 'oldest_first', limit: 1, hydrate: true })
    assert.equal(page[0]?.actor, 'key:ci')
    const [listed] = outputOf(await kernel.call('key.list', {})) as { used_at: number | null; hash?: string }[]
    assert.ok(listed!.used_at !== null && listed!.hash === undefined)
  })

  it('has a name of its own, also where several are made at once', async () => {
    await using fixture = await openFixture({})
    const make = (rights: readonly string[]) => fixture.kernel.call('key.create', { name: 'ci', rights: [...rights] })
    const made = await Promise.all([make(['session.read']), make(['*']), make(['file.read']), make(['session.read'])])
    assert.deepEqual(made.map(codeOf).toSorted(), ['bad_input', 'bad_input', 'bad_input', 'ok'])
    assert.equal((outputOf(await fixture.kernel.call('key.list', {})) as Json[]).length, 1)
  })

  it('that is unknown, wrong, expired or revoked is refused, also on an open connection', async () => {
    let now = 1_800_000_000_000
    const clock: Clock = { now: () => now, monotonicMs: () => performance.now() }
    await using fixture = await openFixture({ clock })
    const { kernel } = fixture
    const make = async (name: string, more = {}) =>
      outputOf(await kernel.call('key.create', { name, rights: ['session.read'], ...more })) as { key: string }
    const { key } = await make('a', { expires_in_s: 60 })
    const other = await make('b')
    assert.equal(codeOf(await kernel.call('key.create', { name: 'a', rights: ['session.read'] })), 'bad_input')
    for (const wrong of [
      'oxbow_',
      `${key}x`,
      key.slice(0, -1),
      `${key.slice(0, -2)}AA`,
      key.replace(/^oxbow_./, 'oxbow_g'),
      `oxbow_${'0'.repeat(16)}${key.slice(22)}`,
    ])
      await assert.rejects(kernel.withKey(wrong), { code: 'unauthenticated' }, wrong)
    const [open, revoked] = await Promise.all([kernel.withKey(key), kernel.withKey(other.key)])
    await open.listSessions(1)
    now += 60_000
    await assert.rejects(open.listSessions(1), { code: 'unauthenticated' })
    await assert.rejects(kernel.withKey(key), { code: 'unauthenticated' })
    await revoked.listSessions(1)
    assert.equal(codeOf(await kernel.call('key.revoke', { key: 'b' })), 'ok')
    await assert.rejects(revoked.listSessions(1), { code: 'unauthenticated' })
    await assert.rejects(kernel.withKey(other.key), { code: 'unauthenticated' })
    const page = outputOf(await kernel.call('events.next', { after: 0, kinds: ['key_refused'] })) as { events: unknown[] }
    assert.ok(page.events.length >= 1)
  })

  it('cannot follow a session without the right to read, nor make a key beyond its own limits', async () => {
    await using fixture = await openFixture()
    const { kernel, session } = fixture
    const make = async (name: string, rights: string[]) =>
      kernel.withKey((outputOf(await kernel.call('key.create', { name, rights })) as { key: string }).key)
    const blind = await make('blind', ['system.read'])
    await assert.rejects(
      blind.follow(session, 0, () => assert.fail('heard')),
      { code: 'denied' },
    )
    const limited = await make('limited', ['access.write', 'file.read:/shared/a'])
    assert.equal(codeOf(await limited.call('key.create', { name: 'x', rights: ['file.read'] })), 'denied')
    assert.equal(codeOf(await limited.call('key.create', { name: 'x', rights: ['file.read:/shared/a'] })), 'ok')
  })

  it('is the second person where two must allow a call', async () => {
    const calls = [testCall('test.act', async () => done('ran'))]
    await using fixture = await openFixture({
      play: inOrder(asks(['test_act']), says('done')),
      calls,
      config: { approval: { two_person: ['test.act'] } },
    })
    const { kernel } = fixture
    const { key } = outputOf(await kernel.call('key.create', { name: 'second', rights: ['call.decide', 'access.write'] })) as {
      key: string
    }
    const turn = fixture.turn('act')
    const { call } = await fixture.record(({ phase }) => phase === 'parked')
    const keyed = await kernel.withKey(key)
    assert.equal((outputOf(await keyed.call('call.decide', { call, allow: true })) as { decided: boolean }).decided, false)
    assert.equal(codeOf(await keyed.call('call.decide', { call, allow: true })), 'denied')
    const own = outputOf(await keyed.call('key.create', { name: 'mine', rights: ['call.decide'] })) as { key: string }
    const again = await (await kernel.withKey(own.key)).call('call.decide', { call, allow: true })
    assert.equal(codeOf(again), 'denied', 'a key that it made is no other person')
    await kernel.approve(call, true)
    assert.equal((await turn)['reply'], 'done')
    await fixture.record(({ name, phase }) => name === 'test.act' && phase === 'outcome')
  })
})
