/** How the kernel and memory ask a model beside turns: by the calls `model.complete` and `model.embed`, as everything that is asked. */
import type { Caller, CallId, CallOutcome, Config, Embedded, EmbedOptions, Engine, Spend, UserId } from '../../types/index.ts'
import { toError } from '../../types/index.ts'
import type { Gate } from '../gate.ts'
import { processRight } from '../stages/policy.ts'
import type { Completion } from './complete-call.ts'

const runtimeRights: ReadonlySet<string> = new Set([processRight])

/**
 * Asks a model beside the conversation, under the budgets of the caller's session and as part of no turn: no terminal takes it for a
 * reply. Null when there is none to ask, or it fails, or the budget does not cover it.
 * @param onSpent told what it cost
 */
export type Complete = (
  caller: Caller,
  question: { readonly system: string; readonly text: string },
  signal: AbortSignal,
  onSpent?: (spend: Spend) => void,
) => Promise<string | null>

interface CompleteDeps {
  readonly gate: Gate
  readonly newId: () => string
  readonly engine: Pick<Engine, 'model'>
  /** Model to ask; empty: the usual one. */
  readonly model: Config['memory']['summary']['model']
}

export function createComplete({ gate, newId, engine, model }: CompleteDeps): Complete {
  return async (caller, { system, text }, signal, onSpent) => {
    if (model === '' && engine.model.provider === 'offline') return null
    const asker: Caller = { ...caller, actor: 'kernel', rights: runtimeRights, audience: 'runtime', turn: '', process: '' }
    const outcome = (await gate.call(
      asker,
      'model.complete',
      { model, system, text },
      { id: newId() as CallId, signal },
    )) as CallOutcome<Completion>
    if (outcome.status !== 'ok') return null
    onSpent?.(outcome.output.spent)
    return outcome.output.text
  }
}

interface EmbedByDeps {
  readonly user: UserId
  readonly gate: Gate
  readonly newId: () => string
}

/** @returns the way of memory to a service: `model.embed`, made by the kernel for the user. A refusal is thrown, nothing was sent then. */
export function createEmbed({ user, gate, newId }: EmbedByDeps): Engine['embed'] {
  const caller: Caller = { user, actor: 'kernel', rights: runtimeRights, audience: 'runtime', session: '', turn: '', process: '' }
  return async (model, texts, { purpose = 'document' }: EmbedOptions, signal) => {
    const id = newId() as CallId
    const outcome = (await gate.call(caller, 'model.embed', { model, texts, purpose }, { id, signal })) as CallOutcome<Embedded>
    if (outcome.status === 'ok') return outcome.output
    throw toError(outcome.failure)
  }
}
