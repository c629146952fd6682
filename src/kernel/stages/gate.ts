/**
 * The gate: every system call passes these ten stages, in this order; there is no other way. Each stage delegates to the subsystem
 * that owns it.
 *
 *   resolve → identify → authorize → flow → approve → reserve → intend → run → clean → settle
 *
 * A refusal at any stage is journaled and is a value, not an exception. Only a store that cannot write stops everything.
 */
import { type CallId, type Failure, holdsHandle, type Json, type JsonObject, toError } from '../../base/index.ts'
import {
  type MadeCall,
  type Attachment,
  type Blobs,
  type Call,
  type Caller,
  type CallContext,
  type CallOutcome,
  type Hold,
  type JournalRecord,
  noSpend,
  type Phase,
  type Labels,
} from '../../protocol/index.ts'
import type { Entry, Journal } from '../records/journal.ts'
import {
  createFlights,
  type Intended,
  type StartedCall,
  type CallOptions,
  continuesAfterRestart,
  isShutdown,
  type RunningCalls,
  startsWhileUnchanged,
  stoppedForRestart,
  stopReason,
  type Watch,
  whileHeld,
} from './running-calls.ts'
import { cancelledOutcome, endOf, keptOutput, pastOf, recordedOutcome, type Refusal, refusal, refusalBody, replay } from './refusals.ts'
import { approve, type ApprovalDeps, type Approved, isStale, isUnanswered, withEditNote } from './approval.ts'
import type { HookedCall, KernelHooks } from './coming.ts'
import { type FilePlaces, filesFor } from './call-files.ts'
import type { Registry } from '../calls/registry.ts'
import type { Sessions, WatchedFiles } from '../records/sessions.ts'
import { type Excuse, judgeAgain, judgeCall, type JudgeDeps, judgeNext, refuseCaller } from './judging.ts'
import { flowRefusal, judgeInput, mayBeCautious, mustAsk, repeatedLabels, runtimeCaller, scoped } from '../policy/policy.ts'
import { type Budgets, reservationName, reserveFor } from './budgets.ts'
import { clean, type Cleaner, labelsOfResult, noteOutput, originsOf, outcomeBody, type Ran, stoppedRun } from './cleaning.ts'
import { timeHands } from '../../sandbox/index.ts'
import type { SecretUse, SecretUses } from '../../secrets/index.ts'
import type { Documents } from '../state/documents.ts'

/** Recorded characters of the name of an unknown call; no real name is longer. */
const maxNameLength = 100

export interface GateDeps extends ApprovalDeps, FilePlaces, JudgeDeps {
  readonly documents: Documents
  readonly registry: Registry
  readonly journal: Journal
  readonly newId: () => string
  readonly budgets: Budgets
  readonly cleaner: Cleaner
  readonly secrets: SecretUses
  readonly running: RunningCalls
  /** Labels of the session's context, their origins, and how to join new ones. */
  readonly labels: Pick<Sessions, 'held' | 'judged' | 'areOwn' | 'origins' | 'read'>
  /** Puts texts in the place of their handles. */
  readonly fillHandles: FillInput
  readonly blobs: Blobs
  /** Files that came with the messages of a turn. */
  readonly attachments: (caller: Caller) => Promise<readonly Attachment[]>
  /** Undefined: no plugin has any. */
  readonly hooks: () => KernelHooks | undefined
}

/** An input with texts in it, and the caller with the labels of those texts. */
export interface FilledInput {
  readonly caller: Caller
  readonly input: unknown
}

/** Puts texts in the place of what an input refers to, before the call is judged. @returns why they cannot be had, or the input with them */
export type FillInput = (caller: Caller, input: unknown) => Promise<FilledInput | Failure>

export interface Gate {
  /** Starts a call; the caller can wait for the intent alone, which acknowledges a message before its turn has run. */
  start<Name extends string>(caller: Caller, name: Name & MadeCall<Name>, input: unknown, options: CallOptions): StartedCall
  /** @throws OxbowError of the store only; everything else is in the outcome */
  call<Name extends string>(caller: Caller, name: Name & MadeCall<Name>, input: unknown, options: CallOptions): Promise<CallOutcome>
}

