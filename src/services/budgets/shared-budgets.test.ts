/** No call goes out before a guest knows which budgets its user shares, however many come at once and whatever fails. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { systemClock } from '../../base/index.ts'
import { type Account, noSpend } from '../../protocol/index.ts'
import type { SharedBudget } from '../../store/index.ts'
import { createSharedBudgets } from './shared-budgets.ts'

const none: SharedBudget = {
  name: 'org:acme',
  span: 'total',
  limit: { microDollars: 100, tokens: null },
  used: { microDollars: 100, tokens: 0 },
  held: { microDollars: 0, tokens: 0 },
}
const need = { ...noSpend, microDollars: 10 }

function guest(share: () => Promise<readonly SharedBudget[]>) {
  const limit = { microDollars: Infinity, tokens: Infinity }
  const account = { limit, spent: { ...noSpend }, reserved: { ...noSpend }, carved: new Set() } as unknown as Account
  return createSharedBudgets({ clock: systemClock, share, account: async () => account })
}

test('calls that begin at the same time are all held to the budget', async () => {
  const asked = Promise.withResolvers<readonly SharedBudget[]>()
  const shared = guest(() => asked.promise)
  const first = shared.cover(need)
  await turn()
  const covered = Promise.all([first, shared.cover(need), shared.cover(need)])
  asked.resolve([none])
  for (const refused of await covered) assert.equal(refused?.code, 'budget_exhausted')
})

test('while the store cannot say which budgets there are, nothing is covered', async () => {
  let isAway = true
  const shared = guest(async () => {
    if (isAway) throw new Error('the store is away')
    return [none]
  })
  for (let tries = 0; tries < 2; tries += 1) await assert.rejects(shared.cover(need), /the store is away/)
  isAway = false
  assert.equal((await shared.cover(need))?.code, 'budget_exhausted')
})
