/**
 * API keys: bearer tokens for programs, each with rights of its own, in addition to the guest's token, which is its owner's. A key is shown
 * once; the store keeps its scrypt hash. Its first part finds its document, so that an unknown key costs nothing to refuse; its second
 * part, 256 random bits, is compared in constant time. A key is checked when a connection opens, and looked up again at each request. When
 * it is revoked, expires or gets other rights, whatever it has open or running ends at once, and within a second in every other guest on
 * the store (`key-lives.ts`).
 */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Core, Documents } from '../../kernel/index.ts'
import type { Runs } from '../../runs/index.ts'
import { type Clock, OxbowError, type Random, type SessionId, type TurnId, type UserId } from '../../base/index.ts'
import {
  type Call,
  type Caller,
  defineCall,
  type Grant,
  grantOf,
  hashOfKey,
  keyCategory,
  keyForm,
  provesKey,
  turnRight,
  wrongRights,
} from '../../protocol/index.ts'
import { createKeyLives } from './key-lives.ts'
import { assertWithin, type RoleCallDeps, roleCalls, roleCategory, withOwnRoles } from './roles.ts'
import { assertKnownRights } from '../known-rights.ts'

/** API keys of a user, and those that are checked at once, each with 32 MiB. */
const maxKeys = 200

const maxKeyChecks = 4

/** How often the last use of a key is recorded, and a refusal of it. */
const keyUseMs = 60_000

/** How long a key that was read is used without reading it again. */
const heldKeyMs = 1_000

/** No id of a key: new ones wait for each other under it. */
const newKeys = 'new'

interface StoredKey extends Readonly<KeyView> {
  readonly salt: string
  readonly hash: string
}

/** A key as it was read. */
interface HeldKey {
  readonly key: StoredKey
  /** Null: a role of it was removed. */
  readonly grant: Grant | null
  /** What the rights are. */
  readonly facts: string
  readonly until: number
}

/** @returns entries of the rights of a key by its name; null for one that was revoked or has expired */
export async function rightsOfKey(documents: Pick<Documents, 'get' | 'all'>, name: string, now: number): Promise<readonly string[] | null> {
  const keys = (await documents.all<StoredKey>(keyCategory)).map(({ value }) => value)
  const key = keys.find((each) => each.name === name && (each.expires_at === null || each.expires_at > now))
  return key === undefined ? null : withOwnRoles(documents, key.rights)
}

/** @returns of each actor the key that made it, or the one that made that; any other as it is. Whoever makes a key can act as it */
export async function makersOf(documents: Pick<Documents, 'all'>, actors: readonly string[]): Promise<readonly string[]> {
  const makers = new Map((await documents.all<StoredKey>(keyCategory)).map(({ value }) => [`key:${value.name}`, value.created_by]))
  return actors.map((actor) => {
    const seen = new Set<string>()
    let maker = actor
    for (let next: string | undefined = maker; next?.startsWith('key:') && !seen.has(next); next = makers.get(next))
      seen.add((maker = next))
    // Keys of one person who has signed in, from the page and a terminal, are that person.
    return personKey.exec(maker)?.[0] ?? maker
  })
}

/** Revokes the keys whose names begin so. @returns how many */
export async function endKeys(documents: Documents, of: Parameters<Documents['put']>[0], begins: string): Promise<number> {
  const ended = (await documents.all<StoredKey>(keyCategory)).filter(({ value }) => value.name.startsWith(begins))
  const changes = ended.map(({ value }) => ({ category: keyCategory, name: value.id, value: null }))
  if (changes.length > 0) await documents.put(of, changes, { sync: true })
  return changes.length
}

const personKey = /^key:oidc-[0-9a-f]{16}-/

export interface Keys {
  /** @returns the id of the key, whose caller `callerOf` makes. @throws OxbowError `unauthenticated`, `limit_reached` */
  check(key: string): Promise<string>
  /** The caller of a key that was checked. @throws OxbowError `unauthenticated` once it is revoked or has expired */
  callerOf(id: string, session: SessionId | '', turn: TurnId | ''): Promise<Caller & Required<Pick<Caller, 'ended'>>>
}

export interface KeyDeps {
  readonly user: UserId
  readonly documents: Documents
  readonly clock: Clock
  readonly newId: () => string
  readonly noteEvent: Core['noteEvent']
  readonly pause: Runs['pause']
}

