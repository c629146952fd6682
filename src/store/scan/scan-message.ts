/** What is asked when phrases are looked for, and what is answered. */
import type { SessionId } from '../../types/index.ts'

export interface ScanQuery {
  /** Bounds of seq, both exclusive. */
  readonly after: number
  readonly before: number
  /** Only of this session. */
  readonly session?: SessionId
  /** Folded as `foldPhrase` does; a body that says one of them fits. */
  readonly phrases: readonly string[]
}

/** As it travels: the fields of records, with bodies as they are hashed. */
export interface ScanAnswer {
  readonly fields: (string | number)[]
  /** Every record up to this seq was looked at; `before - 1` at the end. */
  readonly upto: number
}