export function createGate(deps: GateDeps): Gate {
  const flights = createFlights()
  const start: Gate['start'] = (caller, name, input, options) =>
    flights({ id: options.id, caller, name, resumed: options.resumed === true }, (isTaken) => {
      const intended = Promise.withResolvers<Intended | null>()
      const outcome = passGate(deps, { ...whileHeld(options, caller), caller, isTaken, onIntended: intended.resolve }, name, input)
      // A store failure before the intent rejects the acknowledgement too.
      outcome.then(() => intended.resolve(null), intended.reject)
      intended.promise.catch(() => {})
      return { intended: intended.promise, outcome }
    })
  return { start, call: (caller, name, input, options) => start(caller, name as string, input, options).outcome }
}

/** One call on its way through the gate. */
interface Passing extends CallOptions {
  readonly caller: Caller
  readonly onIntended: (intended: Intended) => void
  /** Another call under way has its id. */
  readonly isTaken?: boolean
  /** Hooks have looked at it, and changed its input. */
  readonly hooked?: HookedCall
}

/** What the first six stages have established. */
interface Admitted {
  readonly call: Call
  readonly input: unknown
  /** A person changed the input. */
  readonly edited: boolean
  /** State of the files for which a person allowed it; null: nobody was asked. */
  readonly unchanged: Approved['unchanged']
  readonly held: Labels
  /** What it has reserved; null: nothing of it is counted. */
  readonly hold: Hold | null
  /** Secrets that the caller wrote as they are. */
  readonly own: readonly string[]
  readonly hooked: HookedCall | null
  /** Null: it needed none. */
  readonly excuse: Excuse | null
}

async function passGate(deps: GateDeps, passing: Passing, name: string, rawInput: unknown): Promise<CallOutcome> {
  // Handles become the texts that they stand for, whose labels the call has from here on.
  if (passing.caller.audience === 'runtime' || !holdsHandle(rawInput)) return passFilled(deps, passing, name, rawInput)
  const filled = await deps.fillHandles(passing.caller, rawInput)
  if ('code' in filled) return refuse(deps, passing, name, refusal(filled))
  return passFilled(deps, { ...passing, caller: filled.caller }, name, filled.input)
}

async function passFilled(deps: GateDeps, passing: Passing, name: string, rawInput: unknown): Promise<CallOutcome> {
  // After a crash, an outcome is final and an open intent continues where it stopped.
  const past = passing.resumed === true ? await pastOf(deps.journal, passing.id) : []
  const ended = endOf(past)
  if (ended !== undefined) return replay(ended)

  const admitted = await admit(deps, passing, name, rawInput, past)
  return 'text' in admitted ? refuse(deps, passing, name, admitted) : perform(deps, passing, admitted, past)
}

function refuse(deps: GateDeps, passing: Passing, name: string, refused: Refusal): Refusal {
  // Under an id that is taken, the refusal would end the other call.
  const own = passing.isTaken === true ? { ...passing, id: deps.newId() as CallId } : passing
  const called = deps.registry.find(name)?.name ?? name
  if (refused.status === 'refused') deps.journal.note([entryOf(own, 'refused', called, refusedBody(deps, passing.caller, refused))])
  return refused
}

/** With the labels of who was refused, who may have chosen the name of the call. */
function refusedBody({ labels }: GateDeps, caller: Caller, refused: Refusal): JsonObject {
  const held = labels.held(caller)
  return { ...refusalBody(refused), ...(held.length > 0 && { held }) }
}

