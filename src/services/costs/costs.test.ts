import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore, type Store } from '../../store/index.ts'
import { type Json, systemClock } from '../../base/index.ts'
import type { CallOutcome, OutputOf } from '../../protocol/index.ts'
import { type Fixture, type FixtureOptions, newCallId, openFixture, says, user } from '../../kernel/kernel-fixture.ts'
import { verifyJournal } from '../audit/audit-verify.ts'
import { costCategory } from './day-sums.ts'

type Costs = OutputOf<'costs.show'>
type Verified = OutputOf<'costs.verify'>

async function ok<Output>(guest: Fixture, name: string, input: Json = {}): Promise<Output> {
  const outcome = (await guest.kernel.call(name, input)) as CallOutcome<Output>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Output> & { status: 'ok' }).output
}

const priced = { model: { input_price: 1_000_000, output_price: 5_000_000 } }
/** 100 tokens in and 20 out, at 1 and 5 dollars for a million. */
const turnCost = 200
const dayMs = 24 * 3_600_000

/** A clock whose days are the test's. */
function dayClock(): { clock: FixtureOptions['clock'] & object; later(ms: number): void; today(): string } {
  let now = new Date(2026, 10, 2, 9).getTime()
  let elapsed = 0
  const two = (value: number): string => String(value).padStart(2, '0')
  return {
    clock: { ...systemClock, now: () => now, monotonicMs: () => systemClock.monotonicMs() + elapsed },
    later(ms) {
      now += ms
      elapsed += ms
    },
    today: () => `2026-11-${two(new Date(now).getDate())}`,
  }
}

const short = ({ lines }: Costs) => lines.map(({ key, micro_dollars: money, tokens, calls }) => [key, money, tokens, calls])
const kept = (store: Store): Store => ({ ...store, close: async () => {} })

test('costs are summed by day, model, session, agent, program and user, and are what the ledger has', async () => {
  const days = dayClock()
  await using guest = await openFixture({ clock: days.clock, config: priced })
  await guest.turn('one')
  await guest.turn('two')
  days.later(dayMs)
  await guest.turn('three')
  assert.deepEqual(short(await ok<Costs>(guest, 'costs.show')), [
    ['2026-11-02', 2 * turnCost, 240, 2],
    ['2026-11-03', turnCost, 120, 1],
  ])
  const all = 3 * turnCost
  assert.deepEqual(short(await ok(guest, 'costs.show', { by: 'model' })), [['scripted/scripted', all, 360, 3]])
  assert.deepEqual(short(await ok(guest, 'costs.show', { by: 'session' })), [[guest.session, all, 360, 3]])
  assert.deepEqual(short(await ok(guest, 'costs.show', { by: 'agent' })), [['agent:ox', all, 360, 3]])
  assert.deepEqual(short(await ok(guest, 'costs.show', { by: 'program' })), [['', all, 360, 3]])
  assert.deepEqual(short(await ok(guest, 'costs.show', { by: 'user' })), [[user, all, 360, 3]])
  const { sum, ledger } = await ok<Costs>(guest, 'costs.show', { since: '1d' })
  assert.equal(sum.micro_dollars, turnCost)
  assert.deepEqual(ledger, { micro_dollars: all, tokens: 360, counted_micro_dollars: all, counted_tokens: 360 })
  const { spent } = (await ok<{ user: { spent: { microDollars: number } } }>(guest, 'budget.show')).user
  assert.equal(spent.microDollars, all)
  assert.deepEqual(await ok<Verified>(guest, 'costs.verify'), {
    equal: true,
    records: { micro_dollars: all, tokens: 360, calls: 3 },
    sums: { micro_dollars: all, tokens: 360, calls: 3 },
    ledger: { micro_dollars: all, tokens: 360 },
    differs: [],
  })
})

test('a model without a price is counted apart, and one whose price is 0 is not', async () => {
  await using unpriced = await openFixture()
  await unpriced.turn('one')
  const { sum } = await ok<Costs>(unpriced, 'costs.show')
  assert.deepEqual([sum.micro_dollars, sum.tokens, sum.unpriced_tokens, sum.unpriced_calls], [0, 120, 120, 1])
  await using free = await openFixture({ config: { model: { input_price: 0, output_price: 0 } } })
  await free.turn('one')
  const { sum: ofFree } = await ok<Costs>(free, 'costs.show')
  assert.deepEqual([ofFree.tokens, ofFree.unpriced_tokens], [120, 0])
})

test('a question reads the sums and the records since, and not what was counted before', async () => {
  const store = await openMemoryStore({ user })
  const looked: number[] = []
  const watched: Store = {
    ...store,
    records(query) {
      if (query.phases?.includes('reconciled') === true && query.order === 'oldest_first' && query.call === undefined)
        looked.push(query.after ?? 0)
      return store.records(query)
    },
  }
  await using guest = await openFixture({ store: watched, config: priced })
  for (let i = 0; i < 20; i += 1) await guest.turn(`message ${i}`)
  await ok(guest, 'costs.show')
  const { seq } = await store.head()
  looked.length = 0
  await guest.turn('one more')
  assert.equal((await ok<Costs>(guest, 'costs.show')).sum.micro_dollars, 21 * turnCost)
  assert.ok(looked.length > 0 && looked.every((after) => after > seq - 60), `${looked.join()} of ${seq}`)
})

