/** Messages as people write them to an assistant: those that need something that they once told it, and those that need nothing. */

export interface ToldFact {
  readonly told: string
  /** Asks with words of the fact. */
  readonly direct: string
  /** Asks in other words. */
  readonly reworded: string
  /** A task for which the assistant has to know it. */
  readonly task?: string
}

export interface TurnSet {
  readonly facts: readonly ToldFact[]
  /** Turns that need nothing of it. */
  readonly chores: readonly string[]
  /** Facts and questions in other languages. */
  readonly tongues: readonly { readonly told: string; readonly ask: string }[]
  readonly tongueChores: readonly string[]
}
