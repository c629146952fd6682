/** Recovery inside one process: the store keeps what was committed, the kernel that wrote it is gone without a word. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { openMemoryStore, plainSession, type Store } from '../../store/index.ts'
import type { CallId, TurnId } from '../../base/index.ts'
import type { Done, Effect, GenerateRequest, ModelEvent } from '../../protocol/index.ts'
import { maxTurnCrashes } from './recovery.ts'
import { asks, done, type Fixture, inOrder, newCallId, openFixture, says, testCall, user } from '../kernel-fixture.ts'

/** A store whose process dies after `appends` commits: later ones never come back. */
function dyingStore(store: Store, appends: number, died: () => void): Store {
  let left = appends
  return Object.assign(Object.create(store), {
    close: async () => {},
    append: (append: Parameters<Store['append']>[0]) => {
      if (left-- > 0) return store.append(append)
      // What was let through is in the store before anybody looks.
      void store.append({ records: [] }).then(died, () => {})
      return new Promise(() => {})
    },
  }) as Store
}

/** A store whose process dies before it writes how a turn ended. */
function dyingBeforeTheEnd(store: Store, died: () => void, over: Promise<never>): Store {
  return Object.assign(Object.create(store), {
    close: async () => {},
    append(append: Parameters<Store['append']>[0]) {
      if (!append.records.some(({ name, phase }) => name === 'turn.send' && phase === 'outcome')) return store.append(append)
      void store.append({ records: [] }).then(died, () => {})
      return over
    },
  }) as Store
}

/** The dead guest shares this process, which its time limits would keep alive: what it waits for comes when there is no store. */
async function leave(living: Fixture, release: () => void): Promise<void> {
  await living.kernel.close()
  release()
}

async function crashDuring(effect: Effect): Promise<{ requests: GenerateRequest[]; runs: number; reply: unknown }> {
  const store = await openMemoryStore({ user })
  const begun = Promise.withResolvers<void>()
  const over = Promise.withResolvers<Done<unknown>>()
  let runs = 0
  const dying = testCall('test.act', () => (runs++, begun.resolve(), over.promise), { effect })
  const first = await openFixture({ play: inOrder(asks(['test_act'])), calls: [dying], store: dyingStore(store, Infinity, () => {}) })
  void first.turn('act')
  await begun.promise
  // A `none` intent rides along: let it reach the store.
  await store.append({ records: [] })

  const requests: GenerateRequest[] = []
  const living = testCall('test.act', async () => done(`run ${++runs}`), { effect })
  const play = (request: GenerateRequest) => (requests.push(request), says('recovered'))
  await using second = await openFixture({ play, calls: [living], store, session: first.session })
  const outcome = await second.record((record) => record.name === 'turn.send' && record.phase === 'outcome')
  assert.deepEqual(await store.openIntents(), [])
  await leave(second, () => over.resolve(done('late')))
  return { requests, runs, reply: (outcome.body as { reply: string }).reply }
}

test('a turn of a deleted session is dropped, and does not make the guest read-only', async () => {
  const store = await openMemoryStore({ user })
  const first = await openFixture({ store: Object.assign(Object.create(store), { close: async () => {} }) as Store })
  const { session } = first
  await first.kernel.close()
  const call = newCallId()
  const body = JSON.stringify({ input: { text: 'late' }, effect: 'idempotent' })
  const sent = {
    at: 1,
    actor: `user:${user}`,
    session,
    turn: call as string as TurnId,
    call,
    name: 'turn.send',
    phase: 'intent',
    body,
  } as const
  const row = { ...plainSession, id: session, title: '', createdAt: 1, activeAt: 1, deleted: 2 }
  await store.append({ records: [sent], projections: [{ kind: 'session', session: row }] })

  await using second = await openFixture({ store })
  assert.equal(second.kernel.status().read_only, null)
  assert.equal(
    (await store.openIntents()).some((record) => record.call === call),
    false,
  )
})