export function createKeys({ user, documents, clock, newId, noteEvent, pause }: KeyDeps): Keys {
  let checking = 0
  /** When a refusal of a key was last recorded: a client that tries again and again does not fill the journal. */
  const noted = new Map<string, number>()
  const refuse = (id: string, why: string): OxbowError => {
    if (clock.now() - (noted.get(id) ?? -Infinity) >= keyUseMs) {
      noted.set(id, clock.now())
      noteEvent('key_refused', { key: id, reason: why })
    }
    return new OxbowError('unauthenticated', `The API key ${why}.`, { hint: 'Make another: `oxbow keys create NAME --right RIGHT`.' })
  }
  const lives = createKeyLives({ factsOf: async (id) => (await usable(id)).facts, checkMs: heldKeyMs, pause })
  const read = createReader(documents, clock, lives.check)
  const usable = async (id: string): Promise<HeldKey> => {
    const found = await read(id)
    const { expires_at } = found.key
    if (expires_at !== null && expires_at <= clock.now()) throw refuse(id, 'has expired')
    return found
  }
  return {
    async check(key) {
      const [, id = '', secret = ''] = keyForm.exec(key) ?? []
      if (id === '') throw unknownKey
      const { key: stored } = await usable(id)
      if (checking >= maxKeyChecks)
        throw new OxbowError('limit_reached', 'Too many API keys are being checked at once.', { hint: 'Connect again in a second.' })
      checking += 1
      try {
        if (!(await provesKey(stored, secret))) throw refuse(id, 'is wrong')
      } finally {
        checking -= 1
      }
      if (clock.now() - (stored.used_at ?? -Infinity) >= keyUseMs) {
        const of = {
          caller: { actor: `key:${stored.name}`, session: '', turn: '' },
          call: newId() as never,
          name: 'event.key_used',
        } as const
        await documents.change<StoredKey>(of, keyCategory, id, (now) => (now === null ? undefined : { ...now.value, used_at: clock.now() }))
      }
      return id
    },
    async callerOf(id, session, turn) {
      const { key, grant, facts } = await usable(id)
      if (grant === null) throw refuse(id, 'has a role that was removed')
      return { user, actor: `key:${key.name}`, ...grant, audience: 'terminal', session, turn, process: '', ended: lives.of(id, facts) }
    },
  }
}

/** Reading a key and its roles at each call takes longer than the call. What another guest has changed counts after `heldKeyMs`. */
function createReader(documents: Documents, clock: Clock, onChange: () => void): (id: string) => Promise<HeldKey> {
  const held = new Map<string, HeldKey>()
  let changes = 0
  for (const category of [keyCategory, roleCategory]) {
    documents.watch(category, () => {
      changes += 1
      held.clear()
      onChange()
    })
  }
  return async (id) => {
    const known = held.get(id)
    if (known !== undefined && clock.now() < known.until) return known
    const before = changes
    const found = await documents.get<StoredKey>(keyCategory, id)
    // Not recorded: anybody can make up ids.
    if (found === null) throw unknownKey
    const granted = await withOwnRoles(documents, found.value.rights)
    // A role that is gone may have held denials: the key has no rights then.
    const grant = wrongRights(granted) === '' ? grantOf(granted) : null
    const now = { key: found.value, grant, facts: JSON.stringify(granted), until: clock.now() + heldKeyMs }
    if (before === changes) held.set(id, now)
    return now
  }
}

const unknownKey = new OxbowError('unauthenticated', 'The API key is not known, or was revoked.', {
  hint: 'Make another: `oxbow keys create NAME --right RIGHT`.',
})

export interface KeyCallDeps extends RoleCallDeps {
  readonly random: Random
}

const shared = { audience: ['terminal'], labels: { adds: [], sink: false }, timeoutMs: 10_000 } as const satisfies Partial<Call>
const reads = { ...shared, tier: 'read_only', right: 'access.read', effect: 'none' } as const satisfies Partial<Call>
const writes = { ...shared, tier: 'side_effecting', right: 'access.write', effect: 'idempotent' } as const satisfies Partial<Call>

export function keyCalls(deps: KeyCallDeps): readonly Call[] {
  const users = async () => (await deps.documents.all<StoredKey>(keyCategory)).map(({ value }) => value)
  return [createKey(deps), listKeys(deps), revokeKey(deps), ...roleCalls(deps, users)]
}

const keyView = z.strictObject({
  id: z.string(),
  name: z.string(),
  rights: z.array(z.string()).readonly(),
  created_at: z.number(),
  created_by: z.string(),
  expires_at: z.number().nullable(),
  used_at: z.number().nullable(),
})

