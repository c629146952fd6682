/**
 * Who may open a connection. Three questions, each closed unless answered: does the request name this host (a page whose
 * name was rebound to loopback does not), does a browser page come from this host itself, does it carry the token.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import type { Failure } from '../types/index.ts'
import { isSameToken } from './token.ts'

interface Door {
  /** The configured host, as the person wrote it. */
  readonly host: string
  readonly token: string
}

/** The subprotocol that the gateway speaks. A browser cannot set headers, so it offers the token beside it. */
export const subprotocol = 'oxbow'
const tokenProtocol = 'bearer.'

/** @returns why the host or origin is not served, or null. */
export function refuseSource(headers: IncomingHttpHeaders, door: Door): Failure | null {
  const host = headers.host ?? ''
  if (!isServedHost(host, door.host)) {
    return denied(
      `The gateway does not answer for the host ${JSON.stringify(host)}.`,
      'Connect to 127.0.0.1, localhost or the configured host.',
    )
  }
  const { origin } = headers
  // Same origin to the letter: a page of another port of this machine is another program.
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    return denied(`Pages from ${JSON.stringify(origin)} may not talk to this gateway.`, 'Open the page that this gateway serves itself.')
  }
  return null
}

/** @returns why the token is not good, or null. Absent, empty and wrong look the same from outside. */
export function refuseToken(headers: IncomingHttpHeaders, door: Door): Failure | null {
  const given = bearerOf(headers)
  if (given !== null && isSameToken(given, door.token)) return null
  return {
    code: 'unauthenticated',
    message: given === null ? 'The bearer token is missing.' : 'The bearer token is wrong.',
    hint: 'Send `Authorization: Bearer <token>` with the text of the guest’s ipc/token file; it changes at every start.',
  }
}

function bearerOf(headers: IncomingHttpHeaders): string | null {
  if (headers.authorization !== undefined) return /^Bearer +(\S+)$/i.exec(headers.authorization)?.[1] ?? ''
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
  // Behind a wildcard address any of the machine's own addresses is right; only names can be rebound.
  return (configured === '0.0.0.0' || configured === '::') && isIP(name) !== 0
}

function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}

function denied(message: string, hint: string): Failure {
  return { code: 'denied', message, hint }
}
