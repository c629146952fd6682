import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Store } from '../../store/index.ts'
import { builtinCalls } from '../../tools/index.ts'
import type { JsonObject, SessionId } from '../../base/index.ts'
import type { Call, Caller, Label } from '../../protocol/index.ts'
import type { Decision } from '../../config/index.ts'
import { configSchema } from '../../services/index.ts'
import { asks, done, inOrder, openFixture, says, testCall } from '../kernel-fixture.ts'
import { createKeptOutputs } from '../stages/cleaning.ts'
import { flowRefusal, judgeFlow, leadsOutside } from './policy.ts'

/** A name that the compiler does not know: of a call that only this test has. */
const testSendName: string = 'test.send'

const flowOf = (flow: object = {}) => configSchema.parse({ flow }).flow
const sink = (name = 'web.fetch', more: Partial<Call['labels']> = {}): Call =>
  testCall(name, async () => done('sent'), { labels: { adds: [], sink: true, ...more } })
const judged = (held: readonly Label[], flow: object = {}, call = sink()): Decision => judgeFlow(held, call, flowOf(flow)).decision

describe('the flow policy', () => {
  it('asks, by itself, only where a conversation has read both untrusted text and private data', () => {
    assert.deepEqual(
      ([[], ['untrusted'], ['private'], ['private', 'untrusted']] as const).map((held) => judged(held)),
      ['allow', 'allow', 'allow', 'ask'],
    )
  })

  it('has a decision for each label and each sink, and the strictest match counts', () => {
    const flow = { private: 'deny', sinks: { 'web.search': { private: 'allow' }, 'web.fetch': { untrusted: 'ask' } } }
    assert.equal(judged(['private'], flow), 'deny')
    assert.equal(judged(['private'], flow, sink('web.search')), 'allow')
    assert.equal(judged(['untrusted'], flow), 'ask')
    assert.equal(judged(['untrusted'], flow, sink('web.search')), 'allow')
    assert.equal(judged(['private', 'untrusted'], flow), 'deny')
    assert.equal(judged(['private', 'untrusted'], { ...flow, both: 'allow' }, sink('web.search')), 'allow')
  })

  it('judges only calls of models that lead outside', () => {
    const all = { untrusted: 'deny', private: 'deny', both: 'deny' }
    const held = ['private', 'untrusted'] as const
    const call = sink()
    const asked = (audience: Caller['audience'], of = call) => leadsOutside({ audience } as Caller, of)
    assert.deepEqual([asked('model'), asked('terminal'), asked('runtime')], [true, false, false])
    assert.equal(asked('model', { ...call, labels: { adds: [], sink: false } }), false)
    const shown = sink('media.send', { toPerson: true })
    assert.equal(judged(held, all, shown), 'allow', 'what goes to the person goes nowhere else')
    assert.equal(judged(held, { ...all, sinks: { 'media.send': {} } }, shown), 'deny', 'unless it is named')
  })

  it('never allows more to a conversation with more labels', () => {
    const decision = fc.constantFrom<Decision>('allow', 'ask', 'deny')
    const rules = fc.record({ untrusted: decision, private: decision, both: decision })
    const order = ['allow', 'ask', 'deny']
    fc.assert(
      fc.property(rules, fc.option(rules), (all, own) => {
        const flow = { ...all, sinks: own === null ? {} : { 'web.fetch': own } }
        const both = order.indexOf(judged(['private', 'untrusted'], flow))
        return both >= order.indexOf(judged(['private'], flow)) && both >= order.indexOf(judged(['untrusted'], flow))
      }),
    )
  })

  it('refuses with a message that names the labels and what to do', () => {
    const verdict = judgeFlow(['private'], sink(), flowOf({ private: 'deny' }))
    const failure = flowRefusal(verdict)
    assert.equal(
      failure.message,
      'web.fetch sends data outside, and this conversation has read private data; the flow policy of this workspace denies that.',
    )
    assert.match(failure.hint, /\[flow\] in config\.toml/)
  })
})

