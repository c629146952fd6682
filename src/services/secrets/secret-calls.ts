/** The calls of a person on secrets: what is known and found, what a secret may be used for. None shows a value but `secret.reveal`. */
import { z } from 'zod'
import { type Core } from '../../kernel/index.ts'
import { type JsonObject, OxbowError } from '../../base/index.ts'
import { type Call, type CallContext, defineCall } from '../../protocol/index.ts'
import { type FoundSecret, foundCategory, maskedValue, type Origin, type SecretPolicy } from '../../secrets/index.ts'

type SecretCallDeps = Pick<Core, 'secrets' | 'documents'>

const policy = z.strictObject({
  name: z.string(),
  calls: z.array(z.string()).readonly().describe('Calls that receive it where their input has its handle.'),
  hosts: z.array(z.string()).readonly().describe('Hosts that calls with network may send it to.'),
  env: z.string().describe('Variable in which commands of these calls find it.'),
})

const secretLine = policy.extend({ handle: z.string(), source: z.string(), characters: z.int(), masked: z.string() })

const foundLine = z.strictObject({
  name: z.string(),
  handle: z.string(),
  kind: z.string(),
  call: z.string().describe('The call in whose output it was.'),
  session: z.string(),
  at: z.number(),
  masked: z.string().describe('Empty when the value is not known any more.'),
  released: z.boolean(),
})

const shared = {
  audience: ['terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: 30_000,
  right: 'secret.read',
  tier: 'read_only',
  effect: 'none',
} as const satisfies Partial<Call>
const changing = { ...shared, right: 'secret.write', tier: 'privileged', effect: 'idempotent' } as const satisfies Partial<Call>

const name = z.string().min(1).max(200).describe('Name of the secret, as in `[secret:NAME]`.')
const nothing: SecretPolicy = { calls: [], hosts: [], env: '' }

const originOf = ({ caller, id }: CallContext, call: string): Origin => ({ caller, call: id, name: call })

export function secretCalls(deps: SecretCallDeps): readonly Call[] {
  return [listCall(deps), foundCall(deps), revealCall(deps), releaseCall(deps), allowCall(deps), withdrawCall(deps)]
}

function listCall({ secrets }: SecretCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'secret.list',
    routes: [{ method: 'GET', path: '/secrets', list: '' }],
    summary: 'Lists the secrets that this guest knows, masked, with what each may be used for.',
    input: z.strictObject({ name: name.optional() }),
    output: z.array(secretLine),
    example: {},
    recordOutput: (output) => ({ secrets: output.length }),
    async run(input) {
      await secrets.ready()
      const all = secrets.list().filter((each) => (input.name === undefined ? each.source !== 'found' : each.name === input.name))
      if (input.name !== undefined && all.length === 0) throw unknown(input.name)
      return {
        output: all.map(({ name: of, source, characters }) => {
          const { calls, hosts, env } = secrets.policyOf(of) ?? nothing
          const masked = maskedValue(secrets.valueOf(of) ?? '')
          return { name: of, handle: `[secret:${of}]`, source, characters, masked, calls, hosts, env }
        }),
      }
    },
  })
}

function foundCall({ secrets, documents }: SecretCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'secret.found',
    routes: [{ method: 'GET', path: '/secrets/found' }],
    summary: 'Lists what was found in outputs and replaced by handles, masked.',
    input: z.strictObject({}),
    output: z.array(foundLine),
    example: {},
    recordOutput: (output) => ({ found: output.length }),
    async run() {
      await secrets.ready()
      const found = await documents.all<FoundSecret & JsonObject>(foundCategory)
      return {
        output: found.map(({ name: of, value: { kind, call, session, released = false }, at }) => {
          const value = secrets.valueOf(of)
          const masked = value === undefined ? '' : maskedValue(value)
          return { name: of, handle: `[secret:${of}]`, kind, call, session, at, masked, released }
        }),
      }
    },
  })
}

