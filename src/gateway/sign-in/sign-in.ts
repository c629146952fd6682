/**
 * Signing in by OpenID Connect. A page goes to `/sign-in`, from there to the provider and back to `/sign-in/callback`, and gets a code that it
 * exchanges as one of `oxbow web` (`POST /web/session`). A terminal asks for a code that its person types in at the provider
 * (`POST /sign-in/device`), and gets a key once they have (`POST /sign-in/device/token`).
 *
 * What a browser brings back belongs to the one that left: a cookie finds its sign-in, which works once. The answer of the provider must fit
 * it by state, nonce and the verifier of PKCE, which do not leave this process before.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Failure, OxbowError, type Random, toError, toFailure } from '../../base/index.ts'
import type { OidcConfig } from '../../config/index.ts'
import type { Clients } from '../clients.ts'
import { readBody } from '../http/request-body.ts'
import { createOneTimeCodes } from '../one-time-codes.ts'
import { sendJson, sendProblem } from '../http/send-json.ts'
import { maxDeviceSignIns, maxSignInBytes, maxSignIns, signInCodeMs } from '../limits.ts'
import type { Admitted, MadeKey, PersonKeys } from './person-keys.ts'
import type { CodeFlow, Provider } from './provider.ts'

export interface SignInDeps {
  readonly provider: Provider
  readonly keys: PersonKeys
  readonly config: OidcConfig
  readonly clients: Pick<Clients, 'stranger'>
  /** Origin that people open behind a proxy; empty: the one of the request. */
  readonly publicUrl: string
  readonly user: string
  /** Makes a code that the page exchanges. */
  readonly handOver: (admitted: Admitted) => string
  readonly random: Random
  readonly now: () => number
}

export type SignIn = (request: IncomingMessage, response: ServerResponse, path: string) => Promise<void>

interface Waiting {
  readonly flow: CodeFlow
  readonly redirect: string
  readonly until: number
}

type Devices = ReturnType<typeof createDevices>

export function createSignIn(deps: SignInDeps): SignIn {
  const { provider, keys, config, clients, random, now } = deps
  const waiting = createOneTimeCodes<Waiting>(maxSignIns, { random, now })
  const devices = createDevices(deps)

  const leave = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const redirect = redirectOf(request, deps)
    const flow = await provider.begin(redirect)
    const id = waiting.put({ flow, redirect, until: now() + signInCodeMs })
    response.setHeader('set-cookie', cookieOf(redirect, id, signInCodeMs / 1_000))
    moveTo(response, flow.url)
  }
  const comeBack = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const found = waiting.take(cookieIn(request, redirectOf(request, deps)))
    if (found === null) throw toError(noSignIn)
    response.setHeader('set-cookie', cookieOf(found.redirect, '', 0))
    const signedIn = await found.flow.finish(new URL(request.url ?? '', found.redirect))
    const code = deps.handOver(await keys.admit(signedIn))
    moveTo(response, `${found.redirect.replace(/sign-in\/callback$/, '')}#sign-in=${code}`)
  }
  return async (request, response, path) => {
    const route = `${request.method} ${path}`
    const isPage = route === 'GET /sign-in' || route === 'GET /sign-in/callback'
    try {
      // Nobody is known yet: requests are counted by their address.
      clients.stranger(request).take?.()
      if (route === 'GET /sign-in') return await leave(request, response)
      if (route === 'GET /sign-in/callback') return await comeBack(request, response)
      if (route === 'GET /sign-in/info') return sendJson(response, 200, { issuer: config.issuer, user: deps.user })
      if (route === 'POST /sign-in/device') return sendJson(response, 200, await devices.begin())
      if (route === 'POST /sign-in/device/token') return await answerDevice(devices, request, response)
      throw toError(nothingHere)
    } catch (error) {
      const failure = toFailure(error, 'internal_failure', 'The log of the guest has the details.')
      if (isPage) sendPage(response, failure)
      else sendProblem(response, failure)
    }
  }
}

async function answerDevice(devices: Devices, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const device = /^\s*\{\s*"device"\s*:\s*"([\w-]{1,100})"\s*\}\s*$/.exec(await readBody(request, maxSignInBytes))?.[1]
  if (device === undefined)
    throw new OxbowError('bad_input', 'The body is not a JSON object with a device.', { hint: 'Send {"device": "…"}.' })
  const made = await devices.take(device)
  if (made === null) return sendJson(response, 202, { pending: true })
  sendJson(response, 200, made)
}

