/** Budgets as `budget.show` gives them, and in words. */
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { countText, moneyText } from '../../ui/numbers.ts'

export type BudgetLine = OutputOf<'budget.show'>['budgets'][number]

export const kinds = ['micro_dollars', 'tokens', 'calls', 'seconds'] as const
export type Kind = (typeof kinds)[number]

export const kindNames: Readonly<Record<Kind, string>> = {
  micro_dollars: 'Money',
  tokens: 'Tokens',
  calls: 'Calls',
  seconds: 'Time',
}

export function amountText(kind: Kind, amount: number): string {
  if (kind === 'micro_dollars') return moneyText(amount)
  if (kind !== 'seconds') return countText(amount)
  return amount < 3_600 ? `${Math.round(amount / 60)} min` : `${(amount / 3_600).toFixed(1)} h`
}

export function scopeText(scope: string): string {
  const [kind = '', name] = scope.split(/:(.*)/s)
  if (name !== undefined) return `${kind.charAt(0).toUpperCase()}${kind.slice(1)} ${name}`
  if (kind === 'user') return 'Everything'
  return kind === 'session' ? 'Each session' : kind === 'agent' ? 'Each agent' : scope
}

export function windowText(window: string): string {
  if (window === 'total') return 'in total'
  const seconds = /^(\d+)s$/.exec(window)?.[1]
  return seconds === undefined ? `each ${window}` : `each ${amountText('seconds', Number(seconds))}`
}