describe('a conversation that has read a page and the vault', () => {
  const calls = [
    testCall('test.page', async () => done('page'), { labels: { adds: ['untrusted'], sink: false } }),
    testCall('test.vault', async () => ({ ...done('copied'), labels: ['private' as const], origins: ['path:/vault/letter.pdf' as const] })),
    sink('test.send'),
  ]
  const play = () => inOrder(asks(['test_page']), asks(['test_vault']), asks(['test_send', { what: 1 }]), says('done'))

  it('needs approval before it sends: a person sees the exact input, and the reason is recorded', async () => {
    for (const allow of [true, false]) {
      await using fixture = await openFixture({ play: play(), calls })
      const ended = fixture.turn('go')
      const parked = await fixture.record(({ name, phase }) => name === 'test.send' && phase === 'parked')
      const { question, ...asked } = parked.body as JsonObject
      assert.equal(typeof question, 'string')
      assert.deepEqual(asked, {
        input: '{"what":1}',
        labels: ['private', 'untrusted'],
        origins: [
          ['untrusted', 'call:test.page'],
          ['private', 'path:/vault/letter.pdf'],
        ],
        reason:
          'test.send sends data outside, and this conversation has read private data (/vault/letter.pdf) and untrusted text (call test.page)',
      })
      // A terminal that comes only now is told the same.
      const stop = await fixture.kernel.follow(fixture.session, parked.seq, (event) => {
        if (event.type === 'snapshot') assert.deepEqual(event.pending[0]?.reason, (parked.body as { reason: string }).reason)
      })
      stop()
      await fixture.kernel.approve(parked.call, allow)
      assert.equal((await ended)['status'], 'ok')
      const phases = fixture.events.flatMap((event) =>
        event.type === 'record' && event.record.name === 'test.send' ? [event.record.phase] : [],
      )
      assert.deepEqual(phases, ['parked', 'decided', ...(allow ? (['intent', 'outcome'] as const) : (['refused'] as const))])
    }
  })

  it('is refused where the policy says so, which is recorded, and nothing runs', async () => {
    await using fixture = await openFixture({ play: play(), calls, config: { flow: { both: 'deny' } } })
    await fixture.turn('go')
    const { phase, body } = await fixture.record(({ name }) => name === 'test.send')
    assert.deepEqual([phase, (body as { code: string }).code], ['refused', 'denied'])
  })

  it('sends without approval where the policy allows it, with the labels in the intent', async () => {
    await using fixture = await openFixture({ play: play(), calls, config: { flow: { both: 'allow' } } })
    await fixture.turn('go')
    const { phase, body } = await fixture.record(({ name }) => name === 'test.send')
    assert.deepEqual([phase, (body as { labels: string[] }).labels], ['intent', ['private', 'untrusted']])
  })

  it('does not taint another conversation', async () => {
    await using fixture = await openFixture({ play: inOrder(asks(['test_vault']), says('seen')), calls })
    await fixture.turn('look')
    const outcome = await fixture.kernel.call(testSendName, {}, (await fixture.kernel.createSession('other')).id)
    assert.equal(outcome.status, 'ok')
  })
})

describe('a copy out of the vault with an unknown outcome', () => {
  const took = { effect: 'once', labels: { adds: ['private'], sink: false } } as const

  it('counts as done: stopped by its time limit, it has made the conversation private', async () => {
    const copies = testCall('test.copy', (_, { signal }) => once(signal, 'abort').then(() => Promise.reject(signal.reason)), {
      ...took,
      timeoutMs: 20,
    })
    await using fixture = await openFixture({ play: inOrder(asks(['test_copy']), says('done')), calls: [copies] })
    await fixture.turn('go')
    assert.equal((await fixture.store.session(fixture.session))?.labels, 'private')
  })

  it('has made it private before it begins, so that a crash on the way changes nothing', async () => {
    let before: string | undefined
    const copies = testCall(
      'test.copy',
      async () => {
        before = (await fixture.store.session(fixture.session))?.labels
        return done('copied')
      },
      took,
    )
    await using fixture = await openFixture({ play: inOrder(asks(['test_copy']), says('done')), calls: [copies] })
    await fixture.turn('go')
    assert.equal(before, 'private')
  })

  it('is declared by vault.copy_to', () => {
    const copyTo = builtinCalls({ files: true, shell: true, profiles: ['vault-read'] }).find(({ name }) => name === 'vault.copy_to')
    assert.deepEqual([copyTo?.effect, copyTo?.labels.adds], ['once', ['private']])
  })
})

