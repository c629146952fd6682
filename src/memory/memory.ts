/**
 * Memory, as the rest of the house sees it: what keeps, finds and forgets, behind one port. Nothing of it is started or loaded before
 * its first use: an idle guest has the record of its options and nothing else.
 */
import type { MemoryStats, Store } from '../store/index.ts'
import type { Clock, Config, SessionId } from '../types/index.ts'
import type { Corrections } from './keep/corrections.ts'
import type { Documents } from './keep/documents.ts'
import type { Notes } from './keep/notes.ts'
import type { Transfer } from './keep/transfer.ts'
import type { Provenance } from './keep/why.ts'
import type { Forgetting } from './forget/forget.ts'
import type { EraseBodies, Eraser } from './forget/gone-fact.ts'
import type { EmbeddingService } from './embed/service-embedder.ts'
import type { Recall } from './recalled.ts'
import type { TextEngine } from './text-engine.ts'
import type { Tidy } from './tidy/tidy.ts'
import type { TurnMemory, TurnQuestion } from './said/turn-recall.ts'

export interface Memory {
  /** Whether a turn of this session has anything to be reminded of. A promise only the first time. */
  hasOthers(session: SessionId): boolean | Promise<boolean>
  /** Something was said: it is indexed soon, behind whatever else goes on. */
  poke(): void
  /** Resolves when what was said before can be found, or after a moment. */
  caughtUp(): Promise<void>
  /** What is recalled before a turn. */
  recallForTurn(question: TurnQuestion): Promise<TurnMemory>
  recall(): Promise<Recall>
  notes(): Promise<Notes>
  corrections(): Promise<Corrections>
  documents(): Promise<Documents>
  transfer(): Promise<Transfer>
  forgetting(): Promise<Forgetting>
  tidy(): Promise<Tidy>
  /** Tidying has changed what is hot. */
  tidied(): void
  /** @throws OxbowError `not_found` */
  why(id: string): Promise<Provenance>
  stats(): Promise<MemoryReport>
  /**
   * Reads the journal and all that was written again, and begins to make all vectors again. What people have changed stays.
   * @returns when everything can be found by its words; vectors follow in the background
   */
  reindex(signal: AbortSignal): Promise<Reindexed>
  /** Asked, when something is forgotten, by whoever makes things of what was said. */
  onForget(eraser: Eraser): void
  /** How the journal erases what a turn still needed when it was forgotten. */
  eraseBy(erase: EraseBodies): void
  /** What makes vectors where `memory.embedder` names a model of a provider: the kernel's, which is on record and under budgets. */
  embedBy(embed: EmbeddingService['embed']): void
  close(): Promise<void>
}

export interface Reindexed {
  /** Of conversations. */
  readonly messages: number
  /** Notes, facts, sections of documents, summaries. */
  readonly written: number
  /** Vectors are being made again; false where there is no embedder. */
  readonly vectors: boolean
}

export interface MemoryReport extends MemoryStats {
  /** Seq that the indexer has read to, and the newest of the journal. */
  readonly indexed: number
  readonly journal: number
  /** Passages that wait for a vector of the active model. */
  readonly waiting: number
  /** Why indexing stands still; null while it works. */
  readonly problem: string | null
}

export interface MemoryOptions {
  readonly store: Store
  readonly config: Config['memory']
  readonly clock: Clock
  /** For tests: reads texts in place of the thread that is started on first use. */
  readonly text?: () => Promise<TextEngine>
  /** For tests: how long what was put just now may take to get its vectors when all ends. */
  readonly lastVectorsMs?: number
  /** For tests: how long `caughtUp` waits for what was said. */
  readonly catchUpMs?: number
  /** For tests: how long a question waits for its vector. */
  readonly questionMs?: number
}
