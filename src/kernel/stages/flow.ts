/**
 * Stage 4, flow: labels say what a session's context has held. They are joined when something is read and never leave, so
 * that a sink can be judged by all that could have influenced it.
 */
import type { Call, Failure, Label } from '../../types/index.ts'

export type Labels = readonly Label[]

/** @returns the union, sorted; the same array when nothing is new. */
export function join(held: Labels, added: Labels): Labels {
  const fresh = added.filter((label) => !held.includes(label))
  return fresh.length === 0 ? held : [...held, ...fresh].sort()
}

/** @returns why data with these labels must not reach this call. No call that exists today is restricted: the policy allows all. */
export function judgeFlow(_held: Labels, _call: Call): Failure | null {
  return null
}

export function parseLabels(text: string): Labels {
  return text.split(',').filter((label): label is Label => label === 'untrusted' || label === 'private')
}
