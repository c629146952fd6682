/** How many turns run at once, who is next, and what cancelling all of them ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { services } from '../../services/index.ts'
import type { CallId, SessionId } from '../../base/index.ts'
import type { ModelEvent } from '../../protocol/index.ts'
import { openMemoryStore, type Store } from '../../store/index.ts'
import { asks, done, type Fixture, newCallId, openFixture, says, testCall, user } from '../kernel-fixture.ts'
import type { Core, Service } from '../service.ts'

interface Running {
  readonly text: string
  answer(): void
}

/** A model that answers when the test has it answer. */
function slowModel() {
  const running: Running[] = []
  const waiting: ((next: Running) => void)[] = []
  const begun: Running[] = []
  return {
    running,
    /** The next generation that has begun. */
    next: (): Promise<Running> => new Promise((resolve) => (begun.length > 0 ? resolve(begun.shift()!) : void waiting.push(resolve))),
    async *play(
      { messages }: { readonly messages: readonly { readonly parts: readonly object[] }[] },
      signal: AbortSignal,
    ): AsyncGenerator<readonly ModelEvent[]> {
      const text = JSON.stringify(messages.at(-1)!.parts)
      const answered = Promise.withResolvers<void>()
      const one: Running = { text, answer: answered.resolve }
      running.push(one)
      const look = waiting.shift()
      if (look === undefined) begun.push(one)
      else look(one)
      await Promise.race([answered.promise, new Promise((resolve) => signal.addEventListener('abort', resolve))])
      running.splice(running.indexOf(one), 1)
      if (!signal.aborted) yield* says(`answer to ${text}`)
    },
  }
}

interface Sent {
  readonly session: SessionId
  readonly ended: Promise<string>
  readonly progress: string[]
}

async function send({ kernel }: Fixture, text: string, to?: SessionId): Promise<Sent> {
  const session = to ?? (await kernel.createSession(text)).id
  const ended = Promise.withResolvers<string>()
  const progress: string[] = []
  const clientId = newCallId()
  await kernel.follow(session, 0, (event) => {
    if (event.type === 'progress') progress.push(event.output ?? '')
    if (event.type !== 'record') return
    const { name, phase, call, body } = event.record
    if (name === 'turn.send' && phase === 'outcome' && call === clientId) ended.resolve((body as { status: string }).status)
  })
  await kernel.sendTurn({ session, clientId, text })
  return { session, ended: ended.promise, progress }
}

test('turns over the limit wait in the order in which they came, and their sessions hear of it', async () => {
  const model = slowModel()
  await using fixture = await openFixture({ play: model.play, config: { turn: { max_running: 2 } } })
  const first = await send(fixture, 'one')
  const second = await send(fixture, 'two')
  const begun = [await model.next(), await model.next()]
  const third = await send(fixture, 'three')
  const fourth = await send(fixture, 'four')
  assert.deepEqual(
    [third.progress, fourth.progress],
    [['Waiting: 2 turns are running (turn.max_running).'], ['Waiting: 2 turns are running (turn.max_running).']],
  )
  assert.deepEqual(first.progress, [])
  begun[1]!.answer()
  assert.equal(await second.ended, 'ok')
  assert.match((await model.next()).text, /three/)
  assert.equal(model.running.length, 2)
  begun[0]!.answer()
  assert.equal(await first.ended, 'ok')
  assert.match((await model.next()).text, /four/)
  for (const one of model.running) one.answer()
  assert.deepEqual(await Promise.all([third.ended, fourth.ended]), ['ok', 'ok'])
})

test('a turn that waits for a person lends its place, and goes on at once', async () => {
  const model = slowModel()
  let step = 0
  const act = testCall('test.act', async () => done('acted'), { tier: 'privileged' })
  await using fixture = await openFixture({
    play: (request, signal) => (step++ === 0 ? asks(['test_act']) : model.play(request, signal)),
    calls: [act],
    config: { turn: { max_running: 1 }, agent: { rights: ['file.write'] } },
  })
  const asking = await send(fixture, 'act')
  const parked = await new Promise<string>((resolve) => {
    void fixture.kernel.follow(asking.session, 0, (event) => {
      if (event.type === 'record' && event.record.phase === 'parked') resolve(event.record.call)
    })
  })
  const other = await send(fixture, 'other')
  const running = await model.next()
  assert.match(running.text, /other/)
  await fixture.kernel.approve(parked as never, true)
  const resumed = await model.next()
  assert.equal(model.running.length, 2, 'it does not wait for a place that it had')
  resumed.answer()
  running.answer()
  assert.deepEqual(await Promise.all([asking.ended, other.ended]), ['ok', 'ok'])
})

