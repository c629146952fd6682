/** Budgets that a person sets and that are carved, through the whole kernel. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore, type Store } from '../../store/index.ts'
import { type Clock, type Json, type JsonObject, systemClock } from '../../base/index.ts'
import {
  type AskMore,
  type BudgetLine,
  type CallOutcome,
  createAccount,
  type ModelEvent,
  noLimit,
  noSpend,
  type Notice,
  sayNotice,
} from '../../protocol/index.ts'
import { asks, done, type Fixture, type FixtureOptions, inOrder, openFixture, says, testCall, user } from '../kernel-fixture.ts'
import { spanAt } from './definitions.ts'
import * as wallTime from './wall-time.ts'

type Play = NonNullable<FixtureOptions['play']>

function settable(): { readonly clock: Clock; pass(ms: number): void } {
  let ahead = 0
  return { clock: { now: () => Date.now() + ahead, monotonicMs: systemClock.monotonicMs }, pass: (ms) => void (ahead += ms) }
}

async function ok<Output = JsonObject>(guest: Fixture, name: string, input: Json, session?: Fixture['session']): Promise<Output> {
  const outcome = (await guest.kernel.call(name, input, session)) as CallOutcome<Output>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Output> & { status: 'ok' }).output
}

const lines = async (guest: Fixture): Promise<readonly BudgetLine[]> =>
  (await ok<{ budgets: readonly BudgetLine[] }>(guest, 'budget.show', {})).budgets
const line = async (guest: Fixture, scope: string): Promise<BudgetLine> => {
  const found = (await lines(guest)).find((each) => each.scope === scope)
  assert.ok(found, `${scope} of ${JSON.stringify(await lines(guest))}`)
  return found
}
const codeOf = (outcome: Record<string, unknown>): string | undefined => (outcome['failure'] as { code?: string } | undefined)?.code
const eventsOf = async (guest: Fixture, kind: string): Promise<readonly JsonObject[]> =>
  (
    await ok<{ events: readonly { fields: JsonObject }[] }>(guest, 'events.next', { after: 0, kinds: [kind], wait_s: 0, limit: 100 })
  ).events.map(({ fields }) => fields)

/** Stays open when a guest closes it, for the next one. */
const kept = (store: Store): Store => ({ ...store, close: async () => {} })

test('windows of the calendar, of seconds and without an end', () => {
  const noon = new Date(2026, 9, 25, 12, 34, 56, 789).getTime()
  const span = (window: string, set = 0): readonly string[] => {
    const { since, until } = spanAt(window, noon, set)
    return [new Date(since).toString().slice(0, 24), until === Infinity ? 'never' : new Date(until).toString().slice(0, 24)]
  }
  assert.deepEqual(span('minute'), ['Sun Oct 25 2026 12:34:00', 'Sun Oct 25 2026 12:35:00'])
  assert.deepEqual(span('hour'), ['Sun Oct 25 2026 12:00:00', 'Sun Oct 25 2026 13:00:00'])
  assert.deepEqual(span('day'), ['Sun Oct 25 2026 00:00:00', 'Mon Oct 26 2026 00:00:00'])
  assert.deepEqual(span('week'), ['Mon Oct 19 2026 00:00:00', 'Mon Oct 26 2026 00:00:00'])
  assert.deepEqual(span('month'), ['Thu Oct 01 2026 00:00:00', 'Sun Nov 01 2026 00:00:00'])
  assert.deepEqual(spanAt('100s', 1_250_000, 1_000_000), { since: 1_200_000, until: 1_300_000 })
  assert.deepEqual(spanAt('total', 5, 3), { since: 3, until: Infinity })
  assert.equal(spanAt('day', noon, noon - 1_000).since, noon - 1_000, 'what was used before it was set does not count')
})

