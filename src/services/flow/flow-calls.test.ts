import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createFakeSandbox } from '../../sandbox/fake/fake-sandbox.ts'
import { builtinCalls } from '../../tools/index.ts'
import type { Json } from '../../base/index.ts'
import type { CallOutcome, Label } from '../../protocol/index.ts'
import type { Decision } from '../../config/index.ts'
import { configSchema } from '../../services/index.ts'
import { asks, done, type Fixture, inOrder, openFixture, says, testCall } from '../../kernel/kernel-fixture.ts'
import { compileRules, decideAll } from './flow-rules.ts'

const calls = [
  testCall('test.page', async () => done('the page'), { labels: { adds: ['untrusted'], sink: false } }),
  testCall('test.vault', async () => ({
    ...done('the letter'),
    labels: ['private' as const],
    origins: ['path:/vault/letter.pdf' as const],
  })),
  testCall('test.send', async () => done('sent'), { labels: { adds: [], sink: true } }),
  ...builtinCalls({ files: true, shell: false }),
]

async function output<Output>({ kernel }: Fixture, name: string, input: Json): Promise<Output> {
  const outcome = await kernel.call(name, input)
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome & { status: 'ok' }).output as Output
}

const phases = (fixture: Fixture, of: string): readonly string[] =>
  fixture.events.flatMap((event) => (event.type === 'record' && event.record.name === of ? [event.record.phase] : []))

describe('declassifying', () => {
  const play = () =>
    inOrder(asks(['test_page']), asks(['test_vault']), says('read'), asks(['test_send']), says('sent'), asks(['test_send']), says('again'))

  it('lets one value leave after a person has seen it and said why, until they take that back', async () => {
    await using fixture = await openFixture({ play: play(), calls, config: { flow: { both: 'deny' } } })
    await fixture.turn('read')
    const { call } = await fixture.record(({ name, phase }) => name === 'test.vault' && phase === 'outcome')
    const seen = await output<{ content: string; digest: string }>(fixture, 'flow.declassify', { call })
    assert.equal(seen.content, 'the letter')
    for (const input of [
      { call, digest: '0'.repeat(64), reason: 'x' },
      { call, digest: seen.digest },
    ])
      assert.equal((await fixture.kernel.call('flow.declassify', input)).status, 'failed', JSON.stringify(input))
    const freed = await output<{ done: boolean; left: readonly string[] }>(fixture, 'flow.declassify', {
      call,
      digest: seen.digest,
      reason: 'it is public',
    })
    assert.deepEqual([freed.done, freed.left], [true, ['untrusted']], 'the page is still untrusted')
    const row = await fixture.store.session(fixture.session)
    assert.match(row?.origins ?? '', /"freed":"private"/, 'kept for the next start')
    assert.equal(row?.labels, 'private,untrusted', 'what is made from the session inherits nothing of it')
    await fixture.turn('send')
    assert.deepEqual(phases(fixture, 'test.send'), ['intent', 'outcome'])
    const { done: list } = await output<{ done: readonly { id: string }[] }>(fixture, 'flow.show', {})
    await output(fixture, 'flow.revoke', { id: list[0]!.id })
    await fixture.turn('send again')
    assert.deepEqual(phases(fixture, 'test.send'), ['intent', 'outcome', 'refused'])
  })

  it('of a file holds only for its content', async () => {
    const files = new Map<string, string>()
    await using fixture = await openFixture({
      play: inOrder(asks(['test_vault']), asks(['file_write', { path: 'a.txt', text: 'the letter' }]), says('done')),
      calls,
      sandbox: createFakeSandbox(files),
    })
    await fixture.turn('go')
    const labels = async () => (await fixture.kernel.call('file.read', { path: 'a.txt' })).labels
    assert.deepEqual(await labels(), ['private', 'untrusted'])
    const { digest } = await output<{ digest: string }>(fixture, 'flow.declassify', { path: 'a.txt' })
    await output(fixture, 'flow.declassify', { path: 'a.txt', digest, reason: 'it is public' })
    assert.deepEqual(await labels(), ['untrusted'])
    files.set('/shared/a.txt', 'another letter')
    assert.deepEqual(await labels(), ['private', 'untrusted'])
  })

  it('is only for people: no model and no key may', async () => {
    await using fixture = await openFixture({ play: inOrder(asks(['flow_declassify', { call: 'x' }]), says('done')), calls })
    await fixture.turn('go')
    const { phase } = await fixture.record(({ name }) => name.startsWith('flow'))
    assert.equal(phase, 'refused')
  })
})

