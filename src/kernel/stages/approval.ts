/**
 * Stage 5, approve: a call that asks is parked in the journal with its exact input and waits, for days if necessary, until a person
 * decides. The decision is valid for that input: the same call id with another input is parked again. A person may approve another
 * input, which is checked like any, and is what runs and what is recorded; a learned rule may answer instead of the person.
 */
import { type CallId, type Clock, derivedId, type Failure, type JsonObject, type SessionId, type TurnId } from '../../base/index.ts'
import {
  type Call,
  type CallOutcome,
  type CommandInputs,
  type FilesState,
  type JournalRecord,
  type Phase,
  type Tier,
  type Caller,
  writeOrigins,
  type Labels,
} from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import type { Binding } from './command-inputs.ts'
import { writtenPaths } from '../policy/right-limits.ts'
import type { Entry, Journal } from '../records/journal.ts'
import type { NoteEvent } from '../records/events.ts'
import type { Registry } from '../calls/registry.ts'
import type { FlowVerdict } from '../policy/policy.ts'
import { cancelledOutcome, type Refusal, refusal } from './refusals.ts'
import type { Answer, Approvals } from './approval-queue.ts'
import type { Excuse, JudgeDeps } from './judging.ts'
import { stopReason } from './running-calls.ts'

/** How long before an approval expires its warning comes; at most half of the whole time. */
const approvalWarningMs = 60_000

/** Files that keep changing while a call waits and that a person may leave out of the comparison. */
const maxRestlessFiles = 100

/** Body of a record `decided`. */
export interface Decided extends Answer {
  /** The exact input that was asked about. */
  readonly input: string
  /** Digest of what else the command ran, besides its text, when it was asked about. */
  readonly inputs?: string | undefined
}

/**
 * @param decisions on one exact input, oldest first @param needed how many people must allow it
 * @returns the answer; undefined while another person must decide
 */
export function answerOf(decisions: readonly Decided[], needed: number): Answer | undefined {
  const denied = decisions.find(({ allow }) => !allow)
  if (denied !== undefined) return denied
  return new Set(decisions.map(({ by }) => by)).size >= needed ? decisions.at(-1) : undefined
}

/** People who must allow the call. */
export function neededApprovals(call: string, approval: Config['approval']): number {
  return approval.two_person.includes(call) ? 2 : 1
}

export interface ApprovalDeps extends Pick<JudgeDeps, 'judges' | 'readBound'> {
  readonly registry: Pick<Registry, 'parse'>
  readonly journal: Pick<Journal, 'append' | 'note' | 'store'>
  readonly approvals: Approvals
  readonly approval: Config['approval']
  readonly clock: Clock
  readonly noteEvent: NoteEvent
}

/** A call at stage 5. */
interface AskingCall {
  readonly call: Call
  readonly input: unknown
  readonly flow: FlowVerdict
  readonly held: Labels
  /** Judges the call again, after a wait in which rights, lists and labels may have changed. */
  readonly judge: () => Promise<Failure | Judged>
  /** Null: it needs none. */
  readonly excuse: Excuse | null
  /** The policy would not ask now, but it did before a restart. */
  readonly stands: boolean
}

/** Whether a call that goes on after a restart was asked about and not begun: the question stands, whatever is allowed meanwhile. */
export async function isUnanswered({ store }: Pick<Journal, 'store'>, id: CallId, past: readonly JournalRecord[]): Promise<boolean> {
  if (past.some(({ phase }) => phase === 'intent')) return false
  return (await store.records({ call: id, phases: ['parked'], order: 'newest_first', limit: 1, hydrate: false })).length > 0
}

interface Judged {
  readonly flow: FlowVerdict
  readonly held: Labels
}

interface PassingCall {
  readonly id: CallId
  readonly caller: Caller
  readonly signal: AbortSignal | null
  readonly onWait?: (waiting: boolean) => void
}

/** What may run. */
export interface Approved {
  readonly input: unknown
  /** A person approved this input instead of the one that was asked about. */
  readonly edited: boolean
  /** State of the files for which a person approved it, which hands compare again as it begins; null: of none. */
  readonly unchanged: FilesState | null
}

interface Answered extends Answer {
  /** Absent: nobody has compared any files for it. */
  readonly unchanged?: Approved['unchanged']
}

