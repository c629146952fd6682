/** What a delegation or a handoff is given: the request as calls take it, and the brief that the other agent reads. */
import { z } from 'zod'
import type { CallId, JsonObject } from '../../../base/index.ts'
import { type Caller, evident, type Labels, type Limits, limitsSchema } from '../../../protocol/index.ts'
import { handsChoice, type HandsChoice } from './hands-choice.ts'
import type { AgentRecord } from '../agent-record.ts'
import { maxAgentMessageCharacters } from '../limits.ts'
import { maxKeyFactCharacters, maxKeyFacts } from './limits.ts'

export interface DelegateRequest {
  readonly agent: string
  readonly goal: string
  readonly key_facts: readonly string[]
  /** JSON Schema of the result, instead of the one of the definition. */
  readonly result?: JsonObject | undefined
  readonly budget?: Limits | undefined
  readonly max_turns?: number | undefined
  readonly deadline_s?: number | undefined
  /** A branch of files that the session of its parent has made, on which it works. */
  readonly branch?: string | undefined
  /** Where its hands start, on a branch of its own; absent: as its definition says. */
  readonly hands?: HandsChoice | undefined
  /** False: returns at once, and the end comes as mail. */
  readonly wait: boolean
  /** Labels of what the goal contains besides what the caller has read. */
  readonly labels?: Labels | undefined
  /** What happens to the agents below it when it ends before them. */
  readonly orphans?: AgentRecord['orphans'] | undefined
}

/** Who delegates, by which call. */
export interface Delegating {
  readonly caller: Caller
  /** The id of the child; another call, or the same after a crash, finds the same child. */
  readonly call: CallId
  readonly name: string
  /** The call that makes many children, each under an id of its own; absent: `call`. */
  readonly within?: CallId | undefined
}

/** Fields of a delegation, also for calls that delegate many. */
export const delegateFields = {
  agent: z.string().min(1).max(100).describe('Name of an agent, from agent.find.'),
  goal: z.string().min(1).max(maxAgentMessageCharacters).describe('Its goal. It knows nothing else of this conversation.'),
  key_facts: z
    .array(z.string().min(1).max(maxKeyFactCharacters))
    .max(maxKeyFacts)
    .default([])
    .meta(evident('What it has to know, a fact each.')),
  result: z.record(z.string(), z.json()).optional().describe('JSON Schema that its answer must match.'),
  budget: limitsSchema.optional().meta(evident('How much of your budget it may use.')),
  branch: z.string().min(1).max(100).optional().meta(evident('A branch of files that you have made, on which it works.')),
  hands: handsChoice.optional().meta(evident('Where its commands run, on a branch of its own: `home`, `anywhere`, or labels of a node.')),
  max_turns: z.int().min(1).max(1_000).optional().meta(evident('The most requests to a model.')),
  deadline_s: z
    .int()
    .min(1)
    .max(7 * 86_400)
    .optional()
    .meta(evident('Seconds until it is ended.')),
}

/** All that a child learns of the conversation of its parent. */
export function briefOf({ goal, key_facts: facts }: Pick<DelegateRequest, 'goal' | 'key_facts'>, result?: JsonObject): string {
  const known = facts.length === 0 ? '' : `\n\nKnown facts:\n${facts.map((fact) => `- ${fact.replaceAll('\n', ' ')}`).join('\n')}`
  const form =
    result === undefined
      ? ''
      : `\n\nYour answer is the result: one JSON value that matches this JSON Schema, and nothing else.\n${JSON.stringify(result)}`
  return `${goal}${known}${form}`
}
