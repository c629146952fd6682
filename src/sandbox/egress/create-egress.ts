/**
 * Fetches from the web: resolve, check, pin the address, connect; and again for each redirect. Runs in the kernel, never in hands. GET
 * only: no other method, no request body, no cookies.
 */
import { isUtf8 } from 'node:buffer'
import { createSlots, isOxbowError, OxbowError } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'
import { fetchTimeoutMs, maxFetchBytes, maxFetches, maxRedirects } from '../limits.ts'
import { type Body, connectionFailure, type ExtraHeaders, readBody, requestPinned } from './pinned-request.ts'
import { type Admit, openPolicy, type PolicyOptions } from './egress-policy.ts'
import { admitThrough } from './through-proxy.ts'

export interface Fetched {
  /** Every requested URL; the last one sent the response. */
  readonly urls: readonly string[]
  /** The server's address, one of those that were checked. */
  readonly address: string
  readonly status: number
  /** From the server, truncated; empty if absent. */
  readonly contentType: string
  readonly body: Buffer
  /** The body was longer than the limit. */
  readonly cut: boolean
}

export interface Egress {
  /**
   * @throws OxbowError `bad_input` (no such URL is fetched), `denied` (policy), `not_found` (no such name), `tool_failed` (no usable
   * answer), `timeout`, `limit_reached` (too many redirects), or the signal's reason
   */
  fetch(url: string, accept: string, signal: AbortSignal, more?: FetchMore): Promise<Fetched>
}

interface FetchMore {
  /** In addition to `accept`, e.g. a key; not sent on a redirect to another origin. */
  readonly headers?: ExtraHeaders
  /** Judges the address of a redirect, in addition to the policy. Throws for one that is not followed. */
  readonly judge?: (url: string) => Promise<void>
}

export interface EgressOptions extends PolicyOptions {
  /** Socket of a proxy that has the policy and the network; absent: this process has both. */
  readonly through?: string

  readonly maxBytes?: number
  readonly timeoutMs?: number
}

/** Nothing is opened before the first fetch. @throws OxbowError `bad_config` */
export function createEgress(config: Config['egress'], options: EgressOptions = {}): Egress {
  const { maxBytes = maxFetchBytes, timeoutMs = fetchTimeoutMs } = options
  const admit = options.through === undefined ? openPolicy(config, options) : admitThrough(options.through)
  const inSlot = createSlots(maxFetches)
  return {
    async fetch(url, accept, signal, { headers = {}, judge } = {}) {
      const deadline = new AbortController()
      const timer = setTimeout(() => deadline.abort(tooSlow(timeoutMs)), timeoutMs)
      try {
        const either = AbortSignal.any([signal, deadline.signal])
        return await inSlot(either, () => follow(admit, url, { accept, headers, judge, maxBytes, signal: either }))
      } finally {
        clearTimeout(timer)
      }
    },
  }
}

interface Wanted {
  readonly accept: string
  readonly headers: ExtraHeaders
  readonly judge: FetchMore['judge'] | undefined
  readonly maxBytes: number
  readonly signal: AbortSignal
}

async function follow(admit: Admit, first: string, wanted: Wanted): Promise<Fetched> {
  const urls: string[] = []
  const home = URL.parse(first)?.origin
  for (let next = first; ;) {
    const to = await admitHop(admit, next, urls, wanted)
    urls.push(to.url.href)
    const { status, message, address } = await requestPinned(
      to,
      { ...(to.url.origin === home && wanted.headers), accept: wanted.accept },
      wanted.signal,
    )
    const location = redirects.has(status) ? message.headers.location : undefined
    if (location === undefined) {
      const body = await readBody(message, wanted.maxBytes).catch((error: unknown): never => {
        wanted.signal.throwIfAborted()
        throw isOxbowError(error) ? error : connectionFailure(to, error)
      })
      return fetched(urls, address, status, message.headers['content-type'] ?? '', body)
    }
    message.destroy()
    if (urls.length > maxRedirects) throw endless(urls)
    // An invalid Location is refused like any other bad URL.
    next = URL.parse(textOf(location), to.url.href)?.href ?? ''
  }
}

/** Node reads headers as Latin-1; servers that send non-ASCII there send UTF-8, as browsers assume. */
function textOf(header: string): string {
  const bytes = Buffer.from(header, 'latin1')
  return isUtf8(bytes) ? bytes.toString() : header
}

/** The error mentions the redirect: the requested URL is not at fault. */
async function admitHop(admit: Admit, url: string, before: readonly string[], { judge, signal }: Wanted): ReturnType<Admit> {
  try {
    if (before.length > 0) await judge?.(url)
    return await admit(url, signal)
  } catch (error) {
    if (before.length === 0 || !isOxbowError(error)) throw error
    throw new OxbowError(error.code, `A redirect cannot be followed. ${error.message}`, {
      hint: error.hint,
      data: { outcome: { urls: before } },
      cause: error,
    })
  }
}

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

function fetched(urls: readonly string[], address: string, status: number, contentType: string, body: Body): Fetched {
  return { urls, address, status, contentType: contentType.slice(0, 200), body: body.bytes, cut: body.cut }
}

function endless(urls: readonly string[]): OxbowError {
  return new OxbowError('limit_reached', `The server redirects more than ${maxRedirects} times.`, {
    hint: 'Pass the final address.',
    data: { outcome: { urls } },
  })
}

function tooSlow(ms: number): OxbowError {
  return new OxbowError('timeout', `The page did not arrive within ${ms / 1000} s.`, { hint: 'Try again later, or another source.' })
}
