/**
 * The tables, as every dialect has them. `journal` and `blob` are the truth; the rest are projections of the journal that
 * commit with it and could be made again from it.
 */
import type { CallId, JournalRecord, SessionId } from '../../types/index.ts'

export interface Tables {
  journal: JournalRecord & { readonly user: string }
  blob: { user: string; hash: string; bytes: Uint8Array }
  /** Records that carry conversation, so that history reads nothing else. */
  message: { user: string; session: string; seq: number }
  /** Intents that nothing has closed yet. */
  open_call: { user: string; call: CallId; seq: number }
  session: {
    user: string
    id: SessionId
    title: string
    created_at: number
    active_at: number
    turns: number
    labels: string
    scratchpad: string
    archived: number
    deleted: number
    parent: SessionId | ''
    forked: number
    summary: CallId | ''
  }
  account: { user: string; scope: string; micro_dollars: number; tokens: number }
  lane: { user: string; session: SessionId; owner: string; epoch: number; lease_until: number }
}
