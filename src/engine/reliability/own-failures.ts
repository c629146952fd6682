/** What the wrapper itself finds wrong with a try, as sentences for people. Endpoints' own words are cleaned by their wires. */
import type { Clock, Failure, ModelFacts } from '../../types/index.ts'
import { toFailure } from '../../types/index.ts'
import type { ModelLimits } from '../limits.ts'
import type { Refused } from './breakers.ts'
import type { RouteFailure } from './chain-report.ts'
import type { Route } from './route.ts'

export function stalled({ label }: Route, begun: boolean, limitMs: number): Failure {
  const what = begun
    ? `stopped in the middle of its answer: nothing came for ${time(limitMs)}`
    : `did not begin to answer in ${time(limitMs)}`
  return { code: 'model_stalled', message: `${label} ${what}.`, hint: 'Send the message again, or use another model.' }
}

/** @param failures of the routes before; the last one is why there was not more time for this one */
export function outOfTime(failures: readonly RouteFailure[], { totalMs }: Pick<ModelLimits, 'totalMs'>): Failure {
  const before = failures.at(-1)
  const why = before === undefined ? '' : ` Before, ${before.label}: ${before.failure.message}`
  return {
    code: 'timeout',
    message: `No answer was finished in ${time(totalMs)}, all tries together.${why}`,
    hint: 'Send the message again, ask for less at once, or use a faster model.',
  }
}

export function leftAlone({ endpoint }: Route, { waitMs, failures, last }: Refused, clock: Clock): Failure {
  const when =
    waitMs === 0
      ? 'when the request that tries it now has its answer'
      : `in ${time(waitMs)}, at ${new Date(clock.now() + waitMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`
  return {
    code: last.code,
    message: `${endpoint} failed ${failures} times in a row and is asked again ${when}. The last time: ${last.message}`,
    hint: 'Wait, or use another model: model.fallback names models that are asked instead.',
  }
}

export function tooSmall({ label }: Route, { contextTokens }: ModelFacts): Failure {
  return {
    code: 'limit_reached',
    message: `The conversation does not fit the window of ${label}, ${contextTokens} tokens.`,
    hint: 'Name a fallback with a larger window.',
  }
}

export function endedOpen({ label }: Route): Failure {
  return { code: 'model_garbled', message: `${label} ended its answer without saying how.`, hint: 'Send the message again.' }
}

/** The model's own code or its loading is at fault, unless the error says better. */
export function thrown({ label }: Route, error: unknown): Failure {
  const failure = toFailure(error, 'internal_failure', 'Try another model, and report this.')
  return failure.code === 'internal_failure' ? { ...failure, message: `${label} could not be asked: ${failure.message}` } : failure
}

function time(ms: number): string {
  if (ms >= 120_000) return `${Math.round(ms / 60_000)} minutes`
  return ms < 1_000 ? `${Math.round(ms)} ms` : ms < 1_500 ? 'a second' : `${Math.round(ms / 1000)} seconds`
}
