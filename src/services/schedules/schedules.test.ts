import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore } from '../../store/index.ts'
import { type Clock, type Json, type JsonObject, OxbowError, systemClock } from '../../base/index.ts'
import type { CallOutcome } from '../../protocol/index.ts'
import { type Fixture, type FixtureOptions, openFixture, says, user } from '../../kernel/kernel-fixture.ts'
import { cadenceText, checkCadence, dueBetween, nextDue } from '../../runs/cadence.ts'
import { chooseDue } from './schedules.ts'

const zone = (expression: string, time_zone: string) => ({ type: 'cron', expression, time_zone }) as const
const utc = (text: string): number => Date.parse(text)

async function firings(when: Parameters<typeof nextDue>[0], from: string, count: number): Promise<readonly string[]> {
  const times: string[] = []
  for (let at = utc(from); times.length < count;) {
    const next = await nextDue(when, at, utc(from))
    if (next === null) break
    times.push(new Date(next).toISOString())
    at = next
  }
  return times
}

test('an invalid expression is refused in words for people', async () => {
  await assert.rejects(firings(zone('bad', ''), '2026-10-20T00:00:00Z', 1), {
    message: /"bad" is not valid: it does not have five or six parts\.$/,
  })
  await assert.rejects(firings(zone('61 * * * *', ''), '2026-10-20T00:00:00Z', 1), {
    message: /not valid: Invalid value for minute: 61\.$/,
  })
})

test('a cron expression of five or six fields is due in its own zone, once where a clock goes back, behind the gap where it goes on', async () => {
  assert.deepEqual(await firings(zone('0 9 * * 1', 'Europe/Berlin'), '2026-10-20T00:00:00Z', 2), [
    '2026-10-26T08:00:00.000Z',
    '2026-11-02T08:00:00.000Z',
  ])
  assert.deepEqual(await firings(zone('30 2 * * *', 'Europe/Berlin'), '2026-10-24T12:00:00Z', 2), [
    '2026-10-25T00:30:00.000Z',
    '2026-10-26T01:30:00.000Z',
  ])
  assert.deepEqual(await firings(zone('30 2 * * *', 'Europe/Berlin'), '2026-03-28T12:00:00Z', 2), [
    '2026-03-29T01:30:00.000Z',
    '2026-03-30T00:30:00.000Z',
  ])
  assert.deepEqual(await firings(zone('*/20 * * * * *', 'UTC'), '2026-01-01T00:00:00Z', 2), [
    '2026-01-01T00:00:20.000Z',
    '2026-01-01T00:00:40.000Z',
  ])
})

test('an interval does not drift, and a time that has passed is never due', async () => {
  assert.deepEqual(await firings({ type: 'interval', every_s: 90 }, '2026-01-01T00:00:00Z', 2), [
    '2026-01-01T00:01:30.000Z',
    '2026-01-01T00:03:00.000Z',
  ])
  assert.equal(await nextDue({ type: 'interval', every_s: 60 }, 1_000_061, 1_000_000), 1_060_000)
  assert.equal(await nextDue({ type: 'once', at: '2026-01-01T00:00:00Z' }, utc('2026-01-01T00:00:00Z'), 0), null)
  assert.deepEqual(await dueBetween({ type: 'interval', every_s: 1 }, 0, 1e12, 0, 3), [1e12 - 2_000, 1e12 - 1_000, 1e12])
  assert.equal(cadenceText(zone('0 9 * * *', 'UTC')), '0 9 * * * UTC')
})

test('a cadence that is wrong, never due or due too often is refused with the reason', async () => {
  const now = utc('2026-01-01T00:00:00Z')
  const refused = (when: Parameters<typeof checkCadence>[0], message: RegExp) => assert.rejects(checkCadence(when, now, 60), { message })
  await refused(zone('61 * * * *', 'UTC'), /not valid/)
  await refused(zone('0 9 * * *', 'Mars/Olympus'), /no time zone "Mars\/Olympus"/)
  await refused(zone('*/5 * * * * *', 'UTC'), /at most every 60 s/)
  // Two firings 30 s apart, once a day.
  await refused(zone('0,30 0 0 * * *', 'UTC'), /at most every 60 s/)
  await refused(zone('0 0 30 2 *', 'UTC'), /never due/)
  await refused({ type: 'interval', every_s: 59 }, /at most every 60 s/)
  await refused({ type: 'once', at: '2025-12-31T00:00:00Z' }, /has passed/)
  await checkCadence(zone('0 9 * * 1-5', 'Asia/Kolkata'), now, 60)
})