test('a merged message ends after a crash even if its turn is over, and its session is free again', async () => {
  const store = await openMemoryStore({ user })
  const first = await openFixture({ store: Object.assign(Object.create(store), { close: async () => {} }) as Store })
  const { session } = first
  await first.turn('Look at the files.')
  const [{ call: over } = { call: newCallId() }] = await store.records({
    session,
    phases: ['started'],
    order: 'oldest_first',
    limit: 1,
    hydrate: false,
  })
  await first.kernel.close()
  const call = newCallId()
  const sent = { at: 1, actor: `user:${user}`, session, turn: over as string as TurnId, call, name: 'turn.send' } as const
  const [input, into] = [{ text: 'Be quick.' }, sent.turn]
  await store.append({
    records: [
      { ...sent, phase: 'intent', body: JSON.stringify({ input, effect: 'idempotent' }) },
      { ...sent, phase: 'started', body: JSON.stringify({ ...input, into }) },
    ],
  })

  await using second = await openFixture({ store, session })
  const { body } = await second.record((record) => record.call === call && record.phase === 'outcome')
  assert.deepEqual([(body as { status: string }).status, (body as { into: string }).into], ['merged', into])
  assert.equal((await second.kernel.listSessions(1))[0]?.busy, false)
})

test('after a crash a safe call is run again under its intent and the turn ends', async () => {
  for (const effect of ['none', 'idempotent'] as const) {
    const { requests, runs, reply } = await crashDuring(effect)
    assert.deepEqual([runs, reply, requests.length], [2, 'recovered', 1])
    const [part] = requests[0]!.messages.at(-1)!.parts
    assert.equal(part?.type === 'tool_result' && part.text, 'run 2')
  }
})

test('after a crash a once effect is not repeated and the model reads that its outcome is unknown', async () => {
  const { requests, runs, reply } = await crashDuring('once')
  assert.deepEqual([runs, reply], [1, 'recovered'])
  const [part] = requests[0]!.messages.at(-1)!.parts
  assert.match(part?.type === 'tool_result' ? part.text : '', /outcome_unknown.*It was not repeated/)
})

test('a generation interrupted by a crash costs its reservation, and is requested again', async () => {
  const store = await openMemoryStore({ user })
  const begun = Promise.withResolvers<void>()
  const over = Promise.withResolvers<never[]>()
  async function* silent() {
    begun.resolve()
    yield await over.promise
  }
  const config = { model: { max_output_tokens: 50 } }
  const first = await openFixture({ play: silent, config, store: dyingStore(store, Infinity, () => {}) })
  void first.turn('hi')
  await begun.promise
  await store.append({ records: [] })
  await using second = await openFixture({ play: () => says('again'), config, store, session: first.session })
  await second.record((record) => record.name === 'turn.send' && record.phase === 'outcome')
  const records = await store.records({ order: 'oldest_first', limit: 100, hydrate: true })
  const bodies = records.map(
    (record) => JSON.parse(record.body) as { reserved?: { tokens: number }; spent?: { tokens: number }; status?: string },
  )
  const reserved = bodies.find((body) => body.reserved !== undefined)!.reserved!.tokens
  const spent = bodies.flatMap((body) => (body.spent === undefined ? [] : [body.spent.tokens]))
  assert.deepEqual(spent, [reserved, 120])
  assert.equal((await store.spent(`user:${user}`)).tokens, reserved + 120)
  await leave(second, () => over.resolve([]))
})