test('sums go on after a restart, agree with a journal that is audited, and outlive a session that is deleted', async () => {
  const store = kept(await openMemoryStore({ user }))
  const first = await openFixture({ store, config: priced })
  await first.turn('one')
  await ok(first, 'costs.show')
  await first.turn('two')
  await first.kernel.close()
  await using again = await openFixture({ store, config: priced, session: first.session })
  await again.turn('three')
  assert.equal((await ok<Costs>(again, 'costs.show')).sum.micro_dollars, 3 * turnCost)
  assert.equal((await ok<Verified>(again, 'costs.verify')).equal, true)
  const outcome = await again.kernel.call('session.delete', { session: again.session })
  assert.equal(outcome.status, 'ok')
  const { sum, ledger } = await ok<Costs>(again, 'costs.show')
  assert.equal(sum.micro_dollars, 3 * turnCost)
  assert.equal(ledger.micro_dollars, ledger.counted_micro_dollars)
  assert.equal((await verifyJournal(store, { seal: null })).ok, true)
})

test('what was erased before it was counted is said to be in the ledger only', async () => {
  await using guest = await openFixture({ config: priced })
  await guest.turn('one')
  const other = await guest.kernel.createSession('other')
  await guest.kernel.call('session.delete', { session: guest.session })
  const { sum, ledger } = await ok<Costs>(guest, 'costs.show')
  assert.deepEqual([sum.micro_dollars, ledger.micro_dollars, ledger.counted_micro_dollars], [0, turnCost, 0])
  assert.equal((await ok<Verified>(guest, 'costs.verify')).equal, false)
  assert.ok(other.id)
})

test('a day at twice the usual is an event, once', async () => {
  const days = dayClock()
  // A turn of a cent.
  await using guest = await openFixture({ clock: days.clock, config: { model: { input_price: 50_000_000, output_price: 250_000_000 } } })
  const events = async (waits = 0): Promise<readonly { fields: Json }[]> =>
    (await ok<{ events: readonly { fields: Json }[] }>(guest, 'events.next', { after: 0, kinds: ['costs_*'], wait_s: waits })).events
  for (let day = 0; day < 3; day += 1) {
    await guest.turn('a day like any other')
    days.later(dayMs)
  }
  assert.deepEqual(await events(), [])
  for (let i = 0; i < 4; i += 1) {
    await guest.turn('again')
    days.later(61_000)
  }
  assert.deepEqual(
    (await events(10)).map(({ fields }) => fields),
    [{ day: '2026-11-05', micro_dollars: 20_000, usual_micro_dollars: 10_000 }],
  )
  assert.equal((await ok<Costs>(guest, 'costs.show')).today.usual_micro_dollars, 10_000)
})

test('a day of many sessions is kept in several documents, and a count rewrites those that change', async () => {
  const store = await openMemoryStore({ user })
  await using guest = await openFixture({ store, config: priced, play: () => says('ok') })
  for (let i = 0; i < 160; i += 1) {
    const { id } = await guest.kernel.createSession(`session ${i}`)
    const turn = await guest.kernel.sendTurn({ session: id, clientId: newCallId(), text: 'hello' })
    assert.ok(turn.turn)
  }
  await guest.turn('the last')
  await guest.event('record')
  for (let tries = 0; tries < 200; tries += 1) {
    if ((await store.spent(`user:${user}`)).microDollars === 161 * turnCost) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const found = await ok<Costs>(guest, 'costs.show', { by: 'session', limit: 1_000 })
  assert.equal(found.lines.length, 161)
  assert.equal(found.sum.micro_dollars, 161 * turnCost)
  const names = async (): Promise<readonly (readonly [string, number])[]> =>
    (await store.documents({ category: costCategory, limit: 10 })).map(({ name, seq }) => [name, seq] as const)
  const before = await names()
  assert.equal(before.length, 3)
  await guest.turn('one more')
  await ok(guest, 'costs.show')
  const after = await names()
  assert.equal(after.filter(([name, seq]) => !before.some(([old, at]) => old === name && at === seq)).length, 2)
})

test('days and their order are checked', async () => {
  await using guest = await openFixture()
  for (const input of [{ since: 'yesterday' }, { since: '0d' }, { since: '2026-13-01' }, { by: 'cat' }, { limit: 0 }, { until: 'x' }]) {
    const outcome = await guest.kernel.call('costs.show', input)
    assert.equal(outcome.status, 'refused', JSON.stringify(input))
    if (!('by' in input || 'limit' in input)) assert.match(JSON.stringify(outcome), /must be a day such as 2026-11-01/)
  }
  const outcome = await guest.kernel.call('costs.show', { since: '2026-11-02', until: '2026-11-01' })
  assert.ok(outcome.status === 'failed' && /is after the last one/.test(outcome.failure.message))
})
