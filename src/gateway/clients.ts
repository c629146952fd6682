/**
 * Who sends a request, by its bearer token, its API key or the cookie of the page, and how much each may send. Requests over HTTP and
 * frames of a WebSocket count alike. The guest's own token, the page of its owner and the process of channels have no limit, or a busy one would stop itself.
 *
 * Checking an API key takes 50 ms and 32 MiB by design, so a key that was checked stays known by its hash; whether it was revoked since
 * is looked up each time. Guesses of a key, and requests that carry nothing valid, are limited too.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Kernel } from '../kernel/index.ts'
import { createRecentMap, isOxbowError, OxbowError, type RecentMap, toError } from '../base/index.ts'
import { apiKeyOf, cookieKeyOf, isKeyInAddress, jwtOf, keyInAddress, refuseCookie, refuseToken } from './admission.ts'
import { burstPart, failuresPerMinute, guessesPerMinute, keptClients } from './limits.ts'

export interface Client {
  readonly kernel: Kernel
  /** Distinguishes clients; no secret. */
  readonly id: string
  /** Counts a request; absent: this client has no limit. @throws TooMany */
  readonly take?: () => void
}

/** What is over the limit may be repeated after this time. */
export class TooMany extends OxbowError {
  readonly retryAfterS: number

  constructor(message: string, retryAfterS: number) {
    super('limit_reached', message, { hint: `Try again in ${retryAfterS} s.`, data: { retry_after_s: retryAfterS } })
    this.retryAfterS = retryAfterS
  }
}

export interface Clients {
  /** @param isUpgrade to a WebSocket @throws OxbowError `unauthenticated`, `denied`, TooMany */
  of(request: IncomingMessage, isUpgrade?: boolean): Promise<Client>
  /** For what answers anybody: acts for the owner, and counts requests by their address. */
  stranger(request: IncomingMessage): Client
  /** By which strangers are told apart: behind a proxy, for whom it asks. */
  addressOf(request: IncomingMessage): string
  /** For what asks no kernel. @returns the key, or null for the token of the guest @throws as `of` */
  admit(request: IncomingMessage, isUpgrade?: boolean): string | null
}

interface ClientsDeps {
  readonly kernel: Kernel
  readonly token: string
  readonly requestsPerMinute: number
  /** Requests come through a proxy. */
  readonly isProxied?: boolean
  readonly now: () => number
  /** Who brings a token of the provider of sign-in; absent: nobody signs in so. @throws OxbowError */
  readonly ofToken?: (each: string) => Promise<{ readonly kernel: Kernel; readonly id: string }>
  /** Called for each request with a key. */
  readonly onClient?: (request: IncomingMessage, client: Client) => void
}

