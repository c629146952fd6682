/** What hands do with themselves. */
export interface LifeOps {
  /** Ends all that was started and forgets what was not finished; hands answer, and exit. */
  shutdown: {
    input: Record<string, never>
    output: Record<string, never>
  }
}
