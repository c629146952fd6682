/**
 * Stage 5, approve: a call that asks is parked in the journal with its exact input and waits, for days if necessary, until a person
 * decides. The decision is valid for that input: the same call id with another input is parked again. A person may approve another
 * input, which is checked like any, and is what runs and what is recorded; a learned rule may answer instead of the person.
 */
import {
  type Call,
  type CallId,
  type CallOutcome,
  type Clock,
  type CommandInputs,
  type Config,
  type Failure,
  type Json,
  type JournalRecord,
  type JsonObject,
  type PendingApproval,
  type Phase,
  type SessionId,
  type StartedProgram,
  type Tier,
  type TurnId,
  type Caller,
  writeOrigins,
} from '../../types/index.ts'
import type { Asking, Rule } from '../access/rules.ts'
import { approvalWarningMs } from '../limits.ts'
import type { Entry, Journal } from '../journal.ts'
import type { NoteEvent } from '../observe/event-bus.ts'
import type { Registry } from '../registry.ts'
import type { FlowVerdict, Labels } from './policy.ts'
import { cancelledOutcome, type Refusal, refusal } from './refusals.ts'
import { stopReason } from './running-calls.ts'

/** What was decided on a call, and by whom. */
export interface Answer {
  readonly allow: boolean
  readonly by: string
  /** Why it was denied, for the model. */
  readonly reason?: string | undefined
  /** Runs instead of the input that was asked about. */
  readonly edited?: Json | undefined
  /** Nobody decided in time. */
  readonly expired?: true
}

export interface Approvals {
  /** Waits for the decision on a parked call. Rejects with the signal's reason when the turn ends first. */
  wait(approval: PendingApproval, signal: AbortSignal): Promise<Answer>
  /** Wakes the waiting call. @returns false when no call with this id waits */
  decide(call: CallId, answer: Answer): boolean
  find(call: CallId): PendingApproval | undefined
  /** @param session absent: of all sessions */
  pending(session?: SessionId): readonly PendingApproval[]
  /** Those of a session, and of the agents below it. */
  shownIn(session: SessionId): readonly PendingApproval[]
  /**
   * Shows the calls of agents at the top of their tree, too.
   * @param topOf the session at the top and the name of the agent; null for a session that is no agent's
   * @param onChange called when such a call begins and ends to wait
   */
  showAtTop(topOf: TopOf, onChange: (shown: ShownAtTop) => void): void
}

type TopOf = (session: SessionId) => { readonly session: SessionId; readonly agent: string } | null

interface ShownAtTop {
  readonly session: SessionId
  readonly waits: boolean
  readonly approval: PendingApproval
}

export function createApprovals(): Approvals {
  const waiting = new Map<CallId, { readonly approval: PendingApproval; readonly wake: (answer: Answer) => void }>()
  let topOf: TopOf = () => null
  let onChange: (shown: ShownAtTop) => void = () => {}
  const atTop = (approval: PendingApproval): Omit<ShownAtTop, 'waits'> | null => {
    const top = topOf(approval.session)
    if (top === null) return null
    const { session, agent } = top
    return { session, approval: { ...approval, agent, reason: `Agent ${agent}: ${approval.reason ?? 'it asks'}` } }
  }
  const change = (approval: PendingApproval, waits: boolean): void => {
    const shown = atTop(approval)
    if (shown !== null) onChange({ ...shown, waits })
  }
  return {
    wait: (approval, signal) =>
      new Promise((resolve, reject) => {
        const done = (): void => {
          waiting.delete(approval.call)
          change(approval, false)
          signal.removeEventListener('abort', stop)
        }
        const stop = (): void => {
          // When the guest stops, the call keeps waiting: a decision that still arrives is valid at the next start.
          if (stopReason(signal) !== 'shutdown') done()
          reject(signal.reason)
        }
        if (signal.aborted) return reject(signal.reason)
        signal.addEventListener('abort', stop)
        waiting.set(approval.call, {
          approval,
          wake: (answer) => {
            done()
            resolve(answer)
          },
        })
        change(approval, true)
      }),
    decide(call, answer) {
      const parked = waiting.get(call)
      parked?.wake(answer)
      return parked !== undefined
    },
    find: (call) => waiting.get(call)?.approval,
    shownIn: (session) =>
      [...waiting.values()].flatMap(({ approval }) => {
        if (approval.session === session) return [approval]
        const top = atTop(approval)
        return top?.session === session ? [top.approval] : []
      }),
    showAtTop(top, changed) {
      topOf = top
      onChange = changed
    },
    pending: (session) =>
      [...waiting.values()].map((entry) => entry.approval).filter((approval) => session === undefined || approval.session === session),
  }
}

