/**
 * Circuit breakers, one for each endpoint that has failed: after some failures in a row the endpoint is left alone for a
 * while, then one request at a time tries it. Healthy endpoints keep no state, so asking costs a look into an empty map.
 * Shared by all generations of a process.
 */
import type { Clock, Failure } from '../../types/index.ts'
import { modelLimits, type ModelLimits } from '../limits.ts'

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
