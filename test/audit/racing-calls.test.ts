/** Two or more who ask for the same call at once: each call begins and ends once, whoever races, and the journal stays whole. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import OpenAI from 'openai'
import { createToken, type Gateway, startGateway } from '../../src/gateway/index.ts'
import { type FakeTerminal, openTerminal } from '../../src/gateway/gateway-fixture.ts'
import { verifyJournal } from '../../src/services/index.ts'
import { openGraphs } from '../../src/services/graphs/graph-fixture.ts'
import {
  asks,
  done,
  type Fixture,
  type FixtureOptions,
  newCallId,
  openFixture,
  says,
  testCall,
  user,
} from '../../src/kernel/kernel-fixture.ts'
import { openMemoryStore, type Store } from '../../src/store/index.ts'
import { type CallId, type Clock, type Json, systemClock, systemRandom } from '../../src/base/index.ts'
import type { JournalRecord } from '../../src/protocol/index.ts'
import { scaled } from '../support/scale.ts'

/** A name that the compiler does not know: of a call that only this test has. */
const testActName: string = 'test.act'

const rounds = scaled(40, 5)

interface Bench extends AsyncDisposable {
  readonly fixture: Fixture
  readonly http: string
  readonly token: string
  /** A connection over WebSocket of its own. */
  terminal(): Promise<FakeTerminal>
  post(path: string, body: object, headers?: Readonly<Record<string, string>>): Promise<{ readonly status: number; readonly body: any }>
}

/** A kernel behind a real gateway. @param opened serves this kernel instead of a new one */
async function openBench(options: FixtureOptions = {}, opened?: Fixture): Promise<Bench> {
  const fixture = opened ?? (await openFixture(options))
  const token = createToken(systemRandom)
  const gateway: Gateway = await startGateway({ kernel: fixture.kernel, host: '127.0.0.1', port: 0, token, requests_per_minute: 100_000 })
  const http = gateway.url.replace('ws:', 'http:').replace('/ws', '')
  return {
    fixture,
    http,
    token,
    terminal: () => openTerminal(gateway.url, token),
    async post(path, body, headers = {}) {
      const all = { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers }
      const answer = await fetch(`${http}${path}`, { method: 'POST', headers: all, body: JSON.stringify(body) })
      return { status: answer.status, body: await answer.json() }
    },
    async [Symbol.asyncDispose]() {
      await gateway.close()
      await fixture[Symbol.asyncDispose]()
    },
  }
}

const read = (store: Store): Promise<readonly JournalRecord[]> =>
  store.records({ after: 0, order: 'oldest_first', limit: 10_000, hydrate: true })

/** Every call has one beginning and at most one end, and an audit finds nothing. @returns all records */
async function assertWhole({ kernel, store }: Pick<Fixture, 'kernel' | 'store'>): Promise<readonly JournalRecord[]> {
  // Its own records come after all that is still to be written.
  await kernel.call('audit.status', {})
  const records = await read(store)
  for (const [what, phases] of Object.entries({ begins: ['intent'], ends: ['outcome', 'reconciled'] })) {
    const calls = records.filter(({ phase }) => phases.includes(phase)).map(({ call }) => call)
    const twice = calls.filter((call, at) => calls.indexOf(call) !== at)
    assert.deepEqual(twice, [], `a call that ${what} twice`)
  }
  const { ok, first_bad: bad, projections, repeated } = await verifyJournal(store, { seal: null })
  assert.deepEqual([ok, bad, projections, repeated.records], [true, null, [], 0])
  return records
}

async function ended({ store }: Fixture, call: CallId): Promise<void> {
  while ((await store.records({ call, phases: ['outcome'], order: 'oldest_first', limit: 1, hydrate: false })).length === 0)
    await new Promise(setImmediate)
}

async function outputOf<Output = any>({ kernel }: Pick<Fixture, 'kernel'>, name: string, input: Json): Promise<Output> {
  const outcome = await kernel.call(name, input)
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as unknown as { output: Output }).output
}

test('a session and a message that two terminals send with one id, or two programs with one Idempotency-Key, come about once', async () => {
  await using bench = await openBench()
  const { fixture, post } = bench
  const terminals = await Promise.all([bench.terminal(), bench.terminal()])
  for (let round = 0; round < rounds; round += 1) {
    const [session, id] = [newCallId(), newCallId()]
    const created = await Promise.all(terminals.map((terminal) => terminal.ask('create_session', { client_id: session })))
    assert.deepEqual(
      created.map(({ payload }) => (payload as { result?: { id: string } }).result?.id),
      [session, session],
    )
    const key = { 'idempotency-key': `k${round}` }
    const [sent, posted] = await Promise.all([
      Promise.all(terminals.map((terminal) => terminal.ask('send_turn', { session, client_id: id, text: 'hi' }))),
      Promise.all([1, 2].map(() => post(`/api/v1/sessions/${session}/messages`, { text: 'by HTTP' }, key))),
    ])
    const acks = sent.map(({ payload }) => payload as { duplicate?: boolean; turn?: string })
    assert.deepEqual([acks.map(({ turn }) => turn), acks.filter(({ duplicate }) => duplicate === false).length], [[id, id], 1])
    assert.equal(new Set(posted.map(({ body }) => body.turn)).size, 1)
    await ended(fixture, id)
  }
  for (const { socket } of terminals) socket.terminate()
  const records = await assertWhole(fixture)
  assert.equal(records.filter(({ name, phase }) => name === 'turn.send' && phase === 'intent').length, rounds * 2)
})

