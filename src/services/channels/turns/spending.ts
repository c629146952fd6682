/**
 * What members and guests may spend in a day. While their turn runs, the rest of it is carved out of the owner's budgets, so that it can
 * exceed neither; what it has spent is counted when it has ended.
 */
import type { SessionId, TurnId } from '../../../base/index.ts'
import { sectionOf } from '../../../config/index.ts'
import { carve, type DocumentChange, giveBack } from '../../../kernel/index.ts'
import { addSpend, type Limits, noSpend, sessionScope, type Spend } from '../../../protocol/index.ts'
import { localTime } from '../../quiet-hours.ts'
import type { ChannelDeps } from '../channel-deps.ts'
import { change, spendingCategory } from '../channel-records.ts'
import type { Role } from '../channel-schemas.ts'
import { channelsConfig } from '../config.ts'

/** A document of `system/channel_spending`, by identity. */
interface SpentToday {
  /** On this machine's calendar. */
  readonly day: string
  readonly spent: Spend
}

interface Who {
  readonly identity: string
  readonly role: Role
}

export interface Spending {
  /** @returns what is left of the day; null: nobody counts it; `used_up`: nothing is */
  left(who: Who): Promise<Limits | null | 'used_up'>
  /** The day that counts. */
  today(): string
  /** @returns changes that reserve the rest of the day for a turn, and what its session had spent before; for an owner none, and null */
  hold(who: Who, turn: TurnId, session: SessionId): Promise<{ readonly changes: readonly DocumentChange[]; readonly before: Spend | null }>
  /** @returns changes that count the turn, and give back what was reserved @param before as `hold` said */
  count(who: Who, turn: TurnId, session: SessionId, before: Spend | null): Promise<readonly DocumentChange[]>
}

export function createSpending({ documents, config, clock, budgets }: ChannelDeps): Spending {
  const today = (): string => localTime(clock.now(), '').day
  const spentBy = async (identity: string): Promise<Spend> => {
    const found = (await documents.get<SpentToday>(spendingCategory, identity))?.value
    return found?.day === today() ? found.spent : noSpend
  }
  const spentIn = async (session: SessionId): Promise<Spend> => {
    await budgets.load({ session, actor: 'kernel' })
    const { tokens, microDollars } = budgets.view(sessionScope(session)).spent
    return { tokens, microDollars }
  }
  const left: Spending['left'] = async ({ identity, role }) => {
    if (role === 'owner') return null
    const limit = sectionOf(channelsConfig, config).tokens[role]
    const { tokens } = await spentBy(identity)
    return tokens >= limit ? 'used_up' : { tokens: limit - tokens }
  }
  return {
    left,
    today,
    async hold(who, turn, session) {
      const rest = await left(who)
      if (rest === null) return { changes: [], before: null }
      const limits = rest === 'used_up' ? { tokens: 0 } : rest
      const before = await spentIn(session)
      return { changes: [carve('run', turn, limits, clock.now(), { session, above: '', actor: '' })], before }
    },
    async count({ identity }, turn, session, before) {
      if (before === null) return []
      const now = await spentIn(session)
      const more = { tokens: Math.max(0, now.tokens - before.tokens), microDollars: Math.max(0, now.microDollars - before.microDollars) }
      const value: SpentToday = { day: today(), spent: addSpend(await spentBy(identity), more) }
      return [giveBack('run', turn), change(spendingCategory, identity, value)]
    },
  }
}
