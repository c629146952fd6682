import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOxbowError, type Json, type JsonObject } from '../../base/index.ts'
import { type Fixture, openFixture, user } from '../../kernel/kernel-fixture.ts'
import type { CallOutcome } from '../../protocol/index.ts'
import { openMemoryStore } from '../../store/index.ts'
import { parseConfig } from '../config-schema.ts'

const nightly = { name: 'nightly', goal: 'Say what is new.', cron: '0 3 * * *', time_zone: 'UTC' }

async function ask<Output>({ kernel }: Fixture, name: string, input: Json = {}): Promise<Output> {
  const outcome = (await kernel.call(name, input)) as CallOutcome<Output>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Output> & { status: 'ok' }).output
}

interface Shown extends JsonObject {
  readonly id: string
  readonly name: string
  readonly source: string
  readonly status: string
  readonly created_at: number
  readonly next_at: number | null
}

/** The service takes entries up before it answers. */
async function shown(guest: Fixture, most = 40): Promise<readonly Shown[]> {
  const { schedules } = await ask<{ schedules: readonly Shown[] }>(guest, 'schedule.search')
  if (schedules.length > 0 || most === 0) return schedules
  await new Promise((resolve) => setTimeout(resolve, 25))
  return shown(guest, most - 1)
}

async function refusal(guest: Fixture, name: string, input: Json): Promise<string> {
  const outcome = (await guest.kernel.call(name, input)) as CallOutcome
  return outcome.status === 'ok' ? '' : `${outcome.failure.code}: ${outcome.failure.message} ${outcome.failure.hint}`
}

void test('an entry of the configuration is one schedule over restarts, follows its entry and goes with it', async () => {
  const store = await openMemoryStore({ user })
  const guests = { store: { ...store, close: async () => {} } }
  const begin = (...schedule: readonly JsonObject[]): Promise<Fixture> => openFixture({ ...guests, config: { schedule } })
  const first = await begin(nightly)
  const [made, ...more] = await shown(first)
  assert.deepEqual([made!.name, made!.source, made!.status, more.length], ['nightly', 'config', 'active', 0])
  await ask(first, 'schedule.create', { name: 'own', goal: 'x', cadence: { type: 'interval', every_s: 3_600 } })
  await first.kernel.close()
  const second = await begin({ ...nightly, goal: 'Say it again.' })
  const again = (await shown(second)).find(({ source }) => source === 'config')!
  assert.deepEqual([again.id, again['goal'], again.created_at, again.next_at], [made!.id, 'Say it again.', made!.created_at, made!.next_at])
  await second.kernel.close()
  const third = await begin({ ...nightly, enabled: false })
  assert.equal((await shown(third)).find(({ source }) => source === 'config')!.status, 'paused')
  await third.kernel.close()
  await using last = await openFixture({ store, config: {} })
  assert.deepEqual(
    (await shown(last)).map(({ name, source }) => [name, source]),
    [['own', 'call']],
  )
})

void test('what stands in a file is changed there, but one that failures disabled goes on by a word', async () => {
  await using guest = await openFixture({ config: { schedule: [nightly] } })
  const [{ id } = { id: '' }] = await shown(guest)
  for (const [name, input] of [
    ['schedule.edit', { id, goal: 'another' }],
    ['schedule.edit', { id, status: 'paused' }],
    ['schedule.delete', { id }],
  ] as const)
    assert.match(await refusal(guest, name, input), /denied: nightly stands as \[\[schedule\]\] .*oxbow config edit/)
  assert.equal(await refusal(guest, 'schedule.edit', { id, status: 'active' }), '')
})

void test('an entry that cannot be used is an event with its reason, and the others are made', async () => {
  const never = { name: 'never', goal: 'x', cron: '0 0 30 2 *' }
  const often = { name: 'often', goal: 'x', every_s: 1 }
  await using guest = await openFixture({ config: { schedule: [never, often, nightly] } })
  assert.deepEqual(
    (await shown(guest)).map(({ name }) => name),
    ['nightly'],
  )
  const { events } = await ask<{ events: readonly JsonObject[] }>(guest, 'events.next', {
    after: 0,
    kinds: ['schedule_refused'],
    limit: 10,
  })
  assert.match(JSON.stringify(events), /never.*never due.*often.*at most every 60 s/)
})

void test('the schema names what is wrong with an entry', () => {
  const wrong = (entry: JsonObject, why: RegExp): void =>
    assert.throws(
      () => parseConfig({ schedule: [entry] }, 'a test'),
      (error) => isOxbowError(error, 'bad_config') && why.test(error.message),
    )
  wrong({ name: 'x', goal: 'y' }, /schedule\.0: needs one of cron, every_s and at/)
  wrong({ ...nightly, every_s: 60 }, /needs one of/)
  wrong({ ...nightly, cron: 'daily' }, /schedule\.0\.cron: must have five or six parts/)
  wrong({ name: 'x', goal: 'y', at: '2027-01-31 09:00' }, /must be a time with its offset/)
  assert.throws(() => parseConfig({ schedule: [nightly, nightly] }, 'a test'), /two of the same name/)
})
