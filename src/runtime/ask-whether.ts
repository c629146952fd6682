/** Asks whether a message is answered that was not simply written to the agent: one of a group, of a channel or of a bot. */
import { type CallId, derivedId } from '../base/index.ts'
import { decideCall, isPersonal, type Process, type TurnDecision, type TurnSource } from '../protocol/index.ts'

/** The same after a crash: the call has the turn's own id for it. What cannot be decided is answered only where nobody else reads it. */
export async function askWhether(process: Process, source: TurnSource): Promise<TurnDecision> {
  const outcome = await process.call(decideCall, { source }, derivedId(process.turn, decideCall) as CallId)
  if (outcome.status === 'ok') {
    const { action, by, reason } = outcome.output as TurnDecision
    return { action, by, reason }
  }
  const action = isPersonal(source) ? 'respond' : 'ignore'
  return { action, by: 'rule', reason: `it could not be decided: ${outcome.failure.message}` }
}
