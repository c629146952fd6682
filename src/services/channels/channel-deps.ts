/** What the parts of the channels have in common: the core, and who changes what. */
import { type Core, userCaller } from '../../kernel/index.ts'
import type { RunsPort } from '../../runs/index.ts'
import type { CallId, SessionId } from '../../base/index.ts'
import type { Call, CallContext, Caller, CallOutcome, InputOf, MadeCall, OutputOf } from '../../protocol/index.ts'
import { processRight } from './channel-records.ts'

/** What a part of the channels is made of. */
export interface ChannelDeps extends Core {
  readonly runs: RunsPort
}

/** The call that changes something; see `Documents`. */
export interface Of {
  readonly caller: Pick<Caller, 'actor' | 'session' | 'turn'>
  readonly call: CallId
  readonly name: string
}

/** @returns the call that is being made as the one that changes something */
export const ofCall = ({ caller, id }: Pick<CallContext, 'caller' | 'id'>, name: string): Of => ({ caller, call: id, name })

/** Of a call that the process of channels makes, and nobody else. */
export const ofProcess = {
  audience: ['terminal'],
  right: processRight,
  labels: { adds: [], sink: false },
  timeoutMs: 30_000,
  tier: 'side_effecting',
  effect: 'idempotent',
} as const satisfies Partial<Call>

/** @returns the kernel as the one that changes something */
export const byKernel = ({ newId }: Pick<Core, 'newId'>, name: string): Of => ({
  caller: { actor: 'kernel', session: '', turn: '' },
  call: newId() as CallId,
  name,
})

/** Makes a call as the person, in no turn. @param session by whose budgets and labels it goes; default: none */
export type AskAsPerson = <Name extends string>(
  name: Name & MadeCall<Name>,
  input: InputOf<Name>,
  session?: SessionId,
) => Promise<CallOutcome<OutputOf<Name>>>

export const askAsPerson =
  ({ gate, user, newId }: Pick<Core, 'gate' | 'user' | 'newId'>): AskAsPerson =>
  async <Name extends string>(name: Name & MadeCall<Name>, input: InputOf<Name>, session = '' as SessionId) =>
    (await gate.call<string>(userCaller(user, session, ''), name, input, { id: newId() as CallId, signal: null })) as CallOutcome<
      OutputOf<Name>
    >
