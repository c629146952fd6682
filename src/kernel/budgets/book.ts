/** The book of budgets that a person set, and that were carved for agents and runs: all accounts above a caller, up to the user's. */
import type { BudgetUse, DocumentRow, Store } from '../../store/index.ts'
import { type Clock, createRecentMap, type Failure, isDerived, type SessionId, toError } from '../../base/index.ts'
import {
  type Account,
  type Accounts,
  type Amount,
  amountKinds,
  type Caller,
  createAccount,
  findShortfall,
  inUse,
  noAmount,
  noLimit,
  renewAccounts,
  sessionScope,
  type Shortfall,
  userScope,
  type Limits,
} from '../../protocol/index.ts'
import { type Config, heldBudget } from '../../config/index.ts'
import { type AgentProfile, profileCategory } from '../policy/profiles.ts'
import type { DocumentChange } from '../state/documents.ts'
import { maxHeldAccounts, exhausted, budgetCategory, budgetName, type Carved, type Definition, spanAt } from './definitions.ts'

type Who = Pick<Caller, 'session' | 'actor'>

export interface Book {
  isEmpty(): boolean
  /** Reads the accounts of a caller that are not in memory. */
  load(who: Who): Promise<void>
  /** The accounts of a caller, from the bottom. */
  chain(session: SessionId | '', actor: string): readonly Account[]
  observe(changes: readonly DocumentChange[]): void
  definitions(): readonly Definition[]
  /** The account of a definition that is for one scope, as it is now. */
  account(definition: Definition): Promise<Account>
  /** @returns the least that is left in any of the caller's accounts. Load them before. */
  left(who: Who): Readonly<Amount>
  /** @returns why the caller's accounts cannot cover an amount; null if they can. Load them before. */
  uncovered(who: Who, need: Readonly<Amount>): (Shortfall & { readonly failure: Failure }) | null
  /** @throws OxbowError `budget_exhausted` if the caller's accounts do not cover an amount */
  assertCovers(who: Who, need: Readonly<Amount>): void
}

interface BookDeps {
  readonly store: Pick<Store, 'used' | 'documents' | 'document'>
  readonly clock: Clock
  readonly accounts: Accounts
  readonly user: string
  readonly limiting: Pick<Config, 'budget' | 'only_tighten'>
}

interface Carving {
  readonly account: Account
  readonly carved: Carved
  /** Carved budgets that it was carved from. Budgets carved around it later do not count. */
  readonly within: ReadonlySet<Account>
  /** The accounts in which it is held. */
  above: readonly Account[]
}

/** Rows of one read. */
const pageRows = 500
/** A longer chain would be a loop, which no agent can make. */
const maxLevels = 64

/** Reads the book, and holds what was carved in the accounts above. */
export async function openBook(deps: BookDeps): Promise<Book> {
  const { store, clock, accounts } = deps
  const definitions = await readDefinitions(store)
  const pages = createPages(deps, definitions)
  const levels = createLevels(store)
  const { chain, isLoaded, prepare } = createChains(deps, pages, levels)
  const carvings = createCarvings(accounts, levels.carvings, chain)
  for (const definition of definitions.values()) {
    const { scope, window, carved } = definition
    if (carved === undefined) continue
    await prepare({ session: carved.above, actor: carved.actor })
    const row = await store.used(budgetName(scope, window))
    carvings.open(definition, row?.since === definition.since ? amountUsed(row) : noAmount)
  }
  const current = ({ session, actor }: Who): readonly Account[] => {
    const found = chain(session, actor)
    renewAccounts(found, clock)
    return found
  }

  return {
    isEmpty: () => definitions.size === 0,
    async load(who) {
      if (isLoaded(who)) return
      await prepare(who)
      carvings.refresh()
    },
    chain,
    observe(changes) {
      for (const { category, name, value } of changes) {
        if (category !== budgetCategory) continue
        const before = definitions.get(name)
        if (value === null) definitions.delete(name)
        else definitions.set(name, value as Definition)
        const { carved } = (value ?? before ?? {}) as Partial<Definition>
        if (carved === undefined) pages.change()
        else if (value === null) carvings.close(carved.session, name)
        else carvings.open(value as Definition, noAmount)
      }
    },
    definitions: () => [...definitions.values()],
    async account({ scope, window, carved }) {
      const key = budgetName(scope, window)
      if (carved === undefined) await pages.open(scope)
      const account = accounts.find(key) ?? createAccount(key, null, noLimit)
      renewAccounts([account], clock)
      return account
    },
    left(who) {
      const left = { ...noLimit }
      for (const account of current(who))
        for (const kind of amountKinds) left[kind] = Math.max(0, Math.min(left[kind], account.limit[kind] - inUse(account, kind)))
      return left
    },
    uncovered(who, need) {
      const short = findShortfall(current(who), need)
      return short === null ? null : { ...short, failure: exhausted(short) }
    },
    assertCovers(who, need) {
      const short = findShortfall(current(who), need)
      if (short !== null) throw toError(exhausted(short))
    },
  }
}