test('a budget of calls refuses what is over it, resets with its window, and survives a restart', async () => {
  const store = await openMemoryStore({ user })
  const time = settable()
  const calls = [testCall('test.act', async () => done('acted'))]
  const act: Play = ({ messages }) => (messages.at(-1)?.role === 'tool' ? says('done') : asks(['test_act']))
  const options = { calls, play: act, clock: time.clock }
  const first = await openFixture({ ...options, store: kept(store) })
  await ok(first, 'budget.set', { scope: 'agent:ox', window: '3600s', calls: 4 })
  assert.equal((await first.turn('one'))['status'], 'ok')
  assert.deepEqual([(await line(first, 'agent:ox')).spent.calls, (await line(first, 'agent:ox')).reserved.calls], [3, 0])
  const short = await first.turn('two')
  assert.deepEqual([short['status'], codeOf(short)], ['limit', 'budget_exhausted'])
  assert.match(JSON.stringify(short['failure']), /agent:ox\/3600s.*resets at/)
  await first.kernel.close()

  await using again = await openFixture({ ...options, store, session: first.session })
  assert.equal((await line(again, 'agent:ox')).spent.calls, 4)
  assert.equal(codeOf(await again.turn('three')), 'budget_exhausted')
  time.pass(3_600_000)
  assert.equal((await again.turn('four'))['status'], 'ok')
  assert.equal((await line(again, 'agent:ox')).spent.calls, 3)
  await ok(again, 'budget.reset', { scope: 'agent:ox', window: '3600s' })
  assert.equal((await line(again, 'agent:ox')).spent.calls, 0)
  await ok(again, 'budget.remove', { scope: 'agent:ox', window: '3600s' })
  assert.deepEqual(await lines(again), [])
  const audit = await ok<{ problems?: readonly string[]; ok?: boolean }>(again, 'audit.verify', {})
  assert.doesNotMatch(JSON.stringify(audit), /budget agent|is used, and the journal says/)
})

test('a budget for each session limits every session, 0 lifts it, and the user’s budget still holds', async () => {
  await using guest = await openFixture()
  await ok(guest, 'budget.set', { scope: 'session', tokens: 200 })
  assert.equal(codeOf(await guest.turn('hi')), 'budget_exhausted')
  await ok(guest, 'budget.set', { scope: `session:${guest.session}`, tokens: 0 })
  assert.equal((await guest.turn('hi'))['status'], 'ok')
  await ok(guest, 'budget.set', { scope: 'user', window: 'day', tokens: 200 })
  assert.equal(codeOf(await guest.turn('hi')), 'budget_exhausted')
  const checked = await ok<{ covered: boolean; left: { tokens: number } }>(guest, 'budget.check', { tokens: 201 }, guest.session)
  assert.deepEqual([checked.covered, checked.left.tokens], [false, 200])
})

test('a limit of the configuration that only_tighten holds is not lifted by a total that a person sets; others are', async () => {
  const opened = (only_tighten: readonly string[]) =>
    openFixture({ config: { only_tighten, budget: { user: { tokens: 200 }, session: { tokens: 200 } } } })
  for (const [locks, scope] of [
    [['budget'], 'both'],
    [['budget.user.tokens'], 'user'],
    [['budget.session'], 'session'],
    [['budget.user.micro_dollars'], 'neither'],
  ] as const) {
    await using guest = await opened(locks)
    for (const tokens of [1_000_000, 0]) {
      await ok(guest, 'budget.set', { scope: 'user', tokens })
      await ok(guest, 'budget.set', { scope: `session:${guest.session}`, tokens })
      const turn = await guest.turn('hi')
      if (scope === 'neither') assert.equal(turn['status'], 'ok', JSON.stringify(turn))
      else assert.equal(codeOf(turn), 'budget_exhausted', `${scope} ${tokens}`)
    }
  }
})

test('a limit on money refuses models without a price, from the moment when it is set', async () => {
  await using guest = await openFixture()
  assert.equal((await guest.turn('hi'))['status'], 'ok')
  await ok(guest, 'budget.set', { scope: 'user', window: 'month', micro_dollars: 1_000_000 })
  const refused = await guest.turn('hi')
  assert.match(JSON.stringify(refused), /price of scripted\/scripted is unknown/)
})

test('most of a budget used is an event, once in a window', async () => {
  await using guest = await openFixture()
  const heard = Promise.withResolvers<Notice>()
  guest.kernel.onNotice(heard.resolve)
  await ok(guest, 'budget.set', { scope: 'user', window: 'day', calls: 10 })
  for (let i = 0; i < 10; i++) await guest.turn('hi')
  const warnings = await eventsOf(guest, 'budget_warning')
  assert.deepEqual(
    warnings.map(({ budget, calls }) => [budget, calls]),
    [['user/day', { used: 8, limit: 10 }]],
  )
  const { text } = await sayNotice(await heard.promise, guest.kernel.call as AskMore)
  assert.equal(text, 'the budget user/day is nearly used up: 8 of 10 calls')
})

