/**
 * Tracks whether there is anything to recall, so that a turn without other memories costs no query. Reads the store once, then follows
 * the writes.
 */
import type { MemoryEntry, MemoryStore } from '../../store/index.ts'
import type { SessionId } from '../../base/index.ts'

export interface MemoryPresence {
  /** Whether memory holds anything besides the messages of this session. A promise only the first time. */
  hasOthers(session: SessionId): boolean | Promise<boolean>
  /** Whether memory holds anything at all. */
  hasAny(): Promise<boolean>
  put(entries: readonly MemoryEntry[]): void
}

/** Nothing; only messages of one session; or more. */
type Held = { readonly kind: 'nothing' } | { readonly kind: 'one'; readonly session: string } | { readonly kind: 'more' }

export function createMemoryPresence(memory: MemoryStore): MemoryPresence {
  let held: Held | null = null
  let request: Promise<void> | null = null
  const put = (entries: readonly Pick<MemoryEntry, 'kind' | 'session'>[]): void => {
    for (const { kind, session } of entries) {
      if (held === null || held.kind === 'more') return
      if (kind !== 'message' || (held.kind === 'one' && held.session !== session)) held = { kind: 'more' }
      else held = { kind: 'one', session }
    }
  }
  const ask = async (): Promise<void> => {
    const [newest] = await memory.list({}, 1)
    let found: Held = { kind: 'nothing' }
    if (newest !== undefined) {
      const [other] = newest.kind !== 'message' || newest.session === '' ? [newest] : await memory.list({ notSession: newest.session }, 1)
      found = other === undefined ? { kind: 'one', session: newest.session } : { kind: 'more' }
    }
    // The query sees writes during it, or they are counted below.
    held ??= found
  }
  const answer = (session: SessionId): boolean =>
    held !== null && (held.kind === 'more' || (held.kind === 'one' && held.session !== session))
  const known = (): Promise<void> => (request ??= ask().finally(() => (request = null)))
  return {
    hasOthers: (session) => (held === null ? known().then(() => answer(session)) : answer(session)),
    async hasAny() {
      if (held === null) await known()
      return held?.kind !== 'nothing'
    },
    put,
  }
}