test('of approvers who decide at once one is heard, and the call runs once or not at all', async () => {
  let runs = 0
  const act = testCall('test.act', async () => (runs++, done('did it')), { tier: 'privileged', effect: 'once' })
  const play: FixtureOptions['play'] = ({ messages }) =>
    messages.at(-1)?.parts.some(({ type }) => type === 'tool_result') === true ? says('over') : asks(['test_act'])
  await using bench = await openBench({ calls: [act], play, config: { approval: { mode: 'manual' } } })
  const { fixture } = bench
  const terminals = await Promise.all([bench.terminal(), bench.terminal(), bench.terminal()])
  let allowed = 0
  for (let round = 0; round < rounds; round += 1) {
    const turn = newCallId()
    await terminals[0].ask('send_turn', { session: fixture.session, client_id: turn, text: 'act' })
    const { call } = await fixture.record((record) => record.turn === String(turn) && record.phase === 'parked')
    // Whoever is first: one of three, of whom one says no.
    await Promise.all(
      terminals.map((_, at) => terminals[(at + round) % terminals.length]!.ask('approve', { call, allow: (at + round) % 3 !== 0 })),
    )
    await fixture.record((record) => record.call === turn && record.phase === 'outcome')
    const past = (await read(fixture.store)).filter((record) => record.call === call)
    const decided = past.filter(({ phase }) => phase === 'decided').map(({ body }) => (JSON.parse(body) as { allow: boolean }).allow)
    assert.equal(decided.length, 1, 'one decision')
    allowed += decided[0] === true ? 1 : 0
    assert.equal(past.filter(({ phase }) => phase === 'outcome').length, decided[0] === true ? 1 : 0)
  }
  for (const { socket } of terminals) socket.terminate()
  assert.equal(runs, allowed)
  await assertWhole(fixture)
})

test('a cancellation that races with the end of a turn leaves one end of it', async () => {
  let answer = Promise.withResolvers<void>()
  async function* play() {
    await answer.promise
    yield* says('done')
  }
  await using bench = await openBench({ play })
  const { fixture } = bench
  const { session } = fixture
  const terminals = await Promise.all([bench.terminal(), bench.terminal()])
  for (let round = 0; round < rounds; round += 1) {
    answer = Promise.withResolvers()
    const turn = newCallId()
    await terminals[0].ask('send_turn', { session, client_id: turn, text: 'hi' })
    const cancels = terminals.map((terminal) => terminal.ask('cancel_turn', { session }))
    // At once, and after the cancellation has gone through some of the gate.
    for (let ticks = 0; ticks < round % 5; ticks += 1) await new Promise(setImmediate)
    answer.resolve()
    await Promise.all(cancels)
    await fixture.record(({ call, phase }) => call === turn && phase === 'outcome')
  }
  for (const { socket } of terminals) socket.terminate()
  const records = await assertWhole(fixture)
  assert.equal(records.filter(({ name, phase }) => name === 'turn.send' && phase === 'outcome').length, rounds)
})

test('responses of the OpenAI interface with one Idempotency-Key are one turn, read by many at once', async () => {
  await using bench = await openBench()
  const { fixture, http, token } = bench
  const client = new OpenAI({ apiKey: token, baseURL: `${http}/v1`, maxRetries: 0 })
  for (let round = 0; round < rounds; round += 1) {
    const key = `key ${round}`.replace(' ', '-')
    const made = await Promise.all(
      [1, 2, 3].map(() => client.responses.create({ model: 'oxbow', input: 'hi' }, { headers: { 'idempotency-key': key } })),
    )
    assert.deepEqual(new Set(made.map(({ id }) => id)).size, 1)
    const background = await client.responses.create({ model: 'oxbow', input: 'later', background: true })
    await Promise.all([1, 2, 3].map((at) => (at === 1 ? client.responses.cancel(background.id) : client.responses.retrieve(background.id))))
  }
  const records = await assertWhole(fixture)
  assert.equal(records.filter(({ name, phase }) => name === 'turn.send' && phase === 'intent').length, rounds * 2)
})

