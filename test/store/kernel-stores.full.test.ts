/**
 * What the subsystems of the kernel remember, over each store that there is: a kernel makes it, closes, and the next one of the same user
 * finds it. The contract of the port itself is in src/store/store-contract.ts.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Fixture, type FixtureOptions, openFixture, says, user } from '../../src/kernel/kernel-fixture.ts'
import { openPostgresStore, type Store } from '../../src/store/index.ts'
import { postgresSkip, usePostgres } from '../../src/store/postgres/postgres-fixture.ts'
import { storeFolder } from '../../src/store/store-fixture.ts'
import type { Json } from '../../src/base/index.ts'
import type { CallOutcome } from '../../src/protocol/index.ts'

interface Place extends AsyncDisposable {
  open(): Promise<Store>
}

const postgres = usePostgres()

/** Every implementation of the store. */
const stores: readonly { readonly name: string; readonly skip: string | false; readonly make: () => Promise<Place> }[] = [
  {
    name: 'SQLite',
    skip: false,
    async make() {
      const files = storeFolder()
      return { open: () => files.open({ user, exclusive: true }), [Symbol.asyncDispose]: () => files[Symbol.asyncDispose]() }
    },
  },
  {
    name: 'Postgres',
    skip: postgresSkip(),
    async make() {
      const database = await postgres.database()
      return {
        open: () => openPostgresStore({ url: database.url, user, pool: 3, durability: 'normal', exclusive: true }),
        [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
      }
    },
  },
]

async function ok<Output>(guest: Fixture, name: string, input: Json): Promise<Output> {
  const outcome = (await guest.kernel.call(name, input)) as CallOutcome<Output>
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as CallOutcome<Output> & { status: 'ok' }).output
}

/** One life of a kernel, then the next. */
async function twice<Made>(
  place: Place,
  first: (guest: Fixture) => Promise<Made>,
  then: (guest: Fixture, made: Made) => Promise<void>,
  options: FixtureOptions = {},
): Promise<void> {
  const guest = await openFixture({ ...options, store: await place.open() })
  const made = await first(guest)
  await guest.kernel.close()
  await using again = await openFixture({ ...options, store: await place.open(), session: guest.session })
  await then(again, made)
  assert.equal((await ok<{ ok: boolean }>(again, 'audit.verify', {})).ok, true)
}

for (const { name, skip, make } of stores) {
  describe(`over ${name}`, { skip }, () => {
    it('saved documents keep their versions, are listed by name, and change only from the version that is known', async () => {
      await using place = await make()
      const save = (guest: Fixture, n: number, known: number): Promise<CallOutcome> =>
        guest.kernel.call('state.save', { category: 'plans', name: `p${n % 2}`, data: { n }, if_version: known })
      const first = async (guest: Fixture): Promise<number> => {
        for (const n of [0, 1]) assert.equal((await save(guest, n, 0)).status, 'ok')
        return (await ok<{ version: number }>(guest, 'state.load', { category: 'plans', name: 'p1' })).version
      }
      await twice(place, first, async (guest, version) => {
        assert.equal((await save(guest, 3, version - 1)).status, 'failed')
        assert.equal((await save(guest, 3, version)).status, 'ok')
        assert.deepEqual((await ok<{ data: Json }>(guest, 'state.load', { category: 'plans', name: 'p1' })).data, { n: 3 })
        const { documents } = await ok<{ documents: readonly { name: string }[] }>(guest, 'state.list', { category: 'plans' })
        assert.deepEqual(
          documents.map((document) => document.name),
          ['p0', 'p1'],
        )
      })
    })

    it('agents that have ended are known, and one that waits for its place starts', async () => {
      await using place = await make()
      let hang = true
      const play: NonNullable<FixtureOptions['play']> = async function* (_, signal) {
        if (hang) await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        yield* says('done')
      }
      const first = async (guest: Fixture): Promise<readonly string[]> => {
        const ids: string[] = []
        for (const task of ['one', 'two']) ids.push((await ok<{ id: string }>(guest, 'agent.spawn', { task })).id)
        return ids
      }
      await twice(
        place,
        async (guest) => {
          const ids = await first(guest)
          hang = false
          return ids
        },
        async (guest, agents) => {
          const waited = await ok<{ agents: readonly { state: string; reply: string }[] }>(guest, 'agent.wait', {
            agents: [...agents],
            timeout_s: 30,
          })
          assert.deepEqual(
            waited.agents.map(({ state, reply }) => [state, reply]),
            agents.map(() => ['done', 'done']),
          )
        },
        { play, config: { agents: { max_running: 1 } } },
      )
    })

    it('a schedule that was due meanwhile runs once, and its runs are listed', async () => {
      await using place = await make()
      let ahead = 0
      const clock = { now: () => Date.now() + ahead, monotonicMs: () => performance.now() }
      const input = { name: 'report', goal: 'Report.', cadence: { type: 'interval', every_s: 3_600 } }
      await twice(
        place,
        async (guest) => {
          const { id } = await ok<{ id: string }>(guest, 'schedule.create', input)
          ahead = 3 * 3_600_000
          return id
        },
        async (guest, id) => {
          await ok(guest, 'events.next', { after: 0, kinds: ['schedule_ended'], wait_s: 30 })
          const { runs } = await ok<{ runs: readonly { status: string }[] }>(guest, 'schedule.runs', { id })
          assert.deepEqual(runs.map(({ status }) => status).toSorted(), ['skipped', 'success'])
        },
        { clock },
      )
    })

    it('a subscriber gets what it has not confirmed, and a key still opens', async () => {
      await using place = await make()
      const first = async (guest: Fixture): Promise<string> => {
        await ok(guest, 'events.subscribe', { name: 'nightly', kinds: ['custom_*'] })
        await ok(guest, 'events.publish', { kind: 'one', data: null })
        return (await ok<{ key: string }>(guest, 'key.create', { name: 'ci', rights: ['session.read'] })).key
      }
      await twice(place, first, async (guest, key) => {
        const page = await ok<{ events: readonly { kind: string }[] }>(guest, 'events.next', { subscriber: 'nightly' })
        assert.deepEqual(
          page.events.map(({ kind }) => kind),
          ['custom_one'],
        )
        const keyed = await guest.kernel.withKey(key)
        assert.equal((await keyed.listSessions(10)).length, 1)
        assert.equal((await keyed.call('key.list', {})).status, 'refused')
      })
    })

    it('what turns have used of a budget still counts', async () => {
      await using place = await make()
      // A turn without tools is one request to the model.
      const turns = async (guest: Fixture): Promise<readonly unknown[]> => {
        const ended: unknown[] = []
        for (let i = 0; i < 2; i++) ended.push((await guest.turn('hello'))['status'])
        return ended
      }
      const first = async (guest: Fixture): Promise<void> => {
        await ok(guest, 'budget.set', { scope: 'session', window: 'total', calls: 3 })
        assert.deepEqual(await turns(guest), ['ok', 'ok'])
      }
      await twice(place, first, async (guest) => assert.deepEqual(await turns(guest), ['ok', 'limit']))
    })
  })
}
