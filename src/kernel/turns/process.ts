/** A process: one running agent's only handle on the world. */
import type { CallId, Caller, Process, ProcessId } from '../../types/index.ts'
import type { Gate } from '../gate.ts'
import type { LaneTurn } from './lanes.ts'
import type { Registry } from '../registry.ts'

interface ProcessDeps {
  readonly gate: Gate
  readonly registry: Registry
  readonly newId: () => string
  /** Rights of the agent. The same set for every process of it, so that its tools are made once. */
  readonly rights: ReadonlySet<string>
  readonly actor: string
}

export function createProcess({ gate, registry, newId, rights, actor }: ProcessDeps, turn: LaneTurn): Process {
  const id = newId() as ProcessId
  const { user, session } = turn.caller
  if (session === '') throw new Error('a turn belongs to a session')
  const caller: Caller = { user, actor, rights, session, turn: turn.id, process: id }
  return {
    id,
    session,
    turn: turn.id,
    signal: turn.signal,
    // Only calls that a resumed turn names by id can have a past.
    call: (name, input, callId) =>
      gate.call(caller, name, input, {
        id: callId ?? (newId() as CallId),
        signal: turn.signal,
        resumed: turn.resumed && callId !== undefined,
        onWait: turn.onWait,
      }),
    isReadOnly: (name) => (registry.find(name)?.tier ?? 'read_only') === 'read_only',
    hasMail: turn.hasMail,
    newCallId: () => newId() as CallId,
  }
}
