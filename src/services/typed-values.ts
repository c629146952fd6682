/** What people type and read in verbs of several services: options for budgets, sessions by the beginning of their id, definitions. */
import { plainLine, plainText, sessionNamed } from '../terminal/index.ts'
import type { DefinitionKind } from '../config/index.ts'
import type { AskCall, OutputOf, SessionInfo, ServiceVerb } from '../protocol/index.ts'

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
  return sessionNamed(await ask('session.list', { limit: maxSessions, archived: true }), prefix)
}

/** Characters of a problem in a line. */
export const problemChars = 100

/** @returns the call that shows a definition, for verbs of others, with its input */
export const showDefinition = (kind: DefinitionKind, name: string) => ['definition.show', { kind, name }] as const

export function definitionText({ name, from, state, problem, hash, toml, text }: OutputOf<'definition.show'>): string {
  const head = `${name}, of the ${from}: ${state}${problem === '' ? '' : ` (${plainLine(problem, problemChars)})`}\nhash ${hash}`
  return [head, ...[toml, text].filter((part) => part !== '').map((part) => plainText(part.trimEnd()))].join('\n\n')
}
