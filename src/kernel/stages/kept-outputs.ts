/**
 * Which labels the outputs have that were too long to show whole and are read in parts: by their hash, since any conversation may
 * read any of them. What this guest has not kept itself, or no longer knows of, may be anything.
 */
import { maxKnownOutputs } from '../limits.ts'
import { join, type Labels } from './policy.ts'

export interface KeptOutputs {
  note(hash: string, labels: Labels): void
  labelsOf(hash: string): Labels
}

export function createKeptOutputs(): KeptOutputs {
  // Insertion order is order of use: the first is the least recently kept.
  const known = new Map<string, Labels>()
  return {
    note(hash, labels) {
      const all = join(known.get(hash) ?? [], labels)
      known.delete(hash)
      known.set(hash, all)
      if (known.size > maxKnownOutputs) known.delete(known.keys().next().value as string)
    },
    labelsOf: (hash) => known.get(hash) ?? ['private', 'untrusted'],
  }
}
