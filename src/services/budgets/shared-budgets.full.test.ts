/** Two users of one organisation, whose guests make calls at the same time: together they never spend more than the budget that they share. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock, type CallId, type UserId } from '../../base/index.ts'
import { createBudgets, reserveFor } from '../../kernel/stages/budgets.ts'
import { userScope, type Call, type Caller, type Spend } from '../../protocol/index.ts'
import { recordOf } from '../../store/store-contract.ts'
import { openEngine, pgDriver } from '../../store/postgres/engine-fixture.ts'
import { type PostgresDatabase, postgresSkip, usePostgres } from '../../store/postgres/postgres-fixture.ts'
import { sharedBudgets as adminOf } from '../../store/postgres/cluster/shared-budgets.ts'
import { parseConfig } from '../config-schema.ts'
import { createSharedBudgets } from './shared-budgets.ts'

const postgres = usePostgres()
const skip = postgresSkip()
const org = 'org:acme'

async function openGuest(database: PostgresDatabase, user: string, epoch: number) {
  const lease = { term: 1, epoch, node: 'n' }
  const { store, engine } = await openEngine(pgDriver(database.url), { user: user as UserId, exclusive: true, lease })
  await engine.open()
  const budgets = createBudgets(store, user, parseConfig({}, 'this test'), systemClock)
  const account = async () => {
    const [book] = await Promise.all([budgets.book(), budgets.load({ session: '', actor: '' })])
    return book.chain('', '').find(({ key }) => key === userScope(user))!
  }
  const shared = createSharedBudgets({ clock: systemClock, share: store.share!, account })
  budgets.cover = shared.cover
  const caller = { user, actor: 'agent:ox', session: 's1', turn: 't1', audience: 'runtime' } as unknown as Caller
  let calls = 0
  return {
    budgets,
    shared,
    store,
    /** @returns what it has cost; null: it was refused, and nothing was run */
    async call(cost: Spend, growsBy: Spend[] = []): Promise<Spend | null> {
      const made = { name: 'model.generate', reserve: async () => cost } as unknown as Call
      const hold = await reserveFor(budgets, caller, made, {})
      assert(hold !== null)
      if ('code' in hold) {
        assert.equal(hold.code, 'budget_exhausted')
        assert.match(hold.message, /org:acme, which others share/)
        return null
      }
      let spent = cost
      for (const more of growsBy) {
        await new Promise((resolve) => setImmediate(resolve))
        if (!budgets.extend(hold, more)) break
        spent = { microDollars: spent.microDollars + more.microDollars, tokens: spent.tokens + more.tokens }
      }
      const { charged } = budgets.settle(hold, spent)
      const id = `${user}-${(calls += 1)}` as CallId
      const projections = budgets.projections('s1' as never, { spent, charged, at: 0, ms: 0 })
      await store.append({ records: [recordOf(id, 'intent'), recordOf(id, 'outcome')], projections })
      return spent
    },
    close: () => store.close(),
  }
}

test('two users that work at once stop together at the limit, and no answer under way passes it', { skip }, async () => {
  await using database = await postgres.database()
  const limit = 100_000
  const guests = [await openGuest(database, 'ann', 1), await openGuest(database, 'bob', 2)]
  const session = await pgDriver(database.url).connect()
  const admin = adminOf(session)
  await admin.set(org, 'month', { microDollars: limit, tokens: null })
  for (const user of ['ann', 'bob']) await admin.join(org, user)
  let spent = 0
  const work = async (guest: (typeof guests)[number], lane: number): Promise<void> => {
    for (let turn = 0; turn < 60; turn += 1) {
      const grows = Array.from({ length: (turn + lane) % 5 }, () => ({ microDollars: 300, tokens: 10 }))
      const cost = await guest.call({ microDollars: 400 + 37 * ((turn * lane) % 11), tokens: 50 }, grows)
      if (cost === null) return
      spent += cost.microDollars
      const [budget] = await admin.list()
      assert(budget!.used.microDollars + budget!.held.microDollars <= limit)
    }
  }
  await Promise.all(guests.flatMap((guest) => [1, 2, 3].map((lane) => work(guest, lane))))
  const [budget] = await admin.list()
  assert.equal(budget!.used.microDollars, spent)
  assert(spent <= limit, `${spent} of ${limit}`)
  assert(spent > 0.9 * limit, `a budget that is not used up refuses: ${spent} of ${limit}`)
  // What one no longer needs, the other may use.
  for (const { shared } of guests) await shared.rest(true)
  assert.equal((await admin.list())[0]!.held.microDollars, 0)
  await admin.set(org, 'month', { microDollars: limit + 5_000, tokens: null })
  assert.deepEqual(await guests[0]!.call({ microDollars: 5_000, tokens: 1 }), { microDollars: 5_000, tokens: 1 })
  for (const guest of guests) await guest.close()
  await session.close()
})

test('a user who shares no budget asks nobody', { skip }, async () => {
  await using database = await postgres.database()
  const guest = await openGuest(database, 'ann', 1)
  await guest.call({ microDollars: 10, tokens: 1 })
  let asked = 0
  const shared = createSharedBudgets({
    clock: systemClock,
    share: async () => {
      asked += 1
      return []
    },
    account: () => assert.fail('it needs no account'),
  })
  for (let times = 0; times < 5; times += 1) assert.equal(await shared.cover({ microDollars: 10, tokens: 1 }), null)
  assert.equal(asked, 1, 'only once, with the first call')
  await guest.close()
})

test('while the store cannot say which budgets a user shares, nothing is spent', { skip }, async () => {
  await using database = await postgres.database()
  const guest = await openGuest(database, 'ann', 1)
  const session = await pgDriver(database.url).connect()
  const admin = adminOf(session)
  await admin.set(org, 'month', { microDollars: 100, tokens: null })
  await admin.join(org, 'ann')
  // The second one answers which they are, and fails where it is asked for the parts.
  const answers = [false, true, false, false]
  const account = async () => {
    const [book] = await Promise.all([guest.budgets.book(), guest.budgets.load({ session: '', actor: '' })])
    return book.chain('', '').find(({ key }) => key === userScope('ann'))!
  }
  const shared = createSharedBudgets({
    clock: systemClock,
    share: async (asks) => {
      if (answers.shift() === false) throw new Error('the row is locked')
      return guest.store.share!(asks)
    },
    account,
  })
  const need = { microDollars: 1_000, tokens: 1 }
  for (let tries = 0; tries < 3; tries += 1) await assert.rejects(shared.cover(need), /the row is locked/)
  assert.equal((await shared.cover(need))?.code, 'budget_exhausted')
  await guest.close()
  await session.close()
})
