/** Names in a configuration that nothing has: a rule for a call that is misspelt holds nothing, and nobody would notice. */
import type { Config, DoctorCheck } from '../../types/index.ts'

export interface KnownCall {
  readonly name: string
  readonly right: string
}

/** @returns the finding of `oxbow doctor`. */
export function checkNames(
  { agent, approval, flow }: Pick<Config, 'agent' | 'approval' | 'flow'>,
  calls: readonly KnownCall[],
): DoctorCheck {
  const names = new Set(calls.map(({ name }) => name))
  const rights = new Set(calls.map(({ right }) => right))
  const unknown = (key: string, used: readonly string[], known: ReadonlySet<string>): readonly string[] =>
    used.filter((name) => !known.has(name)).map((name) => `${key} names ${JSON.stringify(name)}`)
  const wrong = [
    ...unknown('agent.rights', agent.rights, rights),
    ...unknown('approval.rights', Object.keys(approval.rights), rights),
    ...unknown('approval.calls', Object.keys(approval.calls), names),
    ...unknown('flow.sinks', Object.keys(flow.sinks), names),
  ]
  const check = { name: 'configuration', required: false, ms: 0 } as const
  if (wrong.length === 0) return { ...check, state: 'ok', says: 'every right and call that it names is known', fix: '' }
  return { ...check, state: 'weak', says: `${wrong.join(', ')}, which Oxbow does not know`, fix: '`oxbow calls` lists calls and rights' }
}