function revealCall({ secrets }: SecretCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'secret.reveal',
    routes: [{ method: 'POST', path: '/secrets/{name}/reveal' }],
    summary: 'Shows a person the value of a secret; the journal records that, without the value.',
    input: z.strictObject({ name }),
    output: z.strictObject({ name: z.string(), value: z.string() }),
    example: { name: 'GITHUB_TOKEN' },
    right: 'secret.reveal',
    tier: 'privileged',
    effect: 'once',
    reveals: true,
    recordOutput: (output) => ({ revealed: output.name }),
    async run(input, { caller }) {
      // The right to everything is given to programs too; a value is for a person's eyes.
      if (!caller.actor.startsWith('user:')) throw forPeople()
      await secrets.ready()
      const value = secrets.valueOf(input.name)
      if (value === undefined) throw unknown(input.name)
      return { output: { name: input.name, value } }
    },
  })
}

function releaseCall({ secrets, documents }: SecretCallDeps): Call {
  return defineCall({
    ...changing,
    name: 'secret.release',
    routes: [{ method: 'POST', path: '/secrets/{name}/release' }],
    summary: 'Marks what was found as no secret: it is shown as it is from now on.',
    input: z.strictObject({ name }),
    output: z.strictObject({ name: z.string() }),
    example: { name: 'found.random.0k3f9x2ab1' },
    async run(input, context) {
      await secrets.ready()
      const found = await documents.get<FoundSecret & JsonObject>(foundCategory, input.name)
      if (found === null) throw unknown(input.name, '`oxbow secret found` lists what can be released.')
      await secrets.release(originOf(context, 'secret.release'), input.name, found.value)
      return { output: { name: input.name } }
    },
  })
}

function allowCall({ secrets }: SecretCallDeps): Call {
  return defineCall({
    ...changing,
    name: 'secret.allow',
    routes: [{ method: 'PUT', path: '/secrets/{name}/use' }],
    summary: 'Allows calls to receive a secret where their input has its handle; replaces what was allowed before.',
    input: z.strictObject({
      name,
      calls: z
        .array(z.string().regex(/^[a-z_]+\.[a-z_]+$/))
        .min(1)
        .max(50)
        .describe('Names of calls, e.g. `shell.online`.'),
      hosts: z.array(z.string().min(1).max(260)).max(50).default([]).describe('Hosts that calls with network may send it to; `*`: any.'),
      env: z
        .string()
        .regex(/^(?:[A-Za-z_][A-Za-z0-9_]{0,127})?$/)
        .default('')
        .describe('Variable in which commands of these calls find it.'),
    }),
    output: policy,
    example: { name: 'GITHUB_TOKEN', calls: ['shell.online'], hosts: ['api.github.com'], env: 'GITHUB_TOKEN' },
    async run(input, context) {
      await secrets.ready()
      if (!secrets.has(input.name)) throw unknown(input.name)
      const { name: of, ...allowed } = input
      await secrets.allow(originOf(context, 'secret.allow'), of, allowed)
      return { output: { name: of, ...(secrets.policyOf(of) ?? allowed) } }
    },
  })
}

function withdrawCall({ secrets }: SecretCallDeps): Call {
  return defineCall({
    ...changing,
    name: 'secret.withdraw',
    routes: [{ method: 'DELETE', path: '/secrets/{name}/use' }],
    summary: 'Withdraws what `secret.allow` has allowed; the configuration still applies.',
    input: z.strictObject({ name }),
    output: policy,
    example: { name: 'GITHUB_TOKEN' },
    async run(input, context) {
      await secrets.ready()
      // What is allowed for a secret that is gone can still be withdrawn.
      if (!secrets.has(input.name) && secrets.policyOf(input.name) === undefined) throw unknown(input.name)
      await secrets.allow(originOf(context, 'secret.withdraw'), input.name, null)
      return { output: { name: input.name, ...(secrets.policyOf(input.name) ?? nothing) } }
    },
  })
}

function forPeople(): OxbowError {
  return new OxbowError('denied', 'Only a person can have a secret shown.', { hint: 'Run `oxbow secret reveal NAME` in a terminal.' })
}

function unknown(
  of: string,
  hint = '`oxbow secret list` and `oxbow secret found` show the names. One that was set a moment ago is known after `oxbow restart`.',
): OxbowError {
  return new OxbowError('not_found', `There is no secret ${JSON.stringify(of)}.`, { hint })
}
