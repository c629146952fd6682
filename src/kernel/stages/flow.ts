/**
 * Stage 4, flow: what a conversation has held, against where a call of its model leads. Labels say what was read, never what a call
 * carries: a model may have put it in other words. So the policy speaks of conversations, and its default asks a person where both
 * meet that a leak is made of: somebody else's words, which may have told the model to send, and something private to be sent.
 */
import { assertNever, type Call, type Decision, type Failure, type FlowPolicy, type FlowRules } from '../../types/index.ts'
import type { Labels } from './policy.ts'

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
