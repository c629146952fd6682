/**
 * Signing in to a server by OAuth. The SDK speaks the protocol: discovery, registration, PKCE, refresh, issuers. Here is what it remembers,
 * as one sealed secret for each server. Tokens are secrets of their own: handles replace them in everything that leaves.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import type {
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from '@modelcontextprotocol/client'
import { OxbowError } from '../../base/index.ts'
import { visible } from './definitions.ts'

/** Secrets of the guest, as servers use them. */
export interface ServerSecrets {
  get(name: string): string | undefined
  /** Keeps a value under the user's key, or without a key until the guest ends; null removes it. */
  set(name: string, value: string | null): Promise<void>
  /** From now on a handle replaces the value. */
  hide(name: string, value: string): void
  /** @returns the text with every secret that it has replaced by a handle */
  conceal(text: string): string
}

interface Remembered {
  client?: StoredOAuthClientInformation | undefined
  tokens?: StoredOAuthTokens | undefined
  discovery?: OAuthDiscoveryState | undefined
}

export interface Login extends OAuthClientProvider {
  isSignedIn(): boolean
  /** Forgets what was, for a login whose browser comes back to this address. */
  begin(redirectUrl: string): Promise<void>
  /** Where the person signs in; empty until the server asks for it. */
  address(): string
  /** @returns whether the answer belongs to this login */
  isAnswer(state: string): boolean
  forget(): Promise<void>
}

const grantTypes = ['authorization_code', 'refresh_token']

/** @param registered null: Oxbow registers itself */
export function createLogin(server: string, secrets: ServerSecrets, registered: RegisteredClient | null): Login {
  const name = `mcp.${server}.login`
  // A client metadata document is an id that registers itself.
  const document = registered?.id.startsWith('https://') === true ? registered.id : undefined
  let remembered = read(secrets.get(name))
  let redirectUrl = 'http://127.0.0.1/callback'
  let verifier = ''
  let state = ''
  let address = ''
  let scopes: readonly string[] = []

  const hideTokens = (): void => {
    const { access_token: access, refresh_token: refresh } = remembered.tokens ?? {}
    const secret = (remembered.client as { client_secret?: string } | undefined)?.client_secret
    for (const [part, value] of Object.entries({ access, refresh, secret }))
      if (value !== undefined) secrets.hide(`mcp.${server}.${part}`, value)
  }
  const remember = async (more: Remembered): Promise<void> => {
    remembered = { ...remembered, ...more }
    hideTokens()
    await secrets.set(name, JSON.stringify(remembered))
  }
  hideTokens()
  return {
    ...(document !== undefined && { clientMetadataUrl: document }),
    get redirectUrl() {
      return redirectUrl
    },
    get clientMetadata() {
      return { client_name: 'Oxbow', redirect_uris: [redirectUrl], grant_types: grantTypes, response_types: ['code'] }
    },
    state: () => state,
    clientInformation: () => remembered.client,
    saveClientInformation: (client) => remember({ client }),
    tokens: () => remembered.tokens,
    saveTokens: (tokens) => remember({ tokens }),
    discoveryState: () => remembered.discovery,
    saveDiscoveryState: async (discovery) => (refuseForeignIssuer(server, discovery), remember({ discovery })),
    redirectToAuthorization(url) {
      // A server that wanted more for a call is asked for that too, in the login that follows.
      scopes = [...new Set([...scopes, ...(url.searchParams.get('scope') ?? '').split(' ')])].filter((scope) => scope !== '')
      if (scopes.length > 0) url.searchParams.set('scope', scopes.join(' '))
      address = url.href
    },
    codeVerifier: () => verifier,
    saveCodeVerifier: (code) => void (verifier = code),
    async invalidateCredentials(scope) {
      if (scope === 'verifier') verifier = ''
      else if (scope === 'all') remembered = {}
      else remembered = { ...remembered, [scope]: undefined }
      await secrets.set(name, JSON.stringify(remembered))
    },
    isSignedIn: () => remembered.tokens !== undefined,
    async begin(redirect) {
      // The address is another one each time, and registered with the client.
      remembered = registered === null || document !== undefined ? {} : { client: ownClient(registered) }
      redirectUrl = redirect
      state = randomBytes(24).toString('base64url')
      address = ''
      await secrets.set(name, null)
    },
    address: () => address,
    isAnswer: (answer) => state !== '' && answer.length === state.length && timingSafeEqual(Buffer.from(answer), Buffer.from(state)),
    async forget() {
      remembered = {}
      scopes = []
      await secrets.set(name, null)
    },
  }
}

/**
 * The document of an authorization server must name the one that was asked (RFC 8414, 3.3), else one could pass for another. A server of
 * 2025-03-26 names none: it is asked itself, and its document may name any path of its own origin, whose owner decides on all of it.
 * @throws OxbowError `denied`
 */
function refuseForeignIssuer(server: string, discovery: OAuthDiscoveryState): void {
  const { authorizationServerUrl: asked, authorizationServerMetadata: found, resourceMetadata } = discovery
  if (found === undefined) return
  const isNamed = (resourceMetadata?.authorization_servers ?? []).length > 0
  const isSame = isNamed
    ? found.issuer === asked || `${found.issuer}/` === asked
    : URL.parse(found.issuer)?.origin === URL.parse(asked)?.origin
  if (isSame) return
  throw new OxbowError('denied', `The authorization server of ${server} calls itself by another name than the one that was asked.`, {
    hint: `Do not sign in: one server may pass for another. Asked: ${asked}; found: ${visible(found.issuer).slice(0, 200)}.`,
  })
}

/** A client that a person has registered. */
export interface RegisteredClient {
  readonly id: string
  /** Empty: none. */
  readonly secret: () => string
}

function ownClient({ id, secret }: RegisteredClient): StoredOAuthClientInformation {
  const value = secret()
  return { client_id: id, ...(value !== '' && { client_secret: value }) }
}

function read(kept: string | undefined): Remembered {
  try {
    return kept === undefined ? {} : (JSON.parse(kept) as Remembered)
  } catch {
    return {}
  }
}