describe('output that is read in parts', () => {
  const long = (labels: readonly Label[]): Call =>
    testCall(`test.long_${labels.join('_')}`, async () => ({ ...done(`${labels.join()} ${'x'.repeat(40_000)}`), labels: [...labels] }))
  const idIn = (body: unknown): string => /"id":"([0-9a-f]{64})"/.exec((body as { text: string }).text)?.[1] ?? ''
  const labelsIn = async ({ store }: { store: Store }, session: SessionId) => (await store.session(session))?.labels

  it('keeps its labels, also where another conversation reads it', async () => {
    for (const [label, then] of [
      ['private', 'private,untrusted'],
      ['untrusted', 'untrusted'],
    ] as const) {
      await using fixture = await openFixture({ play: inOrder(asks([`test_long_${label}`]), says('done')), calls: [long([label])] })
      await fixture.turn('look')
      const { body } = await fixture.record(({ name, phase }) => name === `test.long_${label}` && phase === 'outcome')
      const { id: other } = await fixture.kernel.createSession('other')
      await fixture.kernel.call('output.read', { id: idIn(body) }, other)
      await fixture.kernel.createSession('behind it')
      assert.equal(await labelsIn(fixture, other), then)
    }
  })

  it('counts as private when its labels are lost', () => {
    assert.deepEqual(createKeptOutputs({ putBlob: async () => '' }).labelsOf('0'.repeat(64)), ['private', 'untrusted'])
  })
})

describe('what nobody can take back', () => {
  const calls = [
    testCall('test.page', async () => done('page'), { labels: { adds: ['untrusted'], sink: false } }),
    testCall('test.pay', async () => done('paid'), { labels: { adds: [], sink: true }, effect: 'once' }),
    testCall('file.delete', async () => done('deleted'), { lasting: 'unversioned', reaches: { kind: 'paths', fields: ['path'] } }),
  ]

  it('asks after untrusted text, and not before', async () => {
    for (const [tool, args, asksFor] of [
      ['test_pay', {}, 'test.pay sends data outside, and this conversation has read untrusted text (call test.page)'],
      [
        'file_delete',
        { path: 'project/.git' },
        'file.delete removes what has no versions, and this conversation has read untrusted text (call test.page)',
      ],
      [
        'file_delete',
        { path: 'project', recursive: true },
        'file.delete deletes a folder with all that is in it, and this conversation has read untrusted text (call test.page)',
      ],
    ] as const) {
      await using fixture = await openFixture({
        play: inOrder(asks([tool, args]), asks(['test_page']), asks([tool, args]), says('done')),
        calls,
      })
      const ended = fixture.turn('go')
      const parked = await fixture.record(({ phase }) => phase === 'parked')
      assert.equal((parked.body as { reason: string }).reason, asksFor)
      await fixture.kernel.approve(parked.call, false)
      await ended
      const first = await fixture.record(({ name, phase }) => name === parked.name && phase === 'outcome')
      assert.equal((first.body as { status: string }).status, 'ok', 'the first ran without a question')
    }
  })

  it('is judged as the policy says', async () => {
    const config = { flow: { irreversible: 'allow' } }
    await using fixture = await openFixture({ play: inOrder(asks(['test_page']), asks(['test_pay']), says('done')), calls, config })
    await fixture.turn('go')
    assert.equal(fixture.events.filter((event) => event.type === 'record' && event.record.phase === 'parked').length, 0)
  })
})