test('a truncated answer does not count as complete after a crash before the end of its turn', async () => {
  const usage = { inputTokens: 100, outputTokens: 20, estimated: false }
  const text: readonly ModelEvent[] = [{ type: 'text', text: 'Once upon' }]
  const length: readonly ModelEvent[] = [{ type: 'finish', reason: 'length', usage }]
  const failure = { code: 'model_unreachable', message: 'It went away.', hint: 'Wait.' } as const
  const cases = [
    { name: 'cut', batches: [text, length], status: 'ok', code: 'limit_reached' },
    { name: 'cut before it said anything', batches: [length], status: 'limit', code: 'limit_reached' },
    { name: 'broken', batches: [text, [{ type: 'error', failure, usage }]], status: 'failed', code: 'model_unreachable' },
    { name: 'cancelled', batches: [text], status: 'cancelled', code: 'cancelled' },
    { name: 'whole', batches: [text, [{ type: 'finish', reason: 'stop', usage }]], status: 'ok', code: undefined },
  ] as const
  for (const { name, batches, status, code } of cases) {
    const store = await openMemoryStore({ user })
    const died = Promise.withResolvers<void>()
    async function* play(_: GenerateRequest, signal: AbortSignal): AsyncGenerator<readonly ModelEvent[]> {
      yield* batches
      if (name !== 'cancelled') return
      await once(signal, 'abort')
      yield [{ type: 'error', failure: { code: 'cancelled', message: 'stopped', hint: '' }, usage }]
    }
    const over = Promise.withResolvers<never>()
    const first = await openFixture({ play, store: dyingBeforeTheEnd(store, died.resolve, over.promise) })
    void first.turn('tell me')
    if (name === 'cancelled') await first.event('delta').then(() => first.kernel.cancelTurn(first.session))
    await died.promise
    await using second = await openFixture({ play: () => assert.fail('asked again'), store, session: first.session })
    const { body } = await second.record((record) => record.name === 'turn.send' && record.phase === 'outcome')
    const ended = body as { status: string; reply: string; failure: { code: string } | null }
    assert.deepEqual([ended.status, ended.failure?.code], [status, code], name)
    if (name !== 'cut before it said anything') assert.match(ended.reply, /Once upon/)
    over.reject(new Error('dead'))
    await first.kernel.close()
  }
})

/** Answers of two connections to a server come in any order. */
function slowToTellOf(call: CallId, store: Store): Store {
  const records: Store['records'] = async (query) => {
    const found = await store.records(query)
    for (let i = 0; i < 20 && query.call === call; i++) await new Promise(setImmediate)
    return found
  }
  return Object.assign(Object.create(store), { records }) as Store
}

test('a turn interrupted by a crash continues before the messages that waited for it', async () => {
  const store = await openMemoryStore({ user })
  const asked = Promise.withResolvers<void>()
  const over = Promise.withResolvers<never>()
  async function* silent(): AsyncGenerator<readonly ModelEvent[]> {
    asked.resolve()
    yield await over.promise
  }
  const first = await openFixture({ play: silent, store: dyingStore(store, Infinity, () => {}) })
  const { session, kernel } = first
  const [one, two] = [newCallId(), newCallId()]
  await kernel.sendTurn({ session, clientId: one, text: 'one' })
  await asked.promise
  await kernel.sendTurn({ session, clientId: two, text: 'two' })

  await using second = await openFixture({ play: () => says('answered'), store: slowToTellOf(one, store), session })
  const end = await second.record(({ call, phase }) => call === one && phase === 'outcome')
  const began = await second.record(({ call, phase }) => call === two && phase === 'started')
  assert.ok((began.body as { into?: string }).into === one || began.seq > end.seq, 'the first message is answered by its own turn')
  over.reject(new Error('dead'))
  await kernel.close()
})

test('a turn that crashed too often is not run again, whatever else it has noted since', async () => {
  const store = await openMemoryStore({ user })
  const [asked, over] = [Promise.withResolvers<void>(), Promise.withResolvers<never>()]
  async function* silent(): AsyncGenerator<readonly ModelEvent[]> {
    asked.resolve()
    yield await over.promise
  }
  const { kernel, session } = await openFixture({ play: silent, store: dyingStore(store, Infinity, () => {}) })
  const id = newCallId()
  await kernel.sendTurn({ session, clientId: id, text: 'one' })
  await asked.promise
  const of = { at: 0, actor: 'user:ada', session, turn: id, call: id, phase: 'exchange' } as any
  const interrupted = { ...of, name: 'turn.interrupted', body: JSON.stringify({ crashes: maxTurnCrashes }) }
  await store.append({ records: [interrupted, { ...of, name: 'event.turn_waits', body: '{}' }] })
  await using second = await openFixture({ play: () => says('answered'), store, session })
  const { body } = await second.record(({ call, phase }) => call === id && phase === 'outcome')
  assert.match(JSON.stringify(body), /crashed every time/)
  await leave(second, () => over.reject(new Error('dead')))
})

