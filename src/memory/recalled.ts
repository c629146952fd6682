/** What recall is asked, and what it answers. */
import type { FoundPassage, MemoryFilter } from '../store/index.ts'
import type { SessionId } from '../types/index.ts'

export interface RecallQuestion {
  readonly text: string
  /** Without `validAt`: what holds now goes first, what no longer holds comes last and says so. */
  readonly filter: MemoryFilter
  /** In which it is asked; absent: in none, as by a person at a command line. */
  readonly session?: SessionId
  /** Most results, and most tokens of their text together. */
  readonly limit: number
  readonly tokens: number
  /** How the two lists become one. Absent: by weights of the embedder. */
  readonly fusion?: 'weights' | 'reciprocal_rank'
}

/** Why a result was found; every number as it was used. */
export interface RecallReason {
  /** Rank from 1 in the list of words and in that of vectors; null when it is not in that list. */
  readonly textRank: number | null
  readonly textScore: number | null
  readonly vectorRank: number | null
  readonly vectorScore: number | null
  /** How close its words are to those of the question, one by one, 0 to 1; null where no table of words compared them. */
  readonly closeness: number | null
  /** Quoted phrases and identifiers of the question that stand in it. */
  readonly exact: readonly string[]
  /** What recency and importance added to the fused score. */
  readonly prior: number
  /** Ids of near-duplicates that it stands for. */
  readonly standsFor: readonly string[]
}

export interface Recalled {
  /** The entry's id. */
  readonly id: string
  readonly passage: FoundPassage
  /** The passage with the neighbours that were joined to it, oldest first, cut to the budget. */
  readonly text: string
  /** Ids of the entries that these neighbours are of. */
  readonly joined: readonly string[]
  /** 0 to 1 and a little more; comparable within one answer only. */
  readonly score: number
  readonly ageMs: number
  /** False: superseded, or past its time. */
  readonly holds: boolean
  readonly why: RecallReason
}

export interface Recall {
  /** Best first. Never throws for what a question says: a question without words finds nothing. */
  recall(question: RecallQuestion): Promise<readonly Recalled[]>
}
