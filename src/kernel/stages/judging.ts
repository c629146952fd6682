/**
 * Stages 3 and 4 as one judgement: by rights, limits, secrets and lists, then by labels and hosts. It is made again whenever a person has
 * been asked in between, or has written another input.
 */
import type { Call, Caller, ClientTools, Config, Failure, StartedProgram } from '../../types/index.ts'
import { refuseLimited } from '../access/right-limits.ts'
import type { KnownHosts } from '../flow/known-hosts.ts'
import { type FileFlow, type Judged, judgeLabels, type Sessions, type WatchedFiles } from '../sessions.ts'
import type { SecretUses } from '../../secrets/index.ts'
import { authorize, flowRefusal, judgeInput, mayBeCautious } from './policy.ts'

export interface JudgeDeps {
  readonly approval: Config['approval']
  readonly flow: Config['flow']
  /** Name of the agent whose rights are in the configuration; those of others are in their definitions. */
  readonly usualAgent: string
  readonly secrets: Pick<SecretUses, 'judge'>
  readonly labels: Pick<Sessions, 'held' | 'judged' | 'areOwn' | 'origins'>
  readonly files: FileFlow
  readonly hosts: KnownHosts
  /** Whether the lists of `[exec]` let the call start this program. @param isExcused a program that is on no list may start, too */
  readonly refuseStart: (call: Call, program: StartedProgram, isExcused: boolean) => Promise<Failure | null>
  /** What the message of a turn and its session ask for beside the policy. */
  readonly cautionOf: (caller: Pick<Caller, 'session' | 'turn'>) => Promise<ClientTools['caution']>
}

/** A call with its input. */
export interface JudgedCall {
  readonly caller: Caller
  readonly call: Call
  readonly input: unknown
  /** Secrets that the caller wrote as they are. */
  readonly own: readonly string[]
}

/**
 * Stage 3. At once for a call that starts no program.
 * @param isExcused a right that was not granted, or does not cover the input, and a program that is on no list do not count: a person has
 * allowed this call all the same. What denies counts.
 */
export function refuseCaller(
  { approval, usualAgent, secrets, refuseStart }: JudgeDeps,
  { caller, call, input, own }: JudgedCall,
  isExcused = false,
): Failure | null | Promise<Failure | null> {
  const refused =
    authorize(caller, call, approval, usualAgent, isExcused) ??
    (caller.limits === undefined ? null : refuseLimited(caller, call, input, isExcused)) ??
    secrets.judge(caller, call, input, own)
  return refused !== null || call.starts === undefined ? refused : refuseStart(call, call.starts(input), isExcused)
}

/** Stage 4: by labels, and by the hosts that were reached before. At once where neither files nor hosts are of concern. */
export function judgeCall(deps: JudgeDeps, { caller, call, input }: JudgedCall): Judged | Promise<Judged> {
  const judged = judgeLabels(deps, caller, call, input)
  const judge = (found: Judged): Judged | Promise<Judged> => deps.hosts.judge(caller, call, input, found)
  return judged instanceof Promise ? judged.then(judge) : judge(judged)
}

/** Stages 3 and 4 once more: what has changed while a person was asked, or another input. */
export async function judgeAgain(deps: JudgeDeps, judged: JudgedCall, isExcused = false): Promise<Failure | Judged> {
  const refused = await refuseCaller(deps, judged, isExcused)
  if (refused !== null) return refused
  const verdict = await judgeCall(deps, judged)
  return verdict.flow.decision === 'deny' ? flowRefusal(verdict.flow) : verdict
}

/**
 * Stages 3 and 4 for an input to which a call under way is led. Nobody is asked: what rules would ask about is refused, unless they asked about
 * the call itself, too. A host that was not reached before is the business of whoever led there.
 */
export async function judgeNext(
  deps: JudgeDeps,
  judged: JudgedCall,
  next: unknown,
  watched: Pick<WatchedFiles, 'leadsTo'> | null,
): Promise<Failure | null> {
  watched?.leadsTo(next)
  const { caller, call, input } = judged
  const refused = await refuseCaller(deps, { ...judged, input: next })
  if (refused !== null) return refused
  const { flow } = await judgeLabels(deps, caller, call, next)
  if (flow.decision === 'allow') return null
  const wasAsked = flow.decision === 'ask' && (await judgeLabels(deps, caller, call, input)).flow.decision === 'ask'
  return wasAsked ? null : flowRefusal(flow)
}

/** @returns why no person could allow the call that stage 3 refuses, since something denies it; null: one could */
export async function whyNeverExcused(deps: JudgeDeps, judged: JudgedCall): Promise<Failure | null> {
  const { caller, call, input } = judged
  const again = await judgeAgain(deps, judged, true)
  if ('code' in again) return again
  const caution = mayBeCautious(caller, call) ? await deps.cautionOf(caller) : undefined
  const policy = judgeInput(deps.approval, caution, caller, call, input)
  return typeof policy === 'string' ? null : policy
}
