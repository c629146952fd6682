/**
 * What a failure speaks about, and with that who may be asked next. The code decides; only `model_refused`, which stands for
 * every status that is no other code's, is told apart by its sentence. New codes count as `request` until they are named here.
 */
import type { ErrorCode, Failure } from '../../types/index.ts'
import { creditWords } from '../model-problem.ts'

/**
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
  if (failure.code === 'model_refused' && isAboutAccount(failure.message)) return 'account'
  return kinds[failure.code] ?? 'request'
}

/** The conversation must become shorter: asking again as it is helps nobody. */
export function isContextOverflow({ code }: Failure): boolean {
  return code === 'context_overflow'
}

/** No credit (402) and an unknown model (404), and the services that say either with 400. The status is our own word. */
function isAboutAccount(message: string): boolean {
  const status = / answered (\d{3})\b/.exec(message)?.[1]
  if (status === '402' || status === '404') return true
  return creditWords.test(message) || unknownModelWords.test(message)
}

const unknownModelWords =
  /\bmodel\b.{0,100}\b(?:not found|does ?n[o']t exist|not exist|is not available)|not a valid model|(?:invalid|unknown) model\b/i
