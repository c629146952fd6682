/** When a goal ends. Plain functions of what its generations came to, so that each rule can be read and tested by itself. */
import { leastGain, maxSameFailures, passScore } from './limits.ts'

export const endReasons = [
  'passed',
  'generations',
  'money',
  'tokens',
  'deadline',
  'no_gain',
  'same_failure',
  'person',
  'small_talk',
  'failed',
] as const

export type EndReason = (typeof endReasons)[number]

/** What a generation came to. */
export interface Outcome {
  readonly passed: boolean
  readonly score: number
  /** What has failed, in one form; empty: nothing. */
  readonly failure: string
}

export const isReached = ({ passed, score }: Pick<Outcome, 'passed' | 'score'>): boolean => passed && score >= passScore

/** @param all the oldest first @returns why no further generation follows; null: one does */
export function endAfter(all: readonly Outcome[], most: number): EndReason | null {
  const last = all.at(-1)
  if (last === undefined) return null
  if (isReached(last)) return 'passed'
  if (isStuck(all)) return 'same_failure'
  if (all.length >= most) return 'generations'
  return hasNoGain(all) ? 'no_gain' : null
}

function isStuck(all: readonly Outcome[]): boolean {
  const newest = all.slice(-maxSameFailures)
  const [first] = newest
  return newest.length === maxSameFailures && first!.failure !== '' && newest.every(({ failure }) => failure === first!.failure)
}

/** The last two together are hardly better than what was there before them. */
function hasNoGain(all: readonly Outcome[]): boolean {
  if (all.length < 3) return false
  const best = (some: readonly Outcome[]): number => Math.max(...some.map(({ score }) => score))
  return Math.round((best(all) - best(all.slice(0, -2))) * 1e9) / 1e9 < leastGain
}

/** @returns the index of the best: what was reached before what was not, then the score, then the earlier one; -1: no generation */
export function bestOf(all: readonly Pick<Outcome, 'passed' | 'score'>[]): number {
  const worth = ({ passed, score }: Pick<Outcome, 'passed' | 'score'>): number => score + (passed ? 1 : 0)
  return all.reduce((best, each, at) => (best < 0 || worth(each) > worth(all[best]!) ? at : best), -1)
}
