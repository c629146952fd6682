/**
 * The scratchpad of a session: notes that its agent keeps for itself beyond the context window. It has no table: its state is the newest
 * outcome of `scratchpad.write` or `scratchpad.clear`, and the session's row names the call of that outcome.
 */
import { type CallId, createRecentMap, type JsonObject, type SessionId } from '../../base/index.ts'
import { writeNotesCall, clearNotesCall, isErased, type Phase } from '../../protocol/index.ts'
import type { Store } from '../../store/index.ts'

/** Scratchpads kept in memory; others are read again, one record each. */
const maxHeldScratchpads = 500

interface Scratchpad {
  readonly items: readonly string[]
  /** Unix milliseconds; null if it was never written. */
  readonly updated_at: number | null
}

export interface Scratchpads {
  read(session: SessionId): Promise<Scratchpad>
  /** The section of the system prompt; empty when there are no notes. */
  section(session: SessionId): Promise<string>
  /** Updates the cache from a record that was just appended. */
  observe(entry: Change): void
  /** Empties the cache after bodies were erased. */
  drop(): void
}

interface Change {
  readonly session: SessionId | ''
  readonly name: string
  readonly phase: Phase
  readonly body: JsonObject
}

const empty: Scratchpad = { items: [], updated_at: null }

/** @returns whether the entry sets the state of a scratchpad; an erased one sets it to empty */
export function changesScratchpad({ name, phase, body }: Omit<Change, 'session'>): boolean {
  return (name === writeNotesCall || name === clearNotesCall) && phase === 'outcome' && (body['status'] === 'ok' || isErased(body))
}

interface ScratchpadDeps {
  readonly store: Store
  readonly flushed: () => Promise<void>
  /** The call that changed it last; empty if none has. */
  readonly changedBy: (session: SessionId) => Promise<CallId | ''>
}

export function createScratchpads({ store, flushed, changedBy }: ScratchpadDeps): Scratchpads {
  const held = createRecentMap<SessionId, Scratchpad>(maxHeldScratchpads)
  let drops = 0
  const keep = (session: SessionId, pad: Scratchpad): Scratchpad => {
    held.put(session, pad)
    return pad
  }
  const read: Scratchpads['read'] = async (session) => {
    const call = await changedBy(session)
    if (call === '') return empty
    const cached = held.get(session)
    if (cached !== undefined) return cached
    const before = drops
    await flushed()
    const [record] = await store.records({ call, phases: ['outcome'], order: 'newest_first', limit: 1, hydrate: true })
    // The record may have been erased after it was read.
    if (drops !== before) return read(session)
    return record === undefined ? empty : (held.get(session) ?? keep(session, fromBody(JSON.parse(record.body) as JsonObject)))
  }
  return {
    read,
    section: async (session) => describe(await read(session)),
    drop() {
      drops += 1
      held.clear()
    },
    observe(entry) {
      if (entry.session !== '' && changesScratchpad(entry)) keep(entry.session, fromBody(entry.body))
    },
  }
}

function fromBody(body: JsonObject): Scratchpad {
  if (isErased(body)) return empty
  const { items, updated_at: at } = body
  return { items: items as readonly string[], updated_at: at as number }
}

function describe({ items }: Scratchpad): string {
  if (items.length === 0) return ''
  const lines = items.map((item, i) => `${i + 1}. ${item.replace(/\s+/g, ' ')}`)
  return `Your scratchpad, notes that you wrote for yourself in this session (not written by the person):\n${lines.join('\n')}`
}
