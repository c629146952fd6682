/** A measure: one section of the report. It receives all it needs as arguments and cleans up after itself. */
import type { BenchPlan } from './bench-plan.ts'
import type { Row } from './report.ts'
import type { ModelServer } from './subjects/model-server.ts'
import type { GuestPrograms } from './subjects/guest-program.ts'

export interface BenchContext {
  readonly plan: BenchPlan
  readonly programs: GuestPrograms
  /** The scripted model, and its base URL. */
  readonly model: ModelServer
  readonly modelUrl: string
  /** Folder with pi's agent core; null: not installed. */
  readonly pi: string | null
  /** A file of dialogues in LoCoMo's format, instead of generated ones. */
  readonly locomo: string | null
  /** Embedder for measuring recall, as in `memory.embedder`. */
  readonly embedder: string
}

export interface Measure {
  /** Name for `--only`. */
  readonly name: string
  readonly title: string
  /** One sentence: how it is measured. */
  readonly how: string
  run(context: BenchContext): Promise<readonly Row[]>
}
