/** Budgets in the input of calls, and the daily one of a person. */
import type { Json } from '../../types/index.ts'
import type { GatewayPort } from '../guest-connection.ts'
import { outputOf } from './call.ts'

interface Shown {
  readonly budgets: readonly {
    readonly scope: string
    readonly window: string
    readonly limit: { readonly micro_dollars: number | null }
  }[]
}

/** @returns the dollars that the user may spend in a day; null: without limit */
export async function dailyLimit(gateway: GatewayPort): Promise<number | null> {
  const { budgets } = (await outputOf(gateway, 'budget.show', {})) as Shown
  const limit = budgets.find(({ scope, window }) => scope === 'user' && window === 'day')?.limit.micro_dollars ?? null
  return limit === null ? null : limit / 1_000_000
}

/** Options of what an agent or a run may use. */
export interface BudgetOptions {
  readonly maxTokens?: number | undefined
  readonly maxMoney?: number | undefined
  readonly maxCalls?: number | undefined
  readonly maxSeconds?: number | undefined
}

/** @returns the field `budget` of a call's input, if there are limits */
export function budgetOf({ maxTokens: tokens, maxMoney: money, maxCalls: calls, maxSeconds: seconds }: BudgetOptions): {
  readonly budget?: Json
} {
  const limits = {
    ...(tokens !== undefined && { tokens }),
    ...(money !== undefined && { micro_dollars: Math.round(money * 1_000_000) }),
    ...(calls !== undefined && { calls }),
    ...(seconds !== undefined && { seconds }),
  }
  return Object.keys(limits).length === 0 ? {} : { budget: limits }
}