/** @returns what may run, or the refusal */
export async function approve(
  deps: ApprovalDeps,
  passing: PassingCall,
  asking: AskingCall,
  past: readonly JournalRecord[],
): Promise<Approved | Refusal> {
  const { call, input, excuse } = asking
  const exact = JSON.stringify(input)
  const hasBegun = past.some(({ phase }) => phase === 'intent')
  const readInputs = (): Promise<CommandInputs | null> => inputsOf(deps, passing, call, input)
  let unchanged: FilesState | null = null
  let decided = past
    .filter(({ phase }) => phase === 'decided')
    .map(({ body }) => JSON.parse(body) as Decided)
    .filter((decision) => decision.input === exact)
  if (decided.length > 0 && isBound(call, input) && !hasBegun) {
    const { boundDigest, partsOf } = await import('./command-inputs.ts')
    const since = partsOf(decided.at(-1)?.inputs ?? '').state
    const inputs = await inputsOf(deps, passing, call, input, { since, except: [] })
    const now = boundDigest(inputs)
    unchanged = stateOf(inputs)
    decided = decided.filter((one) => one.by.startsWith('rule:') || (one.inputs ?? '') === now)
  }
  const recorded = answerOf(decided, neededApprovals(call.name, deps.approval))
  const answer: Answered | Refusal =
    recorded ??
    (hasBegun
      ? begun
      : ((await answerByRule(deps, passing, asking, exact, readInputs)) ?? (await askUntilCurrent(deps, passing, asking, exact))))
  if ('status' in answer) return answer
  if (!answer.allow) return refusal(deniedBy(call, answer))
  unchanged = answer.unchanged ?? unchanged ?? excuse?.unchanged ?? null
  if (answer.edited === undefined) {
    if (excuse !== null && isStale(excuse) && !hasBegun) await excuse.renew(unchanged)
    return { input, edited: false, unchanged }
  }
  const parsed = await deps.registry.parse(call.name, answer.edited)
  return parsed.ok ? { input: parsed.input, edited: true, unchanged } : refusal(parsed.failure)
}

/** Whether a person must allow it again, whatever the policy is. */
export function isStale(excuse: Excuse | null): boolean {
  return excuse !== null && excuse.change !== ''
}

/** @returns null where the files were not compared */
function stateOf(inputs: CommandInputs | null): FilesState | null {
  const { digest = '', except = [] } = inputs?.workspace ?? {}
  return digest === '' ? null : { digest, except }
}

/** Whether a decision about the call holds for files, too. */
function isBound(call: Call, input: unknown): boolean {
  return call.starts !== undefined || writtenPaths(call, input).length > 0
}

/** The answer for a call whose intent is open: it was approved before, or needed no approval. */
const begun: Answer = { allow: true, by: '' }

async function inputsOf(
  { readBound }: ApprovalDeps,
  { caller, signal }: PassingCall,
  call: Call,
  input: unknown,
  binding?: Binding,
): Promise<CommandInputs | null> {
  if (!isBound(call, input)) return null
  const bound = { started: call.starts?.(input), targets: writtenPaths(call, input) }
  return readBound(caller, bound, signal ?? new AbortController().signal, call.starts === undefined ? undefined : binding)
}

async function answerByRule(
  deps: ApprovalDeps,
  { id, caller }: PassingCall,
  asking: AskingCall,
  exact: string,
  readInputs: () => Promise<CommandInputs | null>,
): Promise<Answer | null> {
  const { call, input, flow, held, excuse } = asking
  if (call.asks !== undefined || isStale(excuse)) return null
  if (deps.approval.mode === 'manual' || neededApprovals(call.name, deps.approval) > 1) return null
  const labels = flow.decision === 'ask' ? held : []
  const rule =
    flow.decision !== 'ask' && excuse !== null
      ? { id: excuse.by }
      : await deps.judges().findRule({ call: call.name, input, session: caller.session, labels }, readInputs)
  if (rule === null) return null
  const answer = { allow: true, by: `rule:${rule.id}` }
  deps.journal.note([entryOf(caller, id, call.name, 'decided', { input: exact, ...answer })])
  return answer
}

