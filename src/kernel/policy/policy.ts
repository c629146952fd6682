/**
 * Stages 3 and 4, and the policy of stage 5: whether a call may run. Rights and policy (authorize, decide), and the flow of labelled data
 * (judgeFlow). What is not granted is denied.
 */
import type { SessionRow } from '../../store/index.ts'
import {
  type Failure,
  isObject,
  isOxbowError,
  ownValue,
  parseObject,
  type SessionId,
  toFailure,
  type TurnId,
  type UserId,
} from '../../base/index.ts'
import type { FlowRules, FlowPolicy, Decision, Config } from '../../config/index.ts'
import {
  type Call,
  type Caller,
  type ClientTools,
  describeLabels,
  isTurn,
  joinLabels,
  joinOrigins,
  type LabelOrigin,
  type Labels,
  type LabelScope,
  parseLabels,
  parseOrigins,
  type Provenance,
  type Tier,
  writeOrigins,
} from '../../protocol/index.ts'

/** Includes every right; only users hold it. */
const everyRight = '*'

/** The right that an agent's process needs to run, in addition to its configured rights. */
export const processRight = 'turn.run'

/** @param isExcused the right may be lacking @returns why the call is denied, or null. */
export function authorize(caller: Caller, call: Call, approval: Config['approval'], usualAgent: string, isExcused = false): Failure | null {
  if (!call.audience.includes(caller.audience)) return denied(call, `is not offered to a ${caller.audience}`)
  if (!isExcused && !caller.rights.has(everyRight) && !caller.rights.has(call.right)) return lacking(caller, call, usualAgent)
  if (isTurn(call) && caller.turn === '') return notAsCall
  if (decide(call, approval) === 'deny') return deniedByPolicy(call, approval)
  // Only callers who may make the call learn why it is unavailable.
  return call.unavailable ?? null
}

/** A message must have its turn's id, a place in its lane and checked files before it passes the gate. */
const notAsCall: Failure = {
  code: 'denied',
  message: 'A message cannot be sent as a bare call.',
  hint: 'Send it with the frame send_turn and a client_id of its own.',
}

/**
 * Stage 5's policy: `deny` anywhere wins; otherwise the call's own entry, its right's, or its tier's, in this order. Tiers apply only to
 * calls that models may make: a tier that stopped the others would stop the guest.
 * @param tier of this input, where it depends on it
 */
function decide(call: Call, approval: Config['approval'], tier: Tier = call.tier): Decision {
  const byCall = ownValue(approval.calls, call.name)
  const byRight = ownValue(approval.rights, call.right)
  // A tool of a program has the tier that the program named.
  const byTier = call.audience.includes('model') || tier !== call.tier ? approval[tier] : 'allow'
  if (byCall === 'deny' || byRight === 'deny' || byTier === 'deny') return 'deny'
  if (approval.two_person.includes(call.name)) return 'ask'
  // In mode `auto` the tiers do not ask; what is named still does.
  return byCall ?? byRight ?? (approval.mode === 'auto' ? 'allow' : byTier)
}

/** How much stricter than the policy a session or a message is; a failure: that cannot be known. */
export type Caution = ClientTools['caution'] | Failure

/**
 * The policy on one input, and the caution its turn was sent with, which can only make the policy stricter.
 * @returns whether it asks, or why it is denied
 */
export function judgeInput(
  approval: Config['approval'],
  caution: Caution,
  caller: Caller,
  call: Call,
  input: unknown,
): 'allow' | 'ask' | Failure {
  const tier = call.tierOf?.(input, caller) ?? call.tier
  const isJudged = caution !== undefined && tier !== 'read_only' && mayBeCautious(caller, call)
  if (isJudged && caution === 'read_only') return cautionRefusal(call)
  if (isJudged && typeof caution === 'object') return caution
  const decided = decide(call, approval, tier)
  if (decided === 'deny') return deniedByPolicy(call, approval)
  return isJudged ? 'ask' : decided
}

/** @returns whether the mode of a session or of a message concerns the call: one that changes something for a model */
export function mayBeCautious({ audience }: Caller, { forModel, tier, tierOf }: Call): boolean {
  return (tier !== 'read_only' || tierOf !== undefined) && (audience === 'model' || forModel === true)
}

function cautionRefusal({ name }: Call): Failure {
  return {
    code: 'denied',
    message: `${name} changes something, and this message was sent read-only, or its session is.`,
    hint: 'Continue without it, and say what you would change. The user can change the mode of the session.',
  }
}

