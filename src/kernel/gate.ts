/**
 * The gate: every system call passes these ten stages, in this order, and there is no other way. Each stage asks the
 * subsystem that owns the matter; this file only tells the story.
 *
 *   resolve → identify → authorize → flow → approve → reserve → intend → run → clean → settle
 *
 * A refusal at any stage is journaled and is a value, not an exception. Only a store that cannot write stops everything.
 */
import {
  assertNever,
  type Call,
  type Caller,
  type CallId,
  type CallOutcome,
  type Clock,
  type Config,
  type Done,
  type Failure,
  isOxbowError,
  type JournalRecord,
  type JsonObject,
  noSpend,
  OxbowError,
  type Phase,
  type Sandbox,
  type Spend,
  toFailure,
} from '../types/index.ts'
import type { Journal } from './journal.ts'
import { type RunningCalls, stopReason } from './running-calls.ts'
import type { Registry } from './registry.ts'
import { type Approvals, describeApproval } from './stages/approvals.ts'
import type { Budgets } from './stages/budgets.ts'
import type { Cleaner } from './stages/cleaning.ts'
import { judgeFlow, type Labels } from './stages/flow.ts'
import { authorize, decide } from './stages/rights.ts'

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
  /** Labels of the session's context, and how to join new ones. */
  readonly labels: { held(caller: Caller): Labels; join(caller: Caller, added: Labels): Labels }
}

export interface CallOptions {
  readonly id: CallId
  readonly signal: AbortSignal
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
    const outcome = passGate(deps, caller, name, input, options, intended.resolve)
    // A store failure before the intent reaches whoever waits for the acknowledgement too.
    outcome.then(() => intended.resolve(null), intended.reject)
    intended.promise.catch(() => {})
    return { intended: intended.promise, outcome }
  }
  return { start, call: (caller, name, input, options) => start(caller, name, input, options).outcome }
}

async function passGate(
  deps: GateDeps,
  caller: Caller,
  name: string,
  rawInput: unknown,
  options: CallOptions,
  onIntended: (intended: Intended) => void,
): Promise<CallOutcome> {
  const { registry, journal, budgets } = deps
  const { id } = options
  const record = (phase: Phase, callName: string, body: JsonObject) => ({ caller, call: id, name: callName, phase, body })
  const refuse = (callName: string, failure: Failure): CallOutcome => {
    journal.note([record('refused', callName, { status: 'refused', code: failure.code, text: refusalText(failure) })])
    return { status: 'refused', failure, text: refusalText(failure) }
  }

  // What a crash left behind: an outcome is final, an open intent goes on where it stopped.
  const past = options.resumed === true ? await journal.store.records({ call: id, order: 'oldest_first', limit: 10, hydrate: true }) : []
  const ended = past.find((entry) => entry.phase === 'outcome' || entry.phase === 'refused' || entry.phase === 'reconciled')
  if (ended !== undefined) return replay(ended)

  // 1. Resolve the name, parse the input. A bad one is an error that the caller can correct.
  const parsed = registry.parse(name, rawInput)
  if (!parsed.ok) return refuse(name.slice(0, 100), parsed.failure)
  const { call, input } = parsed

  // 2. Identify: the caller was made by the kernel (a lane's process, or the gateway's user), never by the one who asks.
  // 3. Authorize: role, capability, policy of the workspace.
  const forbidden = authorize(caller, call, deps.approval)
  if (forbidden !== null) return refuse(call.name, forbidden)

  // 4. Flow: what the session has seen against where this call leads.
  const held = deps.labels.held(caller)
  const leak = judgeFlow(held, call)
  if (leak !== null) return refuse(call.name, leak)

  // 5. Approve: run, or park until a person has decided.
  const kept = call.recordInput === undefined ? (input as JsonObject) : call.recordInput(input)
  const unapproved = await approve(deps, caller, call, input, past, options)
  if (unapproved !== null) return unapproved.status === 'refused' ? refuse(call.name, unapproved.failure) : unapproved

  // 6. Reserve from every budget above the caller: the cheap bound first, the exact count when that does not fit.
  await budgets.load(caller.session)
  let reserved = (await call.reserve?.(input, false)) ?? noSpend
  let short = budgets.reserve(caller, reserved)
  if (short !== null && call.reserve !== undefined) {
    reserved = await call.reserve(input, true)
    short = budgets.reserve(caller, reserved)
  }
  if (short !== null) return refuse(call.name, short)

  // 7. Intend: on record before anything happens; for `once` it survives power loss before the next stage.
  const open = past.find((entry) => entry.phase === 'intent')
  const intent = record('intent', call.name, {
    input: kept,
    effect: call.effect,
    ...(held.length > 0 && { labels: held }),
    ...(reserved !== noSpend && { reserved: { ...reserved } }),
  })
  if (open !== undefined) onIntended({ firstSeq: open.seq, duplicate: false })
  else if (call.effect === 'none') journal.note([intent])
  else {
    const unique = call.name === 'turn.send'
    const intended = await journal.append([intent], { unique, sync: call.effect === 'once' && !unique })
    onIntended(intended)
    if (intended.duplicate) return duplicateOutcome
  }

  // 8. Run inside the sandbox, under time limit and cancellation.
  const began = deps.clock.monotonicMs()
  const ran = await run(deps, caller, call, input, options)
  if (ran === stoppedForRestart) {
    budgets.settle(caller, reserved, noSpend)
    return cancelledOutcome('The guest is stopping; this goes on at its next start.')
  }

  // 9. Clean: scrubbed, cut to size, labelled.
  const outcome = await clean(deps, call, ran)

  // 10. Settle: the outcome on record, budgets squared, followers told.
  const spent = 'done' in ran ? (ran.done.spent ?? noSpend) : (ran.spent ?? noSpend)
  budgets.settle(caller, reserved, spent)
  if ('done' in ran) deps.labels.join(caller, [...call.labels.adds, ...(ran.done.labels ?? [])])
  const body = outcomeBody(call, ran, outcome, spent, Math.round(deps.clock.monotonicMs() - began))
  const settled = [record('outcome', call.name, body)]
  if (call.effect === 'once') await journal.append(settled)
  else journal.note(settled)
  return outcome
}

