/** The calls about people: who is known, who is added and removed, and what the gateway asks when somebody has signed in. */
import { z } from 'zod'
import type { Core, Documents } from '../../kernel/index.ts'
import { OxbowError, toError } from '../../base/index.ts'
import type { OidcConfig } from '../../config/index.ts'
import { type Call, defineCall } from '../../protocol/index.ts'
import type { Access } from '../access/service.ts'
import { admit, type Claims, claimsSchema, type Person, personId } from './admission.ts'

export type People = Pick<Access, 'endKeys'>

/** People of one guest. */
const maxPeople = 1_000
const personCategory = 'system/people'

/** Keys of people who have signed in have names that begin so; then comes the id of the person. */
export const personKeys = 'oidc-'

const shared = { audience: ['terminal'], labels: { adds: [], sink: false }, timeoutMs: 10_000 } as const satisfies Partial<Call>
const reads = { ...shared, tier: 'read_only', right: 'people.read', effect: 'none' } as const satisfies Partial<Call>
const writes = { ...shared, tier: 'side_effecting', right: 'people.write', effect: 'idempotent' } as const satisfies Partial<Call>

const { subject } = claimsSchema.shape
const text = z.string().max(500)

const personView = z.strictObject({
  id: z.string().describe('Of issuer and subject; the actor of what they do is `key:oidc-ID-…`.'),
  issuer: z.string(),
  subject: z.string(),
  name: z.string(),
  groups: z.array(z.string()).readonly(),
  added_by: z.string(),
  added_at: z.number(),
  signed_in_at: z.number().nullable(),
})
export type PersonView = z.infer<typeof personView>

interface PersonDeps {
  readonly user: string
  readonly documents: Documents
  readonly oidc: OidcConfig
  readonly people: () => Promise<People>
}

export function personCalls({ user, documents, config }: Core, people: PersonDeps['people']): readonly Call[] {
  const deps: PersonDeps = { user, documents, oidc: config.oidc, people }
  return [listPeople(deps), addPerson(deps), removePerson(deps), signIn(deps)]
}

async function all(documents: Documents): Promise<readonly Person[]> {
  return (await documents.all<Person>(personCategory)).map(({ value }) => value)
}

function listPeople({ documents }: PersonDeps): Call {
  return defineCall({
    ...reads,
    name: 'people.list',
    routes: [{ method: 'GET', path: '/people', list: '' }],
    summary: 'Lists the people who may sign in by OpenID Connect, or have.',
    input: z.strictObject({}),
    output: z.array(personView),
    example: {},
    recordOutput: (found) => ({ people: found.length }),
    run: async () => ({ output: [...(await all(documents))] }),
  })
}

function addPerson({ documents, oidc }: PersonDeps): Call {
  return defineCall({
    ...writes,
    name: 'people.add',
    routes: [{ method: 'POST', path: '/people', status: 201 }],
    summary: 'Makes a person known, who may then sign in with the roles of their groups.',
    input: z.strictObject({
      subject,
      name: text.default('').describe('For lists; the provider tells the newest at each sign-in.'),
      issuer: text.default('').describe('Default: `oidc.issuer`.'),
    }),
    output: personView,
    example: { subject: '8f14e45f-ceea-467f', name: 'ann', issuer: '' },
    async run({ subject: sub, name, issuer: given }, { caller, id: call, clock }) {
      const issuer = given === '' ? oidc.issuer : given
      if (issuer === '') throw new OxbowError('bad_config', 'Nobody signs in by OpenID Connect here.', { hint: 'Set oidc.issuer first.' })
      const claims: Claims = { issuer, subject: sub, name, groups: [] }
      const id = personId(claims)
      const known = (await documents.get<Person>(personCategory, id))?.value
      const person = known ?? { ...claims, id, added_by: caller.actor, added_at: clock.now(), signed_in_at: null }
      if (known === undefined) await write(documents, { caller, call, name: 'people.add' }, person)
      return { output: person }
    },
  })
}

function removePerson({ documents, people }: PersonDeps): Call {
  return defineCall({
    ...writes,
    name: 'people.remove',
    routes: [{ method: 'DELETE', path: '/people/{person}' }],
    summary: 'Forgets a person, and ends all that they have open.',
    input: z.strictObject({ person: z.string().min(1).max(255).describe('Their id or subject.') }),
    output: z.object({ removed: z.string(), keys: z.int().describe('Their keys that were revoked.') }),
    example: { person: '8f14e45f-ceea-467f' },
    async run({ person }, { caller, id: call }) {
      const found = (await all(documents)).find(({ id, subject: sub }) => id === person || sub === person)
      if (found === undefined)
        throw new OxbowError('not_found', `Nobody ${JSON.stringify(person)} is known.`, { hint: '`oxbow people list` lists them.' })
      const of = { caller, call, name: 'people.remove' }
      await documents.put(of, [{ category: personCategory, name: found.id, value: null }], { sync: true })
      return { output: { removed: found.id, keys: await (await people()).endKeys(of, `${personKeys}${found.id}-`) } }
    },
  })
}

const signedIn = z.object({
  person: z.string().describe('Their id.'),
  roles: z.array(z.string()).readonly().describe('What their groups give them now.'),
})

function signIn({ user, documents, oidc, people }: PersonDeps): Call {
  return defineCall({
    ...writes,
    name: 'people.sign_in',
    summary: 'Takes in what the provider says of somebody, as the gateway does: makes them known where they may become so.',
    input: claimsSchema,
    output: signedIn,
    example: { issuer: 'https://id.example.com', subject: '8f14e45f-ceea-467f', name: 'ann', groups: ['staff'] },
    async run(claims, { caller, id: call, clock }) {
      const of = { caller, call, name: 'people.sign_in' }
      const id = personId(claims)
      const known = await all(documents)
      const roles = admit({ claims, config: oidc, user, known })
      if ('code' in roles) {
        // Whoever lost the right to sign in has nothing open any more, either.
        if (known.some((each) => each.id === id)) await (await people()).endKeys(of, `${personKeys}${id}-`)
        throw toError(roles)
      }
      const before = known.find((each) => each.id === id)
      if (before === undefined && known.length >= maxPeople)
        throw new OxbowError('limit_reached', `${maxPeople} people are known.`, { hint: 'Remove some: oxbow people remove' })
      const since = before ?? { added_by: 'oidc', added_at: clock.now() }
      await write(documents, of, { ...claims, id, added_by: since.added_by, added_at: since.added_at, signed_in_at: clock.now() })
      return { output: { person: id, roles } }
    },
  })
}

async function write(documents: Documents, of: Parameters<Documents['put']>[0], person: Person): Promise<void> {
  await documents.put(of, [{ category: personCategory, name: person.id, value: person }], { sync: true })
}
