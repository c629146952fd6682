import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type SessionId, systemClock } from '../../base/index.ts'
import { noSpend, sessionScope, userScope } from '../../protocol/index.ts'
import { configSchema } from '../../services/index.ts'
import { userCaller } from '../policy/policy.ts'
import { createBudgets } from './budgets.ts'
import { maxHeldAccounts } from '../budgets/definitions.ts'

void test('the least recently used account is evicted and reread, one with a reservation stays', async () => {
  const read: string[] = []
  const spent = async (scope: string) => (read.push(scope), { tokens: 7, microDollars: 0 })
  const store = { spent, used: async () => null, document: async () => null, documents: async () => [] }
  const budgets = createBudgets(store, 'ada', configSchema.parse({}), systemClock)
  const load = (session: SessionId) => budgets.load({ session, actor: 'agent:oxbow' })
  const call = { name: 'model.generate', reserve: () => noSpend }
  const [holds, idle] = ['holds' as SessionId, 'idle' as SessionId]
  const caller = userCaller('ada' as never, holds, '')
  const reserved = { tokens: 5, microDollars: 0 }
  await load(idle)
  await load(holds)
  const hold = budgets.reserve(caller, call, reserved)
  assert.ok(hold !== null && !('code' in hold))
  for (let i = 0; i < maxHeldAccounts; i++) await load(`s${i}` as SessionId)
  read.length = 0
  await load(holds)
  assert.equal(read.length, 0)
  assert.deepEqual(budgets.view(sessionScope(holds)).reserved, reserved)
  assert.deepEqual(budgets.view(userScope('ada')).reserved, reserved)
  await load(idle)
  assert.deepEqual(read, [sessionScope(idle)])

  budgets.settle(hold, { tokens: 3, microDollars: 0 })
  assert.equal(budgets.view(sessionScope(holds)).spent.tokens, 10)
  for (let i = 0; i < maxHeldAccounts; i++) await load(`t${i}` as SessionId)
  await load(holds)
  assert.equal(read.includes(sessionScope(holds)), true)
  assert.deepEqual(budgets.view(sessionScope(holds)).reserved, noSpend)
})

void test('nothing is read of the account of a session that was just created', async () => {
  const read: string[] = []
  const store = {
    spent: async (scope: string) => (read.push(scope), noSpend),
    used: async (budget: string) => (read.push(budget), null),
    document: async () => null,
    documents: async () => [],
  }
  const budgets = createBudgets(store, 'ada', configSchema.parse({}), systemClock)
  const fresh = 'fresh' as SessionId
  budgets.created(fresh)
  await budgets.load({ session: fresh, actor: 'user:ada' })
  assert.deepEqual(read, [userScope('ada')])
  assert.deepEqual(budgets.view(sessionScope(fresh)).spent, noSpend)
})
