import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it, test } from 'node:test'
import { openMemoryStore, type Store } from '../../store/index.ts'
import type { CallId, SessionId } from '../../base/index.ts'
import type { GenerateRequest, ModelEvent, SessionInfo } from '../../protocol/index.ts'
import { textOf } from '../../protocol/index.ts'
import { verifyJournal } from '../audit/audit-verify.ts'
import { maxForkDepth } from '../../kernel/conversation/conversations.ts'
import { type Fixture, newCallId, openFixture, says, user } from '../../kernel/kernel-fixture.ts'

const listed = async ({ kernel }: Fixture, input: object = {}): Promise<readonly SessionInfo[]> => {
  const outcome = await kernel.call('session.list', input as never)
  assert.equal(outcome.status, 'ok')
  return outcome.output
}

const ask = async ({ kernel }: Fixture, name: string, input: object): Promise<{ session: SessionId }> => {
  const outcome = await kernel.call(name, input as never)
  assert.equal(outcome.status, 'ok', outcome.status === 'ok' ? '' : outcome.text)
  return outcome.output as { session: SessionId }
}

/** Sends a message to any session of the fixture and waits for the end of its turn. */
async function turnIn(fixture: Fixture, session: SessionId, text: string): Promise<void> {
  const ended = Promise.withResolvers<void>()
  const { turn } = await fixture.kernel.sendTurn({ session, clientId: newCallId(), text })
  const stop = await fixture.kernel.follow(session, 0, (event) => {
    if (event.type === 'record' && (event.record.call as string) === turn && event.record.phase === 'outcome') ended.resolve()
  })
  await ended.promise
  stop()
}

