/** Tools of programs, through a whole kernel: what the model is offered, what leaves, how a conversation goes on. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ClientResult, ClientTools, GenerateRequest, ModelEvent } from '../../protocol/index.ts'
import { openMemoryStore } from '../../store/index.ts'
import { asks, done, type Fixture, newCallId, openFixture, says, testCall, user } from '../kernel-fixture.ts'

const lookup = { name: 'look_up', description: 'Looks a word up.', parameters: { type: 'object', properties: {} } }
const tools = (more: Partial<ClientTools> = {}): ClientTools => ({ tools: [lookup], ...more })

type Script = readonly ((request: GenerateRequest) => AsyncGenerator<readonly ModelEvent[]>)[]

/** Plays the script in order, and keeps what was asked. */
function player(...script: Script) {
  const requests: GenerateRequest[] = []
  return {
    requests,
    play: (request: GenerateRequest) => (requests.push(request), (script[requests.length - 1] ?? (() => says('out of script')))(request)),
  }
}

interface Sent {
  readonly text?: string
  readonly client?: ClientTools
  readonly results?: readonly ClientResult[]
}

async function send({ kernel, session, record }: Fixture, { text = '', client, results }: Sent): Promise<any> {
  const { turn } = await kernel.sendTurn({ session, clientId: newCallId(), text, client, results })
  return (await record(({ call, phase }) => String(call) === turn && phase === 'outcome')).body
}

const roles = ({ messages }: GenerateRequest): string => messages.map(({ role }) => role).join(' ')

