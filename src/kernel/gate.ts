/**
 * The gate: every system call passes these ten stages, in this order, and there is no other way. Each stage asks the
 * subsystem that owns the matter; this file only tells the story.
 *
 *   resolve → identify → authorize → flow → approve → reserve → intend → run → clean → settle
 *
 * A refusal at any stage is journaled and is a value, not an exception. Only a store that cannot write stops everything.
 */
import {
  addSpend,
  assertNever,
  type Attachment,
  type Blobs,
  type Call,
  type Caller,
  type CallContext,
  type CallId,
  type CallOutcome,
  type Clock,
  type Config,
  type Done,
  type Failure,
  isOxbowError,
  type JournalRecord,
  type Json,
  type JsonObject,
  noSpend,
  type Phase,
  type Sandbox,
  type Spend,
  toFailure,
  toolPlace,
} from '../types/index.ts'
import type { Entry, Journal } from './journal.ts'
import { cancelledOutcome, type Refusal, refusal, refusalBody, refusalText, replay, stopFailure } from './stages/refusals.ts'
import { maxNameLength } from './limits.ts'
import { isShutdown, type RunningCalls, sandboxFor, stopReason } from './stages/running-calls.ts'
import type { Registry } from './registry.ts'
import { type Approvals, describeApproval } from './stages/approvals.ts'
import type { Budgets } from './stages/budgets.ts'
import type { Cleaner } from './stages/cleaning.ts'
import { type FlowVerdict, flowRefusal, freeFlow, judgeFlow } from './stages/flow.ts'
import { authorize, decide, failureLabels, join, type Labels, leadsOutside } from './stages/policy.ts'

export interface GateDeps {
  readonly registry: Registry
  readonly journal: Journal
  readonly approvals: Approvals
  readonly budgets: Budgets
  readonly cleaner: Cleaner
  readonly running: RunningCalls
  readonly sandbox: Sandbox
  readonly clock: Clock
  readonly approval: Config['approval']
  readonly flow: Config['flow']
  /** Labels of the session's context, and how to join new ones. */
  readonly labels: { held(caller: Caller): Labels; join(caller: Caller, added: Labels): Labels }
  readonly blobs: Blobs
  /** Files that came with the messages of a turn. */
  readonly attachments: (turn: Caller['turn']) => readonly Attachment[]
}

export interface CallOptions {
  readonly id: CallId
  /** Null for a call that nobody cancels, as a person's. */
  readonly signal: AbortSignal | null
  /** The call may have records from before a crash: they decide how it goes on. */
  readonly resumed?: boolean
  /** Told when the call begins and ends to wait for a person, whose time does not count. */
  readonly onWait?: (waiting: boolean) => void
}

export interface StartedCall {
  /** The intent is durable; its seq. Null when the call was refused before. */
  readonly intended: Promise<{ readonly firstSeq: number; readonly duplicate: boolean } | null>
  readonly outcome: Promise<CallOutcome>
}

export interface Gate {
  /** Starts a call and lets the caller wait for the intent alone: how a message is acknowledged before its turn has run. */
  start(caller: Caller, name: string, input: unknown, options: CallOptions): StartedCall
  /** @throws OxbowError of the store only; everything else is in the outcome. */
  call(caller: Caller, name: string, input: unknown, options: CallOptions): Promise<CallOutcome>
}

type Intended = { readonly firstSeq: number; readonly duplicate: boolean }

export function createGate(deps: GateDeps): Gate {
  const start: Gate['start'] = (caller, name, input, options) => {
    const intended = Promise.withResolvers<Intended | null>()
    const outcome = passGate(deps, { ...options, caller, onIntended: intended.resolve }, name, input)
    // A store failure before the intent reaches whoever waits for the acknowledgement too.
    outcome.then(() => intended.resolve(null), intended.reject)
    intended.promise.catch(() => {})
    return { intended: intended.promise, outcome }
  }
  return { start, call: (caller, name, input, options) => passGate(deps, { ...options, caller, onIntended: ignored }, name, input) }
}

const ignored = (): void => {}

/** One call on its way through the gate. */
interface Passing extends CallOptions {
  readonly caller: Caller
  readonly onIntended: (intended: Intended) => void
}

/** What the first six stages have established. */
interface Admitted {
  readonly call: Call
  readonly input: unknown
  readonly held: Labels
  readonly reserved: Spend
}

