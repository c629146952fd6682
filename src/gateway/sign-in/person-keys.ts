/**
 * From somebody whom the provider has signed in to a key with their roles. The service `people` decides who may, and as what; the key is an API key
 * as any other, so that rights, revocation and the journal are the same. Groups are looked up again while a key is in use: whoever lost a
 * group loses the key, and signs in again with what is left.
 *
 * A provider that is away ends nothing: keys go on until they expire. Refresh tokens are kept in memory only, so keys from before a restart end
 * when their groups would be due.
 */
import { createHash } from 'node:crypto'
import type { Kernel } from '../../kernel/index.ts'
import { createRecentMap, isOxbowError, OxbowError, type Random, toError } from '../../base/index.ts'
import type { OidcConfig } from '../../config/index.ts'
import { createToken } from '../admission.ts'
import { keptClients, refreshCheckMs } from '../limits.ts'
import type { Claims, Provider, SignedIn } from './provider.ts'

/** Somebody who may have a key. */
export interface Admitted {
  readonly person: string
  readonly roles: readonly string[]
  readonly refreshToken: string | null
}

export interface MadeKey {
  readonly key: string
  /** Unix milliseconds. */
  readonly expiresAt: number
}

/** Who sends an access token of the provider. */
interface TokenClient {
  readonly kernel: Kernel
  readonly id: string
}

export interface PersonKeys {
  /** @throws OxbowError `denied` for somebody who may not sign in */
  admit(signedIn: SignedIn): Promise<Admitted>
  make(admitted: Admitted, way: 'page' | 'terminal'): Promise<MadeKey>
  /** @throws OxbowError `unauthenticated`, `denied`, `sign_in_failed` */
  ofToken(token: string): Promise<TokenClient>
  close(): void
}

interface PersonKeysDeps {
  /** Of the owner. */
  readonly kernel: Kernel
  readonly provider: Provider
  readonly config: OidcConfig
  readonly random: Random
  readonly now: () => number
}

/** A key whose groups are looked up again. */
interface Held {
  readonly roles: string
  refreshToken: string | null
  /** When the key ends by itself. */
  readonly until: number
  dueAt: number
  isLooking: boolean
}

const namesOfKeys = 'oidc-'

export function createPersonKeys(deps: PersonKeysDeps): PersonKeys {
  const { kernel, provider, config, now } = deps
  const held = new Map<string, Held>()
  const refreshMs = config.refresh_min * 60_000
  const admit = async ({ claims, refreshToken }: SignedIn): Promise<Admitted> => ({ ...(await admitted(kernel, claims)), refreshToken })
  const look = async (id: string, key: Held): Promise<void> => {
    key.isLooking = true
    try {
      if (key.refreshToken === null) return await end(id)
      const signedIn = await provider.refresh(key.refreshToken)
      const { roles, refreshToken } = await admit(signedIn)
      if (JSON.stringify(roles) !== key.roles) return await end(id)
      key.refreshToken = refreshToken
    } catch (error) {
      // A provider that is away says nothing about anybody.
      if (isOxbowError(error, 'unauthenticated') || isOxbowError(error, 'denied')) await end(id)
    } finally {
      key.dueAt = now() + refreshMs
      key.isLooking = false
    }
  }
  const end = async (id: string): Promise<void> => {
    held.delete(id)
    await kernel.call('key.revoke', { key: id })
  }
  const timer = setInterval(
    () => {
      for (const [id, key] of held) {
        if (now() >= key.until) held.delete(id)
        else if (!key.isLooking && now() >= key.dueAt) void look(id, key).catch(() => {})
      }
    },
    Math.min(refreshCheckMs, refreshMs),
  )
  timer.unref()
  const hold = (id: string, until: number, roles: readonly string[], refreshToken: string | null): void =>
    void held.set(id, { roles: JSON.stringify(roles), refreshToken, until, dueAt: now() + refreshMs, isLooking: false })
  void adoptOlder(deps, (id, until) => hold(id, until, [], null)).catch(() => {})
  return {
    admit,
    async make({ person, roles, refreshToken }, way) {
      const made = await newKey(deps, person, way, roles)
      if (refreshToken !== null) hold(made.id, made.expiresAt, roles, refreshToken)
      return made
    },
    ofToken: createTokens(deps),
    close: () => clearInterval(timer),
  }
}

async function admitted(kernel: Kernel, claims: Claims): Promise<{ readonly person: string; readonly roles: readonly string[] }> {
  const outcome = await kernel.call('people.sign_in', { ...claims })
  if (outcome.status !== 'ok') throw toError(outcome.failure)
  return outcome.output
}

