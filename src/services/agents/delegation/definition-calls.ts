/** The calls with which a person looks at definitions of agents and graphs and approves the workspace's. */
import { z } from 'zod'
import { didYouMean, OxbowError } from '../../../base/index.ts'
import { type Call, defineCall } from '../../../protocol/index.ts'
import { type DefinitionKind, definitionKinds, definitionName } from '../../../config/index.ts'
import { isOver } from '../agent-record.ts'
import type { Supervisor } from '../supervisor.ts'
import { type Definitions, type ListedDefinition, listedDefinition, verbOf } from './definitions.ts'

export interface DefinitionCallDeps {
  readonly definitions: () => Promise<Definitions>
  readonly supervisor: () => Promise<Supervisor>
}

const kind = z.enum(definitionKinds).describe('`agents`, `graphs` or `programs`.')
const name = z.string().regex(definitionName, 'must be a plain name')

const reads = {
  tier: 'read_only',
  right: 'access.read',
  effect: 'none',
  audience: ['terminal'],
  labels: { adds: ['untrusted'], sink: false },
  timeoutMs: 30_000,
} as const satisfies Partial<Call>
const writes = {
  ...reads,
  tier: 'privileged',
  right: 'access.write',
  effect: 'idempotent',
  labels: { adds: [], sink: false },
} as const satisfies Partial<Call>

export function definitionCalls(deps: DefinitionCallDeps): readonly Call[] {
  const { definitions } = deps
  return [listCall(definitions), showCall(definitions), approveCall(definitions), revokeCall(deps)]
}

type Load = DefinitionCallDeps['definitions']

const listOutput = z.strictObject({
  definitions: z.array(listedDefinition.pick({ name: true, from: true, state: true, problem: true, hash: true })).readonly(),
})

function listCall(load: Load): Call {
  return defineCall({
    ...reads,
    name: 'definition.list',
    summary: 'Lists the definitions of agents or graphs, and whether they count.',
    input: z.strictObject({ kind }),
    output: listOutput,
    example: { kind: 'agents' },
    recordOutput: ({ definitions }) => ({ definitions: definitions.length }),
    async run(input) {
      const listed = await (await load()).list(input.kind)
      const definitions = listed.map(({ name: called, from, state, problem, hash }) => ({ name: called, from, state, problem, hash }))
      const lines = definitions.map((each) => `${each.name} (${each.from}): ${each.state}${each.problem === '' ? '' : `, ${each.problem}`}`)
      return { output: { definitions }, text: lines.join('\n') || 'There are no definitions.' }
    },
  })
}

function showCall(load: Load): Call {
  return defineCall({
    ...reads,
    name: 'definition.show',
    summary: 'Shows the files of a definition, with the hash by which it is approved.',
    input: z.strictObject({ kind, name }),
    output: listedDefinition,
    example: { kind: 'agents', name: 'reviewer' },
    recordOutput: ({ hash, state }) => ({ hash, state }),
    async run(place) {
      const found = await listedOne(await load(), place)
      return { output: found, text: `${found.toml}\n${found.text}` }
    },
  })
}

/** @throws OxbowError `not_found` */
async function listedOne(
  definitions: Definitions,
  place: { readonly kind: DefinitionKind; readonly name: string },
): Promise<ListedDefinition> {
  const named = (await definitions.list(place.kind)).filter((each) => each.name === place.name)
  const found = named.find(({ state }) => state === 'new' || state === 'changed') ?? named[0]
  if (found !== undefined) return found
  const names = (await definitions.list(place.kind)).map((one) => one.name)
  throw new OxbowError('not_found', `There is no ${place.kind.slice(0, -1)} ${place.name}.`, {
    hint: `${didYouMean(place.name, names, 2)}See \`${verbOf(place.kind)} list\`.`,
  })
}

function approveCall(load: Load): Call {
  return defineCall({
    ...writes,
    name: 'definition.approve',
    summary: 'Approves a definition of the workspace, as its files are now. It counts until they change.',
    input: z.strictObject({ kind, name, hash: z.string().length(64).describe('Hash of what you have seen, from `definition.show`.') }),
    output: z.strictObject({ approved: z.literal(true) }),
    example: { kind: 'agents', name: 'reviewer', hash: '0'.repeat(64) },
    async run({ kind: of, name: called, hash }, { id, caller }) {
      await (await load()).approve({ caller, call: id, name: 'definition.approve' }, of, called, hash)
      return { output: { approved: true as const }, text: `Approved ${of}/${called}.` }
    },
  })
}

function revokeCall({ definitions, supervisor }: DefinitionCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'definition.revoke',
    summary: 'Takes back the approval of a workspace definition, and ends the agents that use it.',
    input: z.strictObject({ kind, name, dry_run: z.boolean().default(false).describe('Only say whether it was approved.') }),
    output: z.strictObject({ revoked: z.boolean() }),
    example: { kind: 'agents', name: 'reviewer', dry_run: false },
    async run({ kind: of, name: called, dry_run: isDry }, { id, caller }) {
      const by = { caller, call: id, name: 'definition.revoke' }
      const hash = await (await definitions()).revoke(by, of, called, isDry)
      const revoked = hash !== ''
      // An approval may outlive the files; a name that has neither is misspelt.
      if (!revoked) await listedOne(await definitions(), { kind: of, name: called })
      const agents = await supervisor()
      const working = agents.all().filter((each) => revoked && !isDry && each.delegation?.hash === hash && !isOver(each))
      await Promise.all(working.map((each) => agents.kill(by, each.id, 'the approval of its definition was taken back')))
      return {
        output: { revoked },
        text: revoked ? `${isDry ? 'Would revoke' : 'Revoked'} ${of}/${called}.` : `${of}/${called} was not approved.`,
      }
    },
  })
}
