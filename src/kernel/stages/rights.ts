/** Stage 3, authorize: the caller's role ∧ its capabilities ∧ the workspace's policy. Whatever is not granted is denied. */
import type { Audience, Call, Caller, Config, Decision, Failure } from '../../types/index.ts'

/** Holding this right is holding every right; only persons hold it. */
export const everyRight = '*'

/** What an agent's process needs to run at all, beside what its configuration grants. */
export const processRight = 'turn.run'

/** @returns why the call is denied, or null. */
export function authorize(caller: Caller, call: Call, approval: Config['approval']): Failure | null {
  const audiences: readonly Audience[] = caller.actor.startsWith('agent:') ? ['model', 'runtime'] : ['terminal']
  if (!call.audience.some((audience) => audiences.includes(audience))) return denied(call, `is not offered to ${caller.actor}`)
  if (!caller.rights.has(everyRight) && !caller.rights.has(call.right)) return denied(call, `needs the right ${call.right}`)
  if (decide(call, approval) === 'deny') return denied(call, 'is denied by the policy of this workspace')
  return null
}

/** Stage 5's policy: `deny` anywhere wins; else the call's own entry, else its right's, else its tier's. */
export function decide(call: Call, approval: Config['approval']): Decision {
  const byCall = approval.calls[call.name]
  const byRight = approval.rights[call.right]
  const byTier = approval[call.tier]
  if (byCall === 'deny' || byRight === 'deny' || byTier === 'deny') return 'deny'
  return byCall ?? byRight ?? byTier
}

function denied(call: Call, why: string): Failure {
  return {
    code: 'denied',
    message: `${call.name} ${why}.`,
    hint: 'Go on without it, or say what you would need and why. A person can change rights and policy in config.toml.',
  }
}
