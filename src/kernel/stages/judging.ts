/**
 * Stages 3 and 4 as one judgement: by rights, limits, secrets and lists, then by labels and hosts. It is made again whenever a person has
 * been asked in between, or has written another input.
 */
import { type CallId, type Failure, isDerived, once, type OxbowError, type SessionId, toError } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'
import type { Call, Caller, CallOutcome, CommandInputs, FilesState, Label, StartedProgram } from '../../protocol/index.ts'
import { refuseLimited } from '../policy/right-limits.ts'
import { type FileFlow, type Judged, judgeLabels, type Sessions, type WatchedFiles } from '../records/sessions.ts'
import type { SecretUses } from '../../secrets/index.ts'
import type { Entries } from '../policy/attenuation.ts'
import type { Binding, Bound } from './command-inputs.ts'
import { type Refusal, refusal } from './refusals.ts'
import type { CallOptions } from './running-calls.ts'
import {
  authorize,
  type Caution,
  closedFlow,
  flowRefusal,
  judgeInput,
  leadsOutside,
  mayBeCautious,
  serviceFailure,
} from '../policy/policy.ts'

export interface JudgeDeps {
  readonly approval: Config['approval']
  readonly flow: Config['flow']
  /** Name of the agent whose rights are in the configuration; other agents' rights are in their definitions. */
  readonly usualAgent: string
  readonly secrets: Pick<SecretUses, 'judge'>
  readonly labels: Pick<Sessions, 'held' | 'judged' | 'areOwn' | 'origins'>
  readonly files: FileFlow
  /** What services decide; loaded once a call is described. */
  readonly judges: () => Judges
  /** What a decision about a call holds for, as it is now; null where that cannot be read. */
  readonly readBound: (
    caller: Pick<Caller, 'branch'>,
    bound: Bound,
    signal: AbortSignal,
    binding?: Binding,
  ) => Promise<CommandInputs | null>
  /** What a turn's message and its session demand in addition to the policy. */
  readonly cautionOf: (caller: Pick<Caller, 'session' | 'turn'>) => Promise<Caution>
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
 * Stage 3.
 * @param isExcused a right that was not granted, or does not cover the input, and a program that is on no list do not count: a person has
 * allowed this call all the same. What denies counts.
 */
export async function refuseCaller(
  { approval, usualAgent, secrets, judges }: JudgeDeps,
  { caller, call, input, own }: JudgedCall,
  isExcused = false,
): Promise<Failure | null> {
  const refused =
    caller.refuses?.(call, input) ??
    ((caller.audience === 'model' || caller.refuses !== undefined) && isDerived(caller.session)
      ? await judges().refuse(caller, call, input)
      : null) ??
    authorize(caller, call, approval, usualAgent, isExcused) ??
    (caller.limits === undefined ? null : refuseLimited(caller, call, input, isExcused)) ??
    secrets.judge(caller, call, input, own)
  return refused !== null || call.starts === undefined ? refused : judges().refuseStart(call, call.starts(input), isExcused)
}

/** Stage 4: by labels, and by the hosts that were reached before. */
export async function judgeCall(deps: JudgeDeps, { caller, call, input }: JudgedCall): Promise<Judged> {
  return deps.judges().hosts.judge(caller, call, input, await judgeLabels(deps, caller, call, input))
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
 * the call itself, too. A host that was not reached before is judged by the caller of this.
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

/** A person has allowed this call in this session, after it was refused. */
export interface Excuse {
  /** Key of the answer. */
  readonly by: string
  /** Calls that were allowed with this one just now. */
  readonly more: number
  /** State of the files for which it was allowed, so that its program starts for no others; null: of none. */
  readonly unchanged: FilesState | null
  /** What has changed since, in words: a person must allow it again; empty: nothing. */
  readonly change: string
  /** Records that it was allowed again. @param state of the files for which it was */
  readonly renew: (state: FilesState | null) => Promise<void>
}

/** What services decide: the lists, answers and modes that people keep. Rights, limits, labels and budgets are the core's own. */
export interface Judges {
  /** Stage 1: nobody can use the call now, so that no model is offered it. */
  hides(call: Call): boolean
  /** Stage 3, for whoever works in a session that was begun for it. Nobody excuses it. @returns why it was not given the call, or null */
  refuse(caller: Caller, call: Call, input: unknown): Promise<Failure | null>
  /** Stage 3. @param isExcused a program that is on no list may start, too @returns why the call may not start the program, or null */
  refuseStart(call: Call, program: StartedProgram, isExcused: boolean): Promise<Failure | null>
  /** Stage 3: what a person has allowed all the same. */
  readonly refused: RefusedCalls
  /** Stage 4: hosts that were reached before. */
  readonly hosts: KnownHosts
  /** Stage 5: how much stricter the session is than the policy; undefined: no stricter. */
  cautionOf(session: SessionId | ''): Promise<Caution>
  /** Stage 5. @returns the id of a rule that answers in place of a person, or null */
  findRule(asking: Asking, readInputs: () => Promise<CommandInputs | null>): Promise<{ readonly id: string } | null>
  /** Stage 2. @returns whom the gate judges when a plugin makes a call for another one, or why it is refused before */
  actAs(asks: ActsAs): Promise<Caller | Failure>
  /** @returns entries of the rights of a key by its name; null for one that was revoked or has expired */
  rightsOfKey(name: string): Promise<readonly string[] | null>
}

export interface KnownHosts {
  /** @param judged by labels @returns the verdict, stricter where the call names a new host */
  judge(caller: Caller, call: Call, input: unknown, judged: Judged): Promise<Judged>
  /** The call runs: it has passed the budgets, and its intent is on record. */
  learn(of: { readonly caller: Caller; readonly call: CallId }, call: Call, input: unknown): Promise<void>
}

/** A plugin makes a call. */
export interface ActsAs {
  readonly plugin: string
  /** Entries of rights that a person has approved for it. */
  readonly approved: Entries
  /** Of the call that the plugin works for, which is `within`. */
  readonly caller: Caller
  readonly within: Pick<Call, 'name' | 'effect'>
  /** What it asks for; undefined: there is no call of this name, which the gate says. */
  readonly call: Call | undefined
  readonly input: unknown
}

/** A call that asks. */
export interface Asking {
  readonly call: string
  readonly input: unknown
  readonly session: SessionId | ''
  /** Labels that make the flow policy ask; empty: it does not ask. */
  readonly labels: readonly Label[]
  /** What the command runs as it is now; null: nothing, or not known. */
  readonly inputs?: CommandInputs | null
  /** Fields whose content may differ where a rule is for more than one exact call. */
  readonly content?: readonly string[] | undefined
  /** See `Call.argv`. */
  readonly argv?: string | undefined
}

/** Makes a call of the runtime. */
export type MakeCall = (
  passing: Pick<CallOptions, 'id' | 'signal' | 'resumed'> & {
    readonly caller: Caller
    readonly onIntended: () => void
    readonly onWait?: (waiting: boolean) => void
  },
  name: string,
  input: unknown,
) => Promise<CallOutcome>

/** The refused call on its way. */
export interface RefusedPassing extends CallOptions {
  readonly caller: Caller
  readonly isTaken?: boolean
}

export interface RefusedCalls {
  /**
   * A call that stage 3 refuses.
   * @returns the refusal, or why it may go on. Waits where this refusal is the one at which the person is asked.
   */
  judge(deps: JudgeDeps, passing: RefusedPassing, judged: JudgedCall, forbidden: Failure, make: MakeCall): Promise<Excuse | Refusal>
  /**
   * A call that was allowed has ended: one that went well ends a row. Absent until one was refused.
   * @returns its outcome, with a note about calls that were allowed with it
   */
  ended?<Outcome extends CallOutcome>(caller: Caller, excuse: Excuse | null, outcome: Outcome): Outcome
}

export interface HeldJudges {
  /** @throws what loading them throws; no call passes then */
  load(): Promise<Judges>
  /** What was loaded. */
  now(): Judges
}

/** @param load what each of the services that judge decides */
export function holdJudges(load: () => Promise<readonly Partial<Judges>[]>): HeldJudges {
  let made: Judges | undefined
  const all = once(async () => (made = join(await load())))
  return {
    load: all,
    now() {
      if (made === undefined) throw new Error('no call is judged before the descriptions are loaded')
      return made
    },
  }
}

/** The strictest of all counts; where nobody decides, nothing is allowed. */
function join(judges: readonly Partial<Judges>[]): Judges {
  const first = async <Found>(ask: (judge: Partial<Judges>) => Promise<Found | null> | undefined): Promise<Found | null> => {
    for (const judge of judges) {
      const found = (await ask(judge)) ?? null
      if (found !== null) return found
    }
    return null
  }
  const decideStarts = judges.some(({ refuseStart }) => refuseStart !== undefined)
  const refused = judges.find((judge) => judge.refused !== undefined)?.refused
  // Asked of every call, some times in a turn.
  const hiders = judges.flatMap(({ hides }) => hides ?? [])
  return {
    hides: (call) => hiders.some((hides) => hides(call)),
    refuse: (...asked) => first((judge) => judge.refuse?.(...asked)),
    refuseStart: async (...start) => (decideStarts ? first((judge) => judge.refuseStart?.(...start)) : undecided),
    refused: refused ?? {
      judge: async (_deps, _passing, _judged, forbidden) => refusal(forbidden),
      ended: (_caller, _excuse, outcome) => outcome,
    },
    hosts: judges.find(({ hosts }) => hosts !== undefined)?.hosts ?? {
      judge: async (_caller, _call, _input, judged) => judged,
      learn: async () => {},
    },
    async cautionOf(session) {
      let caution: Caution
      for (const judge of judges) caution = stricter(caution, await judge.cautionOf?.(session))
      return caution
    },
    findRule: (...asking) => first((judge) => judge.findRule?.(...asking)),
    actAs: async (asks) => (await judges.find(({ actAs }) => actAs !== undefined)?.actAs?.(asks)) ?? noPlugins,
    rightsOfKey: (name) => first((judge) => judge.rightsOfKey?.(name)),
  }
}

const noPlugins: Failure = { code: 'denied', message: 'No plugin makes calls here.', hint: 'Continue without it.' }
const undecided: Failure = { code: 'denied', message: 'Nothing decides here which programs may start.', hint: 'Continue without it.' }

/** @returns the stricter of two */
export function stricter<One extends Caution>(a: One, b: One): One {
  if (typeof a === 'object' || typeof b === 'object') return typeof a === 'object' ? a : b
  return a === 'read_only' ? a : b === 'read_only' ? b : (a ?? b)
}

/** Stands in for decisions that cannot be loaded: no call passes that needs one. @param failure says which service does not work */
export function closed(decides: readonly (keyof Judges)[], failure: Failure): Partial<Judges> {
  const shut: Judges = {
    hides: () => false,
    refuse: async () => failure,
    refuseStart: async () => failure,
    refused: { judge: async (_deps, _passing, _judged, forbidden) => refusal(forbidden) },
    hosts: { judge: (...asked) => closedHosts(failure, ...asked), learn: async () => {} },
    cautionOf: async () => failure,
    findRule: async () => null,
    actAs: async () => failure,
    rightsOfKey: async () => Promise.reject(toError(failure)),
  }
  return Object.fromEntries(decides.map((name) => [name, shut[name]]))
}

/** After untrusted text, whatever leads outside may lead to a host that is new. */
async function closedHosts(failure: Failure, ...[caller, call, , judged]: Parameters<KnownHosts['judge']>): Promise<Judged> {
  const isConcerned = caller.audience === 'model' && leadsOutside(caller, call) && judged.held.includes('untrusted')
  return isConcerned ? { ...judged, flow: closedFlow(failure) } : judged
}

/**
 * What a service decides; a decision that throws or does not come in time becomes a refusal.
 * @param ask rejects in time, with an error that names the service @param failed makes such an error
 */
export function closedOnFailure(
  judges: Partial<Judges>,
  ask: <Decided>(work: () => Promise<Decided>) => Promise<Decided>,
  failed: (error: unknown) => OxbowError,
): Partial<Judges> {
  const shut = (error: unknown): Partial<Judges> => closed(Object.keys(judges) as (keyof Judges)[], serviceFailure(error))
  const orShut = (name: (typeof promised)[number]): Partial<Judges> => {
    const decide = judges[name] as Decide | undefined
    if (decide === undefined) return {}
    return { [name]: (...of: unknown[]) => ask(() => decide(...of)).catch((error: unknown) => (shut(error)[name] as Decide)(...of)) }
  }
  const { hides, refused, hosts } = judges
  const hidesNone = (error: unknown): false => (failed(error), false)
  return {
    ...(Object.assign({}, ...promised.map(orShut)) as Partial<Judges>),
    ...(hides && { hides: (call) => guarded(() => hides(call), hidesNone) }),
    ...(refused && { refused: closedRefused(refused, (error) => shut(failed(error)).refused!) }),
    ...(hosts && { hosts: closedKnown(hosts, (error) => shut(failed(error)).hosts!) }),
  }
}

/** Decisions that always return a promise. */
const promised = ['refuse', 'refuseStart', 'cautionOf', 'findRule', 'actAs', 'rightsOfKey'] as const
type Decide = (...of: unknown[]) => Promise<unknown>

function guarded<Found>(work: () => Found, otherwise: (error: unknown) => Found): Found {
  try {
    return work()
  } catch (error) {
    return otherwise(error)
  }
}

/** It may wait for a person, as long as that takes. */
function closedRefused(refused: RefusedCalls, shut: (error: unknown) => RefusedCalls): RefusedCalls {
  return {
    judge: (...asked) => refused.judge(...asked).catch((error: unknown) => shut(error).judge(...asked)),
    ended: (caller, excuse, outcome) =>
      guarded(
        () => refused.ended?.(caller, excuse, outcome) ?? outcome,
        (error) => (shut(error), outcome),
      ),
  }
}

function closedKnown(hosts: KnownHosts, shut: (error: unknown) => KnownHosts): KnownHosts {
  return {
    judge: (...asked) => hosts.judge(...asked).catch((error: unknown) => shut(error).judge(...asked)),
    learn: (...learned) => hosts.learn(...learned).catch((error: unknown) => void shut(error)),
  }
}