test('a merged message ends with its turn, also when recovery finds the turn after it', async () => {
  const store = await openMemoryStore({ user })
  const asked = Promise.withResolvers<void>()
  const over = Promise.withResolvers<never>()
  const steps = [asks(['test_read'])]
  async function* silent(): AsyncGenerator<readonly ModelEvent[]> {
    asked.resolve()
    yield await over.promise
  }
  const [one, two] = [newCallId(), newCallId()]
  const read = testCall('test.read', async () => (await first.kernel.sendTurn({ session, clientId: two, text: 'two' }), done('read')))
  const first = await openFixture({ play: () => steps.shift() ?? silent(), calls: [read], store: dyingStore(store, Infinity, () => {}) })
  const { session } = first
  await first.kernel.sendTurn({ session, clientId: one, text: 'one' })
  await asked.promise
  await store.append({ records: [] })

  await using second = await openFixture({ play: () => says('both'), calls: [read], store: slowToTellOf(one, store), session })
  const ends = [one, two].map(async (sent) => (await second.record(({ call, phase }) => call === sent && phase === 'outcome')).body)
  assert.deepEqual(
    (await Promise.all(ends)).map((body) => (body as { status: string }).status),
    ['ok', 'merged'],
  )
  over.reject(new Error('dead'))
  await first.kernel.close()
})

test('a turn that a person cancelled ends as cancelled even if the guest dies while stopping it', async () => {
  const store = await openMemoryStore({ user })
  const begun = Promise.withResolvers<void>()
  const over = Promise.withResolvers<never>()
  const deaf = testCall('test.act', () => (begun.resolve(), over.promise))
  const first = await openFixture({ play: inOrder(asks(['test_act'])), calls: [deaf], store: dyingStore(store, Infinity, () => {}) })
  void first.turn('act')
  await begun.promise
  assert.equal(await first.kernel.cancelTurn(first.session), true)

  const again = testCall('test.act', () => assert.fail('made again'))
  await using second = await openFixture({ play: () => assert.fail('asked'), calls: [again], store, session: first.session })
  const { body } = await second.record((record) => record.name === 'turn.send' && record.phase === 'outcome')
  assert.equal((body as { status: string }).status, 'cancelled')
  assert.deepEqual(await store.openIntents(), [])
  over.reject(new Error('dead'))
  await first.kernel.close()
})

test('calls that a crash left open are closed with a turn that ends before resuming them', async () => {
  for (const end of ['cancelled', 'failed'] as const) {
    const store = await openMemoryStore({ user })
    const [begun, asked, told] = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const over = Promise.withResolvers<never>()
    const deaf = testCall('test.act', () => (begun.resolve(), over.promise))
    const first = await openFixture({ play: inOrder(asks(['test_act'])), calls: [deaf], store: dyingStore(store, Infinity, () => {}) })
    void first.turn('act')
    await begun.promise

    const history: Store['history'] = async (...query) => {
      asked.resolve()
      await told.promise
      if (end === 'failed') throw new Error('cannot be read')
      return store.history(...query)
    }
    const again = testCall('test.act', () => assert.fail('made again'))
    const slow = Object.assign(Object.create(store), { history }) as Store
    await using second = await openFixture({ play: () => assert.fail('asked'), calls: [again], store: slow, session: first.session })
    await asked.promise
    if (end === 'cancelled') assert.equal(await second.kernel.cancelTurn(first.session), true)
    told.resolve()
    const outcome = await second.record((record) => record.name === 'turn.send' && record.phase === 'outcome')
    const closed = await second.record((record) => record.name === 'test.act' && record.phase === 'reconciled')
    assert.equal((outcome.body as { status: string }).status, end)
    assert.ok(closed.seq < outcome.seq, 'a result stands before what was said about it')
    assert.deepEqual(await store.openIntents(), [])
    over.reject(new Error('dead'))
    await first.kernel.close()
  }
})

