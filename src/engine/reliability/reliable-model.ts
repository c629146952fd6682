/**
 * A chain of models as one model: it retries what may succeed, falls back when a model does not answer, skips endpoints that
 * are down, and never emits anything twice. docs/reliability.md has the rules.
 *
 * The consumer pulls, and each pull goes to the running try. When a try ends, the chain delivers the answer, waits and retries,
 * falls back to the next route, or reports the failure. Batches pass through without work for single events. A tool call
 * cannot be emitted twice, because wires emit tool calls only together with `finish`.
 */
import { type Failure, type Random, retryDelayMs } from '../../base/index.ts'
import type { GenerateRequest, Model, ModelFacts } from '../../protocol/index.ts'
import type { ModelLimits } from '../limits.ts'
import { cancelled } from '../model-problem.ts'
import { type Attempt, type Batch, type Ending, breakerOpen, outOfTime, startAttempt } from './attempt.ts'
import { isContextOverflow, kindOf, type Leave } from './breakers.ts'
import {
  chainFailure,
  type DeadTry,
  failureEvents,
  outputRoom,
  type ReliableOptions,
  restartsBefore,
  type Retry,
  type Route,
  type RouteFailure,
} from './route.ts'

interface Generation {
  readonly options: ReliableOptions
  readonly request: GenerateRequest
  readonly signal: AbortSignal
  readonly onAbort: () => void
  state: 'new' | 'running' | 'ended'
  /** Monotonic time of the deadline over all tries. */
  totalAt: number
  /** Null between two tries. */
  running: Running | null
  /** Runs while `running` is null. */
  retryTimer: NodeJS.Timeout | undefined
  /** Index of the current route in the chain, and the tries made with it. */
  place: number
  tries: number
  /** How often an answer broke off after some of it was emitted. */
  brokenOff: number
  /** The three fields of `ChainState`, see route.ts. */
  label: string
  dead: DeadTry[]
  readonly failures: RouteFailure[]
  /** The consumer waits for a batch, or the last batch waits for the consumer. */
  waiting: ((result: IteratorResult<Batch>) => void) | null
  queued: Batch | null
}

interface Running {
  readonly route: Route
  leave: Leave
  /** Some of it was emitted. */
  shown: boolean
  readonly attempt: Attempt
}

const done = { done: true, value: undefined } as const

export function createReliableModel(options: ReliableOptions): Model {
  return {
    generate: (request, signal) => ({ [Symbol.asyncIterator]: () => createGeneration(options, request, signal) }),
  }
}

/** Does nothing before the first pull. The consumer must not pull while another pull is pending. */
function createGeneration(options: ReliableOptions, request: GenerateRequest, signal: AbortSignal): AsyncIterator<Batch> {
  const generation: Generation = {
    options,
    request,
    signal,
    onAbort: () => cancel(generation),
    state: 'new',
    totalAt: 0,
    running: null,
    retryTimer: undefined,
    place: 0,
    tries: 0,
    brokenOff: 0,
    label: options.routes[0].label,
    dead: [],
    failures: [],
    waiting: null,
    queued: null,
  }
  return { next: () => next(generation), return: () => abandon(generation) }
}

function next(generation: Generation): Promise<IteratorResult<Batch>> {
  const { queued } = generation
  if (queued !== null) {
    generation.queued = null
    return Promise.resolve({ done: false, value: queued })
  }
  if (generation.state === 'ended') return Promise.resolve(done)
  return new Promise((resolve) => {
    generation.waiting = resolve
    if (generation.state === 'new') start(generation)
    else generation.running?.attempt.pull()
  })
}

function start(generation: Generation): void {
  const { signal, options } = generation
  generation.state = 'running'
  if (signal.aborted) return cancel(generation)
  signal.addEventListener('abort', generation.onAbort)
  generation.totalAt = options.clock.monotonicMs() + options.limits.totalMs
  proceed(generation)
}

/** Tries the current route, or the next one whose breaker is closed; reports the failure if no route is left. */
function proceed(generation: Generation): void {
  const { routes, breakers, clock } = generation.options
  for (let route = routes[generation.place]; route !== undefined; route = nextRoute(generation)) {
    const leave = breakers.enter(route.endpoint)
    if (typeof leave === 'string') return begin(generation, route, leave)
    // A failure of its own in this generation explains more than the open breaker.
    const isNew = generation.failures.length === generation.place
    if (isNew) note(generation, route, breakerOpen(route, leave, clock), { waitMs: leave.waitMs })
  }
  report(generation)
}

function nextRoute(generation: Generation): Route | undefined {
  generation.place += 1
  generation.tries = 0
  return generation.options.routes[generation.place]
}

function begin(generation: Generation, route: Route, leave: Leave): void {
  const { clock, limits } = generation.options
  generation.tries += 1
  const attempt = startAttempt({
    route,
    clock,
    limits,
    totalAt: generation.totalAt,
    fit: (facts) => fit(generation, route, facts),
    admit: (facts, { maxOutputTokens }) =>
      generation.request.onAsk?.({
        facts,
        maxOutputTokens,
        unreported: generation.dead.map(({ label, usage }) => ({ model: label, usage })),
      }) ?? null,
    outOfTime: () => outOfTime(generation.failures, limits),
    onBatch: (batch) => give(generation, running.shown ? batch : show(generation, running, batch)),
    onFinish: (batch) => finish(generation, running, batch),
    onFail: (ending) => settle(generation, running, ending),
  })
  const running: Running = { route, leave, shown: false, attempt }
  generation.running = running
}