interface WaitingDevice {
  readonly until: number
  /** Null while nobody has answered; what fails is told to the terminal. */
  answer: { readonly made: MadeKey } | { readonly failure: unknown } | null
}

function createDevices({ provider, keys, random, now, user }: SignInDeps) {
  const waiting = createOneTimeCodes<WaitingDevice>(maxDeviceSignIns, { random, now })
  let open = 0
  return {
    async begin() {
      if (open >= maxDeviceSignIns)
        throw new OxbowError('limit_reached', 'Too many terminals wait to be signed in.', { hint: 'Try again in some minutes.' })
      const flow = await provider.device()
      const expiresInS = Math.min(flow.expiresInS, signInCodeMs / 1_000)
      const device: WaitingDevice = { until: now() + expiresInS * 1_000, answer: null }
      const id = waiting.put(device)
      open += 1
      const answered = flow
        .wait(AbortSignal.timeout(expiresInS * 1_000))
        .then(async (signedIn) => ({ made: await keys.make(await keys.admit(signedIn), 'terminal') }))
        .catch((failure: unknown) => ({ failure }))
      void answered.then((answer) => {
        open -= 1
        device.answer = answer
      })
      return {
        device: id,
        user_code: flow.userCode,
        verification_uri: flow.address,
        verification_uri_complete: flow.fullAddress,
        expires_in_s: expiresInS,
        interval_s: Math.min(flow.intervalS, 10),
      }
    },
    async take(id: string) {
      const device = waiting.find(id)
      if (device === null) throw toError(noDevice)
      const { answer } = device
      if (answer === null) return null
      waiting.take(id)
      if ('failure' in answer) throw answer.failure
      return { key: answer.made.key, expires_at: answer.made.expiresAt, user }
    },
  }
}

/** The address to which the provider sends back: the configured one, else where the person is. Its host was checked before. */
function redirectOf(request: IncomingMessage, { config, publicUrl, user }: Pick<SignInDeps, 'config' | 'publicUrl' | 'user'>): string {
  if (config.redirect_url !== '') return config.redirect_url.replaceAll('{user}', encodeURIComponent(user))
  const scheme = 'encrypted' in request.socket ? 'https' : 'http'
  return `${publicUrl === '' ? `${scheme}://${request.headers.host ?? ''}` : new URL(publicUrl).origin}/sign-in/callback`
}

/** Lax, or a browser would not send it along when it comes from the provider. Each gateway of a host has its own. */
function cookieOf(redirect: string, value: string, maxAgeS: number): string {
  const { protocol, pathname } = new URL(redirect)
  const secure = protocol === 'https:' ? '; Secure' : ''
  return `${cookieName(redirect)}=${value}; HttpOnly; SameSite=Lax; Path=${pathname.replace(/\/callback$/, '')}; Max-Age=${maxAgeS}${secure}`
}

function cookieName(redirect: string): string {
  const { port } = new URL(redirect)
  return `oxbow-sign-in-${port === '' ? 'web' : port}`
}

function cookieIn({ headers: { cookie = '' } }: IncomingMessage, redirect: string): string {
  const start = `${cookieName(redirect)}=`
  const found = cookie.split(/;\s*/).find((pair) => pair.startsWith(start))
  return found?.slice(start.length) ?? ''
}

const pageHeaders = {
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}

function moveTo(response: ServerResponse, location: string): void {
  response.writeHead(302, { ...pageHeaders, location }).end()
}

/** A person reads it, in their browser. Text only: what the provider says stands in it. */
function sendPage(response: ServerResponse, { code, message, hint }: Failure): void {
  response.setHeader('content-type', 'text/plain; charset=utf-8')
  const status =
    code === 'sign_in_failed' ? 502 : code === 'denied' ? 403 : code === 'limit_reached' ? 429 : code === 'unauthenticated' ? 401 : 500
  response.writeHead(status, pageHeaders).end(`${message}\n${hint ?? ''}\n`)
}

const noSignIn: Failure = {
  code: 'unauthenticated',
  message: 'This sign-in was used, is older than ten minutes, or began in another browser.',
  hint: 'Begin again at /sign-in.',
}
const noDevice: Failure = { code: 'unauthenticated', message: 'This sign-in is over.', hint: 'Begin again: oxbow login' }
const nothingHere: Failure = { code: 'not_found', message: 'There is nothing at this address.', hint: 'Sign in at /sign-in.' }
