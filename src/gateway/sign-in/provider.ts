/**
 * The provider of sign-in, over OpenID Connect: what Oxbow asks of it, and what of its answers is believed. The protocol is `openid-client`'s, with
 * PKCE, state and nonce, and with signatures checked; access tokens that programs bring are checked by `jose` under the same keys. Loaded with
 * the first sign-in.
 */
import { createRemoteJWKSet, customFetch as joseFetch, errors as joseErrors, jwtVerify, type JWTPayload } from 'jose'
import * as client from 'openid-client'
import { errorMessage, isObject, OxbowError, ownValue } from '../../base/index.ts'
import type { OidcConfig } from '../../config/index.ts'
import type { InputOf } from '../../protocol/index.ts'
import { clockSkewS, maxClaimChars, maxGroups, providerAgainMs, providerKeptMs, providerTimeoutS } from '../limits.ts'

/** Whom the provider has signed in. */
export type Claims = InputOf<'people.sign_in'>

export interface SignedIn {
  readonly claims: Claims
  /** Null: groups cannot be looked up again. */
  readonly refreshToken: string | null
}

/** What a browser must bring back. */
export interface CodeFlow {
  readonly url: string
  readonly finish: (answer: URL) => Promise<SignedIn>
}

interface DeviceFlow {
  readonly userCode: string
  readonly address: string
  /** With the code in it; empty: the provider has none. */
  readonly fullAddress: string
  readonly expiresInS: number
  readonly intervalS: number
  /** Waits until somebody has answered. */
  readonly wait: (signal: AbortSignal) => Promise<SignedIn>
}

/** Failures are OxbowErrors: `sign_in_failed` where the provider is away, `unauthenticated` where it or its answer says no. */
export interface Provider {
  begin(redirect: string): Promise<CodeFlow>
  device(): Promise<DeviceFlow>
  refresh(token: string): Promise<SignedIn>
  /** @returns of an access token whom it is of, and when it ends, in unix milliseconds */
  bearer(token: string): Promise<{ readonly claims: Claims; readonly until: number }>
}

export interface ProviderDeps {
  readonly config: OidcConfig
  /** Empty: a public client. */
  readonly secret: string
  /** Requests to a host under the egress policy. */
  readonly openFetch: (host: string, allow: readonly string[]) => Promise<typeof fetch>
  readonly now: () => number
}

/** What keys may sign tokens: no shared secret, and never none. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

export function createProvider(deps: ProviderDeps): Provider {
  const { config } = deps
  const scope = config.scopes.join(' ')
  const send = fetchOf(deps)
  const server = createDiscovery(deps, send)
  const signedIn = async (answer: Tokens): Promise<SignedIn> => {
    const said = answer.claims()
    const sub = said?.sub
    if (sub === undefined) throw refused('The provider did not say who you are.')
    const more =
      said !== undefined && claimIn(said, config.name_claim) !== undefined && claimIn(said, config.groups_claim) !== undefined
        ? {}
        : await client.fetchUserInfo(await server(), answer.access_token, sub).catch(noUserInfo)
    return { claims: claimsOf(config, { ...more, ...said, sub }), refreshToken: answer.refresh_token ?? null }
  }
  return {
    begin: (redirect) =>
      typed(async () => {
        const [verifier, state, nonce] = [client.randomPKCECodeVerifier(), client.randomState(), client.randomNonce()]
        const challenge = await client.calculatePKCECodeChallenge(verifier)
        const asked = { redirect_uri: redirect, scope, state, nonce, code_challenge: challenge, code_challenge_method: 'S256' }
        const consent = config.scopes.includes('offline_access') ? { prompt: 'consent' } : {}
        const url = client.buildAuthorizationUrl(await server(), { ...asked, ...consent }).href
        const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
        // The address that the provider knows, whatever a proxy made of it.
        const answered = (answer: URL): URL => new URL(answer.search, redirect)
        return {
          url,
          finish: (answer) => typed(async () => signedIn(await client.authorizationCodeGrant(await server(), answered(answer), checks))),
        }
      }),
    device: () =>
      typed(async () => {
        const found = await server()
        const begun = await client.initiateDeviceAuthorization(found, { scope })
        return {
          userCode: begun.user_code,
          address: begun.verification_uri,
          fullAddress: begun.verification_uri_complete ?? '',
          expiresInS: begun.expires_in,
          intervalS: begun.interval ?? 5,
          wait: (signal) => typed(async () => signedIn(await client.pollDeviceAuthorizationGrant(found, begun, {}, { signal }))),
        }
      }),
    refresh: (token) =>
      typed(async () => {
        const answer = await client.refreshTokenGrant(await server(), token)
        const { claims, refreshToken } = await signedIn(answer)
        return { claims, refreshToken: refreshToken ?? token }
      }),
    bearer: createBearer(deps, server, send),
  }
}

function createBearer({ config, now }: ProviderDeps, server: Discover, send: typeof fetch): Provider['bearer'] {
  let keys: ReturnType<typeof createRemoteJWKSet> | null = null
  return (token) =>
    typed(async () => {
      if (config.audience === '') throw refused('Tokens of the provider are not accepted here.')
      const { jwks_uri: address } = (await server()).serverMetadata()
      if (address === undefined) throw failed('it has no keys')
      keys ??= createRemoteJWKSet(new URL(address), { [joseFetch]: send, timeoutDuration: providerTimeoutS * 1_000 })
      const { payload } = await jwtVerify(token, keys, {
        issuer: config.issuer,
        audience: config.audience,
        algorithms,
        clockTolerance: clockSkewS,
        requiredClaims: ['sub', 'exp'],
      })
      // Of an ID token, which tells a client who has signed in.
      if (payload['nonce'] !== undefined || payload['at_hash'] !== undefined) throw refused('An ID token opens nothing.')
      // Clocks differ, but nothing is gained by a token that may be over.
      const until = payload.exp! * 1_000
      if (until <= now()) throw refused('The token has expired.')
      return { claims: claimsOf(config, payload), until }
    })
}

type Discover = () => Promise<client.Configuration>

/** What the provider answers with. */
interface Tokens extends client.TokenEndpointResponseHelpers {
  readonly access_token: string
  readonly refresh_token?: string
}

