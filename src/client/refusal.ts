/** Why a connection ended, as a failure that says what to do, and whether coming back can help. */
import { type Failure, isErrorCode } from '../types/index.ts'

export interface WireEnd {
  readonly failure: Failure
  /** False: the gateway will say the same again. */
  readonly mayReturn: boolean
  /** A frame was too big for the gateway: sending what waits again would end the next connection too. */
  readonly tooBig: boolean
}

const startGuest = 'Start it with `oxbow`, or see its log in the workspace’s logs folder.'

/** The gateway answered the upgrade with plain HTTP. @param body as far as it was read */
export function refusedUpgrade(status: number, body: string): WireEnd {
  const failure = failureIn(body) ?? unreachable(`Something else answers at this address (HTTP ${status}).`, 'Check the gateway’s address.')
  // A full gateway may have room later; a token, a host or a path does not change by waiting.
  return { failure, mayReturn: failure.code === 'limit_reached', tooBig: false }
}

/** No connection could be made, or it broke. */
export function broken(error: Error): WireEnd {
  return { failure: unreachable(`The guest cannot be reached (${error.message}).`, startGuest), mayReturn: true, tooBig: false }
}

/** @param last the last error frame that named no request: the gateway sends one before it turns a connection away */
export function closedBy(code: number, reason: string, last: Failure | null): WireEnd {
  const said = reason === '' ? '' : `: ${reason}`
  const failure = unreachable(`The connection to the guest was closed (${code}${said}).`, startGuest)
  if (code === 1008) return { failure: last ?? failure, mayReturn: false, tooBig: false }
  if (code !== 1009) return { failure, mayReturn: true, tooBig: false }
  const tooBig = { code: 'limit_reached', message: `A frame was too big for the gateway${said}.`, hint: 'Send less at once.' } as const
  return { failure: last ?? tooBig, mayReturn: true, tooBig: true }
}

export function unreachable(message: string, hint: string = startGuest): Failure {
  return { code: 'guest_unreachable', message, hint }
}

function failureIn(body: string): Failure | null {
  try {
    const { error } = JSON.parse(body) as { error?: Partial<Record<string, unknown>> }
    const { code, message = '', hint = '' } = error ?? {}
    return isErrorCode(code) && typeof message === 'string' && typeof hint === 'string' ? { code, message, hint } : null
  } catch {
    return null
  }
}