test('what was missed is skipped, made up for once, or all of it', () => {
  const rule = (misfire: 'skip' | 'once' | 'all') => ({ misfire, grace_s: 10 })
  assert.deepEqual(chooseDue(rule('skip'), [1_000, 2_000, 90_000], 95_000, 0), { chosen: [90_000], skipped: 2 })
  assert.deepEqual(chooseDue(rule('skip'), [1_000, 2_000], 95_000, 0), { chosen: [], skipped: 2 })
  assert.deepEqual(chooseDue(rule('once'), [1_000, 2_000], 95_000, 0), { chosen: [2_000], skipped: 1 })
  assert.deepEqual(chooseDue(rule('all'), [1_000, 2_000], 95_000, 0), { chosen: [1_000, 2_000], skipped: 0 })
})

test('with skip, nothing runs that was due while Oxbow was off, unless a grace was named', () => {
  const [dueAt, startedAt, now] = [40_000, 60_000, 61_000]
  const choose = (misfire: 'skip' | 'once', graceS: number | null) =>
    chooseDue({ misfire, grace_s: graceS }, [20_000, dueAt], now, startedAt).chosen
  assert.deepEqual(choose('skip', null), [])
  assert.deepEqual(choose('skip', 30), [dueAt])
  assert.deepEqual(choose('once', null), [dueAt])
  assert.deepEqual(chooseDue({ misfire: 'skip', grace_s: null }, [59_000], now, startedAt).chosen, [59_000], 'a restart misses nothing')
  assert.deepEqual(chooseDue({ misfire: 'skip', grace_s: null }, [60_500], 200_000, startedAt).chosen, [60_500], 'late, but not missed')
})

/** A clock that tests set; timers run in real time. */
function settable(): { readonly clock: Clock; pass(ms: number): void } {
  let ahead = 0
  return { clock: { now: () => Date.now() + ahead, monotonicMs: systemClock.monotonicMs }, pass: (ms) => void (ahead += ms) }
}

async function ok<Output = JsonObject>(guest: Fixture, name: string, input: Json): Promise<Output> {
  const outcome = (await guest.kernel.call(name, input)) as CallOutcome<Output>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Output> & { status: 'ok' }).output
}

interface Run {
  readonly status: string
  readonly summary: string
  readonly turn: string
  readonly session: string
  readonly notify: boolean
}

const runsOf = async (guest: Fixture, id: string): Promise<readonly Run[]> =>
  (await ok<{ runs: readonly Run[] }>(guest, 'schedule.runs', { id, limit: 100 })).runs

/** Waits for an event of the bus, after a cursor. */
async function eventAfter(guest: Fixture, after: number, kind: string): Promise<number> {
  const page = await ok<{ events: readonly { seq: number }[] }>(guest, 'events.next', { after, kinds: [kind], wait_s: 30, limit: 1 })
  assert.equal(page.events.length, 1, kind)
  return page.events[0]!.seq
}

const hourly = { name: 'Report', goal: 'Say what is new.', cadence: { type: 'interval', every_s: 3_600 } } as const

test('a name of white space is refused, and one of a schedule has none at its ends', async () => {
  await using guest = await openFixture({})
  for (const name of ['', ' ', '\t\n']) {
    const outcome = (await guest.kernel.call('schedule.create', { ...hourly, name })) as CallOutcome
    assert.equal(outcome.status !== 'ok' && outcome.failure.code, 'bad_input')
  }
  assert.equal((await ok<{ name: string }>(guest, 'schedule.create', { ...hourly, name: ' Report ' })).name, 'Report')
})

/** Makes the kernel look at a schedule, as its timer does. */
const look = (guest: Fixture, id: string, name = 'Report'): Promise<unknown> => ok(guest, 'schedule.edit', { id, name })

test('a schedule that is due runs its goal as a turn in a session of its own, and the next run knows the one before', async () => {
  const seen: number[] = []
  const play: NonNullable<FixtureOptions['play']> = ({ messages }) => {
    seen.push(messages.length)
    return says('all is well')
  }
  const time = settable()
  await using guest = await openFixture({ play, clock: time.clock })
  const { id } = await ok<{ id: string }>(guest, 'schedule.create', hourly)
  let seq = 0
  for (let i = 0; i < 2; i++) {
    time.pass(3_600_000)
    await look(guest, id)
    seq = await eventAfter(guest, seq, 'schedule_ended')
  }
  const runs = await runsOf(guest, id)
  assert.deepEqual(
    runs.map(({ status, summary, notify }) => [status, summary, notify]),
    [
      ['success', 'all is well', true],
      ['success', 'all is well', true],
    ],
  )
  assert.equal(runs[0]!.session, runs[1]!.session)
  assert.deepEqual(seen, [1, 3])
  const output = await ok<{ text: string; remaining_bytes: number }>(guest, 'schedule.run_output', { turn: runs[0]!.turn })
  assert.deepEqual([output.text, output.remaining_bytes], ['all is well', 0])
})

