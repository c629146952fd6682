import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore, type Store } from '../../store/index.ts'
import { OxbowError, systemClock } from '../../base/index.ts'
import type { CallOutcome, DoctorCheck } from '../../protocol/index.ts'
import { type Fixture, openFixture, user } from '../../kernel/kernel-fixture.ts'
import { healthCall } from './health-call.ts'

async function health(guest: Fixture, part = 'guest'): Promise<ReadonlyMap<string, DoctorCheck>> {
  const outcome = (await guest.kernel.call('system.health', { part })) as CallOutcome<{ checks: readonly DoctorCheck[] }>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  const { checks } = (outcome as CallOutcome<{ checks: readonly DoctorCheck[] }> & { status: 'ok' }).output
  return new Map(checks.map((check) => [check.name, check]))
}

test('a guest that works says so of each of its own parts, and the host adds what it finds', async () => {
  const parts: string[] = []
  await using guest = await openFixture({
    async *health(part) {
      parts.push(part)
      yield { name: `of ${part}`, state: 'weak', says: 'too little', fix: 'buy more', required: false, ms: 3 }
    },
  })
  const own = await health(guest)
  for (const name of ['journal', 'clock', 'sessions', 'memory']) assert.equal(own.get(name)?.state, 'ok', name)
  assert.match(own.get('clock')!.says, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/)
  // A machine that does much else lets the loop wait.
  assert.match(own.get('event loop')?.state ?? '', /^(?:ok|weak)$/)
  assert.match(own.get('journal')!.says, /\d+ records/)
  assert.equal(own.get('of guest')?.fix, 'buy more')
  assert.deepEqual([...(await health(guest, 'model')).keys()], ['of model'], 'a part has only its own checks')
  assert.deepEqual(parts, ['guest', 'model'])
})

test('who asks while a part is examined gets the same findings, and the next one new ones', async () => {
  const release = Promise.withResolvers<void>()
  let examined = 0
  await using guest = await openFixture({
    async *health() {
      examined += 1
      await release.promise
      yield { name: 'sandbox', state: 'ok', says: `examination ${examined}`, fix: '', required: true, ms: 0 }
    },
  })
  const both = Promise.all([health(guest, 'machine'), health(guest, 'machine')])
  release.resolve()
  for (const found of await both) assert.equal(found.get('sandbox')?.says, 'examination 1')
  assert.equal((await health(guest, 'machine')).get('sandbox')?.says, 'examination 2')
})

test('a clock that was set back is found by the newest record', async () => {
  let now = Date.UTC(2026, 10, 23)
  await using guest = await openFixture({ clock: { ...systemClock, now: () => now } })
  now -= 60_000
  const { state, says } = (await health(guest)).get('clock')!
  assert.equal(state, 'weak')
  assert.match(says, /60 s in the future/)
})

test('a guest whose store has failed says that it only reads, and why', async () => {
  const store = await openMemoryStore({ user })
  let broken = false
  const failing: Store = {
    ...store,
    append: (append) =>
      broken ? Promise.reject(new OxbowError('store_full', 'The disk is full.', { hint: 'Free some space.' })) : store.append(append),
  }
  await using guest = await openFixture({ store: failing })
  broken = true
  await guest.kernel.call('session.create', {}).catch(() => {})
  const outcome = await guest.kernel.call('system.health', { part: 'guest' })
  assert.ok(outcome.status === 'ok', JSON.stringify(outcome))
  const journal = (outcome.output as { checks: readonly DoctorCheck[] }).checks.find(({ name }) => name === 'journal')
  assert.deepEqual([journal?.state, journal?.fix], ['missing', 'Free some space.'])
})

test('sessions, loop, memory, load and the store of a guest that has too much to do', async () => {
  const sample = { loop_delay_ms: 900, guest_memory_mb: 300, memory_used_mb: 980, memory_total_mb: 1_000 }
  const deps = {
    store: { head: async () => ({ seq: 1 }), records: async () => [] },
    journal: { fault: () => null },
    storeWarning: () => 'the database is on a network share',
    lanes: { running: () => [{ waiting: 60 }, { waiting: 60 }] },
    approvals: { pending: () => [] },
    services: { async *health() {} },
    runs: async () => ({ resources: { snapshot: async () => sample, overloads: () => ['memory: 98 % of 90 %'] } }),
  }
  const { run } = healthCall(deps as never)
  const { output } = (await run({ part: 'guest' }, { clock: systemClock } as never)) as { output: { checks: readonly DoctorCheck[] } }
  const of = new Map(output.checks.map((check) => [check.name, check]))
  const says = {
    sessions: /120 messages wait/,
    'event loop': /900 ms late/,
    memory: /980 of 1000 MB/,
    load: /no new agents start: memory/,
    journal: /network share/,
  }
  for (const [name, text] of Object.entries(says)) {
    assert.equal(of.get(name)?.state, 'weak', name)
    assert.match(of.get(name)!.says, text)
    assert.notEqual(of.get(name)!.fix, '', name)
  }
})