/** Asks a person, and again when what the answer was about has changed in between: labels, files that the call can run or writes. */
async function askUntilCurrent(deps: ApprovalDeps, passing: PassingCall, asking: AskingCall, exact: string): Promise<Answered | Refusal> {
  const { call, input } = asking
  const { inputsChange } = await import('./command-inputs.ts')
  let judged: Judged = asking
  let binding: Binding = { since: '', except: [] }
  // Asked before a restart: whoever has read the question then did so for the files as they were.
  const asked = isBound(call, input) ? await askedBefore(deps, passing.id, exact) : null
  let inputs = await inputsOf(deps, passing, call, input, { ...binding, since: asked?.workspace?.digest ?? '' })
  const missed = asked === null ? '' : inputsChange(asked, inputs)
  let change = missed === '' ? (asking.excuse?.change ?? '') : `${missed} since it was asked about, before a restart`
  const personal = call.personal === true || isStale(asking.excuse)
  const question = {
    call,
    personal,
    asked: call.asks?.(input) ?? (asking.stands ? stillAsked : ''),
    tier: call.tierOf?.(input, passing.caller) ?? call.tier,
  }
  for (let before: readonly string[] = []; ;) {
    const answer = await askPerson(deps, passing, { ...question, ...judged, inputs, change }, exact)
    if ('status' in answer || !answer.allow) return answer
    const since = inputs?.workspace?.digest ?? ''
    const now = await inputsOf(deps, passing, call, input, { ...binding, since })
    // The gate judges an edited input; its files are not the ones asked about.
    const isEdited = answer.edited !== undefined
    change = isEdited && since === (now?.workspace?.digest ?? '') ? '' : inputsChange(inputs, now)
    const again = isEdited ? judged : await asking.judge()
    if ('code' in again) return refusal(again)
    const hasNewLabels =
      again.flow.decision === 'ask' && (judged.flow.decision !== 'ask' || again.held.some((label) => !judged.held.includes(label)))
    if (change === '' && !hasNewLabels) return { ...answer, unchanged: stateOf(inputs) }
    if (change !== '') change = `${change} after it was allowed`
    judged = again
    inputs = now
    const changed = now?.workspace?.changed ?? []
    const restless = changed.filter((path) => before.includes(path))
    before = changed
    if (restless.length === 0) continue
    // A log that a program keeps writing would make it ask for ever: a person may allow the call whatever that file holds.
    binding = { ...binding, except: [...new Set([...binding.except, ...restless])].slice(0, maxRestlessFiles) }
    inputs = await inputsOf(deps, passing, call, input, binding)
    change = `${restless.join(', ')} keeps changing; allowed now, it runs whatever that holds`
  }
}

const stillAsked = 'it was asked about before a restart, and nobody has decided since'

/** @returns what it would have run when it was asked about before a restart; null: it was not, or for another input, or nothing is known */
async function askedBefore({ journal }: ApprovalDeps, id: CallId, exact: string): Promise<CommandInputs | null> {
  const [asked] = await journal.store.records({ call: id, phases: ['parked'], order: 'newest_first', limit: 1, hydrate: true })
  if (asked === undefined) return null
  const { input, inputs = null } = JSON.parse(asked.body) as { readonly input?: string; readonly inputs?: CommandInputs | null }
  return input === exact ? inputs : null
}

interface Question extends Judged {
  readonly call: Call
  readonly inputs: CommandInputs | null
  /** What has changed since a person allowed it; empty: this is the first question. */
  readonly change: string
  readonly personal: boolean
  /** The call's own reason; empty: it asks by policy. */
  readonly asked: string
  /** Of this input. */
  readonly tier: Tier
}

