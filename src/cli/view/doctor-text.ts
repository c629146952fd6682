/** The findings of `oxbow doctor` in words: one line each, and under it what to do. */
import type { DoctorCheck } from '../../types/index.ts'

const stateColumn = 8
const nameColumn = 17

/** @returns lines without an end */
export function describeCheck({ name, state, says, fix, required }: DoctorCheck): readonly string[] {
  const asked = required ? '  (sandbox.tier)' : ''
  const line = `${state.padEnd(stateColumn)}${name.padEnd(nameColumn)}${says}${asked}`
  return fix === '' ? [line] : [line, `${' '.repeat(stateColumn + nameColumn)}→ ${fix}`]
}

/** @returns what it means for the person: first whether agents can work at all. */
export function describeVerdict(checks: readonly DoctorCheck[]): string {
  const required = checks.find((check) => check.required)
  const others = listed(checks, 'missing', 'Not here') + listed(checks, 'weak', 'Look at')
  if (required === undefined) return `The tier of the configuration was not tried.${others}`
  const { name, state } = required
  if (state === 'missing') return `The ${name} of your configuration does not work: agents have no files and no commands.${others}`
  return `The ${name} of your configuration works${state === 'weak' ? ', with limits missing' : ''}.${others}`
}

function listed(checks: readonly DoctorCheck[], state: DoctorCheck['state'], word: string): string {
  const names = checks.filter((check) => !check.required && check.state === state).map(({ name }) => name)
  return names.length === 0 ? '' : ` ${word}: ${names.join(', ')}.`
}
