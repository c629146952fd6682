/**
 * Which labels the outputs have that were too long to show whole and are read in parts: by their hash, since any conversation may
 * read any of them. What this guest has not kept itself, or no longer knows of, may be anything.
 */
import { createRecentMap } from '../../types/index.ts'
import { maxKnownOutputs } from '../limits.ts'
import { join, type Labels } from './policy.ts'

export interface KeptOutputs {
  note(hash: string, labels: Labels): void
  labelsOf(hash: string): Labels
}

export function createKeptOutputs(): KeptOutputs {
  const known = createRecentMap<string, Labels>(maxKnownOutputs)
  return {
    note: (hash, labels) => known.put(hash, join(known.get(hash) ?? [], labels)),
    labelsOf: (hash) => known.get(hash) ?? ['private', 'untrusted'],
  }
}
