/** Signing in by OpenID Connect, for a gateway that has it configured: loaded with the first request that needs it, not with a start. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Kernel } from '../../kernel/index.ts'
import { once, systemRandom } from '../../base/index.ts'
import type { OidcConfig } from '../../config/index.ts'
import type { Clients } from '../clients.ts'
import type { WebSessions } from '../http/web-session.ts'
import type { PersonKeys } from './person-keys.ts'

export interface OidcOptions {
  readonly config: OidcConfig
  /** Of the client; empty: a public one. */
  readonly secret: string
  /** Requests to a host under the egress policy. */
  readonly openFetch: (host: string, allow: readonly string[]) => Promise<typeof fetch>
}

interface OidcParts {
  readonly keys: PersonKeys
  answering(served: SignInServed): Promise<(request: IncomingMessage, response: ServerResponse) => Promise<void>>
}

interface SignInServed {
  readonly clients: Clients
  readonly sessions: WebSessions
  readonly user: string
  readonly publicUrl: string
}

export interface LoadOidc {
  (): Promise<OidcParts>
  isLoaded(): boolean
}

/** A moment after the start, when keys from before it are looked at. */
const keysAfterMs = 5_000

export function loaderOfOidc(kernel: Kernel, oidc: OidcOptions): LoadOidc {
  let isLoaded = false
  const load = once(async (): Promise<OidcParts> => {
    isLoaded = true
    const [{ createProvider }, { createPersonKeys }] = await Promise.all([import('./provider.ts'), import('./person-keys.ts')])
    const shared = { config: oidc.config, random: systemRandom, now: Date.now }
    const provider = createProvider({ ...oidc, now: Date.now })
    const keys = createPersonKeys({ ...shared, kernel, provider })
    return {
      keys,
      async answering({ sessions, ...served }) {
        const { createSignIn } = await import('./sign-in.ts')
        const handOver = (admitted: Parameters<PersonKeys['make']>[0]): string => sessions.handOver(() => keys.make(admitted, 'page'))
        const signIn = createSignIn({ ...shared, ...served, provider, keys, handOver })
        return (request, response) => signIn(request, response, (request.url ?? '').split('?', 1)[0] ?? '')
      },
    }
  })
  setTimeout(() => void load().catch(() => {}), keysAfterMs).unref()
  return Object.assign(() => load(), { isLoaded: () => isLoaded })
}
