export { createMemory, type Memory, type MemoryHost } from './memory.ts'
export {
  type Forgettable,
  type ForgetOutput,
  forgetOutput,
  type Forgotten,
  memoryMap,
  type MemoryReport,
  memoryReport,
  provenance,
  recallReason,
  reindexed,
} from './memory-schemas.ts'
export type { GoneFact } from './forget/aftermath.ts'
export type { Ingested } from './keep/documents.ts'
export { createMemoryAudit } from './keep/mark-audit.ts'
export { memoryCursors } from './keep/keep-limits.ts'
export { cleanTag, looksLikeId } from './keep/note-rules.ts'
export { reachOf, sourcesOf } from './keep/provenance.ts'
export { exportPage, imported } from './keep/transfer.ts'
export { nearEnough, describeRecalled, type Recalled } from './recall/recalled.ts'

export type { TextEngine, TextFormat } from './text/text-engine.ts'
export { createLocalTextEngine, createTextEngine, type TextEngineOptions } from './text/text-thread.ts'
export type { Said, Summary, SummaryStep } from './summary/summary.ts'
export type { Learning, LearnQuestion } from './tidy/learn.ts'
export { type Tidied, tidiedSchema, type TidyStep } from './tidy/tidy-change.ts'
export { loadSummary, loadTidy, loadWorthReading, openRecall } from './lazy-parts.ts'
export { wholeText } from './keep/memory-item.ts'
