/** What a call that a plan lists, and does not make, is given to answer; see `Call.planned`. */
import type { Json } from '../base/index.ts'

/** What the calls of a plan have changed, for its later ones alone: values by the places that `Call.basis` names. */
export interface PlanOverlay {
  /** Undefined: it is as it is outside of the plan; null: deleted. */
  get(place: string): Json | undefined
  /** @param shown as people read it, outside of the plan and after this; empty: nothing is there */
  put(place: string, now: Json, shown: { readonly before: string; readonly after: string }): void
  /** What was changed below a prefix. */
  below(prefix: string): ReadonlyMap<string, Json>
}

/** A call that a plan lists. */
export interface PlannedCall {
  readonly overlay: PlanOverlay
  /**
   * An id of what the call would make. Later calls of the plan that name it get the real one in its place when the plan is applied.
   * @param prefix what such ids begin with
   */
  newId(prefix?: string): string
  /** As `newId`, for a version that is a number. */
  newVersion(): number
  /** The plan ends with this call, since what it returns cannot be known. @param why one sentence, for the person */
  ends(why: string): void
}