function deniedByPolicy(call: Call, { calls, rights }: Config['approval']): Failure {
  const byName =
    ownValue(calls, call.name) === 'deny'
      ? `calls."${call.name}"`
      : ownValue(rights, call.right) === 'deny'
        ? `rights."${call.right}"`
        : call.tier
  return {
    ...denied(call, 'is denied by the policy of this workspace'),
    hint: `Continue without it. The user can allow it: ${byName} under [approval] in config.toml.`,
  }
}

function lacking({ actor }: Caller, call: Call, usualAgent: string): Failure {
  const failure = denied(call, `needs the right ${call.right}`)
  if (actor.startsWith('key:')) return { ...failure, hint: `Use a key that has it: \`oxbow keys create NAME --right ${call.right}\`.` }
  if (actor.startsWith('plugin:'))
    return {
      ...failure,
      hint: `Its manifest allows it with "${call.right}" under rights.calls, if the agent that it works for has it, too.`,
    }
  if (actor.startsWith('program:'))
    return {
      ...failure,
      hint: `Whoever runs the program cannot pass on ${call.right}, or its program.toml lists no paths or hosts for it.`,
    }
  if (actor.startsWith('user:')) return { ...failure, hint: 'The role of this guest’s user lacks it: role under [access] in config.toml.' }
  const name = actor.slice('agent:'.length)
  const place = name === usualAgent ? 'under [agent] in config.toml' : `of agents/${name}.toml, or of the agent that started it`
  return { ...failure, hint: `Continue without it. The user can allow it: "${call.right}" in rights ${place}.` }
}

function denied(call: Call, why: string): Failure {
  return {
    code: 'denied',
    message: `${call.name} ${why}.`,
    hint: 'Continue without it, or say what you need and why. The user can change rights and policy in config.toml.',
  }
}

/** A user at a terminal of this guest. */
export function userCaller(user: UserId, session: SessionId | '', turn: TurnId | ''): Caller {
  return { user, actor: `user:${user}`, rights: ownersRights, audience: 'terminal', session, turn, process: '' }
}

/** The runtime, in the session and turn of a caller. @param actor who asks for the call */
export function runtimeCaller({ user, session, turn, process, branch }: Caller, actor: string): Caller {
  return { user, actor, rights: runtimeRights, audience: 'runtime', session, turn, process, ...(branch !== undefined && { branch }) }
}

/** The caller, with data that only this call has. */
export const scoped = (caller: Caller, scope: LabelScope | undefined): Caller => (scope === undefined ? caller : { ...caller, scope })

const runtimeRights: ReadonlySet<string> = new Set([processRight])

const ownersRights: ReadonlySet<string> = new Set([everyRight])

/** The call by which a turn asks a program to run a tool; made by the runtime, with what a model wrote. */
export const clientAsk = 'client.ask'

/** The call that passes a result on to the program of a key, whose model is outside of this guest. */
export const clientReply = 'client.reply'

/** @returns whether stage 4 judges the call: one that sends outside what a model has written, or what a program has asked for */
export function leadsOutside({ audience }: Caller, { forModel, labels }: Call): boolean {
  return labels.sink && (audience === 'model' || forModel === true || labels.toProgram === true)
}

/** @returns whether policy can make the call wait for a person: one of an agent or of a model outside of this guest, or an answer to it */
export function mustAsk({ actor, audience }: Caller, { labels }: Call): boolean {
  return actor.startsWith('agent:') || audience === 'model' || labels.toProgram === true
}

/**
 * An error may quote what was read, so it has the labels of a result; one from the sandbox names its labels itself. A call that was
 * stopped has a message of the kernel, without labels.
 */
export function failureLabels({ labels }: Call, error: unknown): Labels {
  const own = isOxbowError(error) ? error.data['labels'] : undefined
  return Array.isArray(own) ? joinLabels(labels.adds, parseLabels(own.join(','))) : labels.adds
}

/**
 * Stage 4 compares what a conversation has read with where a call sends data. Labels say what was read, not what a call sends, since a
 * model may have rephrased it; so the policy is about conversations. Its default asks the user where both ingredients of a leak meet:
 * untrusted text, which may have instructed the model to send, and private data.
 */
