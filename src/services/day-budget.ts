/** What work in the background may spend in a day. The budgets of the session and of the user count it as well, at the gate. */
import type { Clock } from '../base/index.ts'
import { addSpend, noSpend, type Spend } from '../protocol/index.ts'

const dayMs: number = 24 * 60 * 60_000

type DayLimits = Readonly<Record<'tokens' | 'micro_dollars', number>>

export interface DayBudget {
  allows(clock: Clock): boolean
  add(clock: Clock, spent: Spend): void
}

/** Counts what was spent in the last day. The count starts over with the guest. @param limits asked each time, so that a change of the configuration counts at once */
export function createDayBudget(limits: () => DayLimits): DayBudget {
  let since = 0
  let spent = noSpend
  const startDayIfOver = ({ now }: Clock): void => {
    if (now() - since < dayMs) return
    since = now()
    spent = noSpend
  }
  return {
    allows(clock) {
      startDayIfOver(clock)
      return spent.tokens < limits().tokens && spent.microDollars < limits().micro_dollars
    },
    add(clock, more) {
      startDayIfOver(clock)
      spent = addSpend(spent, more)
    },
  }
}
