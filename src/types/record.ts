/** The journal's records, as the store keeps them, terminals follow them and `audit verify` checks them. */
import type { CallId, SessionId, TurnId } from './id.ts'

/**
 * - `intent`: the call is about to happen; what it was asked, reserved and labelled with
 * - `parked`: the call waits for a person; `decided`: the person has said yes or no
 * - `started`: a queued message was taken up: by its own turn, with what holds that, or by a running one as steering
 * - `exchange`: the bytes that went to a model's endpoint and came back, as part of a generation; of other calls, a step of theirs
 * - `outcome`: it happened, or was stopped; `refused`: it did not get through the gate
 * - `reconciled`: a crash hid the outcome; what was decided about it
 */
export type Phase = 'intent' | 'parked' | 'decided' | 'started' | 'exchange' | 'outcome' | 'refused' | 'reconciled'

/** What data may contain. A caller that reads labelled data takes on its labels and never loses them. */
export type Label = 'untrusted' | 'private'

export interface NewRecord {
  /** Unix milliseconds. */
  readonly at: number
  /** Who acts: `user:<id>`, `agent:<name>` or `kernel`. */
  readonly actor: string
  /** Empty text when the record belongs to no session (or turn). */
  readonly session: SessionId | ''
  readonly turn: TurnId | ''
  readonly call: CallId
  /** Name of the call, `family.verb`. */
  readonly name: string
  readonly phase: Phase
  /** JSON text. Bodies over 4 KiB are kept once by content and appear as `{"blob":"<hash>","bytes":n}`. */
  readonly body: string
}

/** What is left of a body that was erased; see `Store.erase`. */
export interface ErasedBody {
  /** BLAKE3 of the body as it was appended. */
  readonly erased: string
  readonly bytes: number
  /** For people. */
  readonly reason: string
}

/** @returns whether a parsed body, or any other value, is what is left of an erased one. */
export function isErased(body: unknown): body is ErasedBody {
  if (typeof body !== 'object' || body === null || !('erased' in body) || typeof body.erased !== 'string') return false
  return Object.keys(body).join() === 'erased,bytes,reason' && /^[0-9a-f]{64}$/.test(body.erased)
}

/** Stands for an erased text wherever people or models would read it. */
export const erasedText = '(erased)'

export interface JournalRecord extends NewRecord {
  /** 1, 2, 3 … without gaps, for each user. */
  readonly seq: number
  /** Hash of the record before; 64 zeros for the first. Lower-case hex. */
  readonly previous: string
  /** BLAKE3-256 over every other field in canonical form. Lower-case hex. */
  readonly hash: string
}

/** The newest record of a chain; seq 0 for an empty one. */
export interface ChainHead {
  readonly seq: number
  readonly hash: string
}

export const emptyChain: ChainHead = { seq: 0, hash: '0'.repeat(64) }
