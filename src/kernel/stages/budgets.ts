/**
 * Budgets of the user and of each session. Before a call runs (stage 6), it reserves the most that it can cost; afterwards (stage 10), it
 * settles its actual cost. So concurrent calls cannot exceed a budget together.
 */
import type { Projection, Store } from '../../store/index.ts'
import {
  addSpend,
  type Caller,
  type Config,
  type Failure,
  type BudgetLimit,
  createRecentMap,
  noSpend,
  type SessionId,
  type Spend,
} from '../../types/index.ts'
import { maxHeldAccounts } from '../limits.ts'

export interface Budgets {
  /** Reads what user and session have spent. Await before `reserve`. @returns undefined if both are loaded already */
  load(session: SessionId | ''): Promise<void> | undefined
  /** @returns null, or the failure if a budget does not cover it; nothing is reserved then */
  reserve(caller: Caller, spend: Spend): Failure | null
  /** Releases the reservation and adds the actual cost. */
  settle(caller: Caller, reserved: Spend, spent: Spend): void
  /** The changes to the store's tables that belong to `settle`. */
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

export function createBudgets(store: Pick<Store, 'spent'>, user: string, config: Config['budget']): Budgets {
  const ofUser = userScope(user)
  /** The user's account, and accounts with a reservation, which exists only in memory. */
  const kept = new Map<string, Account>()
  const idle = createRecentMap<string, Account>(maxHeldAccounts)
  const find = (scope: string): Account | undefined => kept.get(scope) ?? idle.get(scope)
  const open = async (scope: string): Promise<void> => {
    const spent = await store.spent(scope)
    if (find(scope) !== undefined) return
    if (scope === ofUser) kept.set(scope, { spent, reserved: noSpend, limit: config.user })
    else idle.put(scope, { spent, reserved: noSpend, limit: config.session })
  }
  const accountsOf = ({ session }: Pick<Caller, 'session'>): (readonly [string, Account])[] =>
    [ofUser, sessionScope(session)].flatMap((scope) => {
      const account = find(scope)
      return account === undefined ? [] : [[scope, account] as const]
    })

  return {
    load(session) {
      const missing = [ofUser, ...(session === '' ? [] : [sessionScope(session)])].filter((scope) => find(scope) === undefined)
      if (missing.length === 0) return undefined
      return Promise.all(missing.map(open)).then(() => {})
    },
    reserve(caller, spend) {
      const accounts = accountsOf(caller)
      for (const [scope, account] of accounts) {
        const reason = shortfall(account, spend)
        if (reason !== null) return exhausted(scope === ofUser ? 'user' : 'session', reason)
      }
      for (const [scope, account] of accounts) {
        account.reserved = addSpend(account.reserved, spend)
        if (!isNothing(spend)) kept.set(scope, account)
      }
      return null
    },
    settle(caller, reserved, spent) {
      for (const [scope, account] of accountsOf(caller)) {
        account.reserved = addSpend(account.reserved, reserved, -1)
        account.spent = addSpend(account.spent, spent)
        if (scope !== ofUser && isNothing(account.reserved) && kept.delete(scope)) idle.put(scope, account)
      }
    },
    projections(session, spent) {
      if (isNothing(spent)) return []
      const scopes = session === '' ? [ofUser] : [ofUser, sessionScope(session)]
      return scopes.map((scope) => ({ kind: 'spend', scope, spend: spent }) as const)
    },
    view: (scope) => find(scope) ?? { spent: noSpend, reserved: noSpend, limit: config.session },
  }
}

function isNothing({ microDollars, tokens }: Spend): boolean {
  return microDollars === 0 && tokens === 0
}

function shortfall({ spent, reserved, limit }: Account, needed: Spend): string | null {
  const money = limit.micro_dollars
  if (money !== null && spent.microDollars + reserved.microDollars + needed.microDollars > money)
    return `${needed.microDollars} micro-dollars needed, ${Math.max(0, money - spent.microDollars - reserved.microDollars)} left of ${money}`
  if (limit.tokens !== null && spent.tokens + reserved.tokens + needed.tokens > limit.tokens)
    return `${needed.tokens} tokens needed, ${Math.max(0, limit.tokens - spent.tokens - reserved.tokens)} left of ${limit.tokens}`
  return null
}

function exhausted(scope: 'user' | 'session', reason: string): Failure {
  return {
    code: 'budget_exhausted',
    message: `The ${scope}'s budget does not cover this: ${reason}. Nothing was run.`,
    hint: `Raise [budget.${scope}] in config.toml${scope === 'session' ? ', or start a new session' : ''}, then send the message again.`,
  }
}
