/** Who decides what the policy asks about: the callback of the embedding program, or nobody, and then the answer is no. */
import { isObject, isOxbowError, type Json, parseForeignJson } from '../base/index.ts'
import type { Client } from '../client/index.ts'
import { answerTo, type PendingApproval } from '../protocol/index.ts'

/** A call that waits for a yes or a no. */
export interface AskedCall {
  readonly id: string
  readonly name: string
  /** The exact input that would run. */
  readonly input: Json
  /** Why it asks: a rule of the policy, or the labels of the conversation. */
  readonly reason: string
  readonly session: string
  readonly turn: string
  /** Agent below the session whose call it is; absent: the session's own. */
  readonly agent?: string
}

/** `reason` is what the model reads of a no; `input` runs in place of the one that was asked about, and is checked like any. */
export type Decision = boolean | { readonly allow: boolean; readonly reason?: string; readonly input?: Json }

export type Approve = (call: AskedCall) => Decision | Promise<Decision>

const nobody = 'Nobody is there who could allow it.'
const failed = 'It could not be decided.'

/** @param warn receives what the callback fails with @returns decides one question; never rejects */
export function createDecider(
  approve: Approve | undefined,
  client: Pick<Client, 'call'>,
  warn: (text: string) => void,
): (pending: PendingApproval) => Promise<void> {
  const decide = async (pending: PendingApproval, decision: Exclude<Decision, boolean>): Promise<boolean> => {
    const { allow, reason, input } = decision
    const given = { ...answerTo(pending), allow, ...(reason !== undefined && { reason }), ...(input !== undefined && { input }) }
    const outcome = await client.call('call.decide', given)
    return outcome.status === 'ok' || outcome.failure.code === 'not_found'
  }
  return async (pending) => {
    try {
      if (await decide(pending, await decisionOn(pending, approve, warn))) return
      // A yes that does not fit it, such as one with an input that is wrong, is no yes.
      await decide(pending, { allow: false, reason: failed })
    } catch (error) {
      // The connection is gone: the question comes again with the next one.
      warn(`${pending.name} could not be decided: ${isOxbowError(error) ? error.message : String(error)}`)
    }
  }
}

async function decisionOn(
  pending: PendingApproval,
  approve: Approve | undefined,
  warn: (text: string) => void,
): Promise<Exclude<Decision, boolean>> {
  if (approve === undefined) return { allow: false, reason: nobody }
  try {
    const decision = await approve(askedCall(pending))
    if (typeof decision === 'boolean') return { allow: decision }
    // Whatever is no clear yes is a no.
    return isObject(decision) && typeof decision['allow'] === 'boolean' ? decision : { allow: false }
  } catch (error) {
    warn(`approve has failed, so ${pending.name} is denied: ${String(error)}`)
    return { allow: false, reason: failed }
  }
}

function askedCall({ call, name, input, reason = '', session, turn, agent }: PendingApproval): AskedCall {
  return { id: call, name, input: parseForeignJson(input) as Json, reason, session, turn, ...(agent !== undefined && { agent }) }
}
