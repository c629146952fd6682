import type { Turn } from '../dialogue.ts'
import type { Activity, Detail, LifeEvent } from './activity.ts'

/** Something that one of the two reports, and in which turn. */
export interface Fact {
  readonly speaker: string
  readonly activity: Activity
  readonly event: LifeEvent
  /** Set when the turn is generated. */
  turn: Turn | null
  readonly answers: Answered[]
}

export interface Answered {
  readonly kind: 'detail' | 'span' | 'company'
  readonly detail: Detail | null
  readonly turn: Turn
}