test('runs of a restarted guest: what was missed is made up for once, and what was cut off is finished, each exactly once', async () => {
  const store = await openMemoryStore({ user })
  const time = settable()
  let hang = true
  const play: NonNullable<FixtureOptions['play']> = async function* (_, signal) {
    if (hang) await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    yield* says('done')
  }
  const guest = await openFixture({ play, clock: time.clock, store: { ...store, close: async () => {} } })
  const { id } = await ok<{ id: string }>(guest, 'schedule.create', { ...hourly, overlap: 'queue' })
  time.pass(3_600_000)
  await look(guest, id)
  await eventAfter(guest, 0, 'schedule_started')
  await guest.kernel.close()
  hang = false
  time.pass(5 * 3_600_000)
  await using again = await openFixture({ play, clock: time.clock, store, session: guest.session })
  let seq = await eventAfter(again, 0, 'schedule_ended')
  seq = await eventAfter(again, seq, 'schedule_ended')
  const runs = await runsOf(again, id)
  assert.deepEqual(runs.map(({ status }) => status).toSorted(), ['skipped', 'success', 'success'])
  const sent = (await store.records({ order: 'oldest_first', limit: 10_000, hydrate: false, phases: ['intent'] })).filter(
    ({ name }) => name === 'turn.send',
  )
  assert.equal(sent.length, 2)
})

test('a due time runs exactly once, wherever the guest ends between noticing it and starting its run', async () => {
  for (const overlap of ['skip', 'parallel'] as const) {
    for (let writes = 0; writes < 7; writes++) {
      const store = await openMemoryStore({ user })
      const time = settable()
      let left = Infinity
      // From then on nothing is written, as after a crash.
      const append: typeof store.append = (wanted) => {
        left -= 1
        return left < 0 ? Promise.reject(new OxbowError('store_failed', 'the guest is gone', { hint: '' })) : store.append(wanted)
      }
      const play: NonNullable<FixtureOptions['play']> = () => says('done')
      const guest = await openFixture({ play, clock: time.clock, store: { ...store, append, close: async () => {} } })
      const { id } = await ok<{ id: string }>(guest, 'schedule.create', { ...hourly, overlap })
      time.pass(3_600_000)
      await ok(guest, 'schedule.search', {})
      left = writes
      // Makes it look; the record of the call itself is refused as all others are.
      await guest.kernel.call('schedule.edit', { id, name: 'Report' }).catch(() => {})
      await guest.kernel.close().catch(() => {})
      await using again = await openFixture({ play, clock: time.clock, store, session: guest.session })
      await eventAfter(again, 0, 'schedule_ended')
      const runs = await runsOf(again, id)
      assert.deepEqual(
        runs.map(({ status }) => status),
        ['success'],
        `${overlap}, after ${writes} writes`,
      )
    }
  }
})

test('a run that fails is retried, and a schedule that only fails is disabled and says so', async () => {
  const time = settable()
  const play: NonNullable<FixtureOptions['play']> = async function* () {
    const usage = { inputTokens: 1, outputTokens: 0, estimated: false }
    yield [{ type: 'error', failure: { code: 'model_refused', message: 'no', hint: '' }, usage }]
  }
  const config = { schedules: { disable_after_failures: 2, retry_s: 1 } }
  await using guest = await openFixture({ play, clock: time.clock, config })
  const { id } = await ok<{ id: string }>(guest, 'schedule.create', { ...hourly, retries: 1, notify: 'conditional' })
  let seq = 0
  for (let i = 0; i < 4; i++) {
    time.pass(3_600_000)
    await look(guest, id)
    seq = await eventAfter(guest, seq, 'schedule_ended')
  }
  await eventAfter(guest, 0, 'schedule_disabled')
  const { schedules } = await ok<{ schedules: readonly { status: string }[] }>(guest, 'schedule.search', {})
  assert.equal(schedules[0]?.status, 'disabled')
  const runs = await runsOf(guest, id)
  assert.ok(runs.every(({ status, notify }) => status === 'skipped' || (status === 'failed' && notify)))
  // Active again, it starts without its failures.
  await ok(guest, 'schedule.edit', { id, status: 'active' })
  const { schedules: again } = await ok<{ schedules: readonly { failures: number }[] }>(guest, 'schedule.search', {})
  assert.equal(again[0]?.failures, 0)
})

