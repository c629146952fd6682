/**
 * Signing in to the web application. `oxbow web` asks for a code with the token of the guest (`POST /web/link`); the page exchanges the
 * code for a cookie (`POST /web/session`). A code works once, for ten minutes, and is kept in memory as a hash.
 *
 * Cookie and page each hold a part of an API key of the kernel with the rights of the owner: it survives a restart of the guest,
 * `oxbow keys list` shows it, and `oxbow keys revoke` ends it at once. Scripts cannot read the cookie, no page of another site can make the
 * browser send it, and a server on another port, to which the browser would send it, can do nothing with only the cookie.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Kernel } from '../../kernel/index.ts'
import { type Failure, isObject, type JsonObject, OxbowError, type Random, toError, toFailure } from '../../base/index.ts'
import { cookieKeyOf, cookieName, createToken, pageFolder, pagePartChars, prefixOf } from '../admission.ts'
import type { Clients } from '../clients.ts'
import { handOverMs, maxSignInBytes, maxSignInCodes, signInCodeMs, webSessionMs } from '../limits.ts'
import { createOneTimeCodes } from '../one-time-codes.ts'
import { readBody } from './request-body.ts'
import { sendJson, sendProblem } from './send-json.ts'

interface WebSessionDeps {
  /** Of the owner. */
  readonly kernel: Kernel
  readonly clients: Clients
  /** Address under which the door of a cluster leads here. */
  readonly door?: string | undefined
  readonly random: Random
  readonly now: () => number
}

export interface WebSessions {
  answer(request: IncomingMessage, response: ServerResponse, path: string): Promise<void>
  /** @param makeKey makes the key of somebody who has signed in elsewhere @returns a code that the page exchanges at once */
  handOver(makeKey: MakeKey): string
}

/** The key of a page, and when it expires, in unix milliseconds. */
type MakeKey = () => Promise<{ readonly key: string; readonly expiresAt: number }>

interface Code {
  readonly until: number
  readonly makeKey: MakeKey
}

export function createWebSessions({ kernel, clients, door, random, now }: WebSessionDeps): WebSessions {
  const codes = createOneTimeCodes<Code>(maxSignInCodes, { random, now })
  const makeCode = (makeKey: MakeKey, forMs: number): string => codes.put({ until: now() + forMs, makeKey })
  /** With all rights: the owner's. */
  const makeOwnKey: MakeKey = async () => {
    await removeExpired(kernel, now())
    const name = `web-${createToken(random)
      .replaceAll(/[^a-z0-9]/gi, '')
      .slice(0, 8)
      .toLowerCase()}`
    const made = await kernel.call('key.create', { name, rights: ['*'], expires_in_s: webSessionMs / 1_000 })
    if (made.status !== 'ok') throw toError(made.failure)
    return { key: made.output.key, expiresAt: now() + webSessionMs }
  }

  const signIn = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { code } = await readFields(request)
    const taken = typeof code === 'string' ? codes.take(code) : null
    if (taken === null) throw toError(usedCode)
    const { key, expiresAt } = await taken.makeKey()
    const page = key.slice(-pagePartChars)
    const maxAgeS = Math.max(1, Math.round((expiresAt - now()) / 1_000))
    response.setHeader('set-cookie', cookie(request, { value: key.slice(0, -pagePartChars), page, maxAgeS }))
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

  const answer: WebSessions['answer'] = async (request, response, path) => {
    try {
      const route = `${request.method} ${path}`
      if (route === 'POST /web/link') {
        if (clients.admit(request) !== null) throw toError(ownersOnly)
        const code = makeCode(makeOwnKey, signInCodeMs)
        return sendJson(response, 200, { code, expires_in_s: signInCodeMs / 1_000, ...(door !== undefined && { address: door }) })
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
  return { answer, handOver: (makeKey) => makeCode(makeKey, handOverMs) }
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
  const { headers } = request
  const isSecure =
    'encrypted' in request.socket || headers.origin?.startsWith('https://') === true || headers['x-forwarded-proto'] === 'https'
  const secure = isSecure ? '; Secure' : ''
  return `${cookieName(headers)}=${value}; HttpOnly; SameSite=Strict; Path=${prefixOf(headers)}${pageFolder(page)}; Max-Age=${maxAgeS}${secure}`
}

/** `oxbow_` and 16 hexadecimal digits. */
function keyIdOf(key: string): string {
  return key.slice(6, 22)
}

const again = 'Run oxbow web in a terminal: it prints a link.'
export const usedCode: Failure = { code: 'unauthenticated', message: 'This link was used, or is older than ten minutes.', hint: again }
const signedOut: Failure = { code: 'unauthenticated', message: 'You are not signed in.', hint: again }
const ownersOnly: Failure = { code: 'denied', message: 'Only the owner of the guest can make a link.', hint: again }
const noOrigin: Failure = { code: 'denied', message: 'Only the page of this gateway may sign in.', hint: again }
const nothingHere: Failure = { code: 'not_found', message: 'There is nothing at this address.', hint: 'The page is at /.' }