async function passGate(deps: GateDeps, passing: Passing, name: string, rawInput: unknown): Promise<CallOutcome> {
  // What a crash left behind: an outcome is final, an open intent goes on where it stopped.
  const past = passing.resumed === true ? await pastOf(deps, passing.id) : []
  const ended = past.find((entry) => entry.phase === 'outcome' || entry.phase === 'refused' || entry.phase === 'reconciled')
  if (ended !== undefined) return replay(ended)

  const admitted = await admit(deps, passing, name, rawInput, past)
  if ('text' in admitted) {
    if (admitted.status === 'refused') deps.journal.note([entryOf(passing, 'refused', name, refusalBody(admitted))])
    return admitted
  }
  return perform(deps, passing, admitted, past)
}

/** Stages 1 to 6: may this call happen? @returns what is known then, or the refusal. */
async function admit(
  deps: GateDeps,
  passing: Passing,
  name: string,
  rawInput: unknown,
  past: readonly JournalRecord[],
): Promise<Admitted | Refusal> {
  const { caller } = passing

  // 1. Resolve the name, parse the input. A bad one is an error that the caller can correct.
  const parsed = await deps.registry.parse(name, rawInput)
  if (!parsed.ok) return refusal(parsed.failure)
  const { call, input } = parsed

  // 2. Identify: the caller was made by the kernel (a lane's process, or the gateway's user), never by the one who asks.
  // 3. Authorize: role, capability, policy of the workspace.
  const forbidden = authorize(caller, call, deps.approval)
  if (forbidden !== null) return refusal(forbidden)

  // 4. Flow: what the session has seen against where this call leads.
  const held = deps.labels.held(caller)
  const flow = leadsOutside(caller, call) ? judgeFlow(held, call, deps.flow) : freeFlow
  if (flow.decision === 'deny') return refusal(flowRefusal(flow))

  // 5. Approve: run, or park until a person has decided.
  const asks = (decide(call, deps.approval) === 'ask' || flow.decision === 'ask') && caller.actor.startsWith('agent:')
  const unapproved = asks ? await approve(deps, passing, { call, input, flow }, past) : null
  if (unapproved !== null) return unapproved

  // 6. Reserve from every budget above the caller.
  const reserved = await reserve(deps, caller, call, input)
  return 'code' in reserved ? refusal(reserved) : { call, input, held, reserved }
}

/** Stages 7 to 10: it happens, and is on record before and after. */
async function perform(deps: GateDeps, passing: Passing, admitted: Admitted, past: readonly JournalRecord[]): Promise<CallOutcome> {
  const { journal, budgets, clock } = deps
  const { call, input, reserved } = admitted

  // 7. Intend: on record before anything happens; for `once` it survives power loss before the next stage. Such a call counts as read
  // from here on: stopped, or cut off by a crash, it may have brought in what it is labelled with.
  if (call.effect === 'once') deps.labels.join(passing.caller, call.labels.adds)
  const intended = await intend(journal, passing, admitted, past)
  passing.onIntended(intended)
  if (intended.duplicate) return cancelledOutcome('This message was sent before; its first sending is the turn.')

  // 8. Run inside the sandbox, under time limit and cancellation.
  const began = clock.monotonicMs()
  const reservation = { spend: reserved }
  const ran = await run(deps, passing, call, input, reservation)
  if (ran === stoppedForRestart) {
    budgets.settle(passing.caller, reservation.spend, noSpend)
    return cancelledOutcome('The guest is stopping; this goes on at its next start.')
  }

  // 9. Clean: scrubbed, cut to size, labelled.
  const labels = 'done' in ran ? join(call.labels.adds, ran.done.labels ?? []) : ran.labels
  const outcome = await clean(deps, call, ran, labels)
  deps.labels.join(passing.caller, labels)

  // 10. Settle: budgets squared, the outcome on record, followers told.
  const spent = ('done' in ran ? ran.done.spent : ran.spent) ?? noSpend
  budgets.settle(passing.caller, reservation.spend, spent)
  const body = outcomeBody(call, ran, outcome, spent, Math.round(clock.monotonicMs() - began))
  const settled = [entryOf(passing, 'outcome', call.name, body)]
  if (call.effect === 'once') await journal.append(settled)
  else journal.note(settled, { lazy: passing.caller.audience !== 'terminal' })
  return outcome
}

/** Few, whatever its life was: a call is parked anew at each start, and may have any number of exchanges. */
function pastOf({ journal }: GateDeps, call: CallId): Promise<readonly JournalRecord[]> {
  const phases = ['decided', 'intent', 'outcome', 'refused', 'reconciled'] as const
  return journal.store.records({ call, phases, order: 'oldest_first', limit: 10, hydrate: true })
}

