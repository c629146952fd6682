/** What forgetting tells those who made something of what was said. */
import type { PhraseMatch } from '../../store/index.ts'
import type { SessionId } from '../../types/index.ts'

/** Erases bodies of the journal, and puts on record that they are. */
export type EraseBodies = (
  seqs: readonly number[],
  reason: string,
) => Promise<{ readonly bodies: number; readonly blobs: number; readonly kept: readonly number[] }>

/** Forgets what a part of the house made of what was said: summaries, warm conversations, titles. @returns how many things it changed. */
export type Eraser = (gone: GoneFact) => Promise<number>

export interface GoneFact extends PhraseMatch {
  /** What was forgotten, in words; they are not to be kept anywhere. */
  readonly texts: readonly string[]
  /** Records whose bodies went. */
  readonly seqs: readonly number[]
  /** Sessions in which it was said. */
  readonly sessions: readonly SessionId[]
}

/** Why a body is gone, in its place in the journal. */
export const forgottenReason = 'forgotten by memory.forget'