/** Stage 5. @returns null when the call may run. */
async function approve(
  deps: GateDeps,
  caller: Caller,
  call: Call,
  input: unknown,
  past: readonly JournalRecord[],
  options: CallOptions,
): Promise<Exclude<CallOutcome, { status: 'ok' }> | null> {
  if (decide(call, deps.approval) !== 'ask' || !caller.actor.startsWith('agent:') || past.some((entry) => entry.phase === 'intent'))
    return null
  const { journal, approvals, clock } = deps
  const exact = JSON.stringify(input)
  const record = (phase: Phase, body: JsonObject) => ({ caller, call: options.id, name: call.name, phase, body })
  // A decision binds to one exact input: a record about another input counts for nothing.
  const bound = past.filter((entry) => (JSON.parse(entry.body) as { input?: string }).input === exact)
  let allow = bound.filter((entry) => entry.phase === 'decided').map((entry) => (JSON.parse(entry.body) as { allow?: boolean }).allow)[0]
  if (allow === undefined) {
    const reason = `${call.name} is ${call.tier.replace('_', '-')} and policy says ask`
    const parked = bound.some((entry) => entry.phase === 'parked')
    if (!parked) await journal.append([record('parked', { input: exact, reason })], { sync: true })
    options.onWait?.(true)
    try {
      allow = await approvals.wait(describeApproval(caller, options.id, call.name, exact, clock.now()), options.signal)
    } catch {
      if (stopReason(options.signal) === 'shutdown') return cancelledOutcome('The guest is stopping; the approval still waits.')
      return {
        status: 'refused',
        ...withText({ code: 'cancelled', message: `${call.name} was cancelled while it waited for approval.`, hint: 'Nothing was run.' }),
      }
    } finally {
      options.onWait?.(false)
    }
  }
  if (allow) return null
  return {
    status: 'refused',
    ...withText({
      code: 'denied',
      message: `A person refused this ${call.name} call.`,
      hint: 'Do not try the same again; go on without it or ask what they want instead.',
    }),
  }
}

type Ran =
  | { readonly done: Done<unknown> }
  | { readonly failure: Failure; readonly cancelled: boolean; readonly spent?: Spend; readonly extra?: JsonObject }
const stoppedForRestart = Symbol('stopped for restart')

/** Stage 8. A call that a shutdown stops leaves its intent open when it can go on; a started `once` is recorded as cancelled. */
async function run(
  deps: GateDeps,
  caller: Caller,
  call: Call,
  input: unknown,
  options: CallOptions,
): Promise<Ran | typeof stoppedForRestart> {
  const watch = deps.running.enter(caller, call, options)
  try {
    const context = { id: options.id, caller, signal: watch.signal, clock: deps.clock, sandbox: deps.sandbox }
    return { done: await watch.race(call.run(input, context)) }
  } catch (error) {
    const reason = stopReason(watch.signal)
    if (reason === 'shutdown' && call.effect !== 'once') return stoppedForRestart
    if (reason === 'shutdown' && call.name === 'turn.send') return stoppedForRestart
    const data = isOxbowError(error) ? error.data : {}
    const spent = (data['spent'] as unknown as Spend | undefined) ?? noSpend
    const extra = data['outcome'] as JsonObject | undefined
    const failure =
      reason === null
        ? toFailure(error, 'tool_failed', 'This is a fault of Oxbow, not of the input. Try another way.')
        : stopFailure(call, reason)
    return { failure, cancelled: reason !== null && reason !== 'timeout', spent, ...(extra !== undefined && { extra }) }
  } finally {
    watch.leave()
  }
}

