/**
 * Budgets as a person sets them: a limit for a scope in a window. Each is a document, whose name is also the name of what was used of it.
 *
 * Calendar windows (`day`, `month` …) follow this machine's time zone; a window of seconds begins when the budget is set and
 * repeats; `total` never ends. A reset begins the window anew. And what people and models read about them: how they stand, that they soon
 * are used up, that they are.
 */
import { isDeepStrictEqual } from 'node:util'
import { assertNever, type CallId, type SessionId, type Failure, type JsonObject, OxbowError, timeInUtc } from '../../base/index.ts'
import type { DocumentChange, Documents } from '../state/documents.ts'
import {
  type Account,
  type Amount,
  amountKinds,
  dollarsText,
  heldIn,
  type ModelFacts,
  noAmount,
  type Shortfall,
  type Limits,
  type Amounts,
  type LimitAmounts,
  type BudgetLine,
} from '../../protocol/index.ts'

export const budgetCategory = 'system/budgets'

/** Who owns the budget, if it was carved out of another's budgets. */
export interface Carved {
  readonly session: SessionId
  /** The session and the actor whose budgets it was carved out of; empty: only the user's. */
  readonly above: SessionId | ''
  readonly actor: string
}

/** A document of `system/budgets`. */
export interface Definition {
  /** `user`, `session` or `agent` (each of them), `session:<id>`, `agent:<name>`, `program:<name>`, `plugin:<name>`, `key:<name>`; `child:<id>` and `run:<id>` are carved. */
  readonly scope: string
  readonly window: string
  readonly limits: Limits
  /** When it was set or reset, unix milliseconds: what was used before does not count. */
  readonly since: number
  readonly carved?: Carved | undefined
}

const calendarWindows = ['minute', 'hour', 'day', 'week', 'month'] as const

export const budgetName = (scope: string, window: string): string => `${scope}/${window}`

/** @returns the change that carves a budget for an agent or a run, and lasts until its end */
export function carve(kind: 'child' | 'run', id: CallId | string, limits: Limits, since: number, carved: Carved): DocumentChange {
  const value: Definition = { scope: `${kind}:${id}`, window: 'total', limits, since, carved }
  return { category: budgetCategory, name: budgetName(value.scope, value.window), value }
}

/** @returns the change that gives back what is left of a carved budget */
export function giveBack(kind: 'child' | 'run', id: CallId | string): DocumentChange {
  return { category: budgetCategory, name: budgetName(`${kind}:${id}`, 'total'), value: null }
}

/** A stretch of time, unix milliseconds; `until` is Infinity where it never ends. */
export interface Span {
  readonly since: number
  readonly until: number
}

