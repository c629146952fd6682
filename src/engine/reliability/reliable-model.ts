/**
 * A chain of models as one model that does not give up early: what may pass is tried again, what does not answer is left, an
 * endpoint that is down is not asked, and nothing that was shown is shown twice. docs/reliability.md tells the rules.
 *
 * The consumer pulls, and each pull is handed to the running try. When a try ends it is decided: give it out, wait and try again,
 * go to the next route, or report. Batches are passed on as they come, and nothing is done for a single event. A tool call cannot
 * come twice, because wires give tool calls only together with the finish.
 */
import { type Failure, type GenerateRequest, type Model, type ModelFacts, type Random, retryDelayMs } from '../../types/index.ts'
import type { ModelLimits } from '../limits.ts'
import { cancelled } from '../model-problem.ts'
import { type Attempt, type Batch, type Ending, leftAlone, outOfTime, startAttempt } from './attempt.ts'
import { isContextOverflow, kindOf, type Leave } from './breakers.ts'
import {
  chainFailure,
  type DeadTry,
  lastWords,
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
  /** Of the current route: its place in the chain, and the tries made with it. */
  place: number
  tries: number
  /** How often an answer broke off after something of it was shown. */
  brokenOff: number
  /** What the consumer knows and what it is yet to be told: see route.ts. */
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
  /** Something of it was given out. */
  shown: boolean
  readonly attempt: Attempt
}

const done = { done: true, value: undefined } as const

export function createReliableModel(options: ReliableOptions): Model {
  return {
    generate: (request, signal) => ({ [Symbol.asyncIterator]: () => createGeneration(options, request, signal) }),
  }
}

/** Nothing happens before the first pull. A pull while another one waits is not allowed. */
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

/** Tries the current route, or the next one whose endpoint may be asked; reports when there is none. */
function proceed(generation: Generation): void {
  const { routes, breakers, clock } = generation.options
  for (let route = routes[generation.place]; route !== undefined; route = nextRoute(generation)) {
    const leave = breakers.enter(route.endpoint)
    if (typeof leave === 'string') return begin(generation, route, leave)
    // When it failed just now, that says more than that it is left alone for it.
    const isNew = generation.failures.length === generation.place
    if (isNew) note(generation, route, leftAlone(route, leave, clock), { waitMs: leave.waitMs })
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
    outOfTime: () => outOfTime(generation.failures, limits),
    onBatch: (batch) => give(generation, running.shown ? batch : show(generation, running, batch)),
    onFinish: (batch) => finish(generation, running, batch),
    onFail: (ending) => settle(generation, running, ending),
  })
  const running: Running = { route, leave, shown: false, attempt }
  generation.running = running
}

/** @returns the request as this route can take it, or null when its window is too small. */
function fit({ request, place }: Generation, { model }: Route, facts: ModelFacts): GenerateRequest | null {
  // The chosen model says itself when a conversation is too long, and then it is made shorter.
  const room = place === 0 ? Math.min(request.maxOutputTokens, facts.maxOutputTokens) : outputRoom(request, facts)
  return room === null ? null : { ...request, model, maxOutputTokens: room }
}

/** @returns the first batch of a try, after what the consumer must know before it. */
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

/** A try failed: tells the breaker, keeps what it cost, and decides what comes next. */
function settle(generation: Generation, { route, leave, shown }: Running, ending: Ending): void {
  const { breakers, limits, random, clock } = generation.options
  const { failure, usage, retry, tail } = ending
  const kind = kindOf(failure)
  generation.running = null

  // The breaker hears only of what speaks for the endpoint.
  if (kind === 'endpoint' && ending.asked) breakers.failed(route.endpoint, leave, failure)
  else breakers.leave(route.endpoint, leave, kind === 'account' || kind === 'request')

  // What was shown or cost something is told later, with what comes of it.
  if (shown || tail.length > 0 || usage.inputTokens + usage.outputTokens > 0) {
    generation.dead.push({ label: route.label, why: failure, usage, tail })
  }
  if (kind === 'cancelled' || (ending.stopped && failure.code === 'timeout')) return end(generation, lastWords(generation, failure))
  note(generation, route, failure, retry)

  // Nobody else is asked what was understood and refused, nor again and again what broke off.
  if (shown) brokeOff(generation)
  if (generation.brokenOff > limits.maxRestarts || isFinal(generation, failure)) return report(generation)

  // The same model again, if that may help and there is time; else the next one.
  const waitMs = retryWaitMs(retry, generation.tries, limits, random)
  if (waitMs === null || ending.stopped || clock.monotonicMs() + waitMs >= generation.totalAt) {
    nextRoute(generation)
    proceed(generation)
  } else generation.retryTimer = setTimeout(() => proceed(generation), waitMs)
}

function isFinal({ place }: Generation, failure: Failure): boolean {
  // That a fallback has a smaller window than the chosen model says nothing about the conversation.
  return kindOf(failure) === 'request' && !(place > 0 && isContextOverflow(failure))
}

/** After an answer that was shown broke off, its model is asked only once more. */
function brokeOff(generation: Generation): void {
  generation.brokenOff += 1
  generation.tries = Math.max(generation.tries, generation.options.limits.maxTries - 1)
}

function note({ failures, place }: Generation, { label }: Route, failure: Failure, retry: Retry): void {
  failures[place] = { label, failure, retry }
}

/** Nothing is left to try. */
function report(generation: Generation): void {
  const [first, ...others] = generation.failures
  if (first !== undefined) end(generation, lastWords(generation, chainFailure([first, ...others]), first.retry))
}

function cancel(generation: Generation): void {
  if (generation.running === null) end(generation, lastWords(generation, cancelled))
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

/** When the same request is made again, as numbers; nothing here waits. */

export type BackoffLimits = Pick<ModelLimits, 'maxTries' | 'backoffBaseMs' | 'backoffCapMs' | 'retryAfterCapMs'>

/**
 * Full jitter: drawn evenly between nothing and a ceiling that doubles with each try, so that many clients that failed
 * together do not come back together. An endpoint that says how long to wait is taken at its word, up to the cap.
 *
 * @param retry as in a model's error event; undefined when the same request would fail again
 * @param tries made so far, at least 1
 * @returns milliseconds to wait before the next try, or null when there is none
 */
export function retryWaitMs(
  retry: { readonly waitMs: number | null } | undefined,
  tries: number,
  limits: BackoffLimits,
  random: Random,
): number | null {
  if (retry === undefined || tries >= limits.maxTries) return null
  if (retry.waitMs !== null) return retry.waitMs <= limits.retryAfterCapMs ? retry.waitMs : null
  return retryDelayMs(tries - 1, random, { firstMs: limits.backoffBaseMs, mostMs: limits.backoffCapMs })
}
