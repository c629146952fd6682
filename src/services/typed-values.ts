/** What people type in verbs of several services. */
import { sessionNamed } from '../terminal/index.ts'
import type { AskCall, ServiceVerb, SessionInfo } from '../types/index.ts'

/** Options for the budget of an agent or a run. @param of what it limits: `it`, or `a run` */
export function typedBudget(of: string): NonNullable<ServiceVerb['typed']> {
  return {
    '--max-tokens <n>': { field: 'budget.tokens', help: `model tokens that ${of} may use` },
    '--max-money <dollars>': { field: 'budget.micro_dollars', help: `dollars that ${of} may use` },
    '--max-calls <n>': { field: 'budget.calls', help: `calls that ${of} may make` },
    '--max-seconds <seconds>': { field: 'budget.seconds', help: `time that calls of ${of} may run` },
  }
}

const maxSessions = 1_000

/** @param prefix what its id begins with; archived ones count. @throws OxbowError `not_found`, or `bad_input` when it is ambiguous */
export async function findSession(ask: AskCall, prefix: string): Promise<SessionInfo> {
  return sessionNamed((await ask('session.list', { limit: maxSessions, archived: true })) as readonly SessionInfo[], prefix)
}
