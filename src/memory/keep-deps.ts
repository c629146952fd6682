/** What the parts of memory work with that change what is kept. */
import type { Hasher, MemoryEntry, MemoryStore, Store } from '../store/index.ts'
import type { Clock } from '../types/index.ts'
import type { LoneWriter } from './lone-writer.ts'
import type { TextEngine } from './text-engine.ts'

/** Thread and hash are loaded with the first text. */
export interface KeepDeps {
  readonly memory: MemoryStore
  readonly store: Store
  readonly text: () => Promise<TextEngine>
  readonly hash: () => Promise<Hasher>
  readonly clock: Clock
  /** For what is read and written again: no change comes between, and those that are asked for wait. See `LoneWriter`. */
  readonly alone: LoneWriter['alone']
  /** Told of every entry that was written or went. */
  readonly changed: (change: { readonly put?: readonly MemoryEntry[]; readonly gone?: readonly string[] }) => void
}
