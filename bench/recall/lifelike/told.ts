import type { Turn } from '../dialogue.ts'
import type { Activity, Detail, LifeEvent } from './activity.ts'

/** Something that one of the two tells, and where it was said. */
export interface Told {
  readonly speaker: string
  readonly activity: Activity
  readonly event: LifeEvent
  /** Set when it was placed. */
  turn: Turn | null
  readonly answers: Answered[]
}

export interface Answered {
  readonly kind: 'detail' | 'span' | 'company'
  readonly detail: Detail | null
  readonly turn: Turn
}
