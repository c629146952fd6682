/** What is known of an entry before anything is asked: whether it holds, how new it is, how much it matters. */
import type { MemoryEntry } from '../../store/index.ts'
import type { Candidate } from './candidate.ts'
import { importanceBonus, recencyBonus, recencyHalfLifeMs } from './recall-limits.ts'

/** @param at the time that is asked about */
export function addPriors(list: readonly Candidate[], at: number): Candidate[] {
  return list.map((candidate) => {
    const { entry } = candidate.passage
    const prior = priorOf(entry, at)
    return { ...candidate, prior, score: candidate.score + prior, holds: holdsAt(entry, at) }
  })
}

/** 0 to `recencyBonus + importanceBonus`. */
export function priorOf(entry: MemoryEntry, at: number): number {
  const age = Math.max(0, at - entry.createdAt)
  return recencyBonus * 2 ** (-age / recencyHalfLifeMs) + importanceBonus * effectiveImportance(entry)
}

/** What is looked up often matters more: importance × (1 + ln(1 + accesses)), at most 1. */
function effectiveImportance({ importance, accesses }: Pick<MemoryEntry, 'importance' | 'accesses'>): number {
  return Math.min(1, Math.max(0, importance) * (1 + Math.log1p(Math.max(0, accesses))))
}

/**
 * Superseded entries end when what took their place began; one whose end was not written down no longer holds at any time
 * after it was changed.
 */
export function holdsAt(entry: Pick<MemoryEntry, 'validFrom' | 'validTo' | 'supersededBy' | 'updatedAt'>, at: number): boolean {
  if (entry.validFrom > at || (entry.validTo !== null && entry.validTo <= at)) return false
  return entry.supersededBy === '' || entry.validTo !== null || at < entry.updatedAt
}
