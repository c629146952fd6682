/**
 * Budgets: before a call runs (stage 6), it reserves the most that it can cost in every account above its caller; afterwards (stage 10), it
 * settles its actual cost. So concurrent calls cannot exceed a budget together.
 *
 * The accounts of the user and of sessions, with their limits in config.toml, are here. Budgets that a person sets, those carved for agents
 * and runs, and the accounts above an agent's session are in `budgets/book.ts`, which is loaded when there are any: without them, a call
 * that costs nothing touches no account.
 */
import type { BudgetUse, Projection, Store } from '../../store/index.ts'
import { type Clock, createRecentMap, type Failure, isDerived, type JsonObject, type SessionId, toFailure } from '../../base/index.ts'
import {
  type Account,
  type Accounts,
  addSpend,
  type Amount,
  amountKinds,
  type Call,
  type Caller,
  type Charged,
  coveredPart,
  createAccount,
  findShortfall,
  type Hold,
  hourOf,
  noAmount,
  noLimit,
  noSpend,
  renewAccounts,
  sessionScope,
  shiftAccounts,
  type Spend,
  turnCall,
  userScope,
} from '../../protocol/index.ts'
import type { BudgetLimit, Config } from '../../config/index.ts'
import type { Book } from '../budgets/book.ts'
import { maxHeldAccounts, exhausted, warningRatio } from '../budgets/definitions.ts'
import { begin, end, outOfTime } from '../budgets/wall-time.ts'
import type { DocumentChange } from '../state/documents.ts'

type Who = Pick<Caller, 'session' | 'actor'>

export interface Budgets {
  /** Reads what the accounts of a caller have spent. Await before `reserve`. */
  load(who: Who): Promise<void>
  /** A session that has spent nothing: its first message need not wait for a read. */
  created(session: SessionId): void
  /** Asked before a reservation, where limits are elsewhere, too. @returns the failure if those do not cover it */
  cover: ((need: Spend) => Promise<Failure | null>) | null
  /** @returns null if nothing of the call is counted, or the failure if a budget does not cover it; nothing is reserved then */
  reserve(caller: Caller, call: Pick<Call, 'name' | 'reserve' | 'waitsFor'>, spend: Spend): Hold | Failure | null
  /** Extends a reservation. @returns false if a budget does not cover it; or by as much as they cover, and returns that */
  extend(hold: Hold, more: Spend): boolean
  extendUpTo(hold: Hold, more: Spend): Spend
  /** Counts the time of a call from here on. @param onOver called when a budget has no time left */
  begin(hold: Hold, onOver: () => void): void
  /** Releases the reservation and adds the actual cost. @returns what its record says in addition to the cost */
  settle(hold: Hold, spent: Spend): { readonly charged?: Charged }
  /** Releases the reservation of a call that continues after a restart. */
  release(hold: Hold): void
  /** What the record of an intent says of its reservation. */
  recorded(hold: Hold): { readonly reserved?: JsonObject; readonly charged?: Charged }
  /** What the record of an extension says: after a crash, that is what the call may have cost, and the windows that covered it. */
  extended(hold: Hold): Extended
  /** Charges a call that a crash interrupted. */
  reconcile(session: SessionId | '', spent: Spend, charged: Charged | undefined): void
  /** The changes to the store's tables that belong to a record with these fields. */
  projections(session: SessionId | '', ended: Ended): readonly Projection[]
  /** Takes in changes of budgets as their record is appended. */
  observe(changes: readonly DocumentChange[]): void
  /** The budgets that were set or carved. */
  book(): Promise<Book>
  view(scope: string): { readonly spent: Spend; readonly reserved: Spend; readonly limit: BudgetLimit }
  /** Whether a budget above the caller limits money: only models with a known price may be used then. It was loaded for the caller. */
  limitsMoney(who: Pick<Caller, 'session' | 'actor'>): boolean
  /** @param listener called once in a window, when most of a budget is used */
  onWarning(listener: (account: Account, session: SessionId | '') => void): void
}

