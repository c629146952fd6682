import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configSchema, noSpend, type SessionId } from '../../types/index.ts'
import { userCaller } from './policy.ts'
import { maxHeldAccounts } from '../limits.ts'
import { createBudgets, sessionScope, userScope } from './budgets.ts'

void test('the least recently used account is evicted and reread, one with a reservation stays', async () => {
  const read: string[] = []
  const spent = async (scope: string) => (read.push(scope), { tokens: 7, microDollars: 0 })
  const budgets = createBudgets({ spent }, 'ada', configSchema.parse({}).budget)
  const [holds, idle] = ['holds' as SessionId, 'idle' as SessionId]
  const caller = userCaller('ada' as never, holds, '')
  const reserved = { tokens: 5, microDollars: 0 }
  await budgets.load(idle)
  await budgets.load(holds)
  assert.equal(budgets.reserve(caller, reserved), null)
  for (let i = 0; i < maxHeldAccounts; i++) await budgets.load(`s${i}` as SessionId)
  read.length = 0
  assert.equal(budgets.load(holds), undefined)
  assert.deepEqual(budgets.view(sessionScope(holds)).reserved, reserved)
  assert.deepEqual(budgets.view(userScope('ada')).reserved, reserved)
  await budgets.load(idle)
  assert.deepEqual(read, [sessionScope(idle)])

  budgets.settle(caller, reserved, { tokens: 3, microDollars: 0 })
  assert.equal(budgets.view(sessionScope(holds)).spent.tokens, 10)
  for (let i = 0; i < maxHeldAccounts; i++) await budgets.load(`t${i}` as SessionId)
  await budgets.load(holds)
  assert.equal(read.includes(sessionScope(holds)), true)
  assert.deepEqual(budgets.view(sessionScope(holds)).reserved, noSpend)
})