function entryOf({ caller, id }: Passing, phase: Phase, name: string, body: JsonObject): Entry {
  return { caller, call: id, name: name.slice(0, maxNameLength), phase, body }
}

/** Stage 6: the cheap bound first, the exact count only when that does not fit. */
async function reserve({ budgets }: GateDeps, caller: Caller, call: Call, input: unknown): Promise<Spend | Failure> {
  await budgets.load(caller.session)
  if (call.reserve === undefined) return noSpend
  try {
    const bound = await call.reserve(input, false, caller)
    if (budgets.reserve(caller, bound) === null) return bound
    const exact = await call.reserve(input, true, caller)
    return budgets.reserve(caller, exact) ?? exact
  } catch (error) {
    return toFailure(error, 'budget_exhausted', 'What it would cost cannot be told, so it was not run.')
  }
}

/**
 * Stage 7. Records of calls that change nothing ride along with the next commit, which is milliseconds away: nobody waits for
 * them, and what follows from such a call is recorded behind it, in the same commit or a later one. What a crash in between can
 * lose is in docs/decisions/2026-11-21-records-ride-along.md.
 */
async function intend(
  journal: Journal,
  passing: Passing,
  { call, input, held, reserved }: Admitted,
  past: readonly JournalRecord[],
): Promise<Intended> {
  const open = past.find((entry) => entry.phase === 'intent')
  if (open !== undefined) return { firstSeq: open.seq, duplicate: false }
  const body = {
    input: call.recordInput === undefined ? (input as Json) : call.recordInput(input, passing.caller),
    effect: call.effect,
    ...(held.length > 0 && { labels: held }),
    ...(reserved !== noSpend && { reserved: { ...reserved } }),
  }
  const entries = [entryOf(passing, 'intent', call.name, body)]
  const unique = call.audience.includes('terminal')
  if (call.tier !== 'read_only') return journal.append(entries, { unique, sync: call.effect === 'once' })
  journal.note(entries, { lazy: true })
  // Whoever makes records faster than the store takes them waits here.
  if (journal.isBehind()) await journal.flushed()
  return { firstSeq: 0, duplicate: false }
}

/** Stage 5, where a person is asked. @returns null when the call may run. */
async function approve(
  deps: GateDeps,
  passing: Passing,
  { call, input, flow }: { readonly call: Call; readonly input: unknown; readonly flow: FlowVerdict },
  past: readonly JournalRecord[],
): Promise<Refusal | null> {
  const { caller, id } = passing
  if (past.some((entry) => entry.phase === 'intent')) return null
  const signal = passing.signal ?? new AbortController().signal
  const exact = JSON.stringify(input)
  // A decision binds to one exact input: a record about another input counts for nothing.
  const bound = past
    .map((entry) => ({ phase: entry.phase, body: JSON.parse(entry.body) as { input?: string; allow?: boolean } }))
    .filter((entry) => entry.body.input === exact)
  let allow = bound.find((entry) => entry.phase === 'decided')?.body.allow
  if (allow === undefined) {
    const reason = flow.reason || `${call.name} is ${call.tier.replace('_', '-')} and policy says ask`
    // It waits before it is shown, so that whoever sees the record can decide at once.
    const asked = { call: id, name: call.name, input: exact, reason, at: deps.clock.now() }
    const waiting = deps.approvals.wait(describeApproval(caller, asked), signal)
    waiting.catch(() => {})
    passing.onWait?.(true)
    try {
      // Also when it was parked before a restart: whoever follows from a later cursor must see that it waits.
      await deps.journal.append([entryOf(passing, 'parked', call.name, { input: exact, reason })], { sync: true })
      allow = await waiting
    } catch (error) {
      if (!signal.aborted) throw error
      if (stopReason(signal) === 'shutdown') return cancelledOutcome('The guest is stopping; the approval still waits.')
      return refusal({ code: 'cancelled', message: `${call.name} was cancelled while it waited for approval.`, hint: 'Nothing was run.' })
    } finally {
      passing.onWait?.(false)
    }
  }
  if (allow) return null
  const hint = 'Do not try the same again; go on without it or ask what they want instead.'
  return refusal({ code: 'denied', message: `A person refused this ${call.name} call.`, hint })
}

type Ran =
  | { readonly done: Done<unknown> }
  | { readonly failure: Failure; readonly cancelled: boolean; readonly labels: Labels; readonly spent?: Spend; readonly extra?: JsonObject }