/** @returns the window that contains a time @param set when the budget was set or reset */
export function spanAt(window: string, now: number, set: number): Span {
  if (window === 'total') return { since: set, until: Infinity }
  if (window.endsWith('s')) {
    const length = Number(window.slice(0, -1)) * 1_000
    const since = set + Math.max(0, Math.floor((now - set) / length)) * length
    return { since, until: since + length }
  }
  const { since, until } = calendarSpan(window as (typeof calendarWindows)[number], now)
  return { since: Math.min(Math.max(since, set), now), until }
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs

function calendarSpan(window: (typeof calendarWindows)[number], now: number): Span {
  const at = new Date(now)
  const [year, month, day] = [at.getFullYear(), at.getMonth(), at.getDate()]
  const from = (y: number, m: number, d: number): number => new Date(y, m, d).getTime()
  switch (window) {
    case 'minute':
      return { since: now - (now % minuteMs), until: now - (now % minuteMs) + minuteMs }
    case 'hour': {
      // Not by the date's hours: one of them comes twice when summer time ends.
      const since = now - at.getMinutes() * minuteMs - at.getSeconds() * 1_000 - at.getMilliseconds()
      return { since, until: since + hourMs }
    }
    case 'day':
      return { since: from(year, month, day), until: from(year, month, day + 1) }
    case 'week': {
      const monday = day - ((at.getDay() + 6) % 7)
      return { since: from(year, month, monday), until: from(year, month, monday + 7) }
    }
    case 'month':
      return { since: from(year, month, 1), until: from(year, month + 1, 1) }
    default:
      return assertNever(window)
  }
}

interface Definitions {
  definitions(): readonly Definition[]
}

/** Sets the budget of a program for each day, unless it is so already. @param limits null: removes all budgets that only it has */
export async function limitProgram(
  { budgets, documents }: { readonly budgets: { book(): Promise<Definitions> }; readonly documents: Documents },
  now: number,
  of: Parameters<Documents['change']>[0],
  scope: `program:${string}` | `plugin:${string}`,
  limits: Pick<Limits, 'tokens' | 'micro_dollars'> | null,
): Promise<void> {
  // In memory first: a book that is opened later would not hear of the change.
  const book = await budgets.book()
  if (limits === null) {
    const own = book.definitions().filter((each) => each.scope === scope)
    const changes = own.map(({ window }) => ({ category: budgetCategory, name: budgetName(scope, window), value: null }))
    return changes.length === 0 ? undefined : documents.put(of, changes)
  }
  await documents.change<Definition>(of, budgetCategory, budgetName(scope, 'day'), (current) =>
    isDeepStrictEqual(current?.value.limits, limits) ? undefined : { scope, window: 'day', limits, since: current?.value.since ?? now },
  )
}

/** The part of a budget at whose use people are warned. */
export const warningRatio = 0.8

/** Budgets kept in memory, about 200 bytes each; others are read again, one row each. */
export const maxHeldAccounts = 10_000

/** The fields of the event `budget_warning`. */
export function warningOf({ key, spent, limit, until }: Account): JsonObject {
  const near = amountKinds.filter((kind) => spent[kind] >= warningRatio * limit[kind])
  const used = Object.fromEntries(
    near.map((kind) => [kind === 'microDollars' ? 'micro_dollars' : kind, { used: spent[kind], limit: limit[kind] }]),
  )
  return { budget: key, ...used, until: until === Infinity ? null : until }
}

/** An amount as people read it. */
function shownAmount(kind: keyof Amount, amount: number): string {
  if (kind === 'microDollars') return dollarsText(amount)
  if (kind === 'ms') return `${Math.round(amount / 1_000)} seconds`
  return `${Math.round(amount).toLocaleString('en')} ${kind}`
}

/** What a person reads when a budget is used up: which, how much of how much, when it resets, and how to raise it. */
export function exhausted({ account, kind, needed, left }: Shortfall): Failure {
  const { key, config, limit, until } = account
  const amount = (value: number): string => shownAmount(kind, value)
  const rest = amount(Math.max(0, left)).replace(/ .*/, '')
  const reason = `it needs ${amount(needed)}, and ${rest} of ${amount(limit[kind])} ${kind === 'microDollars' ? 'is' : 'are'} left`
  if (config !== null)
    return {
      code: 'budget_exhausted',
      message: `The ${config}'s budget does not cover this: ${reason}. Nothing was run.`,
      hint: `It does not reset by itself. Raise [budget.${config}] in config.toml${config === 'session' ? ', or start a new session' : ''}, then send the message again.`,
    }
  const renewal = until === Infinity ? 'It does not reset by itself.' : `It resets at ${timeInUtc(until, 'minute')}.`
  return {
    code: 'budget_exhausted',
    message: `The budget ${key} does not cover this: ${reason}. Nothing was run.`,
    hint: `${renewal} A person can raise it on the page Budgets, or with \`oxbow budget set\`.`,
  }
}

export function lineOf(account: Account): BudgetLine {
  const { key, spent, reserved, limit, until, isWarned } = account
  const waiting = { ...noAmount }
  for (const kind of amountKinds) waiting[kind] = reserved[kind] + heldIn(account, kind)
  const shown = { spent: amountsOf(spent), reserved: amountsOf(waiting), limit: limitsOf(limit) }
  return { ...partsOf(key), ...shown, until: until === Infinity ? null : until, is_low: isWarned }
}

function amountsOf({ tokens, microDollars, calls, ms }: Readonly<Amount>): Amounts {
  return { tokens, micro_dollars: microDollars, calls, seconds: ms / 1_000 }
}

export function limitsOf(limit: Readonly<Amount>): LimitAmounts {
  const { tokens, micro_dollars: money, calls, seconds } = amountsOf(limit)
  const known = (value: number): number | null => (value === Infinity ? null : value)
  return { tokens: known(tokens), micro_dollars: known(money), calls: known(calls), seconds: known(seconds) }
}

/** @returns scope and window of the name of a budget */
function partsOf(name: string): { readonly scope: string; readonly window: string } {
  const slash = name.lastIndexOf('/')
  return { scope: name.slice(0, slash), window: name.slice(slash + 1) }
}

/** @param otherwise what to do when the price is unknown */
export function unpriced({ provider, name }: Pick<ModelFacts, 'provider' | 'name'>, otherwise = 'remove the money budget'): OxbowError {
  const section = `[providers.${/^[\w-]+$/.test(provider) ? provider : JSON.stringify(provider)}.models."${name}"]`
  return new OxbowError('budget_exhausted', `The price of ${provider}/${name} is unknown, so a money budget cannot cover it.`, {
    hint: `In ${section} of config.toml set input_price and output_price (micro-dollars per million tokens), and context_tokens if it is unknown; or ${otherwise}.`,
  })
}
