/** The statements of every step, by its id. */
import type { MigrationStep } from './migration-step.ts'
import { journalStep } from './step-1-journal.ts'
import { scratchpadStep } from './step-2-scratchpad.ts'
import { blobOwnerStep } from './step-6-blob-owner.ts'

export const migrationSteps: ReadonlyMap<number, MigrationStep> = new Map([
  [1, journalStep],
  [2, scratchpadStep],
  [6, blobOwnerStep],
])
