/**
 * Who may open a connection. A request must name this host (a page whose name was rebound to loopback does not), a browser page
 * must come from this host itself, and the request must carry the bearer token.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { Failure, Random } from '../base/index.ts'
import { tokenBytes } from './limits.ts'

interface SourceRules {
  /** The configured host, as written in the configuration. */
  readonly host: string
  /** The origin that people open behind a proxy; empty: no proxy. */
  readonly publicUrl?: string
}

/** The gateway's subprotocol. A browser cannot set headers, so it sends the token as a second subprotocol. */
export const subprotocol = 'oxbow'
const tokenProtocol = 'bearer.'

/** @returns why the host or origin is refused, or null */
export function refuseSource(headers: IncomingHttpHeaders, { host: configured, publicUrl = '' }: SourceRules): Failure | null {
  const host = headers.host ?? ''
  if (!isServedHost(host, configured) && (publicUrl === '' || host !== new URL(publicUrl).host)) {
    return denied(`The gateway does not serve the host ${JSON.stringify(host)}.`, 'Connect to 127.0.0.1, localhost or the configured host.')
  }
  const { origin } = headers
  // Exactly the same origin: a page from another port of this machine is another program.
  const own = [`http://${host}`, `https://${host}`, ...(publicUrl === '' ? [] : [new URL(publicUrl).origin])]
  if (origin !== undefined && !own.includes(origin)) {
    return denied(`Pages from ${JSON.stringify(origin)} may not connect to this gateway.`, 'Open the page that this gateway serves.')
  }
  return null
}

/** @returns why the token is refused, or null. Absent, empty and wrong are indistinguishable from outside. */
export function refuseToken(headers: IncomingHttpHeaders, token: string): Failure | null {
  const bearer = bearerOf(headers)
  if (bearer !== null && isSameToken(bearer, token)) return null
  return {
    code: 'unauthenticated',
    message: bearer === null ? 'The API key is missing.' : 'The API key is wrong.',
    hint:
      'Make one with `oxbow keys create NAME --right user` and send it as `Authorization: Bearer <key>`. ' +
      'Programs of your own may send the text of the guest’s ipc/token file instead, which changes at every start.',
  }
}

/** @returns the API key that the request carries instead of the token, for the kernel to check; null when it carries none */
export function apiKeyOf(headers: IncomingHttpHeaders): string | null {
  const bearer = bearerOf(headers) ?? cookieKeyOf(headers)
  return bearer !== null && bearer.startsWith('oxbow_') ? bearer : null
}

/** @returns the token of a provider that the request carries: signed JSON in three parts; null when it carries none */
export function jwtOf(headers: IncomingHttpHeaders): string | null {
  const bearer = bearerOf(headers)
  return bearer !== null && /^eyJ[\w-]+\.[\w-]+\.[\w-]*$/.test(bearer) ? bearer : null
}

/** @returns whether the request tries to sign in, with a good key or a wrong one */
export function carriesKey(headers: IncomingHttpHeaders): boolean {
  return bearerOf(headers) !== null || cookieKeyOf(headers) !== null
}

/** Addresses end up in logs, histories and the Referer of other requests. @param url as sent */
export function isKeyInAddress(url: string): boolean {
  return /oxbow_[0-9a-f]{16}/i.test(url) || /[?&](?:access_token|api_?key|auth|authorization|bearer|token)=/i.test(url)
}

export const keyInAddress: Failure = {
  code: 'bad_input',
  message: 'A key does not belong into an address, which programs log.',
  hint: 'Send it as `Authorization: Bearer <key>`, or as the WebSocket protocol `bearer.<key>`; and revoke the one that was sent: `oxbow keys revoke`.',
}

/**
 * Cookies ignore ports: each gateway of a host has its own name, so that signing in to one does not sign out of another. Behind the door of a
 * cluster the door's port counts: the guest's changes.
 */
export function cookieName({ host = '', 'x-forwarded-host': asked = host }: IncomingHttpHeaders): string {
  return `oxbow-${/:(\d{1,5})$/.exec(String(asked))?.[1] ?? 'web'}`
}

