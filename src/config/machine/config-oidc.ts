/** The part of the configuration that is about signing people in by OpenID Connect. */
import { z } from 'zod'

const issuer = z
  .string()
  .max(2_000)
  .refine((text) => text === '' || isIssuer(text), 'must be an https:// address without query; http:// only of this machine')

function isIssuer(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && /^(?:localhost|127\.[\d.]+|\[::1\])$/.test(url.hostname))
}

function isRedirect(text: string): boolean {
  const url = URL.parse(text)
  return (
    url !== null && /^https?:$/.test(url.protocol) && url.pathname.endsWith('/sign-in/callback') && url.search === '' && url.hash === ''
  )
}

const name = z.string().min(1).max(500)

export const oidcConfig = z
  .strictObject({
    issuer: issuer.default('').describe('Address of the provider, as it calls itself. Empty: nobody signs in by OpenID Connect.'),
    client_id: z.string().max(500).default('').describe('Name under which Oxbow is registered at the provider.'),
    client_secret_env: z
      .string()
      .regex(/^(?:[A-Za-z_][A-Za-z0-9_]*)?$/, 'must be the name of a variable')
      .default('OXBOW_OIDC_SECRET')
      .describe('Name of the environment variable, or of the sealed secret, with the secret of the client. Not set: a public client.'),
    scopes: z
      .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/))
      .max(50)
      .default(['openid', 'profile', 'email'])
      .describe('What is asked for. With `offline_access`, groups are looked up again while somebody is signed in.'),
    redirect_url: z
      .string()
      .max(2_000)
      .refine((text) => text === '' || isRedirect(text), 'must be an address that ends in /sign-in/callback')
      .default('')
      .describe(
        'Where the provider sends people back to, ending in `/sign-in/callback`; `{user}` stands for the user. Empty: the address that they have opened.',
      ),
    name_claim: name.default('preferred_username').describe('Claim with the name of a person. It identifies nobody: issuer and `sub` do.'),
    groups_claim: name.default('groups').describe('Claim with their groups.'),
    allowed_groups: z
      .array(name)
      .max(500)
      .default([])
      .describe('Groups whose members may sign in, `*` for everybody whom the provider knows. Empty: nobody may.'),
    roles: z
      .record(name, z.array(z.string().min(1).max(600)).max(100))
      .default({})
      .describe('Roles and rights by group, `*` for everybody who may sign in; see `oxbow roles`. Whoever has none cannot sign in.'),
    people: z
      .enum(['known', 'own_name', 'any'])
      .default('known')
      .describe(
        'Who becomes known at the first sign-in: nobody (`oxbow people add` makes people known), whoever has the name of this user, if nobody else was that before, or everybody who may sign in.',
      ),
    audience: z
      .string()
      .max(500)
      .default('')
      .describe('Audience of access tokens (JWT) that programs send as bearer tokens. Empty: none are accepted.'),
    session_hours: z.number().min(0.05).max(720).default(12).describe('Hours after which somebody signs in again.'),
    refresh_min: z.number().min(0.01).max(1_440).default(15).describe('Minutes after which groups are looked up again.'),
  })
  .refine(({ issuer: address, client_id: id }) => address === '' || id !== '', {
    path: ['client_id'],
    message: 'must be set with oidc.issuer',
  })
  .refine(({ audience, client_id: id }) => audience === '' || audience !== id, {
    path: ['audience'],
    message: 'must not be oidc.client_id: its tokens say who signed in, and are not for programs',
  })
  .prefault({})
export type OidcConfig = z.infer<typeof oidcConfig>