void describe('tools of a program', () => {
  void it('are offered along with the agent’s; a turn that calls them ends with the calls and continues with the results', async () => {
    const { requests, play } = player(
      () => asks(['look_up', { word: 'ox' }], ['file_read', {}], ['look_up', { word: 'bow' }]),
      () => says('An ox, a bow.'),
    )
    const own = testCall('file.read', async () => done('the file'), { right: 'file.read', tier: 'read_only' })
    await using fixture = await openFixture({ play, calls: [own] })
    const asked = await send(fixture, { text: 'Look both up.', client: tools() })
    assert.deepEqual(
      [asked.status, asked.calls.map((call: any) => [call.name, JSON.parse(call.arguments).word])],
      [
        'ok',
        [
          ['look_up', 'ox'],
          ['look_up', 'bow'],
        ],
      ],
    )
    const names = requests[0]!.tools.map(({ name }) => name)
    assert.ok(names.includes('file_read'))
    assert.equal(names.at(-1), 'look_up')
    const results = asked.calls.map(({ call }: any, n: number) => ({ call, text: `meaning ${n}` }))
    const ended = await send(fixture, { results, client: tools() })
    assert.equal(ended.reply, 'An ox, a bow.')
    assert.equal(roles(requests[1]!), 'user assistant tool tool tool')
    const texts = requests[1]!.messages.slice(2).map(({ parts }) => (parts[0] as { text: string }).text)
    assert.match(texts[0]!, /^<<data [^]*meaning 0/)
    assert.equal(texts[1], 'the file')
    assert.match(texts[2]!, /meaning 1/)
  })

  void it('are forced for the first answer of a turn only, and never with `none`', async () => {
    const { requests, play } = player(
      () => asks(['look_up']),
      () => says('Done.'),
      () => says('No.'),
    )
    await using fixture = await openFixture({ play })
    const asked = await send(fixture, { text: 'Go.', client: tools({ choice: 'required' }) })
    await send(fixture, { results: [{ call: asked.calls[0].call, text: 'x' }], client: tools({ choice: 'required' }) })
    await send(fixture, { text: 'And?', client: tools({ choice: 'none' }) })
    assert.deepEqual(
      requests.map(({ settings }) => settings?.toolChoice),
      ['required', undefined, 'none'],
    )
  })

  void it('come with the form of the answer that the program wants', async () => {
    const { requests, play } = player(() => says('{"word":"ox"}'))
    await using fixture = await openFixture({ play })
    const output = { name: 'word', schema: { type: 'object', properties: { word: { type: 'string' } } } }
    const { reply } = await send(fixture, { text: 'Go.', client: { tools: [], output } })
    assert.deepEqual([reply, requests[0]!.settings?.output], ['{"word":"ox"}', output])
  })

  void it('are judged by the flow policy as they leave; what is refused is a result that the model reads', async () => {
    const reads = testCall('file.read', async () => done('secret plans'), {
      right: 'file.read',
      tier: 'read_only',
      labels: { adds: ['private', 'untrusted'], sink: false },
    })
    const { requests, play } = player(
      () => asks(['file_read']),
      () => asks(['look_up', { word: 'plans' }]),
      () => says('Then not.'),
      () => asks(['look_up', { word: 'plans' }]),
    )
    await using fixture = await openFixture({ play, calls: [reads] })
    const turn = send(fixture, { text: 'Read, then look up.', client: tools() })
    const parked = await fixture.record(({ phase }) => phase === 'parked')
    assert.equal(parked.name, 'client.ask')
    await fixture.kernel.approve(parked.call, false)
    assert.equal((await turn).reply, 'Then not.')
    assert.match(JSON.stringify(requests[2]!.messages.at(-1)), /refused this client\.ask call/)
    // Allowed, it leaves.
    const second = send(fixture, { text: 'Again.', client: tools() })
    const again = await fixture.record(({ phase, call }) => phase === 'parked' && call !== parked.call)
    await fixture.kernel.approve(again.call, true)
    assert.equal((await second).calls.length, 1)
  })

  void it('ask as `[approval]` says for the tier that the program names, by a rule that outlives the one call', async () => {
    const { play } = player(
      () => asks(['look_up', { word: 'ox' }]),
      () => asks(['look_up', { word: 'ox' }]),
      () => asks(['look_up', { word: 'bow' }]),
    )
    await using fixture = await openFixture({ play })
    const client = { tools: [{ ...lookup, tier: 'privileged' as const }] }
    const turn = send(fixture, { text: 'Go.', client })
    const parked = await fixture.record(({ phase }) => phase === 'parked')
    const kept = await fixture.kernel.call('call.decide', { call: parked.call, allow: true, remember: { scope: 'call' } })
    assert.equal(kept.status, 'ok')
    assert.equal((await turn).calls.length, 1)
    assert.equal((await send(fixture, { text: 'Again.', client })).calls.length, 1)
    const other = send(fixture, { text: 'Another.', client })
    const again = await fixture.record(({ phase, call }) => phase === 'parked' && call !== parked.call)
    await fixture.kernel.approve(again.call, false)
    await other
  })

  void it('are refused where the policy denies the tier that the program names', async () => {
    const { requests, play } = player(
      () => asks(['look_up']),
      () => says('Then not.'),
    )
    await using fixture = await openFixture({ play, config: { approval: { privileged: 'deny' } } })
    assert.equal((await send(fixture, { text: 'Go.', client: { tools: [{ ...lookup, tier: 'privileged' }] } })).reply, 'Then not.')
    assert.match(JSON.stringify(requests[1]!.messages.at(-1)), /denied by the policy/)
  })

  void it('make a turn stricter than the policy: what changes something asks, or is refused', async () => {
    const ran: string[] = []
    const writes = testCall('file.write', async () => (ran.push('wrote'), done('wrote')))
    const reads = testCall('file.read', async () => (ran.push('read'), done('read')), { tier: 'read_only', right: 'file.read' })
    const { requests, play } = player(
      () => asks(['file_read'], ['file_write']),
      () => says('Not written.'),
      () => asks(['file_write']),
      () => says('Written.'),
    )
    await using fixture = await openFixture({ play, calls: [reads, writes] })
    await send(fixture, { text: 'Go.', client: { tools: [], caution: 'read_only' } })
    assert.deepEqual(ran, ['read'])
    assert.match(JSON.stringify(requests[1]!.messages.at(-1)), /sent read-only/)
    const turn = send(fixture, { text: 'Go.', client: { tools: [], caution: 'ask' } })
    const parked = await fixture.record(({ phase }) => phase === 'parked')
    assert.equal(parked.name, 'file.write')
    await fixture.kernel.approve(parked.call, true)
    assert.equal((await turn).reply, 'Written.')
  })

  void it('label the session by what they return', async () => {
    const { play } = player(() => asks(['look_up']))
    await using fixture = await openFixture({ play })
    const asked = await send(fixture, { text: 'Go.', client: tools() })
    await send(fixture, { results: [{ call: asked.calls[0].call, text: 'x' }] })
    const answer = await fixture.record(({ name, phase }) => name === 'client.answer' && phase === 'outcome')
    assert.deepEqual((answer.body as any).labels, ['untrusted'])
    assert.equal(String(answer.call), asked.calls[0].call)
  })

  void it('are answered once, whole, and before any other message; results of anything else are refused', async () => {
    const { play } = player(
      () => asks(['look_up'], ['look_up']),
      () => says('Well.'),
    )
    await using fixture = await openFixture({ play })
    const asked = await send(fixture, { text: 'Go.', client: tools() })
    const [one, two] = asked.calls.map(({ call }: any) => ({ call, text: 'x' }))
    const other = { call: `${newCallId()}.0` as typeof one.call, text: 'x' }
    for (const [results, message] of [
      [[one], /is missing/],
      [[one, two, other], /Nothing waits/],
      [[{ ...one, call: `${String(one.call).slice(0, -1)}5` }], /Nothing waits/],
    ] as const)
      await assert.rejects(send(fixture, { results: [...results] }), { code: 'bad_input', message })
    await send(fixture, { text: 'Never mind.' })
    await assert.rejects(send(fixture, { results: [one, two] }), { code: 'bad_input', message: /Nothing waits/ })
  })

  void it('may be answered after a restart', async () => {
    const store = await openMemoryStore({ user })
    const kept = { ...store, close: async () => {} }
    const { requests, play } = player(
      () => asks(['look_up']),
      () => says('Here.'),
    )
    const first = await openFixture({ play, store: kept })
    const asked = await send(first, { text: 'Go.', client: tools() })
    await first[Symbol.asyncDispose]()
    await using second = await openFixture({ play, store: kept, session: first.session })
    const results = [{ call: asked.calls[0].call, text: 'meaning' }]
    assert.equal((await send(second, { results })).reply, 'Here.')
    assert.equal(roles(requests[1]!), 'user assistant tool')
    await store.close()
  })

  void it('cannot be named like a call, whoever may make it, and need a name that is theirs', async () => {
    await using fixture = await openFixture()
    for (const name of ['session_list', 'turn_send', 'file.read', '', 'x'.repeat(65)])
      await assert.rejects(send(fixture, { text: 'Go.', client: { tools: [{ ...lookup, name }] } }), { code: 'bad_input' }, name)
    await assert.rejects(send(fixture, { text: 'Go.', client: { tools: [lookup, lookup] } }), { code: 'bad_input' })
    await assert.rejects(send(fixture, { text: '' }), { code: 'bad_input' })
  })
})