export function createClients({ kernel, token, requestsPerMinute, isProxied = false, now, ofToken, onClient }: ClientsDeps): Clients {
  const known = createRecentMap<string, Promise<Kernel>>(keptClients)
  const requests = createBuckets(requestsPerMinute, now)
  const guesses = createBuckets(guessesPerMinute, now)
  const failures = createBuckets(failuresPerMinute, now)
  const owner: Client = { kernel, id: 'owner' }

  const admit: Clients['admit'] = (request, isUpgrade) => {
    const { headers } = request
    if (isKeyInAddress(request.url ?? '')) throw toError(keyInAddress)
    const key = apiKeyOf(headers)
    const refusal = key === null ? refuseToken(headers, token) : refuseCookie(request, isUpgrade)
    if (refusal !== null) throw toError(refusal)
    return key
  }
  const checked = async (key: string): Promise<Client & { readonly mayAll: boolean }> => {
    const id = createHash('sha256').update(key).digest('hex')
    const before = known.get(id)
    if (before !== undefined) {
      const found = await before
      return { kernel: found, id, mayAll: await found.check() }
    }
    const waitS = guesses.take(key.slice(0, keyIdCharacters))
    if (waitS > 0) throw new TooMany('This API key was checked too often.', waitS)
    const checking = kernel.withKey(key)
    known.put(id, checking)
    try {
      const found = await checking
      return { kernel: found, id, mayAll: await found.check() }
    } catch (error) {
      known.delete(id)
      throw error
    }
  }
  const take = (id: string): void => {
    const waitS = requests.take(id)
    if (waitS > 0) throw new TooMany(`One client may make ${requestsPerMinute} requests a minute (gateway.requests_per_minute).`, waitS)
  }
  return {
    admit,
    addressOf: (request) => strangerAddress(request, isProxied),
    stranger(request) {
      const id = `stranger ${strangerAddress(request, isProxied)}`
      return { kernel, id, take: () => take(id) }
    },
    async of(request, isUpgrade = false) {
      try {
        const jwt = ofToken === undefined ? null : jwtOf(request.headers)
        if (ofToken !== undefined && jwt !== null) {
          const client = await ofToken(jwt)
          onClient?.(request, client)
          return { ...client, take: () => take(client.id) }
        }
        const key = admit(request, isUpgrade)
        if (key === null) return owner
        const { mayAll, ...client } = await checked(key)
        onClient?.(request, client)
        // Any key can be sent as a cookie; a page has the owner's rights.
        const isPage = mayAll && cookieKeyOf(request.headers) === key
        return isPage || (await client.kernel.isOfChannels?.()) === true ? client : { ...client, take: () => take(client.id) }
      } catch (error) {
        // Only requests that are refused anyway: whoever guesses from an address keeps nobody else out.
        const waitS = isOxbowError(error, 'unauthenticated') ? failures.take(request.socket.remoteAddress ?? '') : 0
        throw waitS > 0 ? new TooMany('Too many requests without a valid key.', waitS) : error
      }
    },
  }
}

/** Addresses of this machine and of networks that are not the internet: there a proxy is. */
const near = /^(?:(?:::ffff:)?(?:127|10|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.|::1$|f[cd])/i
const maxAddressChars = 64

/**
 * All that comes through a proxy has its address, so one stranger would keep out everybody: the last that it says is whom it asks for. Of
 * IPv6, a house has a whole network.
 */
export function strangerAddress({ headers, socket: { remoteAddress = '' } }: IncomingMessage, isProxied: boolean): string {
  const said =
    isProxied && near.test(remoteAddress)
      ? String(headers['x-forwarded-for'] ?? '')
          .split(',')
          .at(-1)!
          .trim()
      : ''
  const address = (said || remoteAddress).slice(0, maxAddressChars)
  if (!address.includes(':') || address.includes('.')) return address
  const [head = '', tail] = address.split('::')
  const parts = head.split(':')
  const zeros = tail === undefined ? 0 : 8 - parts.length - tail.split(':').length
  return [...parts, ...Array.from({ length: Math.max(0, zeros) }, () => '0'), ...(tail ?? '').split(':')].slice(0, 4).join(':')
}

/** `oxbow_` and the id of the key: guesses of its secret are counted together. */
export const keyIdCharacters = 22

/** Token buckets: so many a minute, and a part of them at once. */
export function createBuckets(perMinute: number, now: () => number): { take(id: string): number } {
  const burst = Math.max(1, Math.ceil(perMinute * burstPart))
  const buckets: RecentMap<string, { readonly tokens: number; readonly at: number }> = createRecentMap(keptClients)
  return {
    /** @returns seconds to wait; 0: it may go on */
    take(id) {
      const bucket = buckets.get(id) ?? { tokens: burst, at: now() }
      const tokens = Math.min(burst, bucket.tokens + (Math.max(0, now() - bucket.at) / 60_000) * perMinute)
      buckets.put(id, { tokens: tokens < 1 ? tokens : tokens - 1, at: now() })
      return tokens < 1 ? Math.ceil(((1 - tokens) * 60) / perMinute) : 0
    },
  }
}