/** @returns what stands before every address of this gateway in the browser, as the door of a cluster tells it; empty: nothing */
export function prefixOf({ 'x-forwarded-prefix': prefix = '' }: IncomingHttpHeaders): string {
  return typeof prefix === 'string' && /^(?:\/[\w%.~@-]+)*$/.test(prefix) ? prefix : ''
}

/**
 * Cookies ignore ports: a browser sends them to every server on this host. So the cookie has only the first part of a session's key; the
 * page keeps the rest, which the browser keeps from pages of other ports, and puts it into the addresses that it asks for.
 */
const pagePath = /^\/web\/([\w-]{21})(\/.*)$/
const pageHeader = 'oxbow-page'
export const pagePartChars = 21

/** Takes the page's part of the key out of the address, so that the rest of the gateway sees the address behind it. */
export function takePagePart(request: Pick<IncomingMessage, 'url' | 'headers'>): void {
  const [, part, rest] = pagePath.exec(request.url ?? '') ?? []
  if (part === undefined || rest === undefined) return
  request.headers[pageHeader] = part
  request.url = rest
}

/** Where the browser sends the cookie: nowhere but to addresses with the page's part. */
export function pageFolder(part: string): string {
  return `/web/${part}/`
}

/** @returns the API key of a page that has signed in, whose parts are in its cookie and its address, or null */
export function cookieKeyOf(headers: IncomingHttpHeaders): string | null {
  const start = `${cookieName(headers)}=`
  const cookie = (headers.cookie ?? '').split(/;\s*/).find((pair) => pair.startsWith(start))
  const part = headers[pageHeader]
  return cookie === undefined || typeof part !== 'string' ? null : cookie.slice(start.length) + part
}

/**
 * A browser sends a cookie whichever page asks, so a request with one must prove that it comes from this gateway's own page: by its
 * origin where it can change something or opens a WebSocket, and by `Sec-Fetch-Site` where it only reads.
 *
 * @returns why the cookie is refused, or null
 */
export function refuseCookie({ headers, method = '' }: Pick<IncomingMessage, 'headers' | 'method'>, isUpgrade = false): Failure | null {
  if (bearerOf(headers) !== null || cookieKeyOf(headers) === null) return null
  const isRead = !isUpgrade && (method === 'GET' || method === 'HEAD')
  const site = headers['sec-fetch-site'] ?? 'none'
  const isForeign = site !== 'same-origin' && site !== 'none'
  if (!isForeign && (isRead || headers.origin !== undefined)) return null
  return denied('The request does not come from the page that this gateway serves.', 'Open the page that this gateway serves.')
}

/** Programs of Anthropic send the key in a header of their own. */
function bearerOf(headers: IncomingHttpHeaders): string | null {
  if (headers.authorization !== undefined) return /^Bearer +(\S+)$/i.exec(headers.authorization)?.[1] ?? ''
  if (headers['x-api-key'] !== undefined) return String(headers['x-api-key']).trim()
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  return offered.find((name) => name.startsWith(tokenProtocol))?.slice(tokenProtocol.length) ?? null
}

function isServedHost(header: string, configured: string): boolean {
  const name = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?$/i
    .exec(header)?.[1]
    ?.toLowerCase()
    .replace(/^\[|\]$/g, '')
  if (name === undefined) return false
  if (isLoopback(name) || name === configured.toLowerCase()) return true
  // With a wildcard address any address of the machine is served; only names can be rebound.
  return (configured === '0.0.0.0' || configured === '::') && isIP(name) !== 0
}

export function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}

function denied(message: string, hint: string): Failure {
  return { code: 'denied', message, hint }
}

/** @returns a bearer token: 256 random bits as base64url */
export function createToken(random: Random): string {
  return Buffer.from(random.bytes(tokenBytes)).toString('base64url')
}

/** Compares digests, so that the time reveals neither content nor length of the secret. */
function isSameToken(token: string, secret: string): boolean {
  return timingSafeEqual(digest(token), digest(secret))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