async function newKey(
  { kernel, config, random }: PersonKeysDeps,
  person: string,
  way: string,
  roles: readonly string[],
): Promise<MadeKey & { readonly id: string }> {
  const expiresInS = Math.max(1, Math.round(config.session_hours * 3_600))
  const once = createToken(random)
    .replaceAll(/[^a-z0-9]/gi, '')
    .slice(0, 8)
  const made = await kernel.call('key.create', {
    name: `${namesOfKeys}${person}-${way}-${once}`,
    rights: [...roles],
    expires_in_s: expiresInS,
  })
  if (made.status !== 'ok') throw toError(made.failure)
  const { id, key, expires_at: expiresAt } = made.output
  return { id, key, expiresAt: expiresAt ?? 0 }
}

/** Keys from before a restart: expired ones go, and so do keys of tokens, which are checked again; others end when groups would be due. */
async function adoptOlder({ kernel, config, now }: PersonKeysDeps, adopt: (id: string, until: number) => void): Promise<void> {
  const listed = await kernel.call('key.list', {})
  if (listed.status !== 'ok') return
  for (const { id, name, expires_at: until } of listed.output) {
    if (!name.startsWith(namesOfKeys)) continue
    const isOver = (until !== null && until <= now()) || name.includes('-token-')
    if (isOver) await kernel.call('key.revoke', { key: id })
    else if (config.scopes.includes('offline_access')) adopt(id, until ?? Infinity)
  }
}

/** One key a person for all tokens that they bring; it changes with their roles. */
interface OfPerson {
  readonly roles: string
  readonly kernel: Kernel
  readonly id: string
}

interface KnownToken {
  readonly person: string
  readonly of: OfPerson
  /** When the token ends, and when its claims are judged again. */
  readonly until: number
  readonly dueAt: number
}

function createTokens(deps: PersonKeysDeps): PersonKeys['ofToken'] {
  const { kernel, provider, config, now } = deps
  const tokens = createRecentMap<string, KnownToken>(keptClients)
  const people = new Map<string, Promise<OfPerson>>()
  const keyOf = async (person: string, roles: readonly string[]): Promise<OfPerson> => {
    const wanted = JSON.stringify(roles)
    const before = await people.get(person)?.catch(() => null)
    if (before?.roles === wanted && (await holds(before.kernel))) return before
    if (before !== undefined && before !== null) await kernel.call('key.revoke', { key: before.id })
    const made = newKey(deps, person, 'token', roles).then(async ({ id, key }) => ({
      id,
      roles: wanted,
      kernel: await kernel.withKey(key),
    }))
    people.set(person, made)
    return made
  }
  /** One after another for a person, or two requests would make two keys. */
  const turns = new Map<string, Promise<unknown>>()
  const inTurn = <Result>(person: string, work: () => Promise<Result>): Promise<Result> => {
    const done = (turns.get(person) ?? Promise.resolve()).then(work, work)
    turns.set(
      person,
      done.catch(() => {}),
    )
    return done
  }
  return async (token) => {
    const hash = createHash('sha256').update(token).digest('hex')
    const known = tokens.get(hash)
    if (known !== undefined && now() >= known.until) {
      tokens.delete(hash)
      throw tokenOver
    }
    if (known !== undefined && now() < known.dueAt && (await holds(known.of.kernel))) return clientOf(known, now)
    const { claims, until } = await provider.bearer(token)
    const { person, roles } = await admitted(kernel, claims)
    const of = await inTurn(person, () => keyOf(person, roles))
    const found: KnownToken = { person, of, until, dueAt: now() + config.refresh_min * 60_000 }
    tokens.put(hash, found)
    return clientOf(found, now)
  }
}

async function holds(kernel: Kernel): Promise<boolean> {
  try {
    await kernel.check()
    return true
  } catch (error) {
    if (isOxbowError(error, 'unauthenticated')) return false
    throw error
  }
}

const tokenOver = new OxbowError('unauthenticated', 'The token has expired.', { hint: 'Get another one from the provider.' })
/** Of a timer. */
const maxTimerMs = 2 ** 31 - 1

/** What the token opens ends with it, though the key goes on. */
function clientOf({ of, person, until }: KnownToken, now: () => number): TokenClient {
  const onEnd: Kernel['onEnd'] = (listener) => {
    const stop = of.kernel.onEnd?.(listener)
    const timer = setTimeout(() => listener(tokenOver), Math.min(maxTimerMs, Math.max(0, until - now())))
    timer.unref()
    return () => {
      clearTimeout(timer)
      stop?.()
    }
  }
  return { kernel: { ...of.kernel, onEnd }, id: `person ${person}` }
}
