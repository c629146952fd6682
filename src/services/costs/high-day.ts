/** Notices a day on which models cost twice as much as usual. */
import type { Core } from '../../kernel/index.ts'
import { addSum, countOn, dayOf, type DaySums, noSum, notice, readSums, type Sum, type SumsDeps } from './day-sums.ts'
import { highFactor, leastDays, leastHighMicroDollars, usualDays } from './limits.ts'

export interface HighDayDeps extends SumsDeps, Pick<Core, 'clock' | 'noteEvent'> {}

/** @returns the median of the latest days with costs before `today`, in micro-dollars; null where they are too few */
export function usualOf({ days }: Pick<DaySums, 'days'>, today: string): number | null {
  const before = [...days]
    .filter(([day]) => day < today)
    .sort(([a], [b]) => (a < b ? 1 : -1))
    .map(([, groups]) => groups.reduce<Sum>(addSum, noSum).microDollars)
    .filter((cost) => cost > 0)
    .slice(0, usualDays)
    .sort((a, b) => a - b)
  if (before.length < leastDays) return null
  const half = before.length / 2
  return Math.round((before[Math.ceil(half) - 1]! + before[Math.floor(half)]!) / 2)
}

/** Counts on, and notes an event for a day that is high, once. */
export async function lookAtToday(deps: HighDayDeps): Promise<void> {
  await countOn(deps)
  const now = new Date(deps.clock.now())
  const today = dayOf(now.getTime())
  // Days without costs do not count, so more than the usual number are read.
  const since = dayOf(new Date(now.getFullYear(), now.getMonth(), now.getDate() - 4 * usualDays).getTime())
  const sums = await readSums(deps, since)
  const usual = usualOf(sums, today)
  const cost = (sums.days.get(today) ?? []).reduce<Sum>(addSum, noSum).microDollars
  if (usual === null || cost < highFactor * usual || cost < leastHighMicroDollars || sums.noticed === today) return
  if (await notice(deps, today)) deps.noteEvent('costs_high', { day: today, micro_dollars: cost, usual_micro_dollars: usual })
}
