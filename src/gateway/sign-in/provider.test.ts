/** What a provider may answer that is hostile, broken or late: it signs nobody in. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { oidcConfig } from '../../config/machine/config-oidc.ts'
import { isOxbowError } from '../../base/index.ts'
import { createProvider, type Provider, type SignedIn } from './provider.ts'

let server: Server
let issuer = ''
/** What the next exchange of a code gets. */
let answer: () => Promise<{ readonly status?: number; readonly body: unknown }> = async () => ({ body: {} })
let says: Record<string, unknown> = {}
let sign: (claims: JWTPayload, alg?: string) => Promise<string>
let forge: (claims: JWTPayload) => Promise<string>

before(async () => {
  const [own, other] = [await generateKeyPair('RS256'), await generateKeyPair('RS256')]
  const keys = [{ ...(await exportJWK(own.publicKey)), kid: 'k', alg: 'RS256', use: 'sig' }]
  const signed = (claims: JWTPayload, key: typeof own.privateKey) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'k' }).sign(key)
  sign = (claims) => signed(claims, own.privateKey)
  forge = (claims) => signed(claims, other.privateKey)
  server = createServer((request, response) => {
    const send = (body: unknown, status = 200): void =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (request.url === '/.well-known/openid-configuration') return send(says)
    if (request.url === '/jwks') return send({ keys })
    void answer().then(({ body, status }) => send(body, status))
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  says = { issuer, jwks_uri: `${issuer}/jwks`, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token` }
})
after(() => server.close())

const openProvider = (more: object = {}): Provider =>
  createProvider({
    config: oidcConfig.parse({ issuer, client_id: 'oxbow', audience: 'api', ...more }),
    secret: 'secret',
    openFetch: async () => fetch,
    now: Date.now,
  })

const redirect = 'http://127.0.0.1/sign-in/callback'

async function exchange(make: (claims: JWTPayload) => Promise<unknown>): Promise<SignedIn> {
  const flow = await openProvider().begin(redirect)
  const { searchParams: sent } = new URL(flow.url)
  const now = Math.floor(Date.now() / 1_000)
  const claims: JWTPayload = {
    iss: issuer,
    aud: 'oxbow',
    sub: 's',
    nonce: sent.get('nonce')!,
    iat: now,
    exp: now + 60,
    preferred_username: 'ann',
    groups: ['staff', 7, '*'],
  }
  answer = async () => ({ body: { access_token: 'a', token_type: 'bearer', id_token: await make(claims) } })
  return flow.finish(new URL(`${redirect}?code=c&state=${sent.get('state')!}`))
}

const rejects = (work: Promise<unknown>, code: 'unauthenticated' | 'sign_in_failed', what: string) =>
  assert.rejects(work, (error) => isOxbowError(error, code) || assert.fail(`${what}: ${String(error)}`))

test('an ID token signs in only with the right signature, issuer, audience, nonce and times', async () => {
  const { claims } = await exchange(sign)
  assert.deepEqual(claims, { issuer, subject: 's', name: 'ann', groups: ['staff'] })
  const now = Math.floor(Date.now() / 1_000)
  const wrong: Readonly<Record<string, (claims: JWTPayload) => Promise<unknown>>> = {
    'no signature': async (each) => new UnsecuredJWT(each).encode(),
    'another key': forge,
    'another issuer': (each) => sign({ ...each, iss: 'https://evil.example' }),
    'another client': (each) => sign({ ...each, aud: 'other' }),
    'another sign-in': (each) => sign({ ...each, nonce: 'other' }),
    'no nonce': (each) => sign({ ...each, nonce: undefined }),
    over: (each) => sign({ ...each, exp: now - 120 }),
    'no subject': (each) => sign({ ...each, sub: '' }),
    'a very long subject': (each) => sign({ ...each, sub: 'x'.repeat(300) }),
    'too many groups': (each) => sign({ ...each, groups: Array.from({ length: 3_000 }, (_, at) => `g${at}`) }),
    'no ID token': async () => undefined,
    'no token at all': async () => 'nonsense',
  }
  for (const [what, make] of Object.entries(wrong)) await rejects(exchange(make), 'unauthenticated', what)
})

test('a code that the provider does not know signs nobody in; a provider that fails says nothing of them', async () => {
  const flow = await openProvider().begin(redirect)
  const back = new URL(`${redirect}?code=c&state=${new URL(flow.url).searchParams.get('state')!}`)
  answer = async () => ({ status: 400, body: { error: 'invalid_grant' } })
  await rejects(flow.finish(back), 'unauthenticated', 'a code that was used')
  answer = async () => ({ status: 503, body: {} })
  await rejects(openProvider().refresh('r'), 'sign_in_failed', 'a provider that fails')
  await rejects(flow.finish(new URL(`${redirect}?error=access_denied&state=${back.searchParams.get('state')!}`)), 'unauthenticated', 'a no')
})

test('a provider that is away, or another than the one that is named, signs nobody in', async () => {
  const away = openProvider({ issuer: 'http://127.0.0.1:1' })
  await rejects(away.begin(redirect), 'sign_in_failed', 'away')
  await rejects(away.device(), 'sign_in_failed', 'away')
  await rejects(away.bearer('eyJ.eyJ.x'), 'sign_in_failed', 'away')
  const said = says
  says = { ...said, issuer: 'https://other.example' }
  await rejects(openProvider().begin(redirect), 'sign_in_failed', 'another issuer')
  says = said
})

test('tokens are refused where no audience is set', async () => {
  await rejects(openProvider({ audience: '' }).bearer(await sign({ iss: issuer, sub: 's' })), 'unauthenticated', 'no audience')
})
