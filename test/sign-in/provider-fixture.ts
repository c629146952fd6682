/** A real provider of OpenID Connect on loopback, whose people are the test's, and a browser that goes there. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { type Configuration, Provider } from 'oidc-provider'

export interface Account {
  name: string
  groups: string[]
}

export interface TestProvider extends AsyncDisposable {
  readonly issuer: string
  /** By subject. */
  readonly accounts: Map<string, Account>
  /** Who signs in next. */
  signsIn: string
  /** A token that the provider's own key signs, with claims of the test. */
  sign(claims: JWTPayload, header?: { readonly alg?: string; readonly typ?: string }): Promise<string>
  /** A token of another key under the same name. */
  forge(claims: JWTPayload): Promise<string>
  /** A real access token of a program. */
  programToken(): Promise<string>
  /** Stops and goes on answering at the same address. */
  stop(): Promise<void>
  resume(): Promise<void>
}

export const clientId = 'oxbow'
export const clientSecret = 'a-secret-of-the-client'
export const audience = 'https://oxbow.example/api'
const kid = 'of-the-test'

/** @param redirect where the client sends people back to */
export async function startProvider(redirect: string): Promise<TestProvider> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const other = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' }
  const accounts = new Map<string, Account>()
  let answer: (request: IncomingMessage, response: ServerResponse) => void = () => {}
  const listen = async (port: number): Promise<Server> => {
    const made = createServer((request, response) => answer(request, response))
    await new Promise<void>((resolve) => void made.listen(port, '127.0.0.1', resolve))
    return made
  }
  let server = await listen(0)
  const { port } = server.address() as AddressInfo
  const issuer = `http://127.0.0.1:${port}`
  const provider = new Provider(issuer, configuration(jwk, redirect, accounts))
  const interact = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { prompt, params, session } = await provider.interactionDetails(request, response)
    if (prompt.name === 'login')
      return provider.interactionFinished(request, response, { login: { accountId: made.signsIn } }, { mergeWithLastSubmission: false })
    const grant = new provider.Grant({ accountId: session?.accountId ?? '', clientId: String(params['client_id']) })
    grant.addOIDCScope(String(params['scope']))
    return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true })
  }
  const callback = provider.callback()
  answer = (request, response) => {
    if (request.url?.startsWith('/interaction/') === true) interact(request, response).catch(() => response.writeHead(500).end())
    else void callback(request, response)
  }
  const claimsNow = (claims: JWTPayload): JWTPayload => ({
    iss: issuer,
    aud: audience,
    exp: Math.floor(Date.now() / 1_000) + 600,
    ...claims,
  })
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  const made: TestProvider = {
    issuer,
    accounts,
    signsIn: '',
    sign: (claims, header = {}) =>
      new SignJWT(claimsNow(claims)).setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid, ...header }).sign(privateKey),
    forge: (claims) => new SignJWT(claimsNow(claims)).setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid }).sign(other.privateKey),
    programToken: () => programToken(issuer),
    stop,
    async resume() {
      server = await listen(port)
    },
    [Symbol.asyncDispose]: stop,
  }
  return made
}

function configuration(jwk: object, redirect: string, accounts: ReadonlyMap<string, Account>): Configuration {
  return {
    jwks: { keys: [jwk] },
    cookies: { keys: ['of-the-test'] },
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [redirect],
        response_types: ['code'],
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      },
      { client_id: 'program', client_secret: clientSecret, redirect_uris: [], response_types: [], grant_types: ['client_credentials'] },
    ],
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
    scopes: ['openid', 'offline_access', 'profile', 'email'],
    findAccount: (_context, sub) => {
      const account = accounts.get(sub)
      if (account === undefined) return undefined
      return { accountId: sub, claims: () => ({ sub, preferred_username: account.name, groups: account.groups }) }
    },
    extraTokenClaims: () => ({ preferred_username: 'program', groups: ['staff'] }),
    interactions: { url: (_context: unknown, { uid }: { readonly uid: string }) => `/interaction/${uid}` },
    features: {
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_context: unknown, client: { readonly clientId: string }) => (client.clientId === 'program' ? audience : []),
        getResourceServerInfo: () => ({ scope: '', audience, accessTokenFormat: 'jwt' }),
      },
    },
    pkce: { required: () => true },
  }
}

async function programToken(issuer: string): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`program:${clientSecret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: audience }),
  })
  return ((await response.json()) as { access_token: string }).access_token
}

/** Keeps cookies by their path, as a browser does, which ignores ports; follows redirects one by one. */
export interface Browser {
  go(url: string, init?: RequestInit): Promise<Response>
  /** Follows redirects until there is none; what stands behind `#` stays. */
  follow(url: string): Promise<{ readonly url: string; readonly response: Response }>
  cookies: { name: string; value: string; path: string }[]
}

export function openBrowser(): Browser {
  const browser: Browser = {
    cookies: [],
    async go(url, init = {}) {
      const { pathname } = new URL(url)
      const cookie = browser.cookies
        .filter(({ path }) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`))
        .map(({ name, value }) => `${name}=${value}`)
        .join('; ')
      const response = await fetch(url, {
        redirect: 'manual',
        ...init,
        headers: { ...(init.headers as Record<string, string> | undefined), ...(cookie !== '' && { cookie }) },
      })
      for (const line of response.headers.getSetCookie()) {
        const [pair = '', ...attributes] = line.split(/;\s*/)
        const [name = '', ...value] = pair.split('=')
        const path = attributes.find((each) => /^path=/i.test(each))?.slice(5) ?? '/'
        browser.cookies = browser.cookies.filter((each) => each.name !== name || each.path !== path)
        if (value.join('=') !== '') browser.cookies.push({ name, value: value.join('='), path })
      }
      return response
    },
    async follow(url) {
      for (let at = url, steps = 0; ; steps += 1) {
        const response = await browser.go(at.split('#')[0]!)
        const to = response.headers.get('location')
        if (to === null || steps > 20) return { url: at, response }
        at = new URL(to, at).href
        if (at.includes('#')) return { url: at, response }
      }
    },
  }
  return browser
}
