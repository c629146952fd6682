/** When the journal is archived by itself: after a turn, once a day, where `audit.keep` says so. */
import type { Core } from '../../kernel/index.ts'
import type { CallId } from '../../base/index.ts'
import type { Caller } from '../../protocol/index.ts'
import { archiveRight } from './archive-calls.ts'

const dayMs: number = 24 * 60 * 60_000
/** After the start: a guest has other things to do first. */
const firstMs: number = 10 * 60_000

/** @returns a listener for the ends of turns; it costs nothing until the next day is over */
export function createArchiveDue({ host, clock, gate, user, newId }: Core): () => void {
  if (host?.archive === undefined) return () => {}
  const caller: Caller = { user, actor: 'kernel', rights: new Set([archiveRight]), audience: 'runtime', session: '', turn: '', process: '' }
  const stopping = new AbortController()
  let next = clock.now() + firstMs
  return () => {
    if (clock.now() < next) return
    next = clock.now() + dayMs
    // A failure is in the journal.
    void gate.call(caller, 'audit.archive', {}, { id: newId() as CallId, signal: stopping.signal }).catch(() => {})
  }
}
