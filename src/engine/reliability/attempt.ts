/**
 * One try: loads a model, asks it, watches its deadlines and stops it when one passes. It reports each batch that was pulled
 * and then, once, how the try ended; the chain decides what comes next.
 *
 * One timer runs at a time. It checks the try against a moving deadline, or gives a stopped try a moment to report its usage.
 */
import { type Clock, type Failure, timeInUtc, toFailure } from '../../base/index.ts'
import type { GenerateRequest, ModelEvent, ModelFacts, Usage } from '../../protocol/index.ts'
import type { ModelLimits } from '../limits.ts'
import { noUsage } from '../model-problem.ts'
import type { Refused } from './breakers.ts'
import { guessTokens, type Retry, type Route, type RouteFailure } from './route.ts'

export type Batch = readonly ModelEvent[]

interface AttemptOptions {
  readonly route: Route
  readonly clock: Clock
  readonly limits: ModelLimits
  /** Monotonic deadline over all tries. */
  readonly totalAt: number
  /** @returns the request adjusted to this model, or null when it does not fit its window. */
  readonly fit: (facts: ModelFacts) => GenerateRequest | null
  /** Called with the request last before it is sent. @returns why it must not be */
  readonly admit: (facts: ModelFacts, request: GenerateRequest) => Promise<Failure | null> | null
  /** @returns the failure for a passed `totalAt`. */
  readonly outOfTime: () => Failure
  /** Called once for each pull unless the try ends, with at least one event and no final one. */
  readonly onBatch: (batch: Batch) => void
  /** @param batch ends with `finish` */
  readonly onFinish: (batch: Batch) => void
  readonly onFail: (ending: Ending) => void
}

/** How a try failed. */
export interface Ending {
  readonly failure: Failure
  readonly usage: Usage
  readonly retry: Retry
  /** Events that arrived together with its error. */
  readonly tail: Batch
  /** The endpoint was asked. */
  readonly asked: boolean
  /** It was stopped from this side. */
  readonly stopped: boolean
}

export interface Attempt {
  /** Pulls the next batch. Does nothing while a pull is pending or the model is loading. */
  pull(): void
  /** Fails the try for this reason once the model has reported its usage, after `stopGraceMs` at the latest. */
  stop(why: Failure, reason: unknown): void
  /** Stops the try without any further report. */
  abandon(): void
}

interface Run {
  readonly options: AttemptOptions
  readonly control: AbortController
  readonly onResult: (result: IteratorResult<Batch>) => void
  readonly onThrow: (error: unknown) => void
  /** What is sent; null until the model is asked. */
  request: GenerateRequest | null
  iterator: AsyncIterator<Batch> | null
  pulling: boolean
  /** Whether it has sent something, and since when it is silent (monotonic). */
  begun: boolean
  quietSince: number
  /** Why it was stopped from this side. */
  stopped: Failure | null
  over: boolean
  timer: NodeJS.Timeout | undefined
}

/** Starts the try and pulls its first batch. */
export function startAttempt(options: AttemptOptions): Attempt {
  const { clock, limits, totalAt, route } = options
  const run: Run = {
    options,
    control: new AbortController(),
    onResult: (result) => take(run, result),
    onThrow: (error) => fail(run, thrown(route, error)),
    request: null,
    iterator: null,
    pulling: false,
    begun: false,
    quietSince: clock.monotonicMs(),
    stopped: null,
    over: false,
    timer: undefined,
  }
  watchFor(run, Math.min(limits.firstTokenMs, limits.betweenTokensMs, totalAt - run.quietSince))
  ask(run).catch(run.onThrow)
  return {
    pull: () => pull(run),
    stop: (why, reason) => stop(run, why, reason),
    abandon: () => {
      close(run)
      run.control.abort()
    },
  }
}

async function ask(run: Run): Promise<void> {
  const { route, fit, admit } = run.options
  const facts = await route.facts()
  const request = fit(facts)
  if (request === null) return fail(run, tooSmall(route, facts))
  const model = await route.open()
  if (run.over) return
  const admitting = admit(facts, request)
  const refused = admitting === null ? null : await admitting
  if (refused !== null) return fail(run, refused)
  if (run.over) return
  run.request = request
  const onProgress = (outputChars?: number): void => {
    alive(run)
    request.onProgress?.(outputChars)
  }
  const watched = { ...request, onProgress }
  run.iterator = model.generate(watched, run.control.signal)[Symbol.asyncIterator]()
  pull(run)
}

/** Silence is measured from here, so that a slow consumer does not count against the endpoint. */
function pull(run: Run): void {
  if (run.pulling || run.over || run.iterator === null) return
  run.pulling = true
  run.quietSince = run.options.clock.monotonicMs()
  run.iterator.next().then(run.onResult, run.onThrow)
}

function alive(run: Run): void {
  run.begun = true
  run.quietSince = run.options.clock.monotonicMs()
}