test('an answer that is streamed is stopped when there is no more time, and its text is kept and paid', async () => {
  async function* slow(): AsyncGenerator<readonly ModelEvent[]> {
    for (;;) {
      yield [{ type: 'text', text: 'words ' }]
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const play: Play = async function* (_, signal) {
    for await (const batch of slow()) {
      if (signal.aborted) {
        const failure = { code: 'cancelled', message: 'stopped', hint: '' } as const
        yield [{ type: 'error', failure, usage: { inputTokens: 10, outputTokens: 5, estimated: true } }]
        return
      }
      yield batch
    }
  }
  await using guest = await openFixture({ play })
  await ok(guest, 'budget.set', { scope: 'session', window: 'hour', seconds: 1 })
  const outcome = await guest.turn('go on')
  assert.deepEqual([outcome['status'], codeOf(outcome)], ['failed', 'budget_exhausted'], JSON.stringify(outcome))
  const generated = await guest.record(({ name, phase }) => name === 'model.generate' && phase === 'outcome')
  const body = generated.body as { message?: { parts: readonly { text: string }[] }; spent?: { tokens: number }; charged?: { ms: number } }
  const text = body.message?.parts[0]?.text ?? ''
  assert.match(text, /^(words )+$/)
  // Of an estimate and of what has arrived, the larger counts.
  assert.equal(body.spent?.tokens, 10 + Math.max(5, Math.ceil(text.length / 4)))
  assert.ok((body.charged?.ms ?? 0) <= 1_000, 'what it takes to stop is not charged')
  assert.equal(codeOf(await guest.turn('more')), 'budget_exhausted')
})

test('the delay of a late timer is not charged', async () => {
  let now = 0
  const clock: Clock = { now: () => now, monotonicMs: () => now }
  const account = createAccount('user/total', null, { ...noLimit, ms: 20 })
  const stopped = Promise.withResolvers<void>()
  const hold = {
    session: '',
    accounts: [account],
    spend: noSpend,
    calls: 1,
    isTimed: true,
    began: null,
    stopped: null,
    onOver: () => {},
  } as const
  wallTime.begin(hold, stopped.resolve, clock)
  now = 60
  const alive = setTimeout(() => stopped.reject(new Error('It was not stopped.')), 5_000)
  await stopped.promise
  clearTimeout(alive)
  assert.equal(wallTime.end(hold, clock), 20)
})

test('an agent works within the budget that was carved for it, and what is left goes back at its end', async () => {
  let release = (): void => {}
  const blocked = new Promise<void>((resolve) => (release = resolve))
  const calls = [testCall('test.block', async () => (await blocked, done('went on')))]
  const play: Play = ({ messages }) => (messages.at(-1)?.role === 'tool' ? says('finished') : asks(['test_block']))
  await using guest = await openFixture({ play, calls })
  await ok(guest, 'budget.set', { scope: 'user', tokens: 200_000, calls: 50 })
  const spawn = (budget: JsonObject) => guest.kernel.call('agent.spawn', { task: 'work', name: 'helper', budget })
  const made = await spawn({ tokens: 150_000, calls: 20 })
  assert.equal(made.status, 'ok', JSON.stringify(made))
  const held = await line(guest, 'user')
  assert.equal(held.spent.tokens + held.reserved.tokens, 150_000)
  assert.equal(held.spent.calls + held.reserved.calls, 20)
  // The rest does not cover a second one.
  const second = await spawn({ tokens: 60_000 })
  assert.equal(second.status === 'failed' && second.failure.code, 'budget_exhausted')
  release()
  const { id } = (made as CallOutcome<{ id: string }> & { status: 'ok' }).output
  await ok(guest, 'agent.wait', { agents: [id], timeout_s: 20 })
  const after = await line(guest, 'user')
  assert.deepEqual([after.spent.tokens, after.reserved.tokens, after.spent.calls, after.reserved.calls], [240, 0, 3, 0])
  assert.deepEqual(
    (await lines(guest)).map(({ scope }) => scope),
    ['user'],
  )
})

test('an agent that has used up its budget ends with the reason, and its parent goes on', async () => {
  const play: Play = () => says('hello')
  await using guest = await openFixture({ play })
  const spawned = await ok<{ id: string }>(guest, 'agent.spawn', { task: 'work', name: 'helper', budget: { tokens: 100 } })
  const { agents } = await ok<{ agents: readonly { state: string; reason: string }[] }>(guest, 'agent.wait', {
    agents: [spawned.id],
    timeout_s: 20,
  })
  assert.equal(agents[0]?.state, 'failed')
  assert.match(agents[0].reason, /budget child:.* does not cover/)
  assert.equal((await guest.turn('hi'))['status'], 'ok')
})

test('what was carved is held again after a restart, with what was spent of it', async () => {
  const store = await openMemoryStore({ user })
  let hang = true
  const play: Play = async function* (_, signal) {
    if (hang) await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    yield* says('done')
  }
  const first = await openFixture({ play, store: kept(store) })
  await ok(first, 'budget.set', { scope: 'user', tokens: 100_000 })
  const { id } = await ok<{ id: string }>(first, 'agent.spawn', { task: 'work', name: 'helper', budget: { tokens: 50_000 } })
  await first.kernel.close()
  await using again = await openFixture({ play, store, session: first.session })
  const held = await line(again, 'user')
  assert.equal(held.spent.tokens + held.reserved.tokens, 50_000)
  hang = false
  await ok(again, 'agent.kill', { agent: id })
  const after = await line(again, 'user')
  assert.equal(after.reserved.tokens, 0)
})

test('a run that no budget covers is skipped with a record, and follows when the window resets', async () => {
  const time = settable()
  await using guest = await openFixture({ clock: time.clock })
  const cadence = { type: 'interval', every_s: 7_200 } as const
  const { id } = await ok<{ id: string }>(guest, 'schedule.create', { name: 'Report', goal: 'Say what is new.', cadence })
  const statuses = async (): Promise<readonly string[]> =>
    (await ok<{ runs: readonly { status: string }[] }>(guest, 'schedule.runs', { id, limit: 100 })).runs.map(({ status }) => status)
  const until = async (wanted: readonly string[]): Promise<void> => {
    for (const end = Date.now() + 10_000; Date.now() < end;) {
      if (JSON.stringify(await statuses()) === JSON.stringify(wanted)) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.deepEqual(await statuses(), wanted)
  }
  const look = (): Promise<unknown> => ok(guest, 'schedule.edit', { id, name: 'Report' })
  time.pass(7_200_000)
  await look()
  await until(['success'])
  // A run takes 120 tokens on average, which this does not cover.
  await ok(guest, 'budget.set', { scope: 'user', window: '3600s', tokens: 100 })
  const forecast = await ok<{ runs: number; mean: { tokens: number }; refused: string }>(guest, 'budget.forecast', { schedule: id })
  assert.deepEqual([forecast.runs, forecast.mean.tokens], [1, 120])
  assert.match(forecast.refused, /needs 120 tokens, and 100 of 100 tokens are left/)
  const triggered = await guest.kernel.call('schedule.trigger', { id })
  assert.equal(triggered.status === 'failed' && triggered.failure.code, 'budget_exhausted')
  time.pass(7_200_000)
  await look()
  await until(['skipped', 'success'])
  assert.deepEqual(
    (await eventsOf(guest, 'schedule_skipped')).map(({ reason }) => reason),
    ['budget_exhausted'],
  )
  assert.equal((await line(guest, 'user')).spent.tokens, 0, 'nothing ran')
  // Raised, it follows when the window ends, before its next time.
  await ok(guest, 'budget.set', { scope: 'user', window: '3600s', tokens: 100_000 })
  time.pass(3_600_000)
  await look()
  await until(['success', 'skipped', 'success'])
  assert.equal((await line(guest, 'user')).spent.tokens, 120)
})

/** @param window of the budget @param pass milliseconds that pass before the answer extends its reservation */
async function crashExtended(window: string, pass: number): Promise<void> {
  const store = await openMemoryStore({ user })
  const time = settable()
  const [begun, passed, long, over] = Array.from({ length: 4 }, () => Promise.withResolvers<void>())
  let isDead = false
  const dying: Store = { ...store, close: async () => {}, append: (append) => (isDead ? new Promise(() => {}) : store.append(append)) }
  const play: Play = async function* () {
    yield [{ type: 'text', text: 'x' }]
    begun!.resolve()
    await passed!.promise
    yield [{ type: 'text', text: 'x'.repeat(60_000) }]
    long!.resolve()
    await over!.promise
  }
  const options = { config: { model: { max_output_tokens: 100_000 } }, clock: time.clock }
  const first = await openFixture({ ...options, play, store: dying })
  await ok(first, 'budget.set', { scope: 'user', window, tokens: 1_000_000 })
  void first.turn('hi')
  await begun!.promise
  time.pass(pass)
  passed!.resolve()
  await long!.promise
  await new Promise((resolve) => setTimeout(resolve, 50))
  const reserved = (await line(first, 'user')).reserved.tokens
  assert.ok(reserved > 60_000 / 6, `${reserved}`)
  isDead = true
  await using again = await openFixture({ ...options, play: inOrder(says('again')), store, session: first.session })
  await again.record((record) => record.name === 'turn.send' && record.phase === 'outcome')
  over!.resolve()
  assert.equal((await line(again, 'user')).spent.tokens, reserved + 120)
  assert.equal((await store.used(`user/${window}`))?.tokens, reserved + 120)
}

test('an extended reservation is what an answer costs that a crash interrupts, once', () => crashExtended('total', 0))

test('after a crash, an answer is charged to the window in which it last extended its reservation', () => crashExtended('3600s', 3_600_000))
