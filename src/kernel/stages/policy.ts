/**
 * Stages 3 and 5, the judgements: who may (authorize), and what a person must be asked about; and the labels that stage 4 judges by.
 * Whatever is not granted is denied.
 */
import type { Store } from '../../store/index.ts'
import {
  assertNever,
  type Call,
  type Caller,
  type CallId,
  type Config,
  createRecentMap,
  type Decision,
  type Failure,
  type FlowPolicy,
  type FlowRules,
  isOxbowError,
  type Label,
  type PendingApproval,
  type SessionId,
  type TurnId,
  type UserId,
} from '../../types/index.ts'
import { maxKnownOutputs } from '../limits.ts'
import { stopReason } from './running-calls.ts'

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

/**
 * Stage 4, flow: what a conversation has held, against where a call of its model leads. Labels say what was read, never what a call
 * carries: a model may have put it in other words. So the policy speaks of conversations, and its default asks a person where both
 * meet that a leak is made of: somebody else's words, which may have told the model to send, and something private to be sent.
 */

export interface FlowVerdict {
  readonly decision: Decision
  /** For the record and for whoever is asked; empty where nothing speaks against the call. */
  readonly reason: string
}

export const freeFlow: FlowVerdict = { decision: 'allow', reason: '' }

/** What goes to the person of this guest, who may see all that the conversation has held, goes nowhere else. */
const toPerson: ReadonlySet<string> = new Set(['media.send'])

/** @param call of a model, that leads outside */
export function judgeFlow(held: Labels, call: Call, flow: FlowPolicy): FlowVerdict {
  if (held.length === 0) return freeFlow
  const own = flow.sinks[call.name]
  if (own === undefined && toPerson.has(call.name)) return freeFlow
  const matching: readonly (keyof FlowRules)[] = held.length > 1 ? ['untrusted', 'private', 'both'] : held
  const decision = matching.map((label) => own?.[label] ?? flow[label]).reduce(stricter)
  return decision === 'allow'
    ? freeFlow
    : { decision, reason: `${call.name} leads outside, and this conversation has held ${wordsOf(held)}` }
}

/** What is told of a call that is denied. */
export function flowRefusal({ reason }: FlowVerdict): Failure {
  return {
    code: 'denied',
    message: `${reason}: the flow policy of this workspace denies that.`,
    hint: 'Go on without it. A person can change [flow] in config.toml, or begin a new session for it.',
  }
}

function stricter(a: Decision, b: Decision): Decision {
  const order: readonly Decision[] = ['allow', 'ask', 'deny']
  return order.indexOf(a) < order.indexOf(b) ? b : a
}

function wordsOf(held: Labels): string {
  const words = held.map((label) => {
    switch (label) {
      case 'untrusted':
        return 'what others wrote'
      case 'private':
        return 'private data'
      default:
        return assertNever(label)
    }
  })
  return words.join(' and ')
}

/** Outputs that were too long to show whole, kept to be read in parts, with their labels: any conversation may read any of them. */
export interface KeptOutputs {
  /** @returns the hash by which the output can be read */
  keep(bytes: Uint8Array, labels: Labels): Promise<string>
  /** An output that this guest did not keep, or no longer knows, has all labels. */
  labelsOf(hash: string): Labels
}

export function createKeptOutputs({ putBlob }: Pick<Store, 'putBlob'>): KeptOutputs {
  const known = createRecentMap<string, Labels>(maxKnownOutputs)
  return {
    async keep(bytes, labels) {
      const hash = await putBlob(bytes)
      known.put(hash, join(known.get(hash) ?? [], labels))
      return hash
    },
    labelsOf: (hash) => known.get(hash) ?? ['private', 'untrusted'],
  }
}

/**
 * Stage 5, approve: a call that policy wants asked is parked in the journal with its exact input and waits, for days if it
 * must. The decision binds to that input: the same call id with another input is asked again.
 */

export interface Approvals {
  /** Waits for the decision on a parked call. Rejects with the signal's reason when the turn ends first. */
  wait(approval: PendingApproval, signal: AbortSignal): Promise<boolean>
  /** Wakes the waiting call. @returns false when nothing waits under this id. */
  decide(call: CallId, allow: boolean): boolean
  find(call: CallId): PendingApproval | undefined
  pending(session: SessionId): readonly PendingApproval[]
}

export function createApprovals(): Approvals {
  const waiting = new Map<CallId, { readonly approval: PendingApproval; readonly wake: (allow: boolean) => void }>()
  return {
    wait: (approval, signal) =>
      new Promise((resolve, reject) => {
        const done = (): void => {
          waiting.delete(approval.call)
          signal.removeEventListener('abort', stop)
        }
        const stop = (): void => {
          // What a stop of the guest cuts off waits on: a decision that still comes holds at the next start.
          if (stopReason(signal) !== 'shutdown') done()
          reject(signal.reason)
        }
        if (signal.aborted) return reject(signal.reason)
        signal.addEventListener('abort', stop)
        waiting.set(approval.call, {
          approval,
          wake: (allow) => {
            done()
            resolve(allow)
          },
        })
      }),
    decide(call, allow) {
      const found = waiting.get(call)
      found?.wake(allow)
      return found !== undefined
    },
    find: (call) => waiting.get(call)?.approval,
    pending: (session) => [...waiting.values()].map((entry) => entry.approval).filter((approval) => approval.session === session),
  }
}

export function describeApproval(
  caller: Caller,
  asked: Pick<PendingApproval, 'call' | 'name' | 'input' | 'at'> & { readonly reason: string },
): PendingApproval {
  return { ...asked, session: caller.session as SessionId, turn: caller.turn as TurnId }
}
