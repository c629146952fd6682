/**
 * Maps errors of the browser driver to our failures. The driver's own text contains page content and is dropped, so that a page
 * cannot speak through an error.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { failed, isFailureError } from '../failure.ts'

const reasons: readonly (readonly [pattern: RegExp, message: string, hint: string])[] = [
  [
    /intercepts pointer events/,
    'Another element covers this one.',
    'Close what covers it (a banner, a dialog), or scroll; then take a new browser_snapshot.',
  ],
  [
    /not visible|element is hidden/i,
    'The element is not visible.',
    'Scroll to it or expand its container, then take a new browser_snapshot.',
  ],
  [/not enabled|element is disabled/i, 'The element is disabled.', 'Fill in the required fields first.'],
  [/not editable|not an <input>|Cannot type text into/i, 'The element does not accept text.', 'Choose a textbox from browser_snapshot.'],
  [/not a <select>/i, 'The element is not a select list.', 'Click it, then click the option that appears.'],
  [/did not find some options/i, 'The list has no such option.', 'Pass options as browser_snapshot shows them.'],
  [/Unknown key/i, 'There is no key with that name.', 'Use names like Enter, Escape, Tab, ArrowDown, a, Control+a.'],
  [
    /net::ERR_(?:TUNNEL_CONNECTION_FAILED|PROXY_)/,
    'The address was refused by the egress policy, or its host does not respond.',
    'Private and local addresses cannot be opened; egress.allow in config.toml names exceptions.',
  ],
  [
    /net::ERR_(?:BLOCKED_BY|UNSAFE_PORT|UNSAFE_REDIRECT|DISALLOWED_URL)/,
    'The address may not be opened.',
    'Open a URL that begins with http:// or https://.',
  ],
  [/net::ERR_CERT_|net::ERR_SSL_/, 'The certificate of the site is not valid.', 'Check the host name.'],
  [
    /net::ERR_(?:EMPTY_RESPONSE|CONNECTION_|INVALID_RESPONSE|HTTP2|TIMED_OUT|INCOMPLETE)/,
    'The site closed the connection.',
    'Try again later.',
  ],
  [/net::ERR_TOO_MANY_REDIRECTS/, 'The site redirects in a loop.', 'Open another URL of the site.'],
  [
    /has been closed|Target crashed|browser has disconnected|Page crashed/i,
    'The tab was closed, or its page crashed.',
    'Open the page again with browser_open.',
  ],
]

/** @returns the failure to throw for an error that a request ran into */
export function pageFailure(error: unknown, signal: AbortSignal): Error {
  if (signal.aborted) return failed('cancelled', 'Cancelled.', 'Try again if it is still needed.')
  if (isFailureError(error)) return error
  const message = error instanceof Error ? error.message : ''
  const reason = reasons.find(([pattern]) => pattern.test(message))
  if (reason !== undefined) return failed('tool_failed', reason[1], reason[2])
  if (error instanceof Error && (error.name === 'TimeoutError' || message === 'time is over')) {
    return failed('tool_failed', 'The page did not respond in time.', 'Look at it with browser_snapshot; open it again if it stays busy.')
  }
  return failed('tool_failed', 'The browser could not do that.', 'Look at the page with browser_snapshot and try another way.')
}

// Timeouts for work that depends on pages and may never finish.

/** @throws Error when it takes longer; the work itself continues, and its result is ignored. */
export async function within<Value>(limitMs: number, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error('time is over')), limitMs)))
  work.catch(() => undefined)
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}

/** Ends early when the request is cancelled. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => {})
}

/** @throws Error when the request was cancelled and the work does not finish within `graceMs`; its result is then ignored. */
export async function orCancelled<Value>(graceMs: number, signal: AbortSignal, work: Promise<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>()
  let timer: NodeJS.Timeout | undefined
  const cancel = (): void => void (timer = setTimeout(() => late.reject(new Error('cancelled')), graceMs))
  if (signal.aborted) cancel()
  else signal.addEventListener('abort', cancel, { once: true })
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', cancel)
  }
}
