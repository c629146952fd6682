/**
 * Accounts of budgets: what was spent, what calls that run have reserved, and what is held for budgets that were carved out. Plain
 * arithmetic without waiting, so that nothing comes between a check and what it allows.
 */
import type { Clock, SessionId } from '../base/index.ts'
import { addSpend, type CallContext, noSpend } from './call.ts'
import type { Spend } from './output-schema.ts'
import { priceOf } from './model.ts'
import type { ModelFacts, Usage } from './model-schema.ts'

/** What budgets count. Time is in milliseconds. */
export interface Amount {
  microDollars: number
  tokens: number
  calls: number
  ms: number
}

/** What budgets limit: money in millionths of a dollar, tokens, calls, and milliseconds that calls run. */
export const amountKinds = ['microDollars', 'tokens', 'calls', 'ms'] as const

export const noAmount: Readonly<Amount> = { microDollars: 0, tokens: 0, calls: 0, ms: 0 }
export const noLimit: Readonly<Amount> = { microDollars: Infinity, tokens: Infinity, calls: Infinity, ms: Infinity }

export interface Account {
  /** Of a budget that was set or carved: `scope/window`. Of config.toml: `user:<id>`, `session:<id>`. */
  readonly key: string
  /** In config.toml: the section that has its limit. */
  readonly config: 'user' | 'session' | null
  limit: Readonly<Amount>
  readonly spent: Amount
  /** Of calls that run. */
  readonly reserved: Amount
  /** Budgets that were carved out of it. */
  readonly carved: Set<Account>
  /** It was carved: what is left of it counts as held in the accounts above, until it is given back. */
  isCarved: boolean
  since: number
  /** When its window ends; Infinity: never. */
  until: number
  /** Begins a new window, where the old one ends. */
  renew: ((now: number) => void) | null
  /** Calls whose time counts, if that is limited. */
  readonly clock: Set<Hold>
  /** Sum of the moments at which their time began. */
  beganSum: number
  alarm: NodeJS.Timeout | undefined
  /** Monotonic milliseconds at which the alarm checks whether time is left; Infinity: no alarm. */
  alarmAt: number
  /** A warning was noted in this window. */
  isWarned: boolean
  /** Calls that hold a reservation, and carved budgets: as long as there are any, it stays in memory. */
  uses: number
}

/** What a call has reserved. */
export interface Hold {
  readonly session: SessionId | ''
  readonly accounts: readonly Account[]
  spend: Spend
  readonly calls: 0 | 1
  /** Its time counts. */
  readonly isTimed: boolean
  /** Monotonic milliseconds at which its time began, and at which a budget had no more; null: it did not. */
  began: number | null
  stopped: number | null
  onOver: () => void
}

/** The field `charged` of a record: what was charged in addition to the user's and the session's accounts. */
export type Charged = {
  readonly calls: number
  readonly ms: number
  /** Names of budgets, and when their windows began. */
  readonly to: readonly (readonly [string, number])[]
}

export function createAccount(key: string, config: Account['config'], limit: Readonly<Amount>): Account {
  return {
    key,
    config,
    limit,
    spent: { ...noAmount },
    reserved: { ...noAmount },
    carved: new Set(),
    isCarved: false,
    since: 0,
    until: Infinity,
    renew: null,
    clock: new Set(),
    beganSum: 0,
    alarm: undefined,
    alarmAt: Infinity,
    isWarned: false,
    uses: 0,
  }
}

/** Begins new windows of accounts whose old one has ended. */
export function renewAccounts(chain: readonly Account[], clock: Clock): void {
  for (const account of chain) if (account.until !== Infinity && clock.now() >= account.until) account.renew?.(clock.now())
}

/** What of a limit is in use: spent, reserved, and held for budgets that were carved out. */
export function inUse(account: Account, kind: keyof Amount): number {
  return account.spent[kind] + account.reserved[kind] + heldIn(account, kind)
}

/** What carved budgets hold in an account: all that is left of them. */
export function heldIn({ carved }: Account, kind: keyof Amount): number {
  let held = 0
  for (const account of carved) held += leftOf(account, kind)
  return held
}

/** What is left of a carved budget; nothing of what it does not limit. */
function leftOf(account: Account, kind: keyof Amount): number {
  const limit = account.limit[kind]
  return account.isCarved && limit !== Infinity ? Math.max(0, limit - inUse(account, kind)) : 0
}

/** An account that does not cover something. */
export interface Shortfall {
  readonly account: Account
  readonly kind: keyof Amount
  readonly needed: number
  readonly left: number
}

/** @returns the first account that does not cover an amount; what a carved budget below it holds already is covered */
export function findShortfall(chain: readonly Account[], need: Readonly<Amount>): Shortfall | null {
  for (const kind of amountKinds) {
    const needed = need[kind]
    let carried = 0
    for (const account of needed > 0 ? chain : []) {
      const left = account.limit[kind] - inUse(account, kind) - carried
      if (needed > left) return { account, kind, needed, left: Math.max(0, left) }
      const before = leftOf(account, kind)
      if (before > 0) carried += Math.max(0, before - carried - needed) - before
    }
  }
  return null
}

/** Each step lowers one kind of amount to what one account covers: more steps than kinds times accounts lead nowhere. */
const maxShortfalls = 256