/** Name of the record by which a call that runs extends its reservation. */
export const reservationName = 'budget.reserve'
/** The body of such a record; `to` as in `Charged`. */
export type Extended = { readonly reserved: JsonObject; readonly to?: Charged['to'] }
/** What the agents of a session have spent; its own account counts it, too. */
const agentsOf = (key: string): string => `${key}/agents`

type BudgetStore = Pick<Store, 'spent' | 'used' | 'documents' | 'document'>

export function createBudgets(store: BudgetStore, user: string, limits: Pick<Config, 'budget' | 'only_tighten'>, clock: Clock): Budgets {
  const accounts = createAccounts(store, user, limits.budget)
  let book: Book | null = null
  let opening: Promise<Book> | null = null
  let lookingUp: Promise<void> | null = null
  let warn: Warn = () => {}
  const openBook = (): Promise<Book> =>
    (opening ??= import('../budgets/book.ts')
      .then(({ openBook: open }) => open({ store, clock, accounts, user, limiting: limits }))
      .then((opened) => (book = opened)))
  const lookUp = async (): Promise<void> => {
    if ((await store.documents({ category: 'system/budgets', limit: 1 })).length > 0) await openBook()
  }

  const chainOf = ({ session, actor }: Who): readonly Account[] => book?.chain(session, actor) ?? accounts.chain(session)

  return {
    cover: null,
    async load(who) {
      if (book === null && isDerived(who.session)) await openBook()
      await (lookingUp ??= lookUp())
      if (book === null) await accounts.load(who.session)
      else await book.load(who)
    },
    created(session) {
      const key = sessionScope(session)
      if (accounts.find(key) === undefined) accounts.put(createAccount(key, 'session', amountOf(limits.budget.session)))
    },
    ...createHolds({
      accounts,
      clock,
      chain: chainOf,
      isMetered: () => book?.isEmpty() === false,
      warn: (account, session) => warn(account, session),
    }),
    reconcile(session, spent, charged) {
      const { calls, ms, to } = charged ?? { calls: 0, ms: 0, to: [] }
      const plain = accounts.chain(session).map(({ key, since }) => [key, since] as const)
      for (const [key, since] of [...plain, ...to]) {
        const account = accounts.find(key)
        if (account?.since === since) shiftAccounts([account], { ...spent, calls, ms }, noAmount, -1)
      }
    },
    projections: (session, ended) => projectionsOf(user, session, ended),
    observe: (changes) => book?.observe(changes),
    book: openBook,
    view(scope) {
      const { spent, reserved, config: section } = accounts.find(scope) ?? { spent: noAmount, reserved: noAmount, config: 'session' }
      return { spent: spendOf(spent), reserved: spendOf(reserved), limit: limits.budget[section ?? 'session'] }
    },
    limitsMoney: (who) => chainOf(who).some(({ limit }) => limit.microDollars !== Infinity),
    onWarning: (listener) => void (warn = listener),
  }
}

type Warn = (account: Account, session: SessionId | '') => void

interface HoldDeps {
  readonly accounts: Accounts
  readonly clock: Clock
  readonly chain: (who: Who) => readonly Account[]
  /** Calls that cost nothing count, too. */
  readonly isMetered: () => boolean
  readonly warn: Warn
}

type Holds = Pick<Budgets, 'reserve' | 'extend' | 'extendUpTo' | 'begin' | 'settle' | 'release' | 'recorded' | 'extended'>