/** Without what proves the key. */
export type KeyView = z.infer<typeof keyView>

const newKey = keyView.extend({ key: z.string().describe('The key itself, which is shown only here.') })

function createKey({ documents, registry, random }: KeyCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'key.create',
    routes: [{ method: 'POST', path: '/keys', status: 201 }],
    summary: 'Makes an API key with rights of its own. It is shown once.',
    input: z.strictObject({
      name: z
        .string()
        .regex(/^[\w.-]{1,50}$/, 'must be letters, digits, dots, dashes and underscores')
        .describe('Name of the key, for the journal.'),
      rights: z.array(z.string().max(600)).min(1).max(100).describe('Rights, limited rights, denials and roles, as in `agent.rights`.'),
      expires_in_s: z.int().min(1).max(315_360_000).describe('Seconds after which it expires; default: never.').optional(),
    }),
    output: newKey,
    example: { name: 'ci', rights: ['session.read', turnRight], expires_in_s: 86_400 },
    // Not repeatable: the key of the first time is lost.
    effect: 'once',
    recordOutput: ({ id, name, rights, expires_at }) => ({ id, name, rights: [...rights], expires_at }),
    async run({ name, rights, expires_in_s }, { caller, id: call, clock }) {
      const granted = await withOwnRoles(documents, rights)
      assertKnownRights(registry, granted)
      assertWithin(caller, grantOf(granted), 'key')
      const id = Buffer.from(random.bytes(8)).toString('hex')
      const secret = Buffer.from(random.bytes(32)).toString('base64url')
      const salt = randomBytes(16).toString('base64url')
      const now = clock.now()
      const expires_at = expires_in_s === undefined ? null : now + expires_in_s * 1_000
      const view: KeyView = { id, name, rights, created_at: now, created_by: caller.actor, expires_at, used_at: null }
      const make = async () => {
        const others = await documents.all<StoredKey>(keyCategory)
        if (others.length >= maxKeys) throw new OxbowError('limit_reached', `There are ${maxKeys} keys.`, { hint: 'Revoke some.' })
        if (others.some(({ value }) => value.name === name))
          throw new OxbowError('bad_input', `There is a key ${name} already.`, { hint: 'Choose another name, or revoke that one.' })
        const value: StoredKey = { ...view, salt, hash: (await hashOfKey(secret, salt)).toString('base64url') }
        return [{ category: keyCategory, name: id, value }]
      }
      // One after another, since the journal knows a key by its name.
      await documents.update({ caller, call, name: 'key.create' }, keyCategory, newKeys, make, { sync: true })
      return { output: { ...view, key: `oxbow_${id}${secret}` } }
    },
  })
}

function listKeys({ documents }: KeyCallDeps): Call {
  return defineCall({
    ...reads,
    name: 'key.list',
    routes: [{ method: 'GET', path: '/keys', list: '' }],
    summary: 'Lists the API keys with their rights, expiry and last use.',
    input: z.strictObject({}),
    output: z.array(keyView),
    example: {},
    recordOutput: (keys) => ({ keys: keys.length }),
    async run() {
      const keys = await documents.all<StoredKey>(keyCategory)
      return { output: keys.map(({ value }) => viewOf(value)) }
    },
  })
}

function viewOf({ id, name, rights, created_at, created_by, expires_at, used_at }: StoredKey): KeyView {
  return { id, name, rights, created_at, created_by, expires_at, used_at }
}

function revokeKey({ documents }: KeyCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'key.revoke',
    routes: [{ method: 'DELETE', path: '/keys/{key}' }],
    summary: 'Revokes an API key: its connections are refused from now on.',
    input: z.strictObject({ key: z.string().min(1).max(100).describe('Id or name of the key.') }),
    output: z.object({ revoked: z.string() }),
    example: { key: 'ci' },
    async run({ key }, { caller, id: call }) {
      const found = (await documents.all<StoredKey>(keyCategory)).find(({ value }) => value.id === key || value.name === key)
      if (found === undefined)
        throw new OxbowError('not_found', `There is no key ${JSON.stringify(key)}.`, { hint: '`oxbow keys list` lists them.' })
      const { id } = found.value
      await documents.put({ caller, call, name: 'key.revoke' }, [{ category: keyCategory, name: id, value: null }], { sync: true })
      return { output: { revoked: id } }
    },
  })
}