/** The accounts above a caller, and what has to be read for them. */
function createChains({ accounts, user }: BookDeps, pages: ReturnType<typeof createPages>, levels: ReturnType<typeof createLevels>) {
  const isLoaded = (who: Who): boolean => {
    for (const level of levels.all(who)) {
      if (!levels.isKnown(level.session) || !scopesOf(level).every(pages.isCurrent)) return false
      if (level.session !== '' && accounts.find(sessionScope(level.session)) === undefined) return false
    }
    return accounts.find(userScope(user)) !== undefined && pages.isCurrent('user')
  }
  return {
    isLoaded,
    async prepare(who: Who): Promise<void> {
      for (let level: Who | null = who; level !== null; level = levels.above(level.session)) {
        await Promise.all([levels.learn(level.session), accounts.load(level.session)])
        for (const scope of scopesOf(level)) await pages.open(scope)
      }
      await pages.open('user')
    },
    /** @param within carved budgets that count; null: the lowest one, and those that were there when it was carved */
    chain(session: SessionId | '', actor: string, within: ReadonlySet<Account> | null = null): readonly Account[] {
      let counted = within
      const found = new Set<Account>()
      const add = (key: string): void => {
        const account = accounts.find(key)
        if (account !== undefined) found.add(account)
      }
      for (const level of levels.all({ session, actor })) {
        if (level.session !== '') add(sessionScope(level.session))
        for (const scope of scopesOf(level)) for (const key of pages.keys(scope)) add(key)
        const carving = level.session === '' ? undefined : levels.carvings.get(level.session)
        if (carving === undefined || counted?.has(carving.account) === false) continue
        found.add(carving.account)
        counted ??= carving.within
      }
      add(userScope(user))
      for (const key of pages.keys('user')) add(key)
      return [...found]
    },
  }
}

/** Budgets that were carved out of others, and hold their rest there until they end. */
function createCarvings(accounts: Accounts, carvings: Map<SessionId, Carving>, chain: ReturnType<typeof createChains>['chain']) {
  const hold = (carving: Carving, above: readonly Account[]): void => {
    accounts.pin(above)
    for (const account of carving.above) account.carved.delete(carving.account)
    for (const account of above) account.carved.add(carving.account)
    accounts.unpin(carving.above)
    carving.above = above
  }
  const close = (session: SessionId, name?: string): void => {
    const carving = carvings.get(session)
    if (carving === undefined || (name !== undefined && carving.account.key !== name)) return
    hold(carving, [])
    carving.account.isCarved = false
    accounts.unpin([carving.account])
    carvings.delete(session)
  }
  return {
    close,
    open({ scope, window, limits, since, carved }: Definition, spent: Readonly<Amount>): void {
      if (carved === undefined) return
      const open = carvings.get(carved.session)?.account
      if (open !== undefined && open.key === budgetName(scope, window) && open.since === since) {
        // Raised: what runs at the moment is reserved in this account.
        open.limit = amountOf(limits)
        return
      }
      close(carved.session)
      const above = chain(carved.above, carved.actor)
      const account = createAccount(budgetName(scope, window), null, amountOf(limits))
      Object.assign(account, { isCarved: true, since, uses: 1 })
      Object.assign(account.spent, spent)
      accounts.put(account)
      const carving: Carving = { account, carved, within: new Set(above.filter(({ isCarved }) => isCarved)), above: [] }
      hold(carving, above)
      carvings.set(carved.session, carving)
    },
    /** Holds carved budgets also in budgets that were set since. */
    refresh(): void {
      for (const carving of carvings.values()) hold(carving, chain(carving.carved.above, carving.carved.actor, carving.within))
    },
  }
}

async function readDefinitions(store: BookDeps['store']): Promise<Map<string, Definition>> {
  const found: DocumentRow[] = []
  for (let full = true; full;) {
    const rows = await store.documents({ category: budgetCategory, after: found.at(-1)?.name ?? '', limit: pageRows })
    found.push(...rows)
    full = rows.length === pageRows
  }
  // In the order in which they were carved, each out of those before it.
  return new Map(found.sort((a, b) => a.seq - b.seq).map(({ name, body }) => [name, JSON.parse(body) as Definition]))
}

/** The budgets of a level that are not carved. */
function scopesOf({ session, actor }: Who): readonly string[] {
  return [...(session === '' ? [] : [sessionScope(session)]), ...(/^(?:agent|program|plugin|key):/.test(actor) ? [actor] : [])]
}