/** What calls reserve and settle. Nothing waits here, so that nothing comes between a check and what it allows. */
function createHolds({ accounts, clock, chain: chainOf, isMetered, warn }: HoldDeps): Holds {
  const free = (hold: Hold, spent: Readonly<Amount>): void => {
    shiftAccounts(hold.accounts, spent, { ...hold.spend, calls: hold.calls, ms: 0 }, -1)
    accounts.unpin(hold.accounts)
  }
  return {
    reserve(caller, call, spend) {
      const isCounted = isMetered() && counts(caller, call)
      if (call.reserve === undefined && !isCounted) return null
      const chain = chainOf(caller)
      renewAccounts(chain, clock)
      const need = { ...spend, calls: isCounted ? 1 : 0, ms: 0 }
      const short = findShortfall(chain, need) ?? (isCounted ? outOfTime(chain, clock) : null)
      if (short !== null) return exhausted(short)
      shiftAccounts(chain, noAmount, need, 1)
      accounts.pin(chain)
      // A call that waits for agents takes their time, which counts already.
      const isTimed = isCounted && call.waitsFor !== 'child'
      const { session } = caller
      return { session, accounts: chain, spend, calls: isCounted ? 1 : 0, isTimed, began: null, stopped: null, onOver: () => {} }
    },
    extend(hold, more) {
      renewAccounts(hold.accounts, clock)
      const need = { ...more, calls: 0, ms: 0 }
      if (findShortfall(hold.accounts, need) !== null) return false
      shiftAccounts(hold.accounts, noAmount, need, 1)
      hold.spend = addSpend(hold.spend, more)
      return true
    },
    extendUpTo(hold, more) {
      renewAccounts(hold.accounts, clock)
      const part = coveredPart(hold.accounts, { ...more, calls: 0, ms: 0 })
      shiftAccounts(hold.accounts, noAmount, part, 1)
      hold.spend = addSpend(hold.spend, part)
      return spendOf(part)
    },
    begin(hold, onOver) {
      if (hold.isTimed) begin(hold, onOver, clock)
    },
    settle(hold, spent) {
      const ms = hold.began === null ? 0 : end(hold, clock)
      renewAccounts(hold.accounts, clock)
      free(hold, { ...spent, calls: hold.calls, ms })
      for (const account of hold.accounts) if (isNearEnd(account)) warn(account, hold.session)
      return chargedTo(hold, spent, ms)
    },
    release(hold) {
      if (hold.began !== null) end(hold, clock)
      free(hold, noAmount)
    },
    recorded: (hold) => ({ ...(hold.spend !== noSpend && { reserved: { ...hold.spend } }), ...chargedTo(hold, hold.spend, 0) }),
    extended(hold) {
      const { charged } = chargedTo(hold, hold.spend, 0)
      return { reserved: { ...hold.spend }, ...(charged !== undefined && { to: charged.to }) }
    },
  }
}

/** Tool calls, requests to models, and what programs call: not what a person does, nor the turn around them. */
function counts({ audience, actor }: Caller, { name, reserve }: Pick<Call, 'name' | 'reserve'>): boolean {
  if (name === turnCall) return false
  return audience === 'model' || reserve !== undefined || !/^(?:user:|kernel$|agent:)/.test(actor)
}

function createAccounts(store: BudgetStore, user: string, config: Config['budget']): Accounts {
  const ofUser = userScope(user)
  const pinned = new Map<string, Account>()
  const idle = createRecentMap<string, Account>(maxHeldAccounts)
  const find = (key: string): Account | undefined => pinned.get(key) ?? idle.get(key)
  const put = (account: Account): void => void (account.uses > 0 ? pinned.set(account.key, account) : idle.put(account.key, account))
  const limits = { user: amountOf(config.user), session: amountOf(config.session) }
  const open = async (key: string): Promise<void> => {
    const section = key === ofUser ? 'user' : 'session'
    const [spent, below] = await Promise.all([store.spent(key), section === 'session' ? store.used(agentsOf(key)) : null])
    if (find(key) !== undefined) return
    const account = createAccount(key, section, limits[section])
    Object.assign(account.spent, addSpend(spent, below ?? noSpend))
    // Everybody uses the user's account.
    if (section === 'user') account.uses = 1
    put(account)
  }
  const keysOf = (session: SessionId | ''): readonly string[] => (session === '' ? [ofUser] : [sessionScope(session), ofUser])
  return {
    find,
    put,
    chain: (session) => keysOf(session).flatMap((key) => find(key) ?? []),
    async load(session) {
      const missing = keysOf(session).filter((key) => find(key) === undefined)
      if (missing.length > 0) await Promise.all(missing.map(open))
    },
    pin(chain) {
      for (const account of chain) if (account.uses++ === 0) pinned.set(account.key, account)
    },
    unpin(chain) {
      for (const account of chain) if (--account.uses === 0 && pinned.delete(account.key)) idle.put(account.key, account)
    },
    configLimit: ({ config: section }, of) => (section === null ? noLimit : of === undefined ? limits[section] : amountOf(of[section])),
  }
}

