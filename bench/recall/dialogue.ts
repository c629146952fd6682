/** Data for measuring recall: dialogues, and questions with the turns that contain the answer. */

export const questionClasses = ['single_hop', 'temporal', 'multi_hop', 'open_domain', 'changed', 'identifier'] as const

export type QuestionClass = (typeof questionClasses)[number]

export interface Turn {
  /** Unique in its dialogue, e.g. `D3:12`. */
  readonly id: string
  readonly speaker: string
  readonly text: string
  /** Unix milliseconds; turns of one session are seconds apart. */
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
  /** Questions about its people without an answer in it; absent if there is no such question. */
  readonly unanswered?: readonly string[]
}
