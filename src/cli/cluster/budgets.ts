/** `oxbow cluster budget`: budgets that users share, as rows next to the store. */
import { OxbowError } from '../../base/index.ts'
import type { SharedBudgetChange, SharedBudgetReport } from '../../config/index.ts'
import { parseUser } from '../../runner/index.ts'
import { table } from '../../terminal/index.ts'
import { show } from '../store/store.ts'
import { printPreview, type Terminal } from '../terminal.ts'
import { defaultUser } from '../verb-parts.ts'

interface Options {
  readonly json?: boolean | undefined
}

interface SetOptions extends Options {
  readonly money?: string | undefined
  readonly tokens?: string | undefined
  readonly per: string
}

/** Those that the database can begin anew by itself. */
const spans = ['hour', 'day', 'week', 'month', 'year', 'total']

export function listBudgets(options: Options, terminal: Terminal): Promise<number> {
  return show({ ask: 'shared_budgets' }, budgetTable, { ...options, user: defaultUser }, terminal)
}

export async function setBudget(name: string, { money, tokens, per, ...options }: SetOptions, terminal: Terminal): Promise<number> {
  if (!spans.includes(per)) throw bad(`${JSON.stringify(per)} is no window of a shared budget.`, `Choose one of ${spans.join(', ')}.`)
  const limits = { microDollars: amountOf(money, 1_000_000), tokens: amountOf(tokens, 1) }
  if (limits.microDollars === null && limits.tokens === null)
    throw bad('A shared budget needs a limit.', 'Add --money 100, or --tokens 5000000.')
  return change({ kind: 'set', name: nameOf(name), span: per, ...limits }, options, terminal)
}

export async function joinBudget(name: string, user: string, options: Options, terminal: Terminal): Promise<number> {
  return change({ kind: 'join', name: nameOf(name), user: parseUser(user) }, options, terminal)
}

export async function leaveBudget(name: string, user: string, options: Options, terminal: Terminal): Promise<number> {
  return change({ kind: 'leave', name: nameOf(name), user: parseUser(user) }, options, terminal)
}

export async function removeBudget(
  name: string,
  { dryRun, ...options }: Options & { readonly dryRun?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  const target = { name: nameOf(name) }
  if (dryRun === true) return printPreview({ would: `remove the shared budget ${target.name}`, target }, options, terminal)
  return change({ kind: 'remove', ...target }, options, terminal)
}

function change(wish: SharedBudgetChange, options: Options, terminal: Terminal): Promise<number> {
  return show({ ask: 'shared_budgets', change: wish }, budgetTable, { ...options, user: defaultUser }, terminal)
}

function budgetTable({ budgets }: SharedBudgetReport): string {
  if (budgets.length === 0) return 'No budget is shared. `oxbow cluster budget set org:NAME --money 100` makes one.'
  const money = (microDollars: number): string => `$${(microDollars / 1_000_000).toFixed(2)}`
  const rows = budgets.map(({ name, span, limit, used, held, members }) => [
    name,
    span,
    limit.microDollars === null ? '-' : `${money(used.microDollars)} of ${money(limit.microDollars)}, ${money(held.microDollars)} held`,
    limit.tokens === null ? '-' : `${used.tokens} of ${limit.tokens}, ${held.tokens} held`,
    members.join(' ') || '-',
  ])
  return table([['budget', 'per', 'money', 'tokens', 'users'], ...rows])
}

function nameOf(name: string): string {
  if (/^(?:org|role):[a-z0-9][a-z0-9._-]{0,79}$/.test(name)) return name
  throw bad('This cannot be the name of a shared budget.', 'Write org:NAME for an organisation, role:NAME for a role.')
}

function amountOf(text: string | undefined, unit: number): number | null {
  if (text === undefined) return null
  const amount = /^\d{1,9}(?:\.\d{1,6})?$/.test(text) ? Math.round(Number(text) * unit) : 0
  if (amount > 0) return amount
  throw bad(`${JSON.stringify(text)} is no limit.`, 'Write a number above zero, such as 2.50.')
}

function bad(message: string, hint: string): OxbowError {
  return new OxbowError('bad_input', message, { hint })
}