describe('why', () => {
  it('names what gave a session its labels, and how a call was judged', async () => {
    await using fixture = await openFixture({
      play: inOrder(asks(['test_page']), asks(['test_vault']), asks(['test_send']), says('sent')),
      calls,
    })
    const ended = fixture.turn('go')
    const { call } = await fixture.record(({ name, phase }) => name === 'test.send' && phase === 'parked')
    await fixture.kernel.approve(call, true)
    await ended
    interface Why {
      readonly readings: readonly { readonly name: string; readonly labels: readonly string[]; readonly origins: readonly string[] }[]
      readonly call: { readonly outcome: string; readonly reason: string } | null
    }
    const why = await output<Why>(fixture, 'flow.why', { id: call })
    assert.deepEqual(
      why.readings.map(({ name, labels, origins }) => [name, ...labels, ...origins]),
      [
        ['test.page', 'untrusted', 'call:test.page'],
        ['test.vault', 'private', 'path:/vault/letter.pdf'],
      ],
    )
    assert.match(why.call?.outcome ?? '', /^allowed by user:/)
    assert.match(why.call?.reason ?? '', /private data \(\/vault\/letter\.pdf\)/)
    const session = await output<Why>(fixture, 'flow.why', { id: fixture.session })
    assert.deepEqual([session.readings.length, session.call], [2, null])
    assert.equal((await fixture.kernel.call('flow.why', { id: 'nothing' })).status, 'failed')
  })
})

const flowOf = (flow: object) => configSchema.parse({ flow }).flow