/** Body of a record `decided`. */
export interface Decided extends Answer {
  /** The exact input that was asked about. */
  readonly input: string
  /** Digest of what the command ran beside its text when it was asked about. */
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

export interface ApprovalDeps {
  readonly registry: Pick<Registry, 'parse'>
  readonly journal: Pick<Journal, 'append' | 'note' | 'store'>
  readonly approvals: Approvals
  readonly approval: Config['approval']
  readonly clock: Clock
  readonly findRule: (asking: Asking, readInputs: () => Promise<CommandInputs | null>) => Promise<Rule | null>
  /** What a command runs beside its text, as it is now; null where that cannot be read. */
  readonly readInputs: (caller: Pick<Caller, 'branch'>, started: StartedProgram, signal: AbortSignal) => Promise<CommandInputs | null>
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
interface Approved {
  readonly input: unknown
  /** A person approved this input instead of the one that was asked about. */
  readonly edited: boolean
}

/** @returns what may run, or the refusal */
export async function approve(
  deps: ApprovalDeps,
  passing: PassingCall,
  asking: AskingCall,
  past: readonly JournalRecord[],
): Promise<Approved | Refusal> {
  const { call, input } = asking
  const exact = JSON.stringify(input)
  const hasBegun = past.some(({ phase }) => phase === 'intent')
  const readInputs = (): Promise<CommandInputs | null> => inputsOf(deps, passing, call, input)
  let decided = past
    .filter(({ phase }) => phase === 'decided')
    .map(({ body }) => JSON.parse(body) as Decided)
    .filter((decision) => decision.input === exact)
  if (decided.length > 0 && call.starts !== undefined && !hasBegun) {
    const { inputsDigest } = await import('../access/command-inputs.ts')
    const now = inputsDigest(await readInputs())
    decided = decided.filter(({ inputs = '', edited }) => edited !== undefined || inputs === now)
  }
  const recorded = answerOf(decided, neededApprovals(call.name, deps.approval))
  const answer =
    recorded ??
    (hasBegun
      ? begun
      : ((await answerByRule(deps, passing, asking, exact, readInputs)) ?? (await askUntilCurrent(deps, passing, asking, exact))))
  if ('status' in answer) return answer
  if (!answer.allow) return refusal(deniedBy(call, answer))
  if (answer.edited === undefined) return { input, edited: false }
  const parsed = await deps.registry.parse(call.name, answer.edited)
  return parsed.ok ? { input: parsed.input, edited: true } : refusal(parsed.failure)
}

/** A call whose intent is open was approved, or needed no approval then. */
const begun: Answer = { allow: true, by: '' }

async function inputsOf(
  { readInputs }: ApprovalDeps,
  { caller, signal }: PassingCall,
  call: Call,
  input: unknown,
): Promise<CommandInputs | null> {
  return call.starts === undefined ? null : readInputs(caller, call.starts(input), signal ?? new AbortController().signal)
}

async function answerByRule(
  deps: ApprovalDeps,
  { id, caller }: PassingCall,
  asking: AskingCall,
  exact: string,
  readInputs: () => Promise<CommandInputs | null>,
): Promise<Answer | null> {
  const { call, input, flow, held } = asking
  if (call.asks !== undefined || deps.approval.mode === 'manual' || neededApprovals(call.name, deps.approval) > 1) return null
  const labels = flow.decision === 'ask' ? held : []
  const rule = await deps.findRule({ call: call.name, input, session: caller.session, labels }, readInputs)
  if (rule === null) return null
  const answer = { allow: true, by: `rule:${rule.id}` }
  deps.journal.note([entryOf(caller, id, call.name, 'decided', { input: exact, ...answer })])
  return answer
}

/** Asks a person, and again when what the answer was about has changed in between: labels, files that the command runs. */
async function askUntilCurrent(deps: ApprovalDeps, passing: PassingCall, asking: AskingCall, exact: string): Promise<Answer | Refusal> {
  const { call, input } = asking
  const tier = call.tierOf?.(input, passing.caller) ?? call.tier
  let judged: Judged = asking
  let inputs = await inputsOf(deps, passing, call, input)
  for (let change = ''; ;) {
    const answer = await askPerson(deps, passing, { call, ...judged, inputs, change, asked: call.asks?.(input) ?? '', tier }, exact)
    // The gate judges an edited input, which is not what the question showed.
    if ('status' in answer || !answer.allow || answer.edited !== undefined) return answer
    const again = await asking.judge()
    if ('code' in again) return refusal(again)
    const now = await inputsOf(deps, passing, call, input)
    change = call.starts === undefined ? '' : (await import('../access/command-inputs.ts')).inputsChange(inputs, now)
    const hasNewLabels =
      again.flow.decision === 'ask' && (judged.flow.decision !== 'ask' || again.held.some((label) => !judged.held.includes(label)))
    if (change === '' && !hasNewLabels) return answer
    inputs = now
    judged = again
  }
}

interface Question extends Judged {
  readonly call: Call
  readonly inputs: CommandInputs | null
  /** What has changed since a person allowed it; empty: this is the first question. */
  readonly change: string
  /** The call's own reason; empty: it asks by policy. */
  readonly asked: string
  /** Of this input. */
  readonly tier: Tier
}

/** Parks the call until it is decided, expires, or is cancelled. */
async function askPerson(
  deps: ApprovalDeps,
  passing: PassingCall,
  { call, flow, held, inputs, change, asked, tier }: Question,
  exact: string,
): Promise<Answer | Refusal> {
  const { caller, id } = passing
  const { approvals, journal, clock, approval } = deps
  const signal = passing.signal ?? new AbortController().signal
  const policy = flow.shown || asked || `${call.name} is ${tier.replace('_', '-')} and the policy is to ask`
  const reason = change === '' ? policy : `${change} after it was allowed`
  // It waits before the record is written, so that whoever sees the record can decide at once.
  const labels = flow.decision === 'ask' ? { labels: held, origins: writeOrigins(flow.origins) } : {}
  const shown = { input: exact, reason, ...labels, ...(inputs !== null && { inputs }) }
  const question = { call: id, name: call.name, ...shown, at: clock.now() }
  const waiting = approvals.wait({ ...question, session: caller.session as SessionId, turn: caller.turn as TurnId }, signal)
  waiting.catch(() => {})
  passing.onWait?.(true)
  let expiry: Disposable | null = null
  try {
    // Recorded again after a restart, for followers with a later cursor.
    await journal.append([entryOf(caller, id, call.name, 'parked', shown as unknown as JsonObject)], { sync: true })
    if (approval.expire_s > 0) expiry = await startExpiry(deps, passing, call.name)
    const answer = await waiting
    if (answer.expired === true) journal.note([entryOf(caller, id, call.name, 'decided', { input: exact, ...answer } as JsonObject)])
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