/** Stages 1 to 6: may this call run? @returns what they established, or the refusal */
async function admit(
  deps: GateDeps,
  passing: Passing,
  name: string,
  rawInput: unknown,
  past: readonly JournalRecord[],
): Promise<Admitted | Refusal> {
  const { caller } = passing

  // 1. Resolve the name and parse the input. The caller can correct an invalid one.
  const parsed = await deps.registry.parse(name, rawInput)
  if (!parsed.ok) return refusal(parsed.failure)
  let call = passing.hooked?.call ?? parsed.call
  await deps.secrets.ready(call)
  // Secrets become handles before anybody sees the input.
  const { input, own } = caller.audience === 'runtime' ? { input: parsed.input, own: [] } : deps.secrets.adopt(parsed.input)

  // 2. Identify: the kernel made the caller (a lane's process, or the gateway's user); the request cannot choose it.
  // 3. Authorize: role, capability, policy of the workspace. A person may have excused what these refuse.
  const judged = { caller, call, input, own }
  const forbidden = await refuseCaller(deps, judged)
  const excuse =
    forbidden === null ? null : await deps.judges().refused.judge(deps, passing, judged, forbidden, (...ask) => passGate(deps, ...ask))
  if (excuse !== null && 'text' in excuse) return excuse

  // 4. Flow: the labels of what the session has read against where this call sends data.
  const { held, flow } = await judgeCall(deps, judged)
  if (flow.decision === 'deny') return refusal(flowRefusal(flow))

  // Hooks of plugins only make it stricter: what they change is judged from the beginning.
  const hooks = deps.hooks()
  const hooked = passing.hooked ?? (hooks?.sees(caller, call) === true ? await hooks.before(passing, call, input) : null)
  if (hooked !== null && 'text' in hooked) return hooked
  if (hooked !== null && hooked !== passing.hooked && 'input' in hooked)
    return admit(deps, { ...passing, hooked }, name, hooked.input, past)
  call = hooked?.call ?? call

  // 5. Approve: run, or park until a user decides.
  const caution = mayBeCautious(caller, call) ? await deps.cautionOf(caller) : undefined
  const policy = judgeInput(deps.approval, caution, caller, call, input)
  if (typeof policy !== 'string') return refusal(policy)
  const isAsked = call.asks !== undefined || (excuse !== null && isStale(excuse))
  const asks = isAsked || ((policy === 'ask' || flow.decision === 'ask') && mustAsk(caller, call))
  const isPlanned = passing.instead !== undefined
  const judge = (): ReturnType<typeof judgeAgain> => judgeAgain(deps, { ...judged, call }, excuse !== null)
  const stands = !asks && passing.resumed === true && (await isUnanswered(deps.journal, passing.id, past))
  const asking = { call, input, flow, held, judge, excuse, stands }
  const approved =
    !isPlanned && (asks || asking.stands)
      ? await approve(deps, passing, asking, past)
      : { input, edited: false, unchanged: excuse?.unchanged ?? null }
  if ('status' in approved) return approved
  const again = approved.edited ? await judgeAgain(deps, { ...judged, call, input: approved.input }) : null
  const beyond = again !== null && 'code' in again ? again : null
  if (beyond !== null) return refusal(beyond)

  // 6. Reserve from every budget above the caller.
  call = passing.instead?.(call, approved.input, asks) ?? call
  const hold = await reserveFor(deps.budgets, caller, call, approved.input)
  return hold !== null && 'code' in hold ? refusal(hold) : { call, ...approved, held, hold, own, hooked, excuse }
}