describe('rules of [flow]', () => {
  it('decide by host, server, effect and model, the strictest counts', () => {
    const rules = compileRules(
      flowOf({
        sink: [
          { host: '*.bank.example', private: 'deny' },
          { host: 'ok.example', both: 'allow' },
          { model: 'remote', private: 'deny' },
          { effect: 'delegate', untrusted: 'ask' },
        ],
      }),
    )
    const policy = flowOf({})
    const to = (place: object): Decision =>
      decideAll(['private', 'untrusted'], rules.decisions('test.x', { hosts: [], server: '', model: null, effects: [], ...place }), policy)
    assert.equal(to({ hosts: ['a.bank.example'] }), 'deny')
    assert.equal(to({ hosts: ['ok.example'] }), 'allow')
    assert.equal(to({ hosts: ['ok.example', 'else.example'] }), 'ask', 'both places count')
    assert.equal(to({ hosts: null }), 'deny', 'it may go anywhere')
    assert.equal(to({ model: { name: 'x/y', isLocal: false } }), 'deny')
    assert.equal(to({ model: { name: 'x/y', isLocal: true } }), 'ask')
  })

  it('about effects hold for every call that changes something and does not say what', async () => {
    const tried = [
      testCall('test.program', async () => done('ran'), { tier: 'privileged' }),
      testCall('test.overwrites', async () => done('written'), { does: ['overwrite'] }),
      testCall('test.deletes', async () => done('gone'), { does: ['delete'] }),
      testCall('test.adds', async () => done('added'), { does: [] }),
      testCall('test.looks', async () => done('seen'), { tier: 'read_only', effect: 'none' }),
    ]
    const play = inOrder(
      asks(['test_vault']),
      says('read'),
      asks(...tried.map(({ name }) => [name.replace('.', '_')] as [string])),
      says('tried'),
    )
    const sink = [{ effect: 'delete' as const, private: 'deny' as const }]
    await using fixture = await openFixture({
      play,
      calls: [...calls, ...tried],
      config: { flow: { sink }, approval: { privileged: 'allow' } },
    })
    await fixture.turn('read')
    await fixture.turn('try')
    const refused = tried.filter(({ name }) => phases(fixture, name).includes('refused')).map(({ name }) => name)
    assert.deepEqual(refused, ['test.program', 'test.deletes'])
  })

  it('fit names that begin with a dot and take every character but the star as itself', () => {
    const held = (pattern: string, path: string): boolean =>
      compileRules(flowOf({ source: [{ path: pattern, labels: ['private'] }] }))
        .path(path, false)
        .labels.includes('private')
    for (const [pattern, path] of [
      ['/shared/finance/**', '/shared/finance/.env'],
      ['/shared/finance/**', '/shared/finance/.h/a.txt'],
      ['/shared/finance', '/shared/finance/.h/.a'],
      ['/shared/**/*.key', '/shared/.keys/a.key'],
      ['/shared/**/*.key', '/shared/a.key'],
      ['/shared/*.env', '/shared/.env'],
      ['/shared/*/secret', '/shared/.x/secret/deep'],
      ['/shared/[hr]', '/shared/[hr]/a.txt'],
      ['/shared/{a,b}?', '/shared/{a,b}?'],
      ['/shared/a\\b', '/shared/a\\b'],
      ['/shared/x*', '/shared/x\ny'],
    ] as const)
      assert.ok(held(pattern, path), `${pattern} fits ${path}`)
    for (const [pattern, path] of [
      ['/shared/finance', '/shared/finances'],
      ['/shared/*.key', '/shared/a/b.key'],
      ['/shared/[hr]', '/shared/h'],
      ['/shared/a?', '/shared/ab'],
    ] as const)
      assert.ok(!held(pattern, path), `${pattern} does not fit ${path}`)
  })

  it('label by a host what names it or may have reached it, and not the clock', () => {
    const rules = compileRules(flowOf({ source: [{ host: 'intranet.example', labels: ['private'] }] }))
    const labels = (name: string, own: object, input: object = {}): readonly string[] =>
      rules.source({ name, labels: { adds: [], sink: false, ...own } }, { actor: 'agent:ox' }, input).labels
    const outside = { adds: ['untrusted'], sink: true } as const
    assert.deepEqual(labels('web.fetch', outside, { url: 'https://intranet.example/a' }), ['private'])
    assert.deepEqual(labels('web.fetch', outside, { url: 'https://else.example/a' }), [])
    assert.deepEqual(labels('shell.online', outside, { command: 'x', hosts: ['*'] }), ['private'])
    assert.deepEqual(labels('mcp.desk.ask', outside), ['private'])
    for (const [name, own] of [
      ['time.now', {}],
      ['turn.inbox', {}],
      ['model.generate', { sink: true }],
      ['file.read', { adds: ['untrusted'] }],
    ] as const)
      assert.deepEqual(labels(name, own), [], name)
  })

  it('never allow more to more labels', () => {
    const decision = fc.option(fc.constantFrom<Decision>('allow', 'ask', 'deny'))
    const rule = fc.record({
      host: fc.constantFrom('a.example', '*.example', 'b.example'),
      untrusted: decision,
      private: decision,
      both: decision,
    })
    const order = ['allow', 'ask', 'deny']
    const hosts = fc.option(fc.array(fc.constantFrom('a.example', 'b.example', 'c.other'), { maxLength: 3 }))
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 6 }),
        fc.record({ untrusted: decision, private: decision, both: decision }),
        hosts,
        (sink, general, reached) => {
          const rules = compileRules(flowOf({ sink }))
          const places = rules.decisions('test.x', { hosts: reached, server: '', model: null, effects: [] })
          const of = (...held: readonly Label[]): number => order.indexOf(decideAll(held, places, general))
          const [none, one, two, both] = [of(), of('private'), of('untrusted'), of('private', 'untrusted')]
          return none === 0 && both >= one && both >= two
        },
      ),
    )
  })

  it('label what is read, and ask before the conversation goes to a service', async () => {
    const source = [
      { call: 'test.plain', labels: ['private'] },
      { path: '/shared/finance/**', labels: ['private'] },
    ]
    await using fixture = await openFixture({
      play: inOrder(asks(['test_plain']), says('never')),
      calls: [testCall('test.plain', async () => done('x')), ...calls],
      sandbox: createFakeSandbox(
        new Map([
          ['/shared/finance/2026/tax.md', 'tax'],
          ['/shared/b.md', 'b'],
        ]),
      ),
      config: { flow: { source, sink: [{ model: 'scripted*', private: 'deny' }] } },
    })
    const labels = async (name: string, input: Json) => (await fixture.kernel.call(name, input)).labels
    assert.deepEqual(await labels('file.read', { path: 'finance/2026/tax.md' }), ['private', 'untrusted'])
    assert.deepEqual(await labels('file.list', { path: '/shared' }), ['private', 'untrusted'])
    assert.deepEqual(await labels('file.read', { path: 'b.md' }), ['untrusted'])
    const ended = await fixture.turn('go')
    assert.notEqual(ended['reply'], 'never')
    assert.deepEqual((await fixture.store.session(fixture.session))?.labels, 'private')
  })
})