/** @returns as much of an amount as all accounts cover */
export function coveredPart(chain: readonly Account[], need: Readonly<Amount>): Readonly<Amount> {
  const part = { ...need }
  for (let step = 0; step < maxShortfalls; step += 1) {
    const short = findShortfall(chain, part)
    if (short === null) return part
    part[short.kind] = Math.min(Math.floor(short.left), part[short.kind] - 1)
  }
  return noAmount
}

/** Adds to what was spent and, by `sign`, to what is reserved. */
export function shiftAccounts(chain: readonly Account[], spent: Readonly<Amount>, reserved: Readonly<Amount>, sign: 1 | -1): void {
  for (const account of chain)
    for (const kind of amountKinds) {
      account.spent[kind] += spent[kind]
      account.reserved[kind] += sign * reserved[kind]
    }
}

/** The accounts that are in memory. */
export interface Accounts {
  find(key: string): Account | undefined
  put(account: Account): void
  /** Accounts of a session and of the user. */
  chain(session: SessionId | ''): readonly Account[]
  load(session: SessionId | ''): Promise<void>
  /** Accounts of calls that run stay in memory, because what is reserved is nowhere else. */
  pin(chain: readonly Account[]): void
  unpin(chain: readonly Account[]): void
  /** @param of absent: the budgets of the configuration */
  configLimit(
    account: Account,
    of?: Readonly<Record<'user' | 'session', { tokens: number | null; micro_dollars: number | null }>>,
  ): Readonly<Amount>
}

/** The scope of everything that a user does. */
export const userScope = (user: string): string => `user:${user}`
/** The scope of a session's own budget. */
export const sessionScope = (session: string): string => `session:${session}`

/** What a running call holds in the budgets, and what of it is spent. */
export interface Purse {
  /** Holds more. @returns false where the budgets do not cover it */
  reserve(more: Spend): boolean
  /** Holds what a future cost needs, in addition to what is spent. @returns false where the budgets do not cover it */
  provide(cost: Spend): boolean
  /** @returns false where the budgets cover only a part of it, which is paid */
  pay(cost: Spend): boolean
  /** Pays what has arrived in full, whatever is reserved. */
  owe(cost: Spend): void
  spent(): Spend
}

export function createPurse(context: Pick<CallContext, 'reserveMore' | 'reserveUpTo'>, reserved: Spend): Purse {
  let held = reserved
  let spent: Spend = noSpend
  /** What the reservation lacks to pay a cost in addition to what is spent. */
  const missing = (cost: Spend): Spend => atLeastNothing(addSpend(cost, addSpend(held, spent, -1), -1))
  const reserve = (more: Spend): boolean => {
    if (isNothing(more)) return true
    if (!context.reserveMore(more)) return false
    held = addSpend(held, more)
    return true
  }
  return {
    reserve,
    provide: (cost: Spend): boolean => reserve(missing(cost)),
    pay(cost: Spend): boolean {
      const more = missing(cost)
      if (!isNothing(more)) held = addSpend(held, context.reserveUpTo(more))
      const left = atLeastNothing(addSpend(held, spent, -1))
      const paid = { microDollars: Math.min(cost.microDollars, left.microDollars), tokens: Math.min(cost.tokens, left.tokens) }
      spent = addSpend(spent, paid)
      return paid.microDollars === cost.microDollars && paid.tokens === cost.tokens
    },
    owe: (cost: Spend): void => void (spent = addSpend(spent, cost)),
    spent: (): Spend => spent,
  }
}

function atLeastNothing({ microDollars, tokens }: Spend): Spend {
  return { microDollars: Math.max(0, microDollars), tokens: Math.max(0, tokens) }
}

const isNothing = ({ microDollars, tokens }: Spend): boolean => microDollars === 0 && tokens === 0

/** @returns what a request has cost */
export function costOf({ price }: Pick<ModelFacts, 'price'>, usage: Usage): Spend {
  return { microDollars: priceOf(price, usage), tokens: usage.inputTokens + usage.outputTokens }
}

/** @returns the most that so many tokens can cost: input that is written to a prompt cache may be dearer than other input */
export function reservationOf({
  facts: { price },
  inputTokens,
  outputTokens,
}: Pick<Usage, 'inputTokens' | 'outputTokens'> & { readonly facts: Pick<ModelFacts, 'price'> }): Spend {
  const usage = { inputTokens, outputTokens, estimated: true }
  const microDollars = Math.max(priceOf(price, usage), priceOf(price, { ...usage, cacheWriteTokens: inputTokens }))
  return { microDollars, tokens: inputTokens + outputTokens }
}

/** An amount of money as people read it: a small one has the digits that it needs. */
export function dollarsText(microDollars: number): string {
  const amount = microDollars / 1_000_000
  return `$${amount !== 0 && Math.abs(amount) < 0.01 ? amount.toFixed(6).replace(/0+$/, '') : amount.toFixed(2)}`
}

/** Hours for which model use is kept: 31 days. */
export const keptHours: number = 31 * 24
const hourMs = 3_600_000

/**
 * What models cost in an hour is kept as the use of a budget without a limit, so that charts read no journal. The names make a ring: the
 * window of a later hour replaces the one 31 days before.
 * @returns the name of the hour, and when it began
 */
export function hourOf(at: number): { readonly name: string; readonly since: number } {
  const hour = Math.floor(at / hourMs)
  return { name: `hour/${hour % keptHours}`, since: hour * hourMs }
}
