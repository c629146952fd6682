/** What follows from a record for the projections; the same in every dialect. */
import type { Phase } from '../../types/index.ts'

/** After a record of such a phase the call is no longer open. */
export function closesCall(phase: Phase): boolean {
  return phase === 'outcome' || phase === 'refused' || phase === 'reconciled'
}
