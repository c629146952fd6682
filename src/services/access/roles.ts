/**
 * Roles: names for lists of rights. Those that Oxbow has (`protocol/access.ts`), and those that a person adds, which are documents. A role that
 * was added stands for its rights wherever a list is given to a call (keys, agents that are spawned). A key has the rights that its roles have
 * at the moment; an agent those that they had when it was spawned. A role cannot hold another one that was added, so there are no cycles.
 */
import { z } from 'zod'
import type { Documents, Registry } from '../../kernel/index.ts'
import { OxbowError } from '../../base/index.ts'
import { type Call, type Caller, defineCall, type Grant, grantOf, roles } from '../../protocol/index.ts'
import { assertKnownRights } from '../known-rights.ts'

/** Roles that a person may add. */
const maxRoles = 200

export const roleCategory = 'system/roles'

interface StoredRole {
  readonly rights: readonly string[]
  readonly by: string
  readonly at: number
}

const roleForm = /^[a-z][a-z0-9_-]{0,49}$/

const isOwnName = (entry: string): boolean => roleForm.test(entry) && !Object.hasOwn(roles, entry)

/** @returns the list with the rights of roles that were added; other names stay, and `grantOf` refuses them */
export async function withOwnRoles(documents: Pick<Documents, 'get'>, rights: readonly string[]): Promise<readonly string[]> {
  if (!rights.some(isOwnName)) return rights
  const found = await Promise.all(
    rights.map(async (entry) =>
      isOwnName(entry) ? ((await documents.get<StoredRole>(roleCategory, entry))?.value.rights ?? [entry]) : [entry],
    ),
  )
  return found.flat()
}

/** Nobody gives rights that they lack. @throws OxbowError `denied` */
export function assertWithin({ rights, limits }: Caller, { rights: wanted, limits: wantedLimits }: Grant, what: string): void {
  if (rights.has('*') && limits === undefined) return
  const lacking = [...wanted].filter((right) => !rights.has(right))
  const dropped = (limits?.entries ?? []).filter((entry) => wantedLimits?.entries.includes(entry) !== true)
  if (lacking.length === 0 && dropped.length === 0) return
  throw new OxbowError('denied', `A ${what} cannot have more rights than its maker: ${[...lacking, ...dropped].join(', ')}.`, {
    hint: 'Leave the rights out, and keep the limits of your own.',
  })
}

export interface RoleCallDeps {
  readonly documents: Documents
  readonly registry: Pick<Registry, 'parse' | 'find' | 'references'>
}

/** What keys remember of their rights, for roles that are still used. */
interface Using {
  readonly name: string
  readonly rights: readonly string[]
}

const shared = { audience: ['terminal'], labels: { adds: [], sink: false }, timeoutMs: 10_000 } as const satisfies Partial<Call>
const writes = { ...shared, tier: 'side_effecting', right: 'access.write', effect: 'idempotent' } as const satisfies Partial<Call>

/** @param users who holds roles */
export function roleCalls(deps: RoleCallDeps, users: () => Promise<readonly Using[]>): readonly Call[] {
  return [listRoles(deps), setRole(deps), removeRole(deps, users)]
}

const roleView = z.object({ role: z.string(), rights: z.array(z.string()), by: z.string().describe('Who added it; empty: Oxbow has it.') })
export type RoleView = z.infer<typeof roleView>

function listRoles({ documents }: RoleCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'role.list',
    routes: [{ method: 'GET', path: '/roles', list: '' }],
    summary:
      'Lists the roles with their rights: user, superuser and admin for people and keys, the others for agents, and those that were added.',
    input: z.strictObject({}),
    output: z.array(roleView),
    example: {},
    tier: 'read_only',
    right: 'access.read',
    effect: 'none',
    async run() {
      const added = await documents.all<StoredRole>(roleCategory)
      const own = added.map(({ name, value }) => ({ role: name, rights: [...value.rights], by: value.by }))
      const builtin = Object.entries(roles).map(([role, rights]) => ({ role, rights: [...rights].sort(), by: '' }))
      return { output: [...builtin, ...own] }
    },
  })
}

function setRole({ documents, registry }: RoleCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'role.set',
    routes: [{ method: 'PUT', path: '/roles/{role}' }],
    summary: 'Adds a role, or changes the rights of one that was added; keys with it have these rights at once.',
    input: z.strictObject({
      role: z
        .string()
        .regex(roleForm, 'must be lowercase letters, digits, dashes and underscores')
        .refine((name) => !Object.hasOwn(roles, name), 'must not be a role that Oxbow has'),
      rights: z.array(z.string().max(600)).min(1).max(100).describe('Rights, limited rights, denials and roles that Oxbow has.'),
    }),
    output: roleView,
    example: { role: 'reporter', rights: ['analyst', 'file.write:/shared/reports'] },
    async run({ role, rights }, { caller, id: call, clock }) {
      assertKnownRights(registry, rights)
      assertWithin(caller, grantOf(rights), 'role')
      const known = await documents.all<StoredRole>(roleCategory)
      const before = known.find(({ name }) => name === role)
      if (before === undefined && known.length >= maxRoles)
        throw new OxbowError('limit_reached', `There are ${maxRoles} roles.`, { hint: 'Remove some.' })
      // Who may not give the rights that a role has now may not take them from its holders either.
      if (before !== undefined) assertWithin(caller, grantOf(before.value.rights), 'role')
      const value: StoredRole = { rights, by: caller.actor, at: clock.now() }
      await documents.put({ caller, call, name: 'role.set' }, [{ category: roleCategory, name: role, value }], { sync: true })
      return { output: { role, rights, by: caller.actor } }
    },
  })
}

function removeRole({ documents }: RoleCallDeps, users: () => Promise<readonly Using[]>): Call {
  return defineCall({
    ...writes,
    name: 'role.remove',
    routes: [{ method: 'DELETE', path: '/roles/{role}' }],
    summary: 'Removes a role that was added and that no key has.',
    input: z.strictObject({
      role: z.string().max(100),
      dry_run: z.boolean().default(false).describe('Change nothing, and fail where the run would.'),
    }),
    output: z.object({ removed: z.string() }),
    example: { role: 'reporter', dry_run: false },
    async run({ role, dry_run: isDry }, { caller, id: call }) {
      const found = await documents.get<StoredRole>(roleCategory, role)
      if (found === null)
        throw new OxbowError('not_found', `No role ${JSON.stringify(role)} was added, and built-in roles stay.`, {
          hint: '`oxbow roles list` lists them.',
        })
      assertWithin(caller, grantOf(found.value.rights), 'role')
      const holders = (await users()).filter(({ rights }) => rights.includes(role)).map(({ name }) => name)
      if (holders.length > 0)
        throw new OxbowError('bad_input', `Keys have the role ${role}: ${holders.join(', ')}.`, {
          hint: 'Revoke them first: `oxbow keys revoke`.',
        })
      if (isDry) return { output: { removed: role } }
      await documents.put({ caller, call, name: 'role.remove' }, [{ category: roleCategory, name: role, value: null }], { sync: true })
      return { output: { removed: role } }
    },
  })
}