/** @returns the request adjusted to this route, or null when its window is too small. */
function fit({ request, place }: Generation, { model }: Route, facts: ModelFacts): GenerateRequest | null {
  // The configured model reports an overlong conversation itself, and the runtime then shortens it.
  const room = place === 0 ? Math.min(request.maxOutputTokens, facts.maxOutputTokens) : outputRoom(request, facts)
  return room === null ? null : { ...request, model, maxOutputTokens: room }
}

/** @returns the first batch of a try, preceded by reports of the failed tries before it. */
function show(generation: Generation, running: Running, batch: Batch): Batch {
  const { route, leave } = running
  running.shown = true
  generation.options.breakers.leave(route.endpoint, leave, true)
  running.leave = 'ask'
  if (generation.dead.length === 0 && route.label === generation.label) return batch
  const restarts = restartsBefore(route.label, generation)
  generation.label = route.label
  generation.dead = []
  return [...restarts, ...batch]
}

function finish(generation: Generation, running: Running, batch: Batch): void {
  const whole = running.shown ? batch : show(generation, running, batch)
  generation.options.breakers.whole(running.route.endpoint)
  end(generation, whole)
}

/** A try failed: updates the breaker, keeps its cost, and decides what comes next. */
function settle(generation: Generation, { route, leave, shown }: Running, ending: Ending): void {
  const { breakers, limits, random, clock } = generation.options
  const { failure, usage, retry, tail } = ending
  const kind = kindOf(failure)
  generation.running = null

  // The breaker counts only failures of the endpoint itself.
  if (kind === 'endpoint' && ending.asked) breakers.failed(route.endpoint, leave, failure)
  else breakers.leave(route.endpoint, leave, kind === 'account' || kind === 'request')

  // Emitted events and cost are reported later, with the next try or the final error.
  if (shown || tail.length > 0 || usage.inputTokens + usage.outputTokens > 0) {
    generation.dead.push({ label: route.label, why: failure, usage, shown, tail })
  }
  if (kind === 'cancelled' || (ending.stopped && failure.code === 'timeout')) return end(generation, failureEvents(generation, failure))
  note(generation, route, failure, retry)

  // A refused request goes to no other model, and a broken-off answer is restarted only a few times.
  if (shown) brokeOff(generation)
  if (generation.brokenOff > limits.maxRestarts || isFinal(generation, failure)) return report(generation)

  // Retry the same model if that may help and there is time; else fall back to the next one.
  const waitMs = retryWaitMs(retry, generation.tries, limits, random)
  if (waitMs === null || ending.stopped || clock.monotonicMs() + waitMs >= generation.totalAt) {
    nextRoute(generation)
    proceed(generation)
  } else generation.retryTimer = setTimeout(() => proceed(generation), waitMs)
}

function isFinal({ place }: Generation, failure: Failure): boolean {
  // A fallback may have a smaller window than the configured model: its overflow is not final.
  return kindOf(failure) === 'request' && !(place > 0 && isContextOverflow(failure))
}

/** After an emitted answer broke off, its model gets only one more try. */
function brokeOff(generation: Generation): void {
  generation.brokenOff += 1
  generation.tries = Math.max(generation.tries, generation.options.limits.maxTries - 1)
}

function note({ failures, place }: Generation, { label }: Route, failure: Failure, retry: Retry): void {
  failures[place] = { label, failure, retry }
}

/** Ends with the failure: nothing is left to try. */
function report(generation: Generation): void {
  const [first, ...others] = generation.failures
  if (first === undefined) return
  const failure = chainFailure([first, ...others])
  end(generation, failureEvents(generation, failure, failure.code === 'budget_exhausted' ? undefined : first.retry))
}

function cancel(generation: Generation): void {
  if (generation.running === null) end(generation, failureEvents(generation, cancelled))
  else generation.running.attempt.stop(cancelled, generation.signal.reason)
}

function give(generation: Generation, batch: Batch): void {
  const { waiting } = generation
  generation.waiting = null
  if (waiting === null) generation.queued = batch
  else waiting({ done: false, value: batch })
}

function end(generation: Generation, batch: Batch): void {
  release(generation)
  give(generation, batch)
}

function release(generation: Generation): void {
  generation.state = 'ended'
  generation.running = null
  clearTimeout(generation.retryTimer)
  generation.signal.removeEventListener('abort', generation.onAbort)
}

/** The consumer left. */
function abandon(generation: Generation): Promise<IteratorResult<Batch>> {
  const { running, waiting, state } = generation
  if (state !== 'ended') release(generation)
  generation.queued = null
  generation.waiting = null
  if (running !== null) {
    running.attempt.abandon()
    generation.options.breakers.leave(running.route.endpoint, running.leave, false)
  }
  waiting?.(done)
  return Promise.resolve(done)
}

export type BackoffLimits = Pick<ModelLimits, 'maxTries' | 'backoffBaseMs' | 'backoffCapMs' | 'retryAfterCapMs'>

/**
 * The wait before a retry: full jitter, drawn evenly from 0 to a ceiling that doubles with each try, so that clients that
 * failed together do not return together. A wait that the endpoint asks for is used as it is, up to the cap.
 *
 * @param retry as in a model's error event; undefined when the same request would fail again
 * @param tries made so far, at least 1
 * @returns milliseconds to wait before the next try, or null for no more tries
 */
export function retryWaitMs(
  retry: { readonly waitMs: number | null } | undefined,
  tries: number,
  limits: BackoffLimits,
  random: Random,
): number | null {
  if (retry === undefined || tries >= limits.maxTries) return null
  if (retry.waitMs !== null) return retry.waitMs <= limits.retryAfterCapMs ? retry.waitMs : null
  return retryDelayMs(tries - 1, random, { firstMs: limits.backoffBaseMs, maxMs: limits.backoffCapMs })
}
