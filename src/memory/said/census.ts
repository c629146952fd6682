/**
 * Whether there is anything to recall at all, known without asking: a turn of somebody who has said nothing elsewhere must not cost
 * a look. Asked of the store once, then kept by what is written here.
 */
import type { MemoryEntry, MemoryStore } from '../../store/index.ts'
import type { SessionId } from '../../types/index.ts'

export interface Census {
  /** Whether memory holds anything but the messages of this session. A promise only the first time. */
  hasOthers(session: SessionId): boolean | Promise<boolean>
  /** Whether memory holds anything at all. */
  hasAny(): Promise<boolean>
  put(entries: readonly MemoryEntry[]): void
}

/** Nothing; messages of one session alone; or more than that. */
type Held = { readonly kind: 'nothing' } | { readonly kind: 'one'; readonly session: string } | { readonly kind: 'more' }

export function createCensus(memory: MemoryStore): Census {
  let held: Held | null = null
  let asked: Promise<void> | null = null
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
    // What was written meanwhile was seen by the look or is counted below.
    held ??= found
  }
  const answer = (session: SessionId): boolean =>
    held !== null && (held.kind === 'more' || (held.kind === 'one' && held.session !== session))
  const known = (): Promise<void> => (asked ??= ask().finally(() => (asked = null)))
  return {
    hasOthers: (session) => (held === null ? known().then(() => answer(session)) : answer(session)),
    async hasAny() {
      if (held === null) await known()
      return held?.kind !== 'nothing'
    },
    put,
  }
}