test('a run of a graph that several watch, decide on and cancel at once has one end for each of its nodes', async () => {
  const note = testCall('test.note', async () => done('noted'), { effect: 'once' })
  const fields = 'type = "call"\ncall = "test.note"\ninput = {}'
  const toml = `start = "a"\n[nodes.a]\n${fields}\nnext = "b"\n[nodes.b]\n${fields}\nnext = "end"\n[nodes.end]\ntype = "end"\n`
  await using guest = await openGraphs({ 'graphs/g': toml }, { calls: [note] })
  for (let round = 0; round < rounds; round += 1) {
    const id = newCallId()
    const begun = await Promise.all([1, 2].map(() => guest.kernel.call('graph.run', { graph: 'g', input: {}, wait: false }, undefined, id)))
    const [first] = begun
    assert.equal(first?.status, 'ok', JSON.stringify(begun))
    const { id: run } = (first as unknown as { output: { id: string } }).output
    await Promise.all([
      guest.ended(run),
      guest.ended(run),
      ...(round % 2 === 0 ? [] : [1, 2].map(() => guest.kernel.call('graph.cancel', { run }))),
    ])
  }
  await assertWhole(guest)
})

test('readers who ask over MCP for the result of one call leave one end of it and of its release', async () => {
  const page = testCall('test.page', async () => done('what others wrote'), {
    labels: { adds: ['untrusted', 'private'], sink: false },
    tier: 'read_only',
    right: 'file.read',
    effect: 'none',
  })
  await using bench = await openBench({ calls: [page] })
  const { fixture, http } = bench
  const { key } = await outputOf<{ key: string }>(fixture, 'key.create', { name: 'reader', rights: ['file.read'] })
  const requestInit = { headers: { authorization: `Bearer ${key}` } }
  const programs = await Promise.all(
    [1, 2, 3].map(async () => {
      const program = new Client({ name: 'a program', version: '1' })
      await program.connect(new StreamableHTTPClientTransport(new URL(`${http}/mcp`), { requestInit }))
      return program
    }),
  )
  for (let round = 0; round < rounds; round += 1) {
    const { _meta: meta } = await programs[0]!.callTool({ name: 'test_page', arguments: {} })
    const { 'oxbow/call': call } = meta as Record<string, string>
    const ask = (waitS: number) =>
      programs.flatMap((program) => [1, 2].map(() => program.callTool({ name: 'call_result', arguments: { call, wait_s: waitS } })))
    await Promise.all(ask(0))
    const decide = () => fixture.kernel.call('call.decide', { call: `${call}.reply`, allow: true })
    const [told] = await Promise.all([...ask(10), decide(), decide()])
    assert.match(JSON.stringify(told), /what others wrote/)
    await Promise.all(ask(0))
  }
  const records = await assertWhole(fixture)
  const released = records.filter(({ name }) => name === 'client.reply').map(({ phase }) => phase)
  for (const phase of ['parked', 'decided', 'intent', 'outcome'])
    assert.equal(released.filter((each) => each === phase).length, rounds, phase)
  await Promise.all(programs.map((program) => program.close()))
})

test('two guests of one store run what is due once', async () => {
  const store = Object.assign(Object.create(await openMemoryStore({ user })), { close: async () => {} }) as Store
  let ahead = 0
  const clock: Clock = { now: () => Date.now() + ahead, monotonicMs: systemClock.monotonicMs }
  await using one = await openFixture({ store, clock })
  const cadence = { type: 'interval', every_s: 3_600 }
  const { id } = await outputOf<{ id: string }>(one, 'schedule.create', { name: 'Report', goal: 'Say what is new.', cadence })
  await using two = await openFixture({ store, clock, session: one.session })
  const look = (guest: Fixture): Promise<unknown> => guest.kernel.call('schedule.edit', { id, name: 'Report' })
  const runs = async (): Promise<number> =>
    (await read(store)).filter(({ name, phase }) => name === 'turn.send' && phase === 'outcome').length
  for (let round = 0; round < rounds; round += 1) {
    ahead += 3_600_000
    await Promise.all([look(one), look(two)])
    while ((await runs()) <= round) await new Promise(setImmediate)
  }
  const records = await assertWhole(one)
  assert.equal(records.filter(({ name, phase }) => name === 'turn.send' && phase === 'intent').length, rounds)
})

test('a guest that recovers a call while the one before is still ending it leaves one end', async () => {
  for (let round = 0; round < rounds; round += 1) {
    const store = Object.assign(Object.create(await openMemoryStore({ user })), { close: async () => {} }) as Store
    const over = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const act = testCall('test.act', async () => (begun.resolve(), await over.promise, done('done')), { effect: 'once' })
    const first = await openFixture({ store, calls: [act] })
    const call = newCallId()
    const acting = first.kernel.call(testActName, {}, undefined, call)
    await begun.promise
    const opening = openFixture({ store, calls: [act], session: first.session })
    for (let ticks = 0; ticks < round % 5; ticks += 1) await new Promise(setImmediate)
    over.resolve()
    const [outcome, second] = await Promise.all([acting, opening])
    const ends = (await assertWhole(second)).filter((record) => record.call === call && record.phase !== 'intent')
    assert.equal(ends.length, 1)
    // Whoever has asked hears what is recorded.
    assert.equal(outcome.status, ends[0]!.phase === 'outcome' ? 'ok' : 'unknown')
    await Promise.all([first, second].map((each) => each.kernel.close()))
  }
})