test('cancelling one session ends its waiting turn; cancelling all ends every turn and drops what waits', async () => {
  const model = slowModel()
  await using fixture = await openFixture({ play: model.play, config: { turn: { max_running: 1 } } })
  const first = await send(fixture, 'one')
  await model.next()
  const second = await send(fixture, 'two')
  assert.equal(await fixture.kernel.cancelTurn(second.session), true)
  assert.equal(await second.ended, 'cancelled')
  const third = await send(fixture, 'three')
  const more = await send(fixture, 'more', third.session)
  const outcome = await fixture.kernel.call('turn.cancel_all', {})
  assert.deepEqual(outcome.status === 'ok' && outcome.output, { cancelled: 3 })
  assert.deepEqual(await Promise.all([first.ended, third.ended, more.ended]), ['cancelled', 'cancelled', 'cancelled'])
  const again = await fixture.kernel.call('turn.cancel_all', {})
  assert.deepEqual(again.status === 'ok' && again.output, { cancelled: 0 })
  const after = await send(fixture, 'after', third.session)
  ;(await model.next()).answer()
  assert.equal(await after.ended, 'ok')
})

test('a message that was dropped while it waited is not answered by the guest that starts after a crash', async () => {
  const store = await openMemoryStore({ user })
  const model = slowModel()
  const left = Object.assign(Object.create(store), { close: async () => {} }) as Store
  const fixture = await openFixture({ play: model.play, config: { turn: { max_running: 1 } }, store: left })
  await send(fixture, 'one')
  await model.next()
  const waiting = await send(fixture, 'two')
  // The journal has the cancellation, and the guest dies before the outcome.
  const intent = { input: { session: waiting.session, waiting: true }, effect: 'idempotent' }
  const actor = `user:${user}`
  const cancelled = { session: waiting.session, turn: '', call: newCallId(), name: 'turn.cancel', phase: 'intent' } as const
  await store.append({ records: [{ at: Date.now(), actor, ...cancelled, body: JSON.stringify(intent) }] })
  await fixture.kernel.close()
  const played: string[] = []
  await using next = await openFixture({
    play: (request) => {
      played.push(JSON.stringify(request.messages.at(-1)))
      return says('resumed')
    },
    store,
    session: waiting.session,
  })
  const { body } = await next.record((record) => record.name === 'turn.send' && record.phase === 'outcome')
  assert.equal((body as { status: string }).status, 'cancelled')
  assert.ok(played.every((text) => !text.includes('two')))
})

test('a message that waits ends with the rights of its sender, and asks no model', async () => {
  const model = slowModel()
  await using fixture = await openFixture({ play: model.play, config: { turn: { max_running: 1 } } })
  const made = await fixture.kernel.call('key.create', { name: 'program', rights: ['turn.send', 'session.read'] })
  assert.ok(made.status === 'ok')
  const first = await send(fixture, 'first')
  const running = await model.next()
  const asKey = await fixture.kernel.withKey((made.output as { key: string }).key)
  const { id: session } = await fixture.kernel.createSession('of the program')
  const ended = Promise.withResolvers<string>()
  await fixture.kernel.follow(session, 0, (event) => {
    if (event.type === 'record' && event.record.name === 'turn.send' && event.record.phase === 'outcome')
      ended.resolve((event.record.body as { status: string }).status)
  })
  await asKey.sendTurn({ session, clientId: newCallId(), text: 'second' })
  assert.equal((await fixture.kernel.call('key.revoke', { key: 'program' })).status, 'ok')
  running.answer()
  assert.equal(await first.ended, 'ok')
  assert.equal(await ended.promise, 'cancelled')
  assert.deepEqual(model.running, [])
})

test('when the first turn goes on after a restart, all that go on are known', async () => {
  const opened = await openMemoryStore({ user })
  const kept = Object.assign(Object.create(opened) as Store, { close: async () => {} })
  const ids: CallId[] = []
  {
    const model = slowModel()
    await using first = await openFixture({ play: model.play, store: kept })
    for (const text of ['first', 'second']) {
      const { id: session } = await first.kernel.createSession(text)
      ids.push(newCallId())
      await first.kernel.sendTurn({ session, clientId: ids.at(-1)!, text })
      await model.next()
    }
  }
  let core: Core | undefined
  const known: boolean[] = []
  const watched = Object.assign(Object.create(kept) as Store, {
    records(query: Parameters<Store['records']>[0]) {
      // The gate looks for what the first turn has on record.
      if (query.call === ids[0] && query.phases?.includes('decided')) known.push(core!.recovered.has(ids[1]!))
      return opened.records(query)
    },
  })
  const probe: Service = { name: 'probe', begin: (given) => ((core = given), async () => {}) }
  await using second = await openFixture({ play: () => says('done'), store: watched, services: [...services, probe] })
  await second.kernel.listSessions(1)
  assert.equal(known[0], true)
})