test('a call that is approved after ten restarts needs no second approval when its guest dies while running it', async () => {
  const store = await openMemoryStore({ user })
  const lasting = Object.assign(Object.create(store), { close: async () => {} }) as Store
  const config = { approval: { calls: { 'test.act': 'ask' } } }
  const over = Promise.withResolvers<never>()
  const begun = Promise.withResolvers<void>()
  const calls = [testCall('test.act', () => (begun.resolve(), over.promise))]
  const first = await openFixture({ play: inOrder(asks(['test_act'])), calls, config, store: lasting })
  void first.turn('act')
  let { call, seq } = await first.record(({ phase }) => phase === 'parked')
  await first.kernel.close()
  const { session } = first
  for (let start = 0; start < 10; start++) {
    const next = await openFixture({ calls, config, store: lasting, session })
    ;({ seq } = await next.record((record) => record.phase === 'parked' && record.seq > seq))
    await next.kernel.close()
  }
  const dying = await openFixture({ calls, config, store: dyingStore(store, Infinity, () => {}), session })
  await dying.record((record) => record.phase === 'parked' && record.seq > seq)
  await dying.kernel.approve(call, true)
  await begun.promise

  const living = [testCall('test.act', async () => done('ran'))]
  await using last = await openFixture({ play: () => says('done'), calls: living, config, store, session })
  await last.event('record', ({ record }) => record.name === 'turn.send' && record.phase === 'outcome')
  const ofCall = await store.records({ call, order: 'oldest_first', limit: 100, hydrate: false })
  assert.deepEqual(
    ofCall.slice(12).map(({ phase }) => phase),
    ['decided', 'intent', 'outcome'],
  )
  await leave(last, () => over.reject(new Error('dead')))
})

test('after whichever commit a guest dies, the next one finishes its turn with every message exactly once', async () => {
  for (let appends = 2; appends < 40; appends++) {
    const store = await openMemoryStore({ user })
    const died = Promise.withResolvers<void>()
    const calls = [
      testCall('test.act', async () => done('acted'), { effect: 'once' }),
      testCall('test.read', async () => done('read'), { effect: 'none', tier: 'read_only' }),
    ]
    const play = (request: GenerateRequest) => {
      const results = request.messages.filter((message) => message.role === 'tool').length
      return results === 0 ? asks(['test_read'], ['test_act']) : says('done')
    }
    const first = await openFixture({ play, calls, store: dyingStore(store, appends, died.resolve) })
    const turn = first.turn('act').then(() => died.resolve())
    await died.promise
    const finished = (await store.openIntents()).length === 0

    await using second = await openFixture({ play, calls, store, session: first.session })
    const accepted = (await store.records({ order: 'oldest_first', limit: 100, hydrate: false })).some(
      (record) => record.name === 'turn.send',
    )
    if (accepted) await second.record((record) => record.name === 'turn.send' && record.phase === 'outcome')
    const records = await store.records({ session: first.session, order: 'oldest_first', limit: 100, hydrate: true })
    assert.equal(records.filter((record) => record.phase === 'started').length, accepted ? 1 : 0, `after ${appends} appends`)
    assert.equal(records.filter((record) => record.name === 'test.act' && record.phase === 'intent').length <= 1, true)
    assert.deepEqual(await store.openIntents(), [])
    if (finished && accepted) {
      await turn
      return
    }
  }
  assert.fail('the turn never ended')
})
