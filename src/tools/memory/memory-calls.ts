/** All memory calls. */
import type { Memory } from '../../memory/index.ts'
import type { Call } from '../../types/index.ts'
import { careCalls, transferCalls } from './care-calls.ts'
import { correctCalls } from './correct-calls.ts'
import { ingestCall } from './ingest-call.ts'
import { noteCalls } from './note-calls.ts'
import { recallCall, searchCall } from './search-calls.ts'

/** @param memory absent when calls are only described, not run */
export function memoryCalls(memory: Memory): readonly Call[] {
  return [
    searchCall(memory),
    ...noteCalls(memory),
    ...correctCalls(memory),
    ...careCalls(memory),
    ingestCall(memory),
    ...transferCalls(memory),
    recallCall(memory),
  ]
}