const stoppedForRestart = Symbol('stopped for restart')

/** Stage 8. */
async function run(
  deps: GateDeps,
  passing: Passing,
  call: Call,
  input: unknown,
  reservation: { spend: Spend },
): Promise<Ran | typeof stoppedForRestart> {
  const { id, caller } = passing
  const watch = deps.running.enter(caller, call, passing)
  const context: CallContext = {
    id,
    caller,
    signal: watch.signal,
    clock: deps.clock,
    sandbox: sandboxFor(deps.sandbox, watch),
    reserveMore(more) {
      if (deps.budgets.reserve(caller, more) !== null) return false
      reservation.spend = addSpend(reservation.spend, more)
      return true
    },
    blobs: deps.blobs,
    attachments: () => deps.attachments(caller.turn),
    erase: (seqs, reason) => deps.journal.erase({ caller, call: id, name: call.name }, seqs, reason),
    record: (body) => deps.journal.note([entryOf(passing, 'exchange', call.name, body)], { lazy: true }),
  }
  try {
    return { done: await watch.race(call.run(input, context)) }
  } catch (error) {
    const reason = isShutdown(error) ? 'shutdown' : stopReason(watch.signal)
    if (reason === 'shutdown' && goesOnAfterRestart(call, id)) return stoppedForRestart
    const data = isOxbowError(error) ? error.data : {}
    const spent = (data['spent'] as unknown as Spend | undefined) ?? noSpend
    const extra = data['outcome'] as JsonObject | undefined
    const failure =
      reason === null
        ? toFailure(error, 'tool_failed', 'This is a fault of Oxbow, not of the input. Try another way.')
        : stopFailure(call, reason)
    const labels = reason === null ? failureLabels(call, error) : []
    return { failure, cancelled: reason !== null && reason !== 'timeout', labels, spent, ...(extra !== undefined && { extra }) }
  } finally {
    watch.leave()
  }
}

/** A turn goes on, and so do its tool calls that are safe to repeat; whatever else a stop cuts off is recorded as cancelled. */
function goesOnAfterRestart(call: Call, id: CallId): boolean {
  return call.name === 'turn.send' || (call.effect !== 'once' && toolPlace(id) !== null)
}

/** Stage 9. */
async function clean({ cleaner }: GateDeps, call: Call, ran: Ran, labels: Labels): Promise<CallOutcome> {
  if ('failure' in ran) {
    const failure = { ...ran.failure, message: cleaner.scrub(ran.failure.message), hint: cleaner.scrub(ran.failure.hint) }
    const status = ran.cancelled ? 'cancelled' : 'failed'
    return { status, failure, text: await cleaner.fit(refusalText(failure), labels), ...(labels.length > 0 && { labels }) }
  }
  const { done } = ran
  const files = done.files === undefined || done.files.length === 0 ? {} : { files: done.files }
  const base = { status: 'ok', output: done.output, ok: done.ok ?? true, ...files, ...(labels.length > 0 && { labels }) } as const
  // The runtime reads outputs, not texts; only what a model or person will see is cut.
  if (call.recordOutput !== undefined && done.text === undefined) return { ...base, text: '' }
  return { ...base, text: await cleaner.fit(cleaner.scrub(done.text ?? JSON.stringify(done.output)), labels) }
}

function outcomeBody(call: Call, ran: Ran, outcome: CallOutcome, spent: Spend, ms: number): JsonObject {
  const cost = spent === noSpend || (spent.tokens === 0 && spent.microDollars === 0) ? {} : { spent: { ...spent } }
  switch (outcome.status) {
    case 'ok': {
      const { text, ok, labels, files } = outcome
      const fields = 'done' in ran && call.recordOutput !== undefined ? call.recordOutput(ran.done.output) : null
      const shown =
        fields === null || text !== ''
          ? { text, ok, ...(labels !== undefined && { labels }), ...(files !== undefined && { files: files as unknown as Json }) }
          : {}
      return { status: 'ok', ms, ...cost, ...shown, ...fields }
    }
    case 'failed':
    case 'cancelled':
      return {
        status: outcome.status,
        ms,
        ...cost,
        code: outcome.failure.code,
        text: outcome.text,
        ...(outcome.labels !== undefined && { labels: outcome.labels }),
        ...('extra' in ran ? ran.extra : {}),
      }
    case 'refused':
    case 'unknown':
      return { status: outcome.status, ms, code: outcome.failure.code, text: outcome.text }
    default:
      return assertNever(outcome)
  }
}
