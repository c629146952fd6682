/**
 * Who may sign in, and as what. What a provider says is a claim: it opens nothing that the configuration does not name. A person is known by
 * issuer and subject, which the provider never gives to somebody else; names change, and anybody may take one.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { OidcConfig } from '../../config/index.ts'
import { type Failure, ownValue } from '../../base/index.ts'

const text = z.string().max(500)

/** What a provider says of somebody who has signed in. */
export const claimsSchema = z.strictObject({
  issuer: text,
  subject: z.string().min(1).max(255).describe('What the provider calls the person for good: `sub`.'),
  name: text,
  groups: z.array(text).max(2_000).readonly(),
})
export type Claims = z.infer<typeof claimsSchema>

/** A person who is known. */
export interface Person extends Claims {
  /** Of issuer and subject. */
  readonly id: string
  readonly added_by: string
  readonly added_at: number
  readonly signed_in_at: number | null
}

/** @returns the id of a person, which no name or group changes */
export function personId({ issuer, subject }: Pick<Claims, 'issuer' | 'subject'>): string {
  return createHash('sha256')
    .update(JSON.stringify([issuer, subject]))
    .digest('hex')
    .slice(0, 16)
}

interface Asking {
  readonly claims: Claims
  readonly config: OidcConfig
  /** Whose guest it is. */
  readonly user: string
  readonly known: readonly Person[]
}

/** @returns the roles of somebody who may sign in, or why they may not */
export function admit({ claims, config, user, known }: Asking): readonly string[] | Failure {
  if (claims.issuer !== config.issuer) return refused('The provider is not the one of this Oxbow.', 'Sign in at oidc.issuer.')
  const { allowed_groups: allowed } = config
  const has = (group: string): boolean => group === '*' || claims.groups.includes(group)
  if (!allowed.some(has)) return refused('None of your groups may sign in.', 'An administrator sets oidc.allowed_groups in config.toml.')
  const roles = [...new Set(Object.keys(config.roles).flatMap((group) => (has(group) ? (ownValue(config.roles, group) ?? []) : [])))]
  if (roles.length === 0) return refused('None of your groups has a role here.', 'An administrator sets oidc.roles in config.toml.')
  if (known.some(({ id }) => id === personId(claims))) return roles
  const ask = `An administrator makes you known: oxbow people add ${claims.subject}`
  if (config.people === 'any') return roles
  if (config.people === 'known' || claims.name !== user) return refused('You are not known here.', ask)
  // The name of somebody else: whoever came first has it.
  const other = known.some(({ name }) => name === claims.name)
  return other ? refused('Somebody else has this name here.', ask) : roles
}

function refused(message: string, hint: string): Failure {
  return { code: 'denied', message, hint }
}
