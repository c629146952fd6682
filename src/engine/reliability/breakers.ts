/**
 * Circuit breakers, one for each endpoint that has failed: after some failures in a row the endpoint is left alone for a
 * while, then one request at a time tries it. Healthy endpoints keep no state, so asking costs a look into an empty map.
 * Shared by all generations of a process.
 */
import type { Clock, ErrorCode, Failure } from '../../types/index.ts'
import { modelLimits, type ModelLimits } from '../limits.ts'
import { creditWords } from '../model-problem.ts'

/** Leave to make one try; a `probe` is alone with its endpoint until it is told how it went. */
export type Leave = 'ask' | 'probe'

export interface Refused {
  /** Until the next try may be made; 0 while another request makes it. */
  readonly waitMs: number
  readonly failures: number
  /** What happened last. */
  readonly last: Failure
}

export interface Breakers {
  /** Each leave must be told of once, in the end, by one of the three below, with the same arguments. */
  enter(endpoint: string): Leave | Refused
  /** The endpoint failed. */
  failed(endpoint: string, leave: Leave, failure: Failure): void
  /** The endpoint gave a whole answer: all is forgotten. */
  whole(endpoint: string): void
  /**
   * @param answered the endpoint showed itself, by the beginning of an answer or by an error that is not its fault: others
   * may ask again, but one more failure is enough. False: nothing was learned.
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
      // A try that began before the breaker opened brings old news.
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
 * What a failure is about, which decides where the request may go next. The code decides; only `model_refused`, which stands for
 * every status without a code of its own, also depends on the status and the endpoint's sentence. New codes count as `request`
 * until they are added here.
 *
 * - `endpoint` it does not work: counts for its breaker, another model may answer
 * - `account` it works, but not for this key, credit, pace or model name: another model may answer
 * - `setup` it was never asked: another model may answer
 * - `request` it understood and said no, or the request is too long: nobody else is asked
 * - `cancelled` somebody on our side ended it
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
  internal_failure: 'setup',
  context_overflow: 'request',
  model_refused: 'request',
  replay_diverged: 'request',
}

export function kindOf(failure: Failure): FailureKind {
  if (failure.code === 'model_refused' && isAboutAccount(failure)) return 'account'
  return kinds[failure.code] ?? 'request'
}

/** The conversation must become shorter: asking again as it is helps nobody. */
export function isContextOverflow({ code }: Failure): boolean {
  return code === 'context_overflow'
}

/** No credit (402) and an unknown model (404), and the services that send either with status 400 and a sentence of their own. */
function isAboutAccount({ status, message }: Failure): boolean {
  return status === 402 || status === 404 || creditWords.test(message) || unknownModelWords.test(message)
}

const unknownModelWords =
  /\bmodel\b.{0,100}\b(?:not found|does ?n[o']t exist|not exist|is not available)|not a valid model|(?:invalid|unknown) model\b/i