test('schedules are found, paused, run at once and deleted, and have their limits', async () => {
  await using guest = await openFixture({ config: { schedules: { max_schedules: 1 } } })
  const { id } = await ok<{ id: string }>(guest, 'schedule.create', hourly)
  const limited = await guest.kernel.call('schedule.create', hourly)
  assert.ok('failure' in limited && limited.failure.code === 'limit_reached')
  await ok(guest, 'schedule.edit', { id, status: 'paused' })
  const { schedules } = await ok<{ schedules: readonly { next_at: number | null }[] }>(guest, 'schedule.search', { status: 'paused' })
  assert.equal(schedules[0]?.next_at, null)
  await ok(guest, 'schedule.trigger', { id })
  await eventAfter(guest, 0, 'schedule_ended')
  assert.equal((await runsOf(guest, id))[0]?.status, 'success')
  await ok(guest, 'schedule.delete', { id })
  const gone = await guest.kernel.call('schedule.runs', { id })
  assert.ok('failure' in gone && gone.failure.code === 'not_found')
  assert.deepEqual(await guest.store.documentCategories(), [])
})

test('an overload holds schedules back: by their rule, what is late is skipped with its reason, or its delay is noted once', async () => {
  const time = settable()
  // Any machine uses more memory than that.
  await using guest = await openFixture({ clock: time.clock, config: { resources: { memory_percent: 1 } } })
  await ok(guest, 'resources.show', {})
  const skipping = await ok<{ id: string }>(guest, 'schedule.create', { ...hourly, misfire: 'skip', grace_s: 60 })
  const waiting = await ok<{ id: string }>(guest, 'schedule.create', { ...hourly, name: 'Patient', misfire: 'once', grace_s: 60 })
  time.pass(3_630_000)
  await look(guest, skipping.id)
  assert.deepEqual(await runsOf(guest, skipping.id), [], 'within the grace it still waits')
  time.pass(60_000)
  await look(guest, skipping.id)
  await look(guest, waiting.id, 'Patient')
  await eventAfter(guest, 0, 'schedule_skipped')
  await eventAfter(guest, 0, 'schedule_delayed')
  await look(guest, skipping.id)
  await look(guest, waiting.id, 'Patient')
  const [skipped, ...others] = await runsOf(guest, skipping.id)
  assert.equal(skipped?.status, 'skipped')
  assert.match(skipped.summary, /^The machine was overloaded: .*memory at .* threshold 1 %/)
  assert.deepEqual([others, await runsOf(guest, waiting.id)], [[], []])
  const { schedules } = await ok<{ schedules: readonly { next_at: number; name: string }[] }>(guest, 'schedule.search', {})
  for (const { name, next_at: next } of schedules) assert.equal(next > time.clock.now(), name === 'Report', name)
  const page = await ok<{ events: readonly { kind: string }[] }>(guest, 'events.next', { after: 0, kinds: ['schedule_*'] })
  assert.deepEqual(page.events.map(({ kind }) => kind).sort(), ['schedule_delayed', 'schedule_skipped'])
})

test('a run that waits for a place in the queue is shown as waiting, and as running once it has one', async () => {
  const first = Promise.withResolvers<void>()
  const play: NonNullable<FixtureOptions['play']> = async function* () {
    await first.promise
    yield* says('done')
  }
  await using guest = await openFixture({ play, config: { agents: { max_running: 1 } } })
  const [a, b] = [await ok<{ id: string }>(guest, 'schedule.create', hourly), await ok<{ id: string }>(guest, 'schedule.create', hourly)]
  await ok(guest, 'schedule.trigger', { id: a.id })
  await eventAfter(guest, 0, 'schedule_started')
  await ok(guest, 'schedule.trigger', { id: b.id })
  const statusOf = async ({ id }: { readonly id: string }) => (await runsOf(guest, id)).map(({ status }) => status)
  assert.deepEqual([await statusOf(a), await statusOf(b)], [['running'], ['waiting']])
  const listed = await guest.kernel.call('schedule.runs', { id: b.id })
  assert.deepEqual(listed.status === 'ok' ? listed.labels : listed, ['untrusted'], 'a run that has not begun has read nothing')
  first.resolve()
  await eventAfter(guest, await eventAfter(guest, 0, 'schedule_ended'), 'schedule_ended')
  assert.deepEqual([await statusOf(a), await statusOf(b)], [['success'], ['success']])
})
