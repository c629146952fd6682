/**
 * What an error of the driver means. Its own text holds what pages say and is dropped: a failure is read as ours, and a page must not
 * speak through it.
 */
import { failed, isFailureError } from '../failure.ts'

const reasons: readonly (readonly [pattern: RegExp, message: string, hint: string])[] = [
  [
    /intercepts pointer events/,
    'Something else lies over the element.',
    'Close what covers it (a banner, a dialog), or scroll; then look again.',
  ],
  [
    /not visible|element is hidden/i,
    'The element is not visible.',
    'Scroll to it or open what holds it, then take a new browser_snapshot.',
  ],
  [/not enabled|element is disabled/i, 'The element is disabled.', 'Fill in what the page waits for first.'],
  [/not editable|not an <input>|Cannot type text into/i, 'The element takes no text.', 'Choose a textbox from browser_snapshot.'],
  [/not a <select>/i, 'The element is no list to choose from.', 'Click it, and then what opens.'],
  [/did not find some options/i, 'The list has no such option.', 'Pass what browser_snapshot shows as the options.'],
  [/Unknown key/i, 'There is no key of that name.', 'Use names like Enter, Escape, Tab, ArrowDown, a, Control+a.'],
  [
    /net::ERR_(?:TUNNEL_CONNECTION_FAILED|PROXY_)/,
    'The address was refused by the egress policy, or its host does not answer.',
    'Private and local addresses cannot be opened; egress.allow in config.toml names exceptions.',
  ],
  [
    /net::ERR_(?:BLOCKED_BY|UNSAFE_PORT|UNSAFE_REDIRECT|DISALLOWED_URL)/,
    'The address may not be opened.',
    'Open an address that begins with http:// or https://.',
  ],
  [/net::ERR_CERT_|net::ERR_SSL_/, 'The certificate of the site is not valid.', 'Use the right name of the site.'],
  [
    /net::ERR_(?:EMPTY_RESPONSE|CONNECTION_|INVALID_RESPONSE|HTTP2|TIMED_OUT|INCOMPLETE)/,
    'The site broke off the connection.',
    'Try again later.',
  ],
  [/net::ERR_TOO_MANY_REDIRECTS/, 'The site redirects without end.', 'Open another address of it.'],
  [
    /has been closed|Target crashed|browser has disconnected|Page crashed/i,
    'The tab was closed, or its page crashed.',
    'Open the page again with browser_open.',
  ],
]

/** @returns the error to throw for anything that a request ran into */
export function pageFailure(error: unknown, signal: AbortSignal): Error {
  if (signal.aborted) return failed('cancelled', 'Cancelled.', 'Ask again when it is wanted.')
  if (isFailureError(error)) return error
  const said = error instanceof Error ? error.message : ''
  const known = reasons.find(([pattern]) => pattern.test(said))
  if (known !== undefined) return failed('tool_failed', known[1], known[2])
  if (error instanceof Error && (error.name === 'TimeoutError' || said === 'time is over')) {
    return failed('tool_failed', 'The page did not answer in time.', 'Look at it with browser_snapshot; open it again when it stays busy.')
  }
  return failed('tool_failed', 'The browser could not do that.', 'Look at the page with browser_snapshot and try another way.')
}

// Bounds what cannot be trusted to end: much of it is up to pages.

/** @throws Error when it takes longer; what was begun goes on, and its end is nobody's concern. */
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
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const over = Promise.withResolvers<void>()
  const timer = setTimeout(over.resolve, ms)
  const cancel = (): void => over.resolve()
  signal.addEventListener('abort', cancel, { once: true })
  await over.promise
  clearTimeout(timer)
  signal.removeEventListener('abort', cancel)
}

/** @throws Error when the request was cancelled and the work does not end soon after by itself; then as above. */
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