export interface FlowVerdict {
  readonly decision: Decision
  /** For the model that asks; empty when the call is allowed. */
  readonly reason: string
  /** For the person who decides: with the origins, whose names are hostile text. */
  readonly shown: string
  /** Origins of the labels that the decision is about. */
  readonly origins: readonly LabelOrigin[]
  /** Labels or rules cannot be known: then this is why the call is denied. */
  readonly failure?: Failure
}

export const freeFlow: FlowVerdict = { decision: 'allow', reason: '', shown: '', origins: [] }

/** @returns why a service does not work. @throws everything else, as it is: a store that fails stops more than one service */
export function serviceFailure(error: unknown): Failure {
  if (!isOxbowError(error) || error.data['service'] === undefined) throw error
  if (isOxbowError(error.cause) && error.cause.data['service'] === undefined) throw error.cause
  return toFailure(error, 'internal_failure', '')
}

/** @returns the verdict where labels or rules cannot be known */
export function closedFlow(failure: Failure): FlowVerdict {
  return { decision: 'deny', reason: failure.message, shown: failure.message, origins: [], failure }
}

/** Origins of each label that a question names: the newest. All are in its record. */
const shownOrigins = 4

/** What a rule decides instead of `[flow]`, for each label. */
export type FlowDecisions = { readonly [Kind in keyof FlowRules]?: Decision | null | undefined }

/** @returns the strictest decision on these labels; the first of `decisions` that has one counts */
export function decideFlow(held: Labels, ...decisions: readonly FlowDecisions[]): Decision {
  if (held.length === 0) return 'allow'
  const matching: readonly (keyof FlowRules)[] = held.length > 1 ? ['untrusted', 'private', 'both'] : held
  return matching.map((label) => decisions.map((each) => each[label]).find((one) => one != null) ?? 'allow').reduce(stricter)
}

/** @param what the call does with it @returns the verdict, which says what the conversation has read */
export function verdictOf(decision: Decision, what: string, { labels, from }: Provenance): FlowVerdict {
  if (decision === 'allow') return freeFlow
  const why = `${what}, and this conversation has read`
  return {
    decision,
    reason: `${why} ${describeLabels(labels, [])}`,
    shown: `${why} ${describeLabels(labels, from, shownOrigins)}`,
    origins: from,
  }
}

/** How `[flow]` judges a call. */
export interface FlowMatter {
  readonly what: string
  readonly decisions: FlowDecisions
}

/**
 * @param lasting what the call does that nobody can take back; empty: nothing @param isOwn see `isOwnText`
 * @returns null where labels do not matter
 */
export function flowMatter(caller: Caller, call: Call, flow: FlowPolicy, lasting: string, isOwn: boolean): FlowMatter | null {
  const { untrusted, irreversible } = flow
  if (leadsOutside(caller, call)) {
    if (isOwn) return { what: `${call.name} sends data outside`, decisions: { ...flow, untrusted: 'allow' } }
    // A tool of a program is judged by the program's own approvals, too.
    const acts = call.effect === 'once' && caller.audience === 'model' && call.labels.loads !== true
    return { what: `${call.name} sends data outside`, decisions: acts ? { ...flow, untrusted: stricter(untrusted, irreversible) } : flow }
  }
  if (lasting === '' || caller.audience !== 'model') return null
  return { what: `${call.name} ${lasting}`, decisions: { untrusted: irreversible } }
}

/** @returns whether the rules of sinks do not apply, because the call reaches only the person */
export function isForPerson(call: Call, flow: FlowPolicy): boolean {
  return call.labels.toPerson === true && ownValue(flow.sinks, call.name) === undefined
}

/** @param origins read only where the call is not allowed */
export function judgeFlow(
  held: Labels,
  call: Call,
  flow: FlowPolicy,
  matter: FlowMatter = { what: `${call.name} sends data outside`, decisions: flow },
  origins: () => readonly LabelOrigin[] = () => [],
): FlowVerdict {
  if (held.length === 0 || isForPerson(call, flow)) return freeFlow
  const decision = decideFlow(held, ownValue(flow.sinks, call.name) ?? {}, matter.decisions)
  return decision === 'allow' ? freeFlow : verdictOf(decision, matter.what, { labels: held, from: origins() })
}