/** Parks the call until it is decided, expires, or is cancelled. */
async function askPerson(
  deps: ApprovalDeps,
  passing: PassingCall,
  { call, flow, held, inputs, change, personal, asked, tier }: Question,
  exact: string,
): Promise<Answer | Refusal> {
  const { caller, id } = passing
  const { approvals, journal, clock, approval } = deps
  const signal = passing.signal ?? new AbortController().signal
  const policy = flow.shown || asked || `${call.name} is ${tier.replace('_', '-')} and the policy is to ask`
  const [, program] = /^program:([^.]+)$/.exec(caller.actor) ?? [] // A server, `program:mcp.NAME`, says itself who asks.
  const reason = `${program === undefined ? '' : `Program ${program}: `}${change === '' ? policy : change}${call.starts === undefined ? '' : unsure(inputs)}`
  // It waits before the record is written, so that whoever sees the record can decide at once.
  const labels = flow.decision === 'ask' ? { labels: held, origins: writeOrigins(flow.origins) } : {}
  const shown = { input: exact, reason, ...labels, ...(personal && { personal }), ...(inputs !== null && { inputs }) }
  // A restart asks again, and the call has waited since the first time.
  const [first] = await journal.store.records({ call: id, phases: ['parked'], order: 'oldest_first', limit: 1, hydrate: false })
  const question = { call: id, name: call.name, ...shown, question: derivedId(JSON.stringify(shown)), at: first?.at ?? clock.now() }
  const waiting = approvals.wait({ ...question, session: caller.session as SessionId, turn: caller.turn as TurnId }, signal)
  waiting.catch(() => {})
  passing.onWait?.(true)
  let expiry: Disposable | null = null
  try {
    // Recorded again after a restart, for followers with a later cursor.
    const body = { ...shown, question: question.question, ...(held.length > 0 && flow.decision !== 'ask' && { held }) }
    await journal.append([entryOf(caller, id, call.name, 'parked', body)], { sync: true })
    if (approval.expire_s > 0) expiry = await startExpiry(deps, passing, call.name)
    const answer = await waiting
    if (answer.expired === true)
      await journal.append([entryOf(caller, id, call.name, 'decided', { input: exact, ...answer } as JsonObject)])
    return answer
  } catch (error) {
    if (!signal.aborted) throw error
    if (stopReason(signal) === 'shutdown') return cancelledOutcome('The guest is stopping; the approval still waits.')
    return refusal({ code: 'cancelled', message: `${call.name} was cancelled while it waited for approval.`, hint: 'Nothing was run.' })
  } finally {
    expiry?.[Symbol.dispose]()
    passing.onWait?.(false)
  }
}

/** @returns what may change unnoticed until it is allowed, as the end of a sentence; empty: nothing */
function unsure(inputs: CommandInputs | null): string {
  const { digest = '', unread = 0, running = 0 } = inputs?.workspace ?? {}
  const missed = digest === '' ? '; the files that it can see could not be compared: an exchanged one would not be noticed' : ''
  const large = unread === 0 ? '' : `; the content of ${unread} files is too much to compare`
  return `${missed}${large}${running === 0 ? '' : `; ${running} running ${running === 1 ? 'program' : 'programs'} can change files meanwhile`}`
}

/** Counts from the first time that the call was parked: a restart gives no more time. */
async function startExpiry(
  { journal, approvals, approval, clock, noteEvent }: ApprovalDeps,
  { id, caller }: PassingCall,
  name: string,
): Promise<Disposable> {
  const [first] = await journal.store.records({ call: id, phases: ['parked'], order: 'oldest_first', limit: 1, hydrate: false })
  const wholeMs = approval.expire_s * 1_000
  const leftMs = Math.max(0, (first?.at ?? clock.now()) + wholeMs - clock.now())
  const expire = (): void =>
    void approvals.decide(id, { allow: false, by: 'kernel', expired: true, reason: `nobody decided within ${approval.expire_s} s` })
  const warn = (): void =>
    noteEvent(
      'approval_expiring',
      { call: id, name, expires_at: clock.now() + Math.min(leftMs, approvalWarningMs, wholeMs / 2) },
      caller.session,
    )
  const warning = setTimeout(warn, Math.max(0, leftMs - Math.min(approvalWarningMs, wholeMs / 2)))
  const end = setTimeout(expire, leftMs)
  return {
    [Symbol.dispose]() {
      clearTimeout(warning)
      clearTimeout(end)
    },
  }
}

function deniedBy({ name }: Call, { reason, expired }: Answer): Refusal['failure'] {
  const hint = 'Do not repeat the call; continue without it, or ask the user what they want instead.'
  if (expired === true) return { code: 'denied', message: `The approval of this ${name} call expired: ${reason}.`, hint }
  const why = reason === undefined || reason === '' ? '.' : `, and said: ${reason}`
  return { code: 'denied', message: `The user refused this ${name} call${why}`, hint }
}

function entryOf(caller: Caller, call: CallId, name: string, phase: Phase, body: JsonObject): Entry {
  return { caller, call, name, phase, body }
}

/** Characters of an edited input that the model is shown; the record has all of it. */
const maxShownEdit = 2_000

/** @returns the outcome of a call whose input a person changed, with a note for the model */
export function withEditNote<Outcome extends CallOutcome>(outcome: Outcome, input: unknown): Outcome {
  const exact = JSON.stringify(input)
  const shown = exact.length > maxShownEdit ? `${exact.slice(0, maxShownEdit).toWellFormed()}…` : exact
  return { ...outcome, text: `The user changed the input of this call. It ran with ${shown}\n${outcome.text}` }
}
