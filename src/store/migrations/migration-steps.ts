/** The statements of every step, by its id. */
import type { MigrationStep } from './migration-step.ts'
import { journalStep } from './step-1-journal.ts'
import { scratchpadStep } from './step-2-scratchpad.ts'
import { memoryStep } from './step-3-memory.ts'
import { sessionStep } from './step-4-sessions.ts'
import { secretsZoeyStep } from './step-5-secrets-zoey.ts'
import { blobOwnerStep } from './step-6-blob-owner.ts'
import { smallerVectorsStep } from './step-7-smaller-vectors.ts'
import { nearIndexStep } from './step-8-near-index.ts'

export const migrationSteps: ReadonlyMap<number, MigrationStep> = new Map([
  [1, journalStep],
  [2, scratchpadStep],
  [3, memoryStep],
  [4, sessionStep],
  [5, secretsZoeyStep],
  [6, blobOwnerStep],
  [7, smallerVectorsStep],
  [8, nearIndexStep],
])