describe('sessions', () => {
  it('are renamed, archived, restored, and found by words of their title', async () => {
    await using fixture = await openFixture()
    const { session } = fixture
    await ask(fixture, 'session.rename', { session, title: 'Taxes  2026' })
    assert.deepEqual(
      (await listed(fixture, { search: '2026 taxes' })).map(({ title }) => title),
      ['Taxes 2026'],
    )
    await ask(fixture, 'session.archive', { session })
    assert.deepEqual(await listed(fixture), [])
    assert.deepEqual(await fixture.kernel.listSessions(10), [])
    assert.equal((await listed(fixture, { archived: true }))[0]?.archived_at !== undefined, true)
    await ask(fixture, 'session.archive', { session, archived: false })
    assert.deepEqual(
      (await listed(fixture)).map(({ id }) => id),
      [session],
    )
  })

  it('are found behind newer archived ones', async () => {
    await using fixture = await openFixture()
    for (let i = 0; i < 4; i++) {
      const { id } = await fixture.kernel.createSession(`newer ${i}`)
      await ask(fixture, 'session.archive', { session: id })
    }
    assert.deepEqual(
      (await listed(fixture, { limit: 1 })).map(({ id }) => id),
      [fixture.session],
    )
  })

  it('are forked from a point of another one, which stays unchanged, without copying messages', async () => {
    const shown: GenerateRequest[] = []
    await using fixture = await openFixture({ play: (request) => (shown.push(request), says(`answer ${shown.length}`)) })
    await fixture.turn('one')
    await fixture.turn('two')
    const first = fixture.events.flatMap((event) =>
      event.type === 'record' && event.record.name === 'model.generate' && event.record.phase === 'outcome' ? [event.record.seq] : [],
    )[0]!
    const { session } = await ask(fixture, 'session.fork', { session: fixture.session, at: first })
    const before = await fixture.store.head()
    await turnIn(fixture, session, 'three')
    const texts = (): readonly string[] => shown.at(-1)!.messages.map(textOf)
    assert.deepEqual(texts(), ['one', 'answer 1', 'three'])
    await fixture.turn('four')
    assert.deepEqual(texts(), ['one', 'answer 1', 'two', 'answer 2', 'four'])
    const copied = await fixture.store.records({ session, after: 0, before: before.seq, order: 'oldest_first', limit: 10, hydrate: true })
    assert.deepEqual(copied, [])
    const info = (await listed(fixture)).find(({ id }) => id === session)
    assert.deepEqual([info?.parent, info?.forked_at], [fixture.session, first])
    // A fork of a fork reads through both.
    const again = await ask(fixture, 'session.fork', { session })
    await turnIn(fixture, again.session, 'five')
    assert.deepEqual(texts(), ['one', 'answer 1', 'three', 'answer 3', 'five'])
  })

  it('are forked only while their history can be read; otherwise the fork is refused instead of losing its beginning', async () => {
    const shown: GenerateRequest[] = []
    await using fixture = await openFixture({ play: (request) => (shown.push(request), says('yes')) })
    await fixture.turn('the beginning')
    let { session } = fixture
    for (let depth = 1; depth <= maxForkDepth; depth++) {
      session = (await ask(fixture, 'session.fork', { session })).session
      await turnIn(fixture, session, `fork ${depth}`)
    }
    assert.equal(textOf(shown.at(-1)!.messages[0]!), 'the beginning')
    const refused = await fixture.kernel.call('session.fork', { session })
    assert.equal(refused.status === 'failed' && refused.failure.code, 'limit_reached')
  })

  it('are erased: nothing of them can be read or found again, and the chain still holds', async () => {
    await using fixture = await openFixture({ play: () => says('I keep the word heronbird.') })
    const { session, store } = fixture
    await fixture.turn('The word is heronbird.')
    const fork = await ask(fixture, 'session.fork', { session })
    const refused = await fixture.kernel.call('session.delete', { session })
    assert.equal(refused.status, 'failed')
    assert.match(refused.text, new RegExp(fork.session))
    await ask(fixture, 'session.delete', { session: fork.session })
    await ask(fixture, 'session.delete', { session })
    assert.deepEqual(await listed(fixture, { archived: true }), [])
    const records = await store.records({ order: 'oldest_first', limit: 1_000, hydrate: true })
    assert.doesNotMatch(JSON.stringify(records), /heronbird/)
    await assert.rejects(fixture.kernel.sendTurn({ session, clientId: newCallId(), text: 'hello' }), /no session/)
    const { first_bad: firstBad, erased } = await verifyJournal(store, { seal: null })
    assert.equal(firstBad, null)
    assert.deepEqual(erased.unexplained, [])
  })

  it('are erased with their titles and folders, also in a fork that inherited one', async () => {
    await using fixture = await openFixture()
    const { kernel, store } = fixture
    const made = await kernel.call('session.create', { title: 'heronbird one', folder: '/home/ada/heronbird' })
    const { id: session } = (made.status === 'ok' ? made.output : assert.fail(made.text)) as { id: Fixture['session'] }
    const { id: other } = await kernel.createSession(`pelican, not ${session}`)
    await turnIn(fixture, session, 'hello')
    const fork = await ask(fixture, 'session.fork', { session })
    assert.equal((await listed(fixture)).find(({ id }) => id === fork.session)?.folder, '/home/ada/heronbird')
    const outcome = await kernel.call('session.rename', { session, title: 'heronbird two' }, other)
    assert.equal(outcome.status, 'ok')
    const told = async (): Promise<string> => JSON.stringify(await store.records({ order: 'oldest_first', limit: 1_000, hydrate: true }))
    await ask(fixture, 'session.delete', { session: fork.session })
    assert.equal((await listed(fixture)).find(({ id }) => id === session)?.title, 'heronbird two')
    await ask(fixture, 'session.delete', { session })
    assert.doesNotMatch(await told(), /heronbird/)
    assert.match(await told(), /pelican/)
    assert.deepEqual(await store.documents({ category: 'system/session_folders', after: '', limit: 10 }), [])
    const { first_bad: firstBad, erased } = await verifyJournal(store, { seal: null })
    assert.equal(firstBad, null)
    assert.deepEqual(erased.unexplained, [])
  })

  it('accept no message, fork or title once their erasure has begun', async () => {
    const store = await openMemoryStore({ user })
    const erasing = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const erase: Store['erase'] = async (...given) => (erasing.resolve(), await goOn.promise, store.erase(...given))
    const titling = Promise.withResolvers<void>()
    async function* play({ system }: GenerateRequest, signal: AbortSignal): AsyncGenerator<readonly ModelEvent[]> {
      const isTitle = system.startsWith('You name')
      if (isTitle) titling.resolve()
      // It is done all the same.
      if (isTitle && !signal.aborted) await once(signal, 'abort')
      yield* says('I keep the word heronbird.')
    }
    const config = { memory: { titles: { model: 'session' } } }
    await using fixture = await openFixture({ store: Object.assign(Object.create(store), { erase }), play, config })
    const { kernel } = fixture
    const { id: session } = await kernel.createSession()
    await turnIn(fixture, session, 'The word is heronbird.')
    await titling.promise

    const deleted = kernel.call('session.delete', { session })
    await erasing.promise
    await assert.rejects(kernel.sendTurn({ session, clientId: newCallId(), text: 'And now heronbird?' }), { code: 'not_found' })
    assert.equal((await kernel.call('session.fork', { session })).status, 'failed')
    goOn.resolve()
    assert.equal((await deleted).status, 'ok')
    await listed(fixture)
    const records = await store.records({ order: 'oldest_first', limit: 1_000, hydrate: true })
    assert.doesNotMatch(JSON.stringify(records), /heronbird/)
    assert.equal((await store.session(session))?.title, '')
  })

  it('are not forked by a fork that was in progress when their erasure began', async () => {
    const store = await openMemoryStore({ user })
    const looking = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    let held = false
    const history: Store['history'] = async (...given) => {
      if (held) looking.resolve()
      if (held) await goOn.promise
      return store.history(...given)
    }
    await using fixture = await openFixture({ store: Object.assign(Object.create(store), { history }) })
    const { session, kernel } = fixture
    await fixture.turn('one')
    held = true
    const forked = kernel.call('session.fork', { session })
    await looking.promise
    assert.equal((await kernel.call('session.delete', { session })).status, 'ok')
    goOn.resolve()
    assert.equal((await forked).status, 'failed')
    assert.deepEqual(await listed(fixture), [])
  })

  it('accept messages again when their erasure fails', async () => {
    const store = await openMemoryStore({ user })
    const erase: Store['erase'] = () => Promise.reject(new Error('no room'))
    await using fixture = await openFixture({ store: Object.assign(Object.create(store), { erase }) })
    await fixture.turn('one')
    assert.equal((await fixture.kernel.call('session.delete', { session: fixture.session })).status, 'failed')
    assert.equal((await fixture.turn('two'))['status'], 'ok')
  })

  it('are not erased while a message is being sent to them', async () => {
    await using fixture = await openFixture()
    const { session, kernel } = fixture
    const sent = kernel.sendTurn({ session, clientId: newCallId(), text: 'hello' })
    assert.equal((await kernel.call('session.delete', { session })).status, 'failed')
    await sent
  })

  it('cannot be changed by an agent, or when they do not exist', async () => {
    await using fixture = await openFixture()
    const gone = '01890a5d-ac96-774b-bcce-b302099a8057'
    for (const name of ['session.rename', 'session.archive', 'session.delete', 'session.fork']) {
      const outcome = await fixture.kernel.call(name, name === 'session.rename' ? { session: gone, title: 'x' } : { session: gone })
      assert.equal(outcome.status, 'failed')
      assert.match(outcome.text, /not_found/)
    }
  })
})

test("a session requested twice with the terminal's id is one session, and an existing one is not replaced", async () => {
  await using fixture = await openFixture({})
  const { kernel, session, store } = fixture
  await fixture.turn('hi')
  const clientId = newCallId()
  const [made, again] = [await kernel.createSession('Taxes', clientId), await kernel.createSession('Taxes', clientId)]
  assert.deepEqual([made.id, again], [clientId, made])
  await kernel.sendTurn({ session: made.id, clientId: newCallId(), text: 'hi' })
  assert.equal((await kernel.createSession('Taxes', clientId)).turns, 1)
  assert.equal((await kernel.listSessions(10)).length, 2)

  const { output } = (await kernel.call('session.fork', { session })) as { output: { session: SessionId } }
  await kernel.listSessions(1)
  const before = await store.session(output.session)
  await assert.rejects(kernel.createSession('Over it', output.session as string as CallId), { code: 'bad_input' })
  assert.deepEqual(await store.session(output.session), before)
})
