/**
 * Budgets that this user shares with others of the cluster. The guest holds a part of each, as the store has granted it, and its user's
 * account may spend no more: so all that limits the user limits this too, also an answer that is under way. Before a call reserves more than is
 * left of a part, the guest asks for more; what it does not need for a while goes back.
 */
import type { Core } from '../../kernel/index.ts'
import { type Failure, once } from '../../base/index.ts'
import { type Account, dollarsText, inUse, noSpend, type Spend } from '../../protocol/index.ts'
import type { ShareAsk, SharedBudget } from '../../store/index.ts'

/** How often it is looked which budgets the user shares, and whether a part is still needed. */
const lookEveryMs = 10_000
/** A part has room for answers that grow: as much again as was needed, and a hundredth of the limit. */
const sparePart = 0.01

type SharedDeps = Pick<Core, 'clock'> & {
  readonly share: (asks: readonly ShareAsk[]) => Promise<readonly SharedBudget[]>
  /** Of the user: everything that it does counts there. */
  readonly account: () => Promise<Account>
}

export interface SharedBudgets {
  /** @returns the failure where a shared budget does not cover it */
  cover(need: Spend): Promise<Failure | null>
  /** Gives back what is not needed. @param isOver nothing runs any more */
  rest(isOver?: boolean): Promise<void>
}

const kinds = ['microDollars', 'tokens'] as const

export function createSharedBudgets({ clock, share, account }: SharedDeps): SharedBudgets {
  let budgets: readonly SharedBudget[] = []
  /** What the user had spent when the store was asked last. */
  let base = noSpend
  // Before the store has said which they are, nothing is covered.
  let [lookedAt, usedAt] = [-Infinity, 0]
  /** What the account's limit would be without them. */
  let own: Account['limit'] | null = null
  let set: Account['limit'] | null = null
  const inTurn = oneByOne()

  /** The account spends what was granted beyond what it had spent when the store was asked. */
  const hold = (user: Account): void => {
    if (user.limit !== set) own = user.limit
    const limit = { ...(own ?? user.limit) }
    for (const { limit: most, held } of budgets)
      for (const kind of kinds) if (most[kind] !== null) limit[kind] = Math.min(limit[kind], base[kind] + held[kind])
    user.limit = set = budgets.length === 0 ? (own ?? user.limit) : limit
  }
  const look = async (): Promise<void> => {
    const found = await share([])
    if (found.length > 0 || budgets.length > 0) await ask(await account(), [])
    lookedAt = clock.monotonicMs()
  }
  const ask = async (user: Account, asks: readonly ShareAsk[]): Promise<void> => {
    // All that was spent by now is on its way to the store before this.
    const spent = { microDollars: user.spent.microDollars, tokens: user.spent.tokens }
    ;[budgets, base] = [await share(asks), spent]
    lookedAt = clock.monotonicMs()
    hold(user)
  }
  /** Which budgets there are; what could not be asked is asked for again. */
  const known = once(() => inTurn(look))
  /** What is not covered by a part: what runs has reserved, and what is needed, less what is left of the part. */
  const lackingOf = (user: Account, need: Spend): Lacking => {
    return ({ held }, kind) => inUse(user, kind) + need[kind] - (base[kind] + held[kind])
  }
  const lacks = (user: Account, need: Spend): boolean => kinds.some((kind) => inUse(user, kind) + need[kind] > user.limit[kind])

  return {
    async cover(need) {
      usedAt = clock.monotonicMs()
      // Calls that come at the same time wait for the first answer, too.
      await known()
      if (usedAt - lookedAt > lookEveryMs) void inTurn(look).catch(() => {})
      if (budgets.length === 0) return null
      return inTurn(async () => {
        const user = await account()
        if (user.limit !== set) hold(user)
        if (!lacks(user, need)) return null
        await ask(
          user,
          budgets.map((budget) => wanted(budget, lackingOf(user, need))),
        )
        return budgets.flatMap((budget) => shortOf(budget, lackingOf(user, need), need) ?? [])[0] ?? null
      })
    },
    async rest(isOver = false) {
      if (budgets.length === 0 || (!isOver && clock.monotonicMs() - usedAt < lookEveryMs)) return
      await inTurn(async () => {
        const user = await account()
        if (user.reserved.microDollars > 0 || user.reserved.tokens > 0) return
        const asks = budgets.map(({ name, held }) => ({ name, microDollars: -held.microDollars, tokens: -held.tokens }))
        if (asks.some(({ microDollars, tokens }) => microDollars < 0 || tokens < 0)) await ask(user, asks)
      })
    },
  }
}

/** @returns a function that runs one work after the other, in the order in which it was given */
function oneByOne(): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const done = last.then(work)
    last = done.catch(() => {})
    return done
  }
}

type Lacking = (budget: SharedBudget, kind: (typeof kinds)[number]) => number

/** What is lacking of a part, and some more. */
function wanted(budget: SharedBudget, lacking: Lacking): ShareAsk {
  const more = { microDollars: 0, tokens: 0 }
  for (const kind of kinds) {
    const most = budget.limit[kind]
    const least = most === null ? 0 : lacking(budget, kind)
    if (most !== null && least > 0) more[kind] = Math.ceil(2 * least + most * sparePart)
  }
  return { name: budget.name, ...more }
}

function shortOf(budget: SharedBudget, lacking: Lacking, need: Spend): Failure | null {
  const { name, span, limit, used } = budget
  for (const kind of kinds) {
    const most = limit[kind]
    if (most === null || lacking(budget, kind) <= 0) continue
    const shown = (amount: number): string => (kind === 'tokens' ? `${amount} tokens` : dollarsText(amount))
    const message = `The budget ${name}, which others share, does not cover this: it needs ${shown(need[kind])} more; of ${shown(most)} ${shown(used[kind])} are used, and others hold the rest. Nothing was run.`
    const renewal = span === 'total' ? 'It does not reset by itself.' : `It resets with the next ${span}.`
    return { code: 'budget_exhausted', message, hint: `${renewal} An administrator can raise it: oxbow cluster budget set` }
  }
  return null
}