/** What the provider says of itself is kept for an hour, and used on while it is away. */
function createDiscovery({ config, secret, now }: ProviderDeps, send: typeof fetch): Discover {
  let known: client.Configuration | null = null
  let asking: Promise<client.Configuration> | null = null
  let [until, again] = [0, 0]
  const discover = async (): Promise<client.Configuration> => {
    const isPlain = config.issuer.startsWith('http://')
    const found = await client.discovery(
      new URL(config.issuer),
      config.client_id,
      { [client.clockTolerance]: clockSkewS },
      secret === '' ? client.None() : client.ClientSecretBasic(secret),
      {
        [client.customFetch]: (url, { body, signal, ...init }) =>
          send(url, { ...init, ...(body !== undefined && { body }), ...(signal !== undefined && { signal }) }),
        timeout: providerTimeoutS,
        ...(isPlain && { execute: [client.allowInsecureRequests] }),
      },
    )
    client.enableNonRepudiationChecks(found)
    ;[known, until] = [found, now() + providerKeptMs]
    return found
  }
  return async () => {
    if (known !== null && now() < until) return known
    if (known !== null && now() < again) return known
    again = now() + providerAgainMs
    asking ??= discover().finally(() => (asking = null))
    try {
      return await asking
    } catch (error) {
      if (known !== null) return known
      throw error
    }
  }
}

/** The host of the issuer is allowed, because the configuration names it; others as the policy says. */
function fetchOf({ config, openFetch }: ProviderDeps): typeof fetch {
  const { host } = new URL(config.issuer)
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    return (await openFetch(url.host, [host]))(input, init)
  }
}

/** What a provider says may be anything: texts are cut, and what is no text is left out. */
function claimsOf(config: OidcConfig, said: Readonly<Record<string, unknown>> | JWTPayload): Claims {
  const { sub: subject } = said
  if (typeof subject !== 'string' || subject === '' || subject.length > 255) throw refused('The provider did not say who you are.')
  const name = claimIn(said, config.name_claim)
  const groups = claimIn(said, config.groups_claim)
  const list = Array.isArray(groups) ? groups : typeof groups === 'string' ? [groups] : []
  const texts = list.filter((group): group is string => typeof group === 'string' && group !== '' && group.length <= maxClaimChars)
  // Nobody gets a group by its place in a list: with too many, none counts.
  if (texts.length > maxGroups) throw refused(`The provider names more than ${maxGroups} groups.`)
  return {
    issuer: config.issuer,
    subject,
    name: typeof name === 'string' ? name.slice(0, maxClaimChars) : '',
    groups: texts.filter((group) => group !== '*'),
  }
}

/** A claim by its name; or, where no claim has it, by its path, as in `realm_access.roles`. */
function claimIn(said: object, name: string): unknown {
  const whole = ownValue(said as Readonly<Record<string, unknown>>, name)
  if (whole !== undefined) return whole
  return name
    .split('.')
    .reduce<unknown>((at, part) => (isObject(at) ? ownValue(at as Readonly<Record<string, unknown>>, part) : undefined), said)
}

/** A provider may have none. What it says to us in it is not needed to know who somebody is. */
function noUserInfo(error: unknown): object {
  if (error instanceof client.ClientError && error.code === 'OAUTH_MISSING_SERVER_METADATA') return {}
  throw error
}

/** Failures of the provider as ours. */
async function typed<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof OxbowError) throw error
    if (error instanceof client.ResponseBodyError && error.status < 500) throw refused(`The provider refused it: ${error.error}.`, error)
    if (error instanceof client.AuthorizationResponseError) throw refused(`The provider did not sign you in: ${error.error}.`, error)
    if (error instanceof joseErrors.JOSEError && !/^ERR_JOSE_GENERIC$|^ERR_JWKS_(?:TIMEOUT|INVALID)$/.test(error.code))
      throw refused('The token is not valid here.', error)
    if (error instanceof client.ClientError && isCheck(error)) throw refused('The answer of the provider does not fit this sign-in.', error)
    throw failed(errorMessage(error), error)
  }
}

/** Of what came, not of the way to the provider. */
function isCheck({ code }: client.ClientError): boolean {
  return /^OAUTH_(?:INVALID_RESPONSE|JWT_|UNSUPPORTED_OPERATION|KEY_SELECTION)/.test(String(code))
}

function refused(message: string, cause?: unknown): OxbowError {
  return new OxbowError('unauthenticated', message, { hint: 'Sign in again.', ...(cause !== undefined && { cause }) })
}

function failed(why: string, cause?: unknown): OxbowError {
  return new OxbowError('sign_in_failed', `The provider of sign-in cannot be used: ${why.slice(0, 200)}.`, {
    hint: 'Whoever is signed in stays so. Check that oidc.issuer answers, then try again.',
    ...(cause !== undefined && { cause }),
  })
}