/** Stages 7 to 10: the call runs, recorded before and after. */
async function perform(deps: GateDeps, passing: Passing, admitted: Admitted, past: readonly JournalRecord[]): Promise<CallOutcome> {
  const { journal, budgets, clock } = deps
  const { call, input, hold } = admitted

  // 7. Intend: recorded before anything happens; for `once` the record survives power loss before the next stage. The labels of such a
  // call apply from here on, because a call that is stopped or interrupted may have read its data.
  if (call.effect === 'once') deps.labels.read(passing.caller, call.labels.adds, originsOf(call, input, call.labels.adds))
  const intended = await intend(deps, passing, admitted, past)
  passing.onIntended(intended)
  if (intended.duplicate) {
    if (hold !== null) budgets.release(hold)
    return cancelledOutcome('This message was already sent; its first copy is the turn.')
  }
  await deps.judges().hosts.learn({ caller: passing.caller, call: passing.id }, call, input)

  // 8. Run in the sandbox, with time limit and cancellation.
  const began = clock.monotonicMs()
  const use = deps.secrets.begin({ caller: passing.caller, call: passing.id, name: call.name }, call, input, admitted.own)
  const files = deps.files.watch({ caller: passing.caller, call: passing.id, name: call.name }, call, input)
  const ran = await run(deps, passing, admitted, use, files)
  if (ran === stoppedForRestart) {
    if (hold !== null) budgets.release(hold)
    return cancelledOutcome('The guest is stopping; this continues at its next start.')
  }

  // 9. Clean: scrub, truncate, label.
  const { labels, from, origins } = labelsOfResult(call, input, ran, files, repeatedLabels(passing.caller, call))
  const took = Math.round(clock.monotonicMs() - began)
  const own = await clean(deps.cleaner, use, { caller: passing.caller, call }, ran, labels)
  const whole = admitted.hooked === null ? own : await admitted.hooked.after(own, took)
  const cleaned = passing.durable === true && whole.status === 'ok' ? { ...whole, output: keptOutput(call, whole.output) } : whole
  const edited = admitted.edited ? withEditNote(cleaned, input) : cleaned
  const outcome = deps.judges().refused.ended?.(passing.caller, admitted.excuse, edited) ?? edited
  if (labels.length > 0) deps.labels.read(passing.caller, labels, from)

  // 10. Settle: settle budgets, record the outcome, notify followers.
  const spent = ('done' in ran ? ran.done.spent : ran.spent) ?? noSpend
  const charged = hold === null ? {} : budgets.settle(hold, spent)
  if (hold === null && spent !== noSpend) budgets.reconcile(passing.caller.session, spent, undefined)
  const fields = 'done' in ran ? (call.recordOutput?.('output' in whole ? whole.output : ran.done.output) ?? null) : null
  const extra = 'extra' in ran ? ran.extra : undefined
  const kept = passing.durable === true && outcome.status === 'ok' ? { kept: outcome.output as Json } : {}
  const body = { ...outcomeBody(outcome, { ms: took, spent, fields, extra }), ...ran.facts, ...origins, ...charged, ...kept }
  const settled = [{ ...entryOf(passing, 'outcome', call.name, body), projection: call.projection }]
  // What was recorded first is the outcome.
  if (call.effect === 'once') return (await journal.append(settled)).duplicate ? recordedOutcome(journal, passing.id) : outcome
  journal.note(settled, { lazy: passing.caller.audience !== 'terminal' })
  return outcome
}

function entryOf({ caller, id }: Passing, phase: Phase, name: string, body: JsonObject): Entry {
  return { caller, call: id, name: name.slice(0, maxNameLength), phase, body }
}

/**
 * Stage 7. Records of read-only calls join the next commit, milliseconds away, and nothing waits for them. What follows from such a
 * call is recorded after it, in the same commit or a later one. docs/decisions/2026-11-21-records-ride-along.md says what a crash can
 * lose.
 */
async function intend(
  { journal, budgets }: GateDeps,
  passing: Passing,
  { call, input, held, hold }: Admitted,
  past: readonly JournalRecord[],
): Promise<Intended> {
  const open = past.find((entry) => entry.phase === 'intent')
  const fault = open === undefined ? null : journal.fault()
  // Its end could not be recorded: a guest that only reads does nothing again.
  if (fault !== null) throw toError(fault)
  if (open !== undefined) return { firstSeq: open.seq, duplicate: false }
  const body = {
    input: call.recordInput === undefined ? (input as Json) : call.recordInput(input, passing.caller),
    effect: call.effect,
    ...(held.length > 0 && { labels: held }),
    ...(hold !== null && budgets.recorded(hold)),
    ...(hold !== null && call.billed === true && { billed: true }),
  }
  const entries = [entryOf(passing, 'intent', call.name, body)]
  if (call.tier !== 'read_only')
    return journal.append(entries, { unique: call.audience.includes('terminal'), sync: call.effect === 'once' })
  journal.note(entries, { lazy: true })
  // Backpressure: callers that produce records faster than the store writes them wait here.
  if (journal.isBehind()) await journal.flushed()
  return { firstSeq: 0, duplicate: false }
}

