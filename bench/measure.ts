/** A measure: one section of the report. It is handed all it needs and leaves nothing behind. */
import type { BenchPlan } from './bench-plan.ts'
import type { Row } from './report.ts'
import type { GuestPrograms } from './subjects/guest-program.ts'

export interface BenchContext {
  readonly plan: BenchPlan
  readonly programs: GuestPrograms
  /** Base URL of the scripted model. */
  readonly modelUrl: string
  /** A file of dialogues in LoCoMo's format, instead of generated ones. */
  readonly locomo: string | null
  /** What makes vectors where recall is measured, as `memory.embedder` names it. */
  readonly embedder: string
}

export interface Measure {
  /** For `--only`. */
  readonly name: string
  readonly title: string
  /** One sentence: how it is measured. */
  readonly how: string
  run(context: BenchContext): Promise<readonly Row[]>
}
