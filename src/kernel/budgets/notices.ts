/** What people and models read about budgets: how they stand, that they soon are used up, that they are. */
import { type Failure, type JsonObject, OxbowError } from '../../base/index.ts'
import {
  type Account,
  type Amount,
  amountKinds,
  dollarsText,
  heldIn,
  type ModelFacts,
  noAmount,
  type Shortfall,
} from '../../protocol/index.ts'
import type { Amounts, BudgetLine, LimitAmounts } from './definitions.ts'

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
  const renewal = until === Infinity ? 'It does not reset by itself.' : `It resets at ${timeText(until)}.`
  return {
    code: 'budget_exhausted',
    message: `The budget ${key} does not cover this: ${reason}. Nothing was run.`,
    hint: `${renewal} A person can raise it on the page Budgets, or with \`oxbow budget set\`.`,
  }
}

/** To the minute, in the time zone by which windows begin. */
function timeText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
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
