import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore } from '../../store/index.ts'
import { type Json, systemClock } from '../../base/index.ts'
import type { CallOutcome } from '../../protocol/index.ts'
import { asks, done, type Fixture, inOrder, newCallId, openFixture, says, testCall, user } from '../../kernel/kernel-fixture.ts'

async function ok<Output>(guest: Fixture, name: string, input: Json = {}): Promise<Output> {
  const outcome = (await guest.kernel.call(name, input)) as CallOutcome<Output>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Output> & { status: 'ok' }).output
}

interface Now {
  readonly turns: readonly { readonly session: string; readonly title: string; readonly waiting: number; readonly since: number }[]
  readonly calls: readonly { readonly name: string; readonly session: string; readonly elapsed_ms: number }[]
  readonly approvals: readonly { readonly name: string; readonly session: string }[]
  readonly admission: { readonly running: number }
}

interface Usage {
  readonly from: number
  readonly hours: readonly { readonly at: number; readonly tokens: number; readonly micro_dollars: number; readonly calls: number }[]
}

test('what runs and waits is shown while it does: turns, messages behind them, calls', async () => {
  const entered = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const slow = testCall('slow.work', async () => {
    entered.resolve()
    await release.promise
    return done('ok')
  })
  await using guest = await openFixture({ play: inOrder(asks(['slow_work']), says('done'), says('and again')), calls: [slow] })
  assert.deepEqual([(await ok<Now>(guest, 'system.now')).turns, (await ok<Now>(guest, 'system.now')).calls], [[], []])
  const turn = guest.turn('begin')
  await entered.promise
  await guest.kernel.sendTurn({ session: guest.session, clientId: newCallId(), text: 'and then' })
  const now = await ok<Now>(guest, 'system.now')
  assert.deepEqual(
    now.turns.map(({ session, title, waiting }) => [session, title, waiting]),
    [[guest.session, 'test', 1]],
  )
  assert.deepEqual(
    now.calls.map(({ name, session }) => [name, session]),
    [['slow.work', guest.session]],
  )
  assert.deepEqual(now.approvals, [])
  release.resolve()
  await turn
})

test('calls that wait for a person are shown with their sessions', async () => {
  const risky = testCall('risky.work', async () => done('ok'), { tier: 'privileged' })
  await using guest = await openFixture({ play: inOrder(asks(['risky_work']), says('done')), calls: [risky] })
  const turn = guest.turn('begin')
  const { call } = await guest.record(({ phase }) => phase === 'parked')
  const { approvals } = await ok<Now>(guest, 'system.now')
  assert.deepEqual(
    approvals.map(({ name, session }) => [name, session]),
    [['risky.work', guest.session]],
  )
  await guest.kernel.approve(call, true)
  await turn
  assert.deepEqual((await ok<Now>(guest, 'system.now')).approvals, [])
})

const hourMs = 3_600_000

test('the use of models is kept by the hour, across restarts, and an audit finds it as the journal says', async () => {
  let now = Date.UTC(2026, 10, 20, 9, 30)
  const clock = { ...systemClock, now: () => now }
  const store = await openMemoryStore({ user })
  const config = { model: { input_price: 1_000_000, output_price: 5_000_000 } }
  const guest = await openFixture({ store: { ...store, close: async () => {} }, clock, config })
  await guest.turn('one')
  await guest.turn('two')
  now += 3 * hourMs
  await guest.turn('three')
  const first = await ok<Usage>(guest, 'usage.series', { hours: 24 })
  const shown = ({ hours }: Usage) =>
    hours.map(({ at, tokens, micro_dollars: money, calls }) => [new Date(at).getUTCHours(), tokens, money, calls])
  // 100 tokens in and 20 out each, at 1 and 5 dollars for a million.
  assert.deepEqual(shown(first), [
    [9, 240, 400, 2],
    [12, 120, 200, 1],
  ])
  assert.equal(first.from, Date.UTC(2026, 10, 19, 13))
  assert.deepEqual(shown(await ok<Usage>(guest, 'usage.series', { hours: 2 })), [[12, 120, 200, 1]])
  await guest.kernel.close()
  await using again = await openFixture({ store, clock, config, session: guest.session })
  await again.turn('four')
  assert.deepEqual(shown(await ok<Usage>(again, 'usage.series', { hours: 24 })), [
    [9, 240, 400, 2],
    [12, 240, 400, 2],
  ])
  assert.equal((await ok<{ ok: boolean }>(again, 'audit.verify')).ok, true)
  now += 31 * 24 * hourMs
  assert.deepEqual((await ok<Usage>(again, 'usage.series', { hours: 744 })).hours, [], 'an hour of the month before is not this one')
  await again.turn('five')
  assert.deepEqual(shown(await ok<Usage>(again, 'usage.series', { hours: 744 })), [[12, 120, 200, 1]])
  assert.equal((await ok<{ ok: boolean }>(again, 'audit.verify')).ok, true)
})

test('an audit finds more use of an hour than the journal has', async () => {
  const store = await openMemoryStore({ user })
  await using guest = await openFixture({ store })
  await guest.turn('one')
  const { hours } = await ok<Usage>(guest, 'usage.series')
  const since = hours[0]!.at
  await store.append({
    records: [],
    projections: [{ kind: 'use', budget: `hour/${(since / hourMs) % 744}`, use: { since, microDollars: 0, tokens: 5, calls: 0, ms: 0 } }],
  })
  const report = await ok<{ ok: boolean; projections: readonly string[] }>(guest, 'audit.verify')
  assert.match(report.projections.join(), /^of hour\/\d+ .*125 tokens.* and the journal says .*120 tokens/)
})
