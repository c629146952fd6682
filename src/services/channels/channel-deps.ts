/** What the parts of the channels have in common: the core, and who changes what. */
import { type Core, userCaller } from '../../kernel/index.ts'
import type { RunsPort } from '../../runs/index.ts'
import type { CallId, SessionId } from '../../base/index.ts'
import type { Caller, CallOutcome, InputOf, MadeCall, OutputOf } from '../../protocol/index.ts'

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
