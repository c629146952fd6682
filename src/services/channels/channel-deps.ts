/** What the parts of the channels have in common: the core, and who changes what. */
import type { Core } from '../../kernel/index.ts'
import type { RunsPort } from '../../runs/index.ts'
import type { CallId } from '../../base/index.ts'
import type { Caller } from '../../protocol/index.ts'

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
