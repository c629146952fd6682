/** The calls by which a person adds coding agents of others, looks at what they are, approves and removes them. */
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import { type Call, type CallContext, defineCall } from '../../protocol/index.ts'
import { acpAgent } from '../../config/index.ts'
import { maxCoders } from './limits.ts'
import type { CoderSettings, KeptCoder, NamedCoder } from './settings.ts'

export interface CoderTable {
  readonly settings: CoderSettings
  readonly held: () => readonly NamedCoder[]
  /** Reads the settings anew, and ends the conversations of agents that have changed. */
  reload(): Promise<void>
  /** Starts it and ends it again. @throws OxbowError */
  lookAt(coder: NamedCoder, signal: AbortSignal): Promise<CoderFacts>
  running(name: string): number
}

const coderFacts = z.strictObject({
  identity: z.string().describe('Which program, and from which packages.'),
  says: z.string().describe('As it describes itself, on one line; hostile text.'),
  settings: acpAgent,
  digest: z.string().describe('Stands for all that is shown: approving needs it.'),
})

export type CoderFacts = z.infer<typeof coderFacts>

const name = z.string().regex(/^[a-z][a-z0-9-]{0,23}$/, 'must have up to 24 lower-case letters, digits and -')
const shared = {
  audience: ['terminal'],
  labels: { adds: [], sink: false },
  right: 'servers.write',
  tier: 'side_effecting',
} as const satisfies Partial<Call>

export function coderCalls(table: CoderTable): readonly Call[] {
  return [listCall(table), addCall(table), showCall(table), approveCall(table), removeCall(table)]
}

const coderLine = z.strictObject({
  agent: z.string(),
  from: z.string(),
  command: z.string(),
  description: z.string(),
  files: z.string(),
  hosts: z.array(z.string()).readonly(),
  approved: z.boolean(),
  running: z.number(),
})

export type CoderLine = z.infer<typeof coderLine>

function listCall({ held, running }: CoderTable): Call {
  return defineCall({
    ...shared,
    name: 'coder.list',
    summary: 'Lists other people’s coding agents, and whether they are approved.',
    input: z.strictObject({}),
    output: z.strictObject({ agents: z.array(coderLine) }),
    example: {},
    tier: 'read_only',
    right: 'servers.read',
    effect: 'none',
    timeoutMs: 10_000,
    recordOutput: ({ agents }) => ({ agents: agents.length }),
    run: async () => ({
      output: {
        agents: held().map(({ name: agent, from, settings, approved }) => ({
          agent,
          from,
          command: [settings.command, ...settings.args].join(' '),
          description: settings.description,
          files: settings.files,
          hosts: settings.allow,
          approved: approved !== '',
          running: running(agent),
        })),
      },
    }),
  })
}

function addCall(table: CoderTable): Call {
  return defineCall({
    ...shared,
    name: 'coder.add',
    summary: 'Adds a coding agent, or changes its settings. It is not offered before a person approves it.',
    input: z.strictObject({ agent: name, settings: acpAgent }),
    output: z.strictObject({ agent: z.string() }),
    example: {
      agent: 'helper',
      settings: {
        description: 'Writes TypeScript.',
        command: 'node',
        args: ['/opt/server/agent.js'],
        program_folder: '/home/ada/helper',
        env: { API_KEY: '$HELPER_KEY' },
        allow: ['api.example.com'],
        files: 'branch',
        timeout_s: 1_800,
      },
    },
    effect: 'idempotent',
    timeoutMs: 10_000,
    async run({ agent, settings }, context) {
      const known = table.held().find((each) => each.name === agent)
      if (known?.from === 'config.toml')
        throw new OxbowError('bad_input', `${agent} is defined in config.toml.`, { hint: `Change [acp.agents.${agent}] there.` })
      if (known === undefined && table.held().length >= maxCoders)
        throw new OxbowError('limit_reached', `There are ${maxCoders} coding agents already.`, {
          hint: 'Remove one: oxbow coders remove NAME.',
        })
      await change(table, context, 'coder.add', agent, (kept) => ({ approved: kept?.approved ?? '', settings }))
      return { output: { agent } }
    },
  })
}

const shown = coderFacts.extend({ agent: z.string(), state: z.enum(['new', 'changed', 'same']) })

export type Shown = z.infer<typeof shown>

function showCall(table: CoderTable): Call {
  return defineCall({
    ...shared,
    name: 'coder.show',
    summary: 'Starts a coding agent and shows what it is, and whether it is as approved.',
    input: z.strictObject({ agent: name }),
    output: shown,
    example: { agent: 'helper' },
    effect: 'none',
    labels: { adds: ['untrusted'], sink: false },
    timeoutMs: 60_000,
    recordOutput: ({ digest, state }) => ({ digest, state }),
    async run({ agent }, { signal }) {
      const coder = findCoder(table, agent)
      const facts = await table.lookAt(coder, signal)
      const state: Shown['state'] = coder.approved === '' ? 'new' : coder.approved === facts.digest ? 'same' : 'changed'
      return { output: { agent, state, ...facts } }
    },
  })
}

function approveCall(table: CoderTable): Call {
  return defineCall({
    ...shared,
    name: 'coder.approve',
    summary: 'Approves a coding agent as it was shown; it is offered to agents that have the right acp.NAME.',
    input: z.strictObject({
      agent: name,
      digest: z.string().max(100).describe('Digest that coder.show gave, of what the person has seen.'),
    }),
    output: z.strictObject({ approved: z.string() }),
    example: { agent: 'helper', digest: '5f1d' },
    effect: 'idempotent',
    timeoutMs: 60_000,
    async run({ agent, digest }, context) {
      const coder = findCoder(table, agent)
      const facts = await table.lookAt(coder, context.signal)
      if (facts.digest !== digest)
        throw new OxbowError('denied', `${agent} is not as it was shown.`, { hint: `Look at it again: oxbow coders approve ${agent}.` })
      await change(table, context, 'coder.approve', agent, (kept) => ({ settings: kept?.settings ?? null, approved: digest }))
      return { output: { approved: `acp.${agent}` } }
    },
  })
}

function removeCall(table: CoderTable): Call {
  return defineCall({
    ...shared,
    name: 'coder.remove',
    summary: 'Removes a coding agent and its approval. One of config.toml only loses its approval.',
    input: z.strictObject({ agent: name }),
    output: z.strictObject({ removed: z.boolean() }),
    example: { agent: 'helper' },
    effect: 'idempotent',
    timeoutMs: 10_000,
    async run({ agent }, context) {
      const { from } = findCoder(table, agent)
      await change(table, context, 'coder.remove', agent, () => null)
      return { output: { removed: from !== 'config.toml' } }
    },
  })
}

function findCoder({ held }: CoderTable, agent: string): NamedCoder {
  const found = held().find((each) => each.name === agent)
  if (found !== undefined) return found
  throw new OxbowError('not_found', `There is no coding agent ${JSON.stringify(agent)}.`, {
    hint: '`oxbow coders list` shows them; `oxbow coders add` adds one.',
  })
}

async function change(
  table: CoderTable,
  { caller, id: call }: CallContext,
  own: string,
  agent: string,
  next: (kept: KeptCoder | null) => KeptCoder | null,
): Promise<void> {
  await table.settings.change({ caller, call, name: own }, agent, next)
  await table.reload()
}
