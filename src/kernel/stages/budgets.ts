/**
 * Stage 6, reserve, and the money part of stage 10. A call reserves the most it can cost from the session's and the user's
 * budget before it runs and settles what it did cost after, so that calls side by side cannot overdraw together.
 */
import type { Projection, Store } from '../../store/index.ts'
import {
  addSpend,
  type Caller,
  type Config,
  type Failure,
  type BudgetLimit,
  noSpend,
  type SessionId,
  type Spend,
} from '../../types/index.ts'

export interface Budgets {
  /** Reads what user and session have spent, once. Await before `reserve`; undefined when it is known already. */
  load(session: SessionId | ''): Promise<void> | undefined
  /** @returns why not, and then nothing is reserved. */
  reserve(caller: Caller, spend: Spend): Failure | null
  /** Gives the reservation back and counts what was spent. */
  settle(caller: Caller, reserved: Spend, spent: Spend): void
  /** What `settle` means for the store. */
  projections(session: SessionId | '', spent: Spend): readonly Projection[]
  view(scope: string): { readonly spent: Spend; readonly reserved: Spend; readonly limit: BudgetLimit }
}

interface Account {
  spent: Spend
  reserved: Spend
  readonly limit: BudgetLimit
}

export const userScope = (user: string): string => `user:${user}`
export const sessionScope = (session: string): string => `session:${session}`

export function createBudgets(store: Store, user: string, config: Config['budget']): Budgets {
  const accounts = new Map<string, Account>()
  const open = async (scope: string, limit: BudgetLimit): Promise<void> => {
    const spent = await store.spent(scope)
    if (!accounts.has(scope)) accounts.set(scope, { spent, reserved: noSpend, limit })
  }
  const scopesOf = (caller: Pick<Caller, 'session'>): Account[] =>
    [userScope(user), sessionScope(caller.session)].map((scope) => accounts.get(scope)).filter((account) => account !== undefined)

  return {
    load(session) {
      const missing = [userScope(user), ...(session === '' ? [] : [sessionScope(session)])].filter((scope) => !accounts.has(scope))
      if (missing.length === 0) return undefined
      return Promise.all(missing.map((scope) => open(scope, scope === userScope(user) ? config.user : config.session))).then(() => {})
    },
    reserve(caller, spend) {
      for (const [i, account] of scopesOf(caller).entries()) {
        const short = shortfall(account, spend)
        if (short !== null) return exhausted(i === 0 ? 'user' : 'session', short)
      }
      for (const account of scopesOf(caller)) account.reserved = addSpend(account.reserved, spend)
      return null
    },
    settle(caller, reserved, spent) {
      for (const account of scopesOf(caller)) {
        account.reserved = addSpend(account.reserved, reserved, -1)
        account.spent = addSpend(account.spent, spent)
      }
    },
    projections(session, spent) {
      if (spent.microDollars === 0 && spent.tokens === 0) return []
      const scopes = session === '' ? [userScope(user)] : [userScope(user), sessionScope(session)]
      return scopes.map((scope) => ({ kind: 'spend', scope, spend: spent }) as const)
    },
    view: (scope) => accounts.get(scope) ?? { spent: noSpend, reserved: noSpend, limit: config.session },
  }
}

function shortfall({ spent, reserved, limit }: Account, wanted: Spend): string | null {
  const money = limit.micro_dollars
  if (money !== null && spent.microDollars + reserved.microDollars + wanted.microDollars > money)
    return `${wanted.microDollars} micro-dollars wanted, ${Math.max(0, money - spent.microDollars - reserved.microDollars)} left of ${money}`
  if (limit.tokens !== null && spent.tokens + reserved.tokens + wanted.tokens > limit.tokens)
    return `${wanted.tokens} tokens wanted, ${Math.max(0, limit.tokens - spent.tokens - reserved.tokens)} left of ${limit.tokens}`
  return null
}

function exhausted(scope: 'user' | 'session', short: string): Failure {
  return {
    code: 'budget_exhausted',
    message: `The ${scope}'s budget does not cover this: ${short}. Nothing was run.`,
    hint: `Raise [budget.${scope}] in config.toml${scope === 'session' ? ', or start a new session' : ''}, then send the message again.`,
  }
}