/** @param isVersioned whether versions hold what is at a path @returns what the call does that nobody can take back */
export function lastingEffect(call: Call, input: unknown, isVersioned: (path: string) => boolean): string {
  const { lasting = '', reaches } = call
  if (lasting === '' || !isObject(input)) return ''
  if (lasting !== 'unversioned') return input['dry_run'] === true ? '' : lasting
  // What is below a folder is not known here: a repository, or what versions leave out.
  if (input['recursive'] === true) return 'deletes a folder with all that is in it'
  const fields = reaches?.kind === 'paths' ? reaches.fields : []
  const touched = fields.map((field) => ownValue(input, field)).filter((one) => typeof one === 'string')
  return touched.every(isVersioned) ? '' : 'removes what has no versions'
}

export function flowRefusal({ reason, failure }: FlowVerdict): Failure {
  if (failure !== undefined) return failure
  return {
    code: 'denied',
    message: `${reason}; the flow policy of this workspace denies that.`,
    hint: 'Continue without it. The user can change [flow] in config.toml, or start a new session for it.',
  }
}

function stricter(a: Decision, b: Decision): Decision {
  const order: readonly Decision[] = ['allow', 'ask', 'deny']
  return order.indexOf(a) < order.indexOf(b) ? b : a
}

/** @returns labels of texts behind handles in the input of a call, if its result may repeat them */
export function repeatedLabels({ scope }: Caller, { labels }: Call): Labels {
  if (scope === undefined || scope.fields.every((field) => labels.silent?.includes(field) === true)) return []
  return scope.labels
}

export const nothing: Provenance = { labels: [], from: [] }

export type { Provenance }

/** @returns both; the same object when the second has nothing new */
export function joined(a: Provenance, b: Provenance): Provenance {
  const [labels, from] = [joinLabels(a.labels, b.labels), joinOrigins(a.from, b.from)]
  return labels === a.labels && from === a.from ? a : { labels, from }
}

/** @returns whether there is a label besides `untrusted`, which counts for every file anyway */
export function isKept(labels: Labels): boolean {
  return labels.some((label) => label !== 'untrusted')
}

/** What a session has read, and where from. */
export interface LabelHistory extends Provenance {
  /** Labels of what it was given, which no record of a call of its own names. */
  readonly given: Labels
  /** Labels that a person has declassified: they count again with the next data that has them. */
  readonly freed: Labels
}

export const noLabels: LabelHistory = { labels: [], given: [], freed: [], from: [] }

/** @returns what a row says; of one without origins, which an older version wrote, every label counts as given */
export function historyOf(row: Pick<SessionRow, 'labels' | 'origins'>): LabelHistory {
  const labels = parseLabels(row.labels)
  if (row.origins === '') return { ...noLabels, labels, given: labels }
  const { given, freed = '', from } = parseObject(row.origins) ?? {}
  return {
    labels,
    given: parseLabels(typeof given === 'string' ? given : row.labels),
    freed: parseLabels(freed as string),
    from: parseOrigins(from),
  }
}

/** The columns of a session's row that hold its label history. */
export function labelColumns({ labels, given, freed, from }: LabelHistory): Pick<SessionRow, 'labels' | 'origins'> {
  if (labels.length === 0) return { labels: '', origins: '' }
  const origins = { given: given.join(','), ...(freed.length > 0 && { freed: freed.join(',') }), from: writeOrigins(from) }
  return { labels: labels.join(','), origins: JSON.stringify(origins) }
}

/** What a session that is made from this one begins with: all of it was given, and nothing was declassified for it. */
export function inherited(row: Pick<SessionRow, 'labels' | 'origins'>): Pick<SessionRow, 'labels' | 'origins'> {
  const { labels, from } = historyOf(row)
  return labelColumns({ ...noLabels, labels, given: labels, from })
}

/** @returns the same object where nothing is new */
export function addLabels(before: LabelHistory, added: Labels, origins: readonly LabelOrigin[], isGiven: boolean): LabelHistory {
  const after: LabelHistory = {
    labels: joinLabels(before.labels, added),
    given: isGiven ? joinLabels(before.given, added) : before.given,
    freed: before.freed.some((label) => added.includes(label)) ? before.freed.filter((label) => !added.includes(label)) : before.freed,
    from: joinOrigins(before.from, origins),
  }
  return (['labels', 'given', 'freed', 'from'] as const).every((field) => after[field] === before[field]) ? before : after
}

export function joinHistories(a: LabelHistory, b: LabelHistory): LabelHistory {
  const freed = a.freed.filter((label) => b.freed.includes(label))
  return { labels: joinLabels(a.labels, b.labels), given: joinLabels(a.given, b.given), freed, from: joinOrigins(a.from, b.from) }
}
