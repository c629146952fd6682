/** `oxbow budget`: what may be used, and what was. */
import type { OutputOf } from '../../client/index.ts'
import { type Json, OxbowError } from '../../types/index.ts'
import { type GatewayPort, withGuest } from '../guest-connection.ts'
import { type Preview, printLine, printText, type Terminal } from '../terminal.ts'
import { formatMoney, formatTime, plainLine, table } from '../../terminal/index.ts'
import { type CallOptions, type DryRunOptions, outputOf, showDestruction, showOutput } from './call.ts'

type Line = OutputOf<'budget.set'>

type Overview = OutputOf<'budget.show'>['user']

export interface LimitOptions extends CallOptions {
  readonly per?: string | undefined
  readonly tokens?: number | undefined
  readonly money?: number | undefined
  readonly calls?: number | undefined
  readonly seconds?: number | undefined
}

/** @returns the dollars that the user may spend in a day; null: without limit */
export async function dailyLimit(gateway: GatewayPort): Promise<number | null> {
  const { budgets } = await outputOf(gateway, 'budget.show', {})
  const limit = budgets.find(({ scope, window }) => scope === 'user' && window === 'day')?.limit.micro_dollars ?? null
  return limit === null ? null : limit / 1_000_000
}

/** @returns the limits of a call's input */
export function limitsOf({ tokens, money, calls, seconds }: Pick<LimitOptions, 'tokens' | 'money' | 'calls' | 'seconds'>): {
  readonly [limit: string]: Json
} {
  return {
    ...(tokens !== undefined && { tokens }),
    ...(money !== undefined && { micro_dollars: Math.round(money * 1_000_000) }),
    ...(calls !== undefined && { calls }),
    ...(seconds !== undefined && { seconds }),
  }
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
  const limits = limitsOf({ tokens, money, calls, seconds })
  return Object.keys(limits).length === 0 ? {} : { budget: limits }
}

const scopeChars = 50
const kinds = ['tokens', 'micro_dollars', 'calls', 'seconds'] as const

/** Lists budgets; with a scope, only its own. */
export function showBudgets(scope: string | undefined, options: CallOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const { user, budgets } = await outputOf(gateway, 'budget.show', {})
    const lines = budgets.filter((line) => scope === undefined || line.scope === scope)
    if (options.json === true) for (const line of lines) printLine(terminal, JSON.stringify(line))
    else printText(terminal, scope === undefined ? `${overview(user)}\n${budgetTable(lines)}` : budgetTable(lines))
    return 0
  })
}

function overview({ spent, limit }: Overview): string {
  const money = limit.micro_dollars === null ? '' : ` of ${formatMoney(limit.micro_dollars)}`
  const tokens = limit.tokens === null ? '' : ` of ${limit.tokens}`
  return `Altogether: ${formatMoney(spent.microDollars)}${money}, ${spent.tokens} tokens${tokens}.`
}

function budgetTable(lines: readonly Line[]): string {
  if (lines.length === 0) return 'No budgets were set. `oxbow budget set user --per day --tokens 500000` sets one.'
  return table(
    lines.map((line) => [
      plainLine(line.scope, scopeChars),
      line.window,
      ...kinds.map((kind) => partOf(line, kind)),
      line.until === null ? '' : `until ${formatTime(line.until)}`,
      line.is_low ? 'low' : '',
    ]),
  )
}

function partOf({ spent, reserved, limit }: Line, kind: (typeof kinds)[number]): string {
  const cap = limit[kind]
  if (cap === null) return ''
  const text = (value: number): string =>
    kind === 'micro_dollars' ? formatMoney(value) : kind === 'seconds' ? `${Math.ceil(value)} s` : `${value} ${kind}`
  const waiting = reserved[kind] > 0 ? ` (+${text(reserved[kind])})` : ''
  return `${text(spent[kind])}${waiting} of ${text(cap)}`
}

const placeOf = (scope: string, { per }: LimitOptions): { readonly scope: string; readonly window?: string } => ({
  scope,
  ...(per !== undefined && { window: per }),
})

export const setBudget = (scope: string, options: LimitOptions, terminal: Terminal): Promise<number> =>
  showOutput(['budget.set', { ...placeOf(scope, options), ...limitsOf(options) }], options, terminal, (line) => budgetTable([line]))

type EndOptions = LimitOptions & DryRunOptions

export const resetBudget = (scope: string, options: EndOptions, terminal: Terminal): Promise<number> =>
  showDestruction(
    ['budget.reset', placeOf(scope, options)],
    options,
    terminal,
    (line) => budgetTable([line]),
    (gateway) => previewOf(gateway, scope, options, 'forget what was used of'),
  )

export const removeBudget = (scope: string, options: EndOptions, terminal: Terminal): Promise<number> =>
  showDestruction(
    ['budget.remove', placeOf(scope, options)],
    options,
    terminal,
    ({ window }) => `Removed the budget of ${plainLine(scope, scopeChars)} (${window}).`,
    (gateway) => previewOf(gateway, scope, options, 'remove'),
  )

async function previewOf(gateway: GatewayPort, scope: string, { per = 'total' }: EndOptions, verb: string): Promise<Preview> {
  const { budgets } = await outputOf(gateway, 'budget.show', {})
  const found = budgets.find((line) => line.scope === scope && line.window === per)
  if (found === undefined)
    throw new OxbowError('not_found', `there is no budget of ${plainLine(scope, scopeChars)} (${per})`, {
      hint: '`oxbow budget list` lists them with their windows.',
    })
  return { would: `${verb} the budget of ${plainLine(scope, scopeChars)} (${per})`, target: found }
}
