/** How a chat is written down. */
export interface WrittenSitting {
  readonly at: string
  /** A turn a line: `[word] Who: what`. The word is the name by which questions know the turn. */
  readonly lines: string
}
