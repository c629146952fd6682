/** What people type in verbs of several services: options for budgets. */
import type { ServiceVerb } from '../protocol/index.ts'

/** Options for the budget of an agent or a run. @param of what it limits: `it`, or `a run` */
export function typedBudget(of: string): NonNullable<ServiceVerb['typed']> {
  return {
    '--max-tokens <n>': { field: 'budget.tokens', help: `model tokens that ${of} may use` },
    '--max-money <dollars>': { field: 'budget.micro_dollars', help: `dollars that ${of} may use` },
    '--max-calls <n>': { field: 'budget.calls', help: `calls that ${of} may make` },
    '--max-seconds <seconds>': { field: 'budget.seconds', help: `time that calls of ${of} may run` },
  }
}