/** Who is above whom: the session and the agent that spawned an agent or carved a budget. */
function createLevels(store: BookDeps['store']) {
  const carvings = new Map<SessionId, Carving>()
  /** Null: it has none above it but the user. */
  const spawners = createRecentMap<SessionId, Who | null>(maxHeldAccounts)
  const above = (session: SessionId | ''): Who | null => {
    if (session === '') return null
    const carved = carvings.get(session)?.carved
    if (carved !== undefined) return carved.above === '' && carved.actor === '' ? null : { session: carved.above, actor: carved.actor }
    return spawners.get(session) ?? null
  }
  return {
    carvings,
    above,
    isKnown: (session: SessionId | ''): boolean =>
      session === '' || !isDerived(session) || carvings.has(session) || spawners.get(session) !== undefined,
    all(who: Who): readonly Who[] {
      const all: Who[] = []
      for (let level: Who | null = who; level !== null && all.length < maxLevels; level = above(level.session)) all.push(level)
      return all
    },
    async learn(session: SessionId | ''): Promise<void> {
      if (session === '' || !isDerived(session) || carvings.has(session) || spawners.get(session) !== undefined) return
      const row = await store.document(profileCategory, session)
      const { home = '', spawner = '' } = row === null ? {} : (JSON.parse(row.body) as Partial<AgentProfile>)
      spawners.put(session, home === '' && spawner === '' ? null : { session: home, actor: spawner })
    },
  }
}

/** The budgets of each scope in memory. They are made again after a change of the definitions. */
function createPages({ store, clock, accounts, user, limiting }: BookDeps, definitions: ReadonlyMap<string, Definition>) {
  const pages = createRecentMap<string, { readonly edition: number; readonly keys: readonly string[] }>(maxHeldAccounts)
  let edition = 0
  const isCurrent = (scope: string): boolean => {
    const page = pages.get(scope)
    return page?.edition === edition && page.keys.every((key) => accounts.find(key) !== undefined)
  }
  const read = async (key: string): Promise<Account> => {
    const row = await store.used(key)
    const known = accounts.find(key)
    if (known !== undefined) return known
    const account = createAccount(key, null, noLimit)
    if (row !== null) Object.assign(account.spent, amountUsed(row))
    account.since = row?.since ?? 0
    accounts.put(account)
    return account
  }
  const make = async (scope: string): Promise<void> => {
    const made = edition
    const keys: string[] = []
    for (const [window, { limits, since }] of resolve(definitions, scope)) {
      const key = budgetName(scope, window)
      keys.push(key)
      refresh(accounts.find(key) ?? (await read(key)), window, limits, since, clock.now())
    }
    // A total that a person set takes the place of the one in config.toml, unless `only_tighten` holds that.
    const plain = accounts.find(scope === 'user' ? userScope(user) : scope)
    if (plain !== undefined)
      plain.limit = accounts.configLimit(plain, keys.includes(budgetName(scope, 'total')) ? heldBudget(limiting) : undefined)
    pages.put(scope, { edition: made, keys })
  }
  return {
    isCurrent,
    keys: (scope: string): readonly string[] => pages.get(scope)?.keys ?? [],
    change: (): void => void (edition += 1),
    async open(scope: string): Promise<void> {
      while (!isCurrent(scope)) await make(scope)
    },
  }
}

/** @returns limits and beginnings by window: where a scope says nothing, the general budget of its kind does */
function resolve(definitions: ReadonlyMap<string, Definition>, scope: string): ReadonlyMap<string, Pick<Definition, 'limits' | 'since'>> {
  const general = scope.includes(':') ? scope.slice(0, scope.indexOf(':')) : ''
  const found = new Map<string, Pick<Definition, 'limits' | 'since'>>()
  for (const wanted of [general, scope]) {
    for (const { scope: own, window, limits, since } of definitions.values()) {
      if (own !== wanted) continue
      const known = Object.entries(limits).filter(([, limit]) => limit !== undefined)
      const before = found.get(window)
      found.set(window, { limits: { ...before?.limits, ...Object.fromEntries(known) }, since: Math.max(before?.since ?? 0, since) })
    }
  }
  return found
}

/** Sets an account's limits and its current window. */
function refresh(account: Account, window: string, limits: Limits, set: number, now: number): void {
  account.limit = amountOf(limits)
  account.renew = (at) => {
    const span = spanAt(window, at, set)
    // A clock that was set back does not open an earlier window again.
    if (span.since > account.since) {
      Object.assign(account.spent, noAmount)
      Object.assign(account, { since: span.since, isWarned: false })
    }
    account.until = span.until
  }
  account.renew(now)
}

/** 0 is unlimited. */
export function amountOf({ tokens, micro_dollars: microDollars, calls, seconds }: Limits): Readonly<Amount> {
  return {
    tokens: (tokens ?? 0) || Infinity,
    microDollars: (microDollars ?? 0) || Infinity,
    calls: (calls ?? 0) || Infinity,
    ms: (seconds ?? 0) * 1_000 || Infinity,
  }
}

/** @returns what a carved budget holds in the budgets above it: nothing of what it does not limit */
export function carvedOf(limits: Limits): Readonly<Amount> {
  const held = { ...noAmount }
  const limit = amountOf(limits)
  for (const kind of amountKinds) if (limit[kind] !== Infinity) held[kind] = limit[kind]
  return held
}

function amountUsed({ tokens, microDollars, calls, ms }: BudgetUse): Amount {
  return { tokens, microDollars, calls, ms }
}
