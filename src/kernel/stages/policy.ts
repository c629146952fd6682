/**
 * Stages 3 and 5, the judgements: who may (authorize), and what a person must be asked about; and the labels that stage 4 judges by.
 * Whatever is not granted is denied.
 */
import {
  type Call,
  type Caller,
  type Config,
  type Decision,
  type Failure,
  isOxbowError,
  type Label,
  type SessionId,
  type TurnId,
  type UserId,
} from '../../types/index.ts'

/** Holding this right is holding every right; only persons hold it. */
const everyRight = '*'

/** What an agent's process needs to run at all, beside what its configuration grants. */
export const processRight = 'turn.run'

/** @returns why the call is denied, or null. */
export function authorize(caller: Caller, call: Call, approval: Config['approval']): Failure | null {
  if (!call.audience.includes(caller.audience)) return denied(call, `is not offered to a ${caller.audience}`)
  if (!caller.rights.has(everyRight) && !caller.rights.has(call.right)) return denied(call, `needs the right ${call.right}`)
  if (call.name === 'turn.send' && caller.turn === '') return notAsCall
  if (decide(call, approval) === 'deny') return denied(call, 'is denied by the policy of this workspace')
  return null
}

/** A message has its turn's id, a place in its lane and files that were looked at before it comes here. */
const notAsCall: Failure = {
  code: 'denied',
  message: 'A message is no bare call.',
  hint: 'Send it by the frame send_turn, with a client_id of its own.',
}

/**
 * Stage 5's policy: `deny` anywhere wins; else the call's own entry, else its right's, else its tier's. Tiers speak of what a model may
 * ask for: by what is offered to others alone a turn runs and a person talks, and a tier that stopped it would stop the guest.
 */
export function decide(call: Call, approval: Config['approval']): Decision {
  const byCall = approval.calls[call.name]
  const byRight = approval.rights[call.right]
  const byTier = call.audience.includes('model') ? approval[call.tier] : 'allow'
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

/** A person at a terminal of this guest. */
export function userCaller(user: UserId, session: SessionId | '', turn: TurnId | ''): Caller {
  return { user, actor: `user:${user}`, rights: ownersRights, audience: 'terminal', session, turn, process: '' }
}

const ownersRights: ReadonlySet<string> = new Set([everyRight])

/**
 * Labels say what a session's context has held. They are joined when something is read and never leave, so
 * that a sink can be judged by all that could have influenced it.
 */
export type Labels = readonly Label[]

/** Whether stage 4 judges it: what a model asks for and sends. The runtime's own calls and a person's are their own. */
export function leadsOutside({ audience }: Caller, { labels }: Call): boolean {
  return labels.sink && audience === 'model'
}

/** @returns the union, sorted; the same array when nothing is new. */
export function join(held: Labels, added: Labels): Labels {
  const fresh = added.filter((label) => !held.includes(label))
  return fresh.length === 0 ? held : [...held, ...fresh].sort()
}

/**
 * An error may quote what was read, so it carries what a result would; one that came out of the sandbox says so itself, whatever
 * the call. What was stopped has words of our own.
 */
export function failureLabels({ labels }: Call, error: unknown): Labels {
  const own = isOxbowError(error) ? error.data['labels'] : undefined
  return Array.isArray(own) ? join(labels.adds, parseLabels(own.join(','))) : labels.adds
}

export function parseLabels(text: string): Labels {
  return text.split(',').filter((label): label is Label => label === 'untrusted' || label === 'private')
}