function amountOf({ micro_dollars: microDollars, tokens }: BudgetLimit): Readonly<Amount> {
  return { ...noLimit, microDollars: microDollars ?? Infinity, tokens: tokens ?? Infinity }
}

const spendOf = ({ microDollars, tokens }: Readonly<Amount>): Spend => ({ microDollars, tokens })

/** @returns whether an account has just passed the part of its limit at which people are warned */
function isNearEnd(account: Account): boolean {
  if (account.isWarned) return false
  return (account.isWarned = amountKinds.some(
    (kind) => account.spent[kind] > 0 && account.spent[kind] >= warningRatio * account.limit[kind],
  ))
}

/** What of a charge is not evident from the session of the record. */
function chargedTo({ accounts, session, calls }: Hold, spent: Spend, ms: number): { readonly charged?: Charged } {
  const isCost = spent.tokens > 0 || spent.microDollars > 0
  const to = accounts.flatMap(({ key, config, since }): [string, number][] => {
    if (config === null) return [[key, since]]
    return config === 'session' && isCost && key !== sessionScope(session) ? [[agentsOf(key), 0]] : []
  })
  return to.length === 0 ? {} : { charged: { calls, ms, to } }
}

/** What the record of a call that has ended says of its cost. */
interface Ended {
  readonly spent: Spend | undefined
  readonly charged: Charged | undefined
  /** Unix milliseconds; and how many it ran, 0: not known. */
  readonly at: number
  readonly ms: number
}

function projectionsOf(user: string, session: SessionId | '', { spent = noSpend, charged, at, ms }: Ended): readonly Projection[] {
  const { microDollars, tokens } = spent
  const uses = (charged?.to ?? []).map(([budget, since]): Projection => {
    const use: BudgetUse = { since, microDollars, tokens, calls: charged?.calls ?? 0, ms: charged?.ms ?? 0 }
    return { kind: 'use', budget, use }
  })
  if (microDollars === 0 && tokens === 0) return uses
  const scopes = session === '' ? [userScope(user)] : [userScope(user), sessionScope(session)]
  const { name, since } = hourOf(at)
  return [
    ...scopes.map((scope) => ({ kind: 'spend', scope, spend: { microDollars, tokens } }) as const),
    ...uses,
    { kind: 'use', budget: name, use: { since, microDollars, tokens, calls: 1, ms } },
  ]
}

/** Stage 6: the cheap upper bound first, the exact count only if that does not fit. */
export async function reserveFor(budgets: Budgets, caller: Caller, call: Call, input: unknown): Promise<Hold | Failure | null> {
  await budgets.load(caller)
  if (call.reserve === undefined) return budgets.reserve(caller, call, noSpend)
  const covered = async (spend: Spend) => (await budgets.cover?.(spend)) ?? budgets.reserve(caller, call, spend)
  try {
    const hold = await covered(await call.reserve(input, false, caller))
    return hold === null || !('code' in hold) ? hold : await covered(await call.reserve(input, true, caller))
  } catch (error) {
    return toFailure(error, 'budget_exhausted', 'Its cost cannot be estimated, so it was not run.')
  }
}
