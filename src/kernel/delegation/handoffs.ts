/**
 * Handoffs: another agent takes a session. Its turns run by the profile of whoever has it now; the conversation and its labels stay. Each
 * agent can hand it on, or back to the one before. Who has a session is in memory, because every turn asks; a document remembers it.
 */
import type { CallId, SessionId } from '../../types/index.ts'
import type { AgentProfile } from '../agents/agent-record.ts'
import type { DocumentChange, Documents } from '../state/documents.ts'

export interface Handoff {
  /** Its rights and what it can pass on are those of its definition: they are bounded by the ones before it each time it runs. */
  readonly profile: AgentProfile
  /** Actor that handed the session over. */
  readonly from: string
  readonly call: CallId
}

export interface Handoffs {
  /** Call before the first turn. */
  load(): Promise<void>
  /** Who has the session beside its own agent, the one that has it now last; empty: its own agent has it. */
  readonly held: ReadonlyMap<SessionId, readonly Handoff[]>
  /** @returns the agent that has the session now; undefined: its own */
  answering(session: SessionId): string | undefined
  put(by: Parameters<Documents['put']>[0], session: SessionId, handoffs: readonly Handoff[]): Promise<void>
}

const handoffCategory = 'system/handoffs'

export function createHandoffs(documents: Pick<Documents, 'all' | 'put'>): Handoffs {
  const held = new Map<SessionId, readonly Handoff[]>()
  return {
    async load() {
      for (const { name, value } of await documents.all<readonly Handoff[]>(handoffCategory)) held.set(name as SessionId, value)
    },
    held,
    answering: (session) => held.get(session)?.at(-1)?.profile.name,
    async put(by, session, handoffs) {
      const isEmpty = handoffs.length === 0
      const change: DocumentChange = { category: handoffCategory, name: session, value: isEmpty ? null : handoffs }
      // Recorded first: a session that others hold must not run as its own agent after a crash.
      await documents.put(by, [change], { sync: true })
      if (isEmpty) held.delete(session)
      else held.set(session, handoffs)
    },
  }
}
