/**
 * Circuit breakers, one for each endpoint that has failed, and which failures count. After several failures in a row an endpoint
 * is not asked for a while; then one request at a time probes it. Healthy endpoints keep no state, so a check costs a lookup
 * in an empty map. Shared by all generations of a process.
 */
import type { Clock, ErrorCode, Failure } from '../../base/index.ts'
import { modelLimits, type ModelLimits } from '../limits.ts'
import { creditWords } from '../model-problem.ts'

/** Permission for one try. No other request may ask the endpoint until a `probe` has reported its result. */
export type Leave = 'ask' | 'probe'

export interface Refused {
  /** Time until the next try is allowed; 0 while another request probes. */
  readonly waitMs: number
  readonly failures: number
  /** The latest failure. */
  readonly last: Failure
}

export interface Breakers {
  /** Every `Leave` must be returned exactly once, by one of the three methods below, with the same arguments. */
  enter(endpoint: string): Leave | Refused
  /** The endpoint failed. */
  failed(endpoint: string, leave: Leave, failure: Failure): void
  /** The endpoint gave a complete answer: its failures are forgotten. */
  whole(endpoint: string): void
  /**
   * @param answered the endpoint responded, with the start of an answer or an error that is not its fault: requests are allowed
   * again, but one more failure reopens the breaker. False: nothing was learned.
   */
  leave(endpoint: string, leave: Leave, answered: boolean): void
}

interface Breaker {
  failures: number
  /** Monotonic time; 0 while closed. */
  openUntil: number
  probing: boolean
  last: Failure
}

export function createBreakers(clock: Clock, limits: Pick<ModelLimits, 'breakerFailures' | 'breakerOpenMs'> = modelLimits): Breakers {
  const troubled = new Map<string, Breaker>()
  return {
    enter: (endpoint) => {
      const breaker = troubled.get(endpoint)
      if (breaker === undefined || breaker.openUntil === 0) return 'ask'
      const waitMs = Math.max(0, breaker.openUntil - clock.monotonicMs())
      if (waitMs > 0 || breaker.probing) return { waitMs, failures: breaker.failures, last: breaker.last }
      breaker.probing = true
      return 'probe'
    },
    failed: (endpoint, leave, failure) => {
      const breaker = troubled.get(endpoint) ?? { failures: 0, openUntil: 0, probing: false, last: failure }
      troubled.set(endpoint, breaker)
      // A try that started before the breaker opened says nothing new.
      if (breaker.openUntil !== 0 && leave === 'ask') return
      breaker.failures += 1
      breaker.last = failure
      breaker.probing = false
      if (breaker.failures >= limits.breakerFailures) breaker.openUntil = clock.monotonicMs() + limits.breakerOpenMs
    },
    whole: (endpoint) => {
      troubled.delete(endpoint)
    },
    leave: (endpoint, leave, answered) => {
      const breaker = troubled.get(endpoint)
      if (breaker === undefined || leave === 'ask') return
      breaker.probing = false
      if (answered) breaker.openUntil = 0
    },
  }
}

/**
 * What a failure is about, which decides where the request may go next. It depends on the code; only for `model_refused`, which
 * covers every status without a code of its own, also on the status and the message. Unlisted codes count as `request`.
 *
 * - `endpoint` does not work: counts for its breaker, and another model may answer
 * - `account` works, but not for this key, credit, rate or model name: another model may answer
 * - `setup` was never asked, as where no budget covers it: another model may answer
 * - `request` was understood and refused, or is too long: no other model is asked
 * - `cancelled` on our side
 */
export type FailureKind = 'endpoint' | 'account' | 'setup' | 'request' | 'cancelled'

const kinds: Partial<Record<ErrorCode, FailureKind>> = {
  cancelled: 'cancelled',
  timeout: 'endpoint',
  model_unreachable: 'endpoint',
  model_stalled: 'endpoint',
  model_overloaded: 'endpoint',
  model_garbled: 'endpoint',
  model_auth: 'account',
  model_rate_limited: 'account',
  bad_config: 'setup',
  limit_reached: 'setup',
  budget_exhausted: 'setup',
  internal_failure: 'setup',
  context_overflow: 'request',
  model_refused: 'request',
  replay_diverged: 'request',
}

/** @returns what a failure is about; an unknown code is about the request */
export function kindOf(failure: Failure): FailureKind {
  if (failure.code === 'model_refused' && isAboutAccount(failure)) return 'account'
  return kinds[failure.code] ?? 'request'
}

/** The conversation must become shorter before a retry. */
export function isContextOverflow({ code }: Failure): boolean {
  return code === 'context_overflow'
}

/** No credit (402) or an unknown model (404); some services send either with status 400 and only a message. */
function isAboutAccount({ status, message }: Failure): boolean {
  return status === 402 || status === 404 || creditWords.test(message) || unknownModelWords.test(message)
}

const unknownModelWords =
  /\bmodel\b.{0,100}\b(?:not found|does ?n[o']t exist|not exist|is not available)|not a valid model|(?:invalid|unknown) model\b/i
