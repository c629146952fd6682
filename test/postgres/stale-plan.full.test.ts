/** A plan whose guest loses its database in the middle, and another guest that takes over. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { user } from '../../src/kernel/kernel-fixture.ts'
import type { PlanView } from '../../src/services/plans/plan-calls.ts'
import { address, sent, withPlans } from '../../src/services/plans/plans-fixture.ts'
import { openPostgresStore } from '../../src/store/index.ts'
import { pgDriver } from '../../src/store/postgres/engine-fixture.ts'
import { postgresSkip, usePostgres } from '../../src/store/postgres/postgres-fixture.ts'

const postgres = usePostgres()
const skip = postgresSkip()
const advisory = (isGranted: boolean): string => `from pg_locks where locktype = 'advisory' and ${isGranted ? '' : 'not '}granted`

test('a guest that lost its database does no more of a plan; the one that has it goes on, and repeats nothing', { skip }, async () => {
  await using database = await postgres.database()
  const open = (exclusive: boolean) => openPostgresStore({ url: database.url, user, pool: 3, durability: 'normal', exclusive })
  await withPlans(
    async ({ call, plan, other }) => {
      const made = await plan(['mail_send', { to: 'a' }], ['mail_send', { to: 'b' }])
      const asked = { plan: made.id, digest: made.digest }
      const sendsSlowly = Promise.withResolvers<void>()
      address.opens = sendsSlowly.promise
      const first = call('plan.apply', asked).catch((error: unknown) => String(error))
      while (sent.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
      address.opens = Promise.resolve()
      // The lock of the other guest, which has it in the moment in which the first one's connection is gone.
      const lock = await pgDriver(database.url).connect()
      const taking = lock.rows({ text: `select pg_advisory_lock(hashtextextended($1, 0))`, values: [`oxbow.guest:${user}`] })
      while ((await database.sql(`select 1 ${advisory(false)}`)).length === 0);
      await database.sql(`select pg_terminate_backend(pid) ${advisory(true)}`)
      await taking
      const second = await other(await open(false))
      const shown = async () => ((await second.kernel.call('plan.show', { plan: made.id })) as unknown as { output: PlanView }).output
      for (let now = await shown(); now.state === 'applying'; now = await shown()) await new Promise((resolve) => setTimeout(resolve, 20))
      const { state, applied } = await shown()
      assert.deepEqual([state, applied?.failure?.code, applied?.next], ['stopped', 'outcome_unknown', 1])
      const again = await second.kernel.call('plan.apply', { ...asked, skip_unknown: true })
      assert.match(again.text, /^Applied/)
      // The first one hears of its own message at last, and can record nothing more.
      sendsSlowly.resolve()
      await first
      assert.deepEqual([sent, (await shown()).state], [[{ to: 'a' }, { to: 'b' }], 'applied'])
      await lock.close()
    },
    { store: await open(true) },
  )
})