/** Stage 9. */
async function clean({ cleaner }: GateDeps, call: Call, ran: Ran): Promise<CallOutcome> {
  if ('failure' in ran) {
    const failure = { ...ran.failure, message: cleaner.scrub(ran.failure.message), hint: cleaner.scrub(ran.failure.hint) }
    return { status: ran.cancelled ? 'cancelled' : 'failed', failure, text: await cleaner.fit(refusalText(failure)) }
  }
  const { done } = ran
  // The runtime reads outputs, not texts; only what a model or person will see is cut.
  if (call.recordOutput !== undefined) return { status: 'ok', output: done.output, text: '', ok: done.ok ?? true }
  const text = await cleaner.fit(cleaner.scrub(done.text ?? JSON.stringify(done.output)))
  return { status: 'ok', output: done.output, text, ok: done.ok ?? true }
}

function outcomeBody(call: Call, ran: Ran, outcome: CallOutcome, spent: Spend, ms: number): JsonObject {
  const cost = spent === noSpend || (spent.tokens === 0 && spent.microDollars === 0) ? {} : { spent: { ...spent } }
  switch (outcome.status) {
    case 'ok': {
      const recorded =
        'done' in ran && call.recordOutput !== undefined ? call.recordOutput(ran.done.output) : { text: outcome.text, ok: outcome.ok }
      return { status: 'ok', ms, ...cost, ...recorded }
    }
    case 'failed':
    case 'cancelled':
      return { status: outcome.status, ms, ...cost, code: outcome.failure.code, text: outcome.text, ...('extra' in ran ? ran.extra : {}) }
    case 'refused':
    case 'unknown':
      return { status: outcome.status, ms, code: outcome.failure.code, text: outcome.text }
    default:
      return assertNever(outcome)
  }
}

/** The outcome that an earlier life of this call recorded. */
function replay(record: JournalRecord): CallOutcome {
  const body = JSON.parse(record.body) as { status?: string; text?: string; ok?: boolean; code?: Failure['code']; hint?: string }
  const text = body.text ?? ''
  if (body.status === 'ok') return { status: 'ok', output: body, text, ok: body.ok ?? true }
  const status = body.status === 'refused' || body.status === 'cancelled' || body.status === 'unknown' ? body.status : 'failed'
  return { status, failure: { code: body.code ?? 'tool_failed', message: text, hint: '' }, text }
}

/** What a model reads about a call that did not succeed. */
function refusalText(failure: Failure): string {
  return failure.hint === '' ? `Error (${failure.code}): ${failure.message}` : `Error (${failure.code}): ${failure.message} ${failure.hint}`
}

function withText(failure: Failure): { failure: Failure; text: string } {
  return { failure, text: refusalText(failure) }
}

function cancelledOutcome(message: string): Exclude<CallOutcome, { status: 'ok' }> {
  return { status: 'cancelled', ...withText({ code: 'cancelled', message, hint: '' }) }
}

const duplicateOutcome: CallOutcome = cancelledOutcome('This message was sent before; its first sending is the turn.')

function stopFailure(call: Call, reason: 'cancelled' | 'timeout' | 'time_limit' | 'shutdown'): Failure {
  switch (reason) {
    case 'timeout':
      return new OxbowError('timeout', `${call.name} took longer than ${call.timeoutMs / 1000} s and was stopped.`, {
        hint: 'Do less in one call, or ask for a longer time limit where the call has one.',
      })
    case 'time_limit':
      return {
        code: 'timeout',
        message: `The turn's time was over while ${call.name} ran; it was stopped.`,
        hint: 'Send another message to go on.',
      }
    case 'shutdown':
      return {
        code: 'cancelled',
        message: `The guest stopped while ${call.name} ran; its effect may be partial.`,
        hint: 'Check before you do it again.',
      }
    case 'cancelled':
      return { code: 'cancelled', message: `${call.name} was cancelled.`, hint: 'What it did before may be there.' }
    default:
      return assertNever(reason)
  }
}
