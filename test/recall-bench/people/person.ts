/**
 * People who use an assistant: what they told it, and what they ask of it later, in other sessions. Each fact and message at an even place
 * is for choosing rules, each at an odd place is held out: no rule, bound or word may be chosen by what it does there.
 */

export interface PersonFact {
  readonly told: string
  /** Asks in words of the fact. */
  readonly direct: string
  /** Asks in other words. */
  readonly reworded: string
  /** Asked by anybody about the same matter: needs nothing. */
  readonly anybody: string
  /** A task for which the assistant has to know it. */
  readonly task?: string
}

export interface Person {
  readonly name: string
  readonly facts: readonly PersonFact[]
  /** Messages that need nothing: chores, code, knowledge, small talk. */
  readonly chores: readonly string[]
}

export type Half = 'tune' | 'held out'

/** @returns what belongs to one half */
export function half<T>(list: readonly T[], which: Half): readonly T[] {
  return list.filter((_, i) => i % 2 === (which === 'tune' ? 0 : 1))
}