/** Stage 8. */
async function run(
  deps: GateDeps,
  passing: Passing,
  { call, input: asked, hold, unchanged }: Admitted,
  use: SecretUse,
  watched: WatchedFiles | null,
): Promise<(Ran & { readonly facts: JsonObject }) | typeof stoppedForRestart> {
  const { id, caller } = passing
  const watch = deps.running.enter(caller, call, passing)
  const timed = timeHands(deps.clock.monotonicMs)
  const files = filesFor(deps, { caller, id, call, watch }, (sandbox) =>
    timed.sandbox(startsWhileUnchanged(use.sandbox(watched?.sandbox(sandbox) ?? sandbox), unchanged)),
  )
  const context: CallContext = {
    id,
    caller,
    signal: watch.signal,
    clock: deps.clock,
    get sandbox() {
      return files.sandbox
    },
    branch: files.branch,
    labels: () => watched?.seen().labels ?? [],
    whileProgram: (sees, work) => files.whileProgram(sees, () => watched?.whileProgram(() => files.at(sees.branch), sees, work) ?? work()),
    reserveMore(more) {
      if (hold === null || !deps.budgets.extend(hold, more)) return false
      deps.journal.note([entryOf(passing, 'exchange', reservationName, deps.budgets.extended(hold))], { lazy: true })
      return true
    },
    reserveUpTo(more) {
      const part = hold === null ? noSpend : deps.budgets.extendUpTo(hold, more)
      if (hold !== null && part.tokens + part.microDollars > 0)
        deps.journal.note([entryOf(passing, 'exchange', reservationName, deps.budgets.extended(hold))], { lazy: true })
      return part
    },
    call: (actor, name, input, scope) =>
      callWithin(deps, passing, watch, { caller: scoped(runtimeCaller(files.caller(), actor), scope), name, input }),
    callAs: async (plugin, approved, name, input, scope) => {
      const by = scoped(files.caller(), scope)
      const judged = await deps.judges().actAs({ plugin, approved, caller: by, within: call, call: deps.registry.find(name), input })
      if ('rights' in judged) return callWithin(deps, passing, watch, { caller: judged, name, input })
      const own = { ...passing, caller: { ...caller, actor: `plugin:${plugin}` }, id: deps.newId() as CallId }
      deps.journal.note([entryOf(own, 'refused', name, refusedBody(deps, by, refusal(judged)))])
      return refusal(judged)
    },
    leadsTo: (next) => judgeNext(deps, { caller, call, input: asked, own: [] }, next, watched),
    readApart: (scope, name, input) => callWithin(deps, passing, watch, { caller: scoped(caller, scope), name, input }),
    blobs: deps.blobs,
    attachments: () => deps.attachments(caller),
    erase: (seqs, reason) => deps.journal.erase({ caller, call: id, name: call.name }, seqs, reason),
    progress: (output) => watch.progress(use.show(output)),
    record: (body) => deps.journal.note([entryOf(passing, 'exchange', call.name, use.record(body))], { lazy: true }),
  }
  if (hold !== null) deps.budgets.begin(hold, watch.overBudget)
  try {
    const work = (): ReturnType<Call['run']> => files.around(() => call.run(use.input, context))
    const done = await watch.race(watched === null ? work() : watched.run(work))
    noteOutput(call, done.output)
    return { done, facts: timed.took() }
  } catch (error) {
    const reason = isShutdown(error) ? 'shutdown' : stopReason(watch.signal)
    if (reason === 'shutdown' && continuesAfterRestart(call, passing)) return stoppedForRestart
    return { ...stoppedRun(call, error, reason), facts: timed.took() }
  } finally {
    watch.leave()
  }
}

/** See `CallContext.call`. */
function callWithin(
  deps: GateDeps,
  { onWait }: Passing,
  watch: Pick<Watch, 'signal' | 'pause'>,
  { caller, name, input }: { readonly caller: Caller; readonly name: string; readonly input: unknown },
): Promise<CallOutcome> {
  const wait = (waiting: boolean): void => {
    watch.pause(waiting)
    onWait?.(waiting)
  }
  return passGate(deps, { caller, id: deps.newId() as CallId, signal: watch.signal, onWait: wait, onIntended: () => {} }, name, input)
}