function take(run: Run, result: IteratorResult<Batch>): void {
  run.pulling = false
  if (run.over) return
  if (result.done === true) return fail(run, endedOpen(run.options.route))
  const batch = result.value
  const last = batch.at(-1)
  if (last?.type === 'finish') {
    close(run)
    run.options.onFinish(batch)
  } else if (last?.type === 'error') {
    fail(run, last.failure, last.usage, batch.slice(0, -1), last.retry)
  } else if (last === undefined || run.stopped !== null) {
    // Once stopped, only its last event counts. setImmediate lets timers run even if the model does not stop.
    setImmediate(() => pull(run))
  } else {
    run.begun = true
    run.options.onBatch(batch)
  }
}

function watchFor(run: Run, ms: number): void {
  run.timer = setTimeout(() => watch(run), Math.max(0, Math.ceil(ms)))
}

function watch(run: Run): void {
  const { clock, limits, totalAt, route } = run.options
  const now = clock.monotonicMs()
  if (now >= totalAt) return stop(run, run.options.outOfTime())
  const limit = run.begun ? limits.betweenTokensMs : limits.firstTokenMs
  const waits = run.pulling || run.iterator === null
  const due = waits ? run.quietSince + limit : now + limit
  if (due <= now) return stop(run, stalled(route, run.begun, limit))
  // A later silence may reach its limit sooner than this one.
  watchFor(run, Math.min(due - now, limits.betweenTokensMs, totalAt - now))
}

function stop(run: Run, why: Failure, reason?: unknown): void {
  run.stopped = why
  run.control.abort(reason)
  if (run.iterator === null) return fail(run, why)
  clearTimeout(run.timer)
  // A model that does not say what it used was asked all the same.
  const sent: Usage = { inputTokens: run.request === null ? 0 : guessTokens(run.request), outputTokens: 0, estimated: true }
  run.timer = setTimeout(() => fail(run, why, sent), run.options.limits.stopGraceMs)
  pull(run)
}

function fail(run: Run, failure: Failure, usage: Usage = noUsage, tail: Batch = [], retry?: Retry): void {
  if (run.over) return
  const { stopped } = run
  close(run)
  run.options.onFail({ failure: stopped ?? failure, usage, retry, tail, asked: run.iterator !== null, stopped: stopped !== null })
}

/** Ends all reports and releases a model that is suspended in the middle. */
function close(run: Run): void {
  run.over = true
  clearTimeout(run.timer)
  run.iterator?.return?.().catch(() => undefined)
}

function stalled({ label }: Route, begun: boolean, limitMs: number): Failure {
  const what = begun
    ? `stopped in the middle of its answer: nothing arrived for ${time(limitMs)}`
    : `did not start to answer within ${time(limitMs)}`
  return { code: 'model_stalled', message: `${label} ${what}.`, hint: 'Send the message again, or use another model.' }
}

/** @param failures of the previous routes; the last one explains where the time went */
export function outOfTime(failures: readonly RouteFailure[], { totalMs }: Pick<ModelLimits, 'totalMs'>): Failure {
  const before = failures.at(-1)
  const why = before === undefined ? '' : ` Before that, ${before.label}: ${before.failure.message}`
  return {
    code: 'timeout',
    message: `No try finished an answer within ${time(totalMs)} in total.${why}`,
    hint: 'Send the message again, ask for less at once, or use a faster model.',
  }
}

export function breakerOpen({ endpoint }: Route, { waitMs, failures, last }: Refused, clock: Clock): Failure {
  const when =
    waitMs === 0 ? 'once the request that is probing it now has its answer' : `in ${time(waitMs)}, at ${timeInUtc(clock.now() + waitMs)}`
  return {
    code: last.code,
    message: `${endpoint} failed ${failures} times in a row and will be asked again ${when}. Last failure: ${last.message}`,
    hint: 'Wait, or use another model: model.fallback names models to use instead.',
  }
}

function tooSmall({ label }: Route, { contextTokens }: ModelFacts): Failure {
  return {
    code: 'limit_reached',
    message: `The conversation does not fit the window of ${label} (${contextTokens} tokens).`,
    hint: 'Name a fallback with a larger window.',
  }
}

function endedOpen({ label }: Route): Failure {
  return { code: 'model_garbled', message: `${label} ended its answer without a finish reason.`, hint: 'Send the message again.' }
}

/** An unknown error is a fault of the model's code or of loading it. */
function thrown({ label }: Route, error: unknown): Failure {
  const failure = toFailure(error, 'internal_failure', 'Try another model, and report this.')
  return failure.code === 'internal_failure' ? { ...failure, message: `${label} could not be asked: ${failure.message}` } : failure
}

function time(ms: number): string {
  if (ms >= 120_000) return `${Math.round(ms / 60_000)} minutes`
  return ms < 1_000 ? `${Math.round(ms)} ms` : ms < 1_500 ? 'a second' : `${Math.round(ms / 1000)} seconds`
}
