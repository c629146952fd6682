/**
 * Signing in to the web application. `oxbow web` asks for a code with the token of the guest (`POST /web/link`); the page exchanges the
 * code for a cookie (`POST /web/session`). A code works once, for ten minutes, and is kept in memory as a hash.
 *
 * Cookie and page each hold a part of an API key of the kernel with the rights of the owner: it survives a restart of the guest,
 * `oxbow keys list` shows it, and `oxbow keys revoke` ends it at once. Scripts cannot read the cookie, no page of another site can make the
 * browser send it, and a server on another port, to which the browser would send it, can do nothing with only the cookie.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Kernel } from '../../kernel/index.ts'
import { type Failure, isObject, type JsonObject, OxbowError, type Random, toError, toFailure } from '../../base/index.ts'
import { cookieKeyOf, cookieName, createToken, pageFolder, pagePartChars } from '../admission.ts'
import type { Clients } from '../clients.ts'
import { maxSignInBytes, maxSignInCodes, signInCodeMs, webSessionMs } from '../limits.ts'
import { readBody } from './request-body.ts'
import { sendJson, sendProblem } from './send-json.ts'

interface WebSessionDeps {
  /** Of the owner. */
  readonly kernel: Kernel
  readonly clients: Clients
  readonly random: Random
  readonly now: () => number
}

/** @returns whether the request was for it */
export type WebSessions = (request: IncomingMessage, response: ServerResponse, path: string) => Promise<void>

export function createWebSessions({ kernel, clients, random, now }: WebSessionDeps): WebSessions {
  /** When each code ends, by the hash of the code. */
  const codes = new Map<string, number>()

  const makeCode = (): JsonObject => {
    for (const [hash, until] of codes) if (until <= now()) codes.delete(hash)
    const [oldest] = codes.keys()
    if (codes.size >= maxSignInCodes && oldest !== undefined) codes.delete(oldest)
    const code = createToken(random)
    codes.set(hashOf(code), now() + signInCodeMs)
    return { code, expires_in_s: signInCodeMs / 1_000 }
  }

  const takeCode = (code: string): boolean => {
    const wanted = Buffer.from(hashOf(code))
    let isKnown = false
    // Compares with every code, so that the time reveals nothing.
    for (const [hash, until] of codes) {
      if (!timingSafeEqual(Buffer.from(hash), wanted)) continue
      codes.delete(hash)
      isKnown = until > now()
    }
    return isKnown
  }

  const signIn = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { code } = await readFields(request)
    if (typeof code !== 'string' || !takeCode(code)) throw toError(usedCode)
    await removeExpired(kernel, now())
    const name = `web-${createToken(random)
      .replaceAll(/[^a-z0-9]/gi, '')
      .slice(0, 8)
      .toLowerCase()}`
    const made = await kernel.call('key.create', { name, rights: ['*'], expires_in_s: webSessionMs / 1_000 })
    if (made.status !== 'ok') throw toError(made.failure)
    const { key } = made.output
    const page = key.slice(-pagePartChars)
    response.setHeader('set-cookie', cookie(request, { value: key.slice(0, -pagePartChars), page, maxAgeS: webSessionMs / 1_000 }))
    sendJson(response, 200, { user: kernel.status().user, page })
  }

  const signOut = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const key = cookieKeyOf(request.headers)
    if (key === null) throw toError(signedOut)
    await clients.of(request)
    await kernel.call('key.revoke', { key: keyIdOf(key) })
    response.setHeader('set-cookie', cookie(request, { value: '', page: key.slice(-pagePartChars), maxAgeS: 0 }))
    sendJson(response, 200, {})
  }

  return async (request, response, path) => {
    try {
      const route = `${request.method} ${path}`
      if (route === 'POST /web/link') {
        if (clients.admit(request) !== null) throw toError(ownersOnly)
        return sendJson(response, 200, makeCode())
      }
      if (path !== '/web/session') throw toError(nothingHere)
      if (route === 'POST /web/session') return await signIn(request, response)
      if (route === 'DELETE /web/session') return await signOut(request, response)
      if (cookieKeyOf(request.headers) === null) throw toError(signedOut)
      return sendJson(response, 200, { user: (await clients.of(request)).kernel.status().user })
    } catch (error) {
      const failure = toFailure(error, 'internal_failure', 'The log of the guest has the details.')
      sendProblem(response, failure)
    }
  }
}

/** Keys of sign-ins that have ended would fill the list. */
async function removeExpired(kernel: Kernel, now: number): Promise<void> {
  const listed = await kernel.call('key.list', {})
  if (listed.status !== 'ok') return
  const ended = listed.output.filter(({ name, expires_at }) => name.startsWith('web-') && expires_at !== null && expires_at <= now)
  for (const { id } of ended) await kernel.call('key.revoke', { key: id })
}

async function readFields(request: IncomingMessage): Promise<JsonObject> {
  if (request.headers.origin === undefined) throw toError(noOrigin)
  const text = await readBody(request, maxSignInBytes)
  try {
    const fields: unknown = JSON.parse(text)
    if (isObject(fields)) return fields
  } catch {
    // Answered below.
  }
  throw new OxbowError('bad_input', 'The body is not a JSON object.', { hint: 'Send {"code": "…"}.' })
}

interface Cookie {
  readonly value: string
  readonly page: string
  readonly maxAgeS: number
}

function cookie(request: IncomingMessage, { value, page, maxAgeS }: Cookie): string {
  const isSecure = 'encrypted' in request.socket || request.headers.origin?.startsWith('https://') === true
  const secure = isSecure ? '; Secure' : ''
  return `${cookieName(request.headers)}=${value}; HttpOnly; SameSite=Strict; Path=${pageFolder(page)}; Max-Age=${maxAgeS}${secure}`
}

/** `oxbow_` and 16 hexadecimal digits. */
function keyIdOf(key: string): string {
  return key.slice(6, 22)
}

function hashOf(code: string): string {
  return createHash('sha256').update(code).digest('hex')
}

const again = 'Run oxbow web in a terminal: it prints a link.'
const usedCode: Failure = { code: 'unauthenticated', message: 'This link was used, or is older than ten minutes.', hint: again }
const signedOut: Failure = { code: 'unauthenticated', message: 'You are not signed in.', hint: again }
const ownersOnly: Failure = { code: 'denied', message: 'Only the owner of the guest can make a link.', hint: again }
const noOrigin: Failure = { code: 'denied', message: 'Only the page of this gateway may sign in.', hint: again }
const nothingHere: Failure = { code: 'not_found', message: 'There is nothing at this address.', hint: 'The page is at /.' }
