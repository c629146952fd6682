/** What recall is measured on: dialogues, and questions that know in which turns their answer stands. */

export const questionClasses = ['single_hop', 'temporal', 'multi_hop', 'open_domain', 'changed', 'identifier'] as const

export type QuestionClass = (typeof questionClasses)[number]

export interface Turn {
  /** Unique in its dialogue, e.g. `D3:12`. */
  readonly id: string
  readonly speaker: string
  readonly text: string
  /** Unix milliseconds: turns of one sitting are some seconds apart. */
  readonly at: number
  /** From 1. */
  readonly sitting: number
}

export interface Question {
  readonly text: string
  readonly kind: QuestionClass
  /** Ids of the turns that answer it, at least one. */
  readonly evidence: readonly string[]
}

export interface Dialogue {
  readonly name: string
  /** In order. */
  readonly turns: readonly Turn[]
  readonly questions: readonly Question[]
  /** Questions about its people that nothing in it answers; absent: none are known. */
  readonly unanswered?: readonly string[]
}
