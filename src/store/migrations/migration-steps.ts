/** The statements of every step, by its id. */
import type { MigrationStep } from './migration-step.ts'
import { journalStep } from './steps/step-1-journal.ts'
import { scratchpadStep } from './steps/step-2-scratchpad.ts'
import { memoryStep } from './steps/step-3-memory.ts'
import { sessionStep } from './steps/step-4-sessions.ts'
import { secretsZoeyStep } from './steps/step-5-secrets-zoey.ts'
import { blobOwnerStep } from './steps/step-6-blob-owner.ts'
import { smallerVectorsStep } from './steps/step-7-smaller-vectors.ts'
import { nearIndexStep } from './steps/step-8-near-index.ts'

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
