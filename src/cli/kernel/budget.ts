/** The daily budget of a person. */
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
