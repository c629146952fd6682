/**
 * What members and guests may spend in a day. While their turn runs, the rest of it is carved out of the owner's budgets, so that it can
 * exceed neither; what it has spent is counted when it has ended.
 */
import { derivedId, type SessionId, type TurnId } from '../../../base/index.ts'
import { sectionOf } from '../../../config/index.ts'
import { carve, type DocumentChange, giveBack } from '../../../kernel/index.ts'
import { addSpend, noSpend, sessionScope, type Spend } from '../../../protocol/index.ts'
import { localTime } from '../../quiet-hours.ts'
import { byKernel, type ChannelDeps } from '../channel-deps.ts'
import { change, spendingCategory } from '../channel-records.ts'
import type { Role } from '../channel-schemas.ts'
import { channelsConfig } from '../config.ts'

/** A document of `system/channel_spending`, by identity. */
interface SpentToday {
  /** On this machine's calendar. */
  readonly day: string
  readonly spent: Spend
  /** By turns that run: what one holds no other has. Absent in a document of an earlier version. */
  readonly held?: readonly { readonly turn: TurnId; readonly tokens: number; readonly at: number }[]
}

interface Who {
  readonly identity: string
  readonly role: Role
}

/** What holds the rest of the day for a turn, and what its session has spent before it; no changes for an owner. */
interface HeldDay {
  readonly changes: readonly DocumentChange[]
  readonly before: Spend | null
}

export interface Spending {
  /** @returns whether something of the day is left, also what a turn that runs holds */
  isLeft(who: Who): Promise<boolean>
  /** The day that counts. */
  today(): string
  /**
   * Reserves the rest of the day for a turn.
   * @returns `waits`: another of their turns holds the rest; `used_up`: nothing is left of the day
   */
  hold(who: Who, turn: TurnId, session: SessionId): Promise<HeldDay | 'waits' | 'used_up'>
  /** @returns changes that count the turn, and give back what was reserved @param before as `hold` said */
  count(who: Who, turn: TurnId, session: SessionId, before: Spend | null): Promise<readonly DocumentChange[]>
}

/** What whoever has used up their day is told, once. */
export const usedUp = 'What you may use in a day is used up. I answer again tomorrow.'
export const usedUpId = (identity: string, day: string): string => derivedId('budget notice', identity, day)

/** A turn that was held so long ago has ended without being counted. */
const heldMs: number = 24 * 60 * 60_000

export function createSpending(deps: ChannelDeps): Spending {
  const { documents, config, clock, budgets } = deps
  const today = (): string => localTime(clock.now(), '').day
  const asOfToday = (found: SpentToday | undefined): Required<SpentToday> => ({
    day: today(),
    spent: found?.day === today() ? found.spent : noSpend,
    held: (found?.held ?? []).filter(({ at }) => clock.now() - at < heldMs),
  })
  const spentIn = async (session: SessionId): Promise<Spend> => {
    await budgets.load({ session, actor: 'kernel' })
    const { tokens, microDollars } = budgets.view(sessionScope(session)).spent
    return { tokens, microDollars }
  }
  const limitOf = (role: Exclude<Role, 'owner'>): number => sectionOf(channelsConfig, config).tokens[role]
  return {
    today,
    async isLeft({ identity, role }) {
      if (role === 'owner') return true
      return asOfToday((await documents.get<SpentToday>(spendingCategory, identity))?.value).spent.tokens < limitOf(role)
    },
    async hold({ identity, role }, turn, session) {
      if (role === 'owner') return { changes: [], before: null }
      let tokens = 0
      let isHeld = false
      // One after another, so that turns of several chats cannot each have all of it.
      await documents.update<SpentToday>(byKernel(deps, 'channel.begin'), spendingCategory, identity, async (current) => {
        const now = asOfToday(current?.value)
        const others = now.held.filter((each) => each.turn !== turn)
        tokens = limitOf(role) - now.spent.tokens - others.reduce((sum, each) => sum + each.tokens, 0)
        isHeld = others.length > 0
        const held = [...others, { turn, tokens, at: clock.now() }]
        return tokens > 0 ? [change(spendingCategory, identity, { ...now, held })] : []
      })
      if (tokens <= 0) return isHeld ? 'waits' : 'used_up'
      const before = await spentIn(session)
      return { changes: [carve('run', turn, { tokens }, clock.now(), { session, above: '', actor: '' })], before }
    },
    async count({ identity }, turn, session, before) {
      if (before === null) return []
      const now = await spentIn(session)
      const more = { tokens: Math.max(0, now.tokens - before.tokens), microDollars: Math.max(0, now.microDollars - before.microDollars) }
      await documents.update<SpentToday>(byKernel(deps, 'channel.end'), spendingCategory, identity, async (current) => {
        const found = asOfToday(current?.value)
        // After a crash it is counted once.
        const isCounted = current?.value.held !== undefined && !current.value.held.some((each) => each.turn === turn)
        const held = found.held.filter((each) => each.turn !== turn)
        return isCounted ? [] : [change(spendingCategory, identity, { ...found, spent: addSpend(found.spent, more), held })]
      })
      return [giveBack('run', turn)]
    },
  }
}
