/** The calls with which a person compares what a server offers with what is approved, and approves it. */
import { z } from 'zod'
import { isOxbowError, OxbowError, type SchemaChecker } from '../../base/index.ts'
import { type Call, defineCall } from '../../protocol/index.ts'
import { callPart, type FoundTool, type HashText, toolDefinition, visible } from './definitions.ts'
import { change, findServer, type HeldServer, serverInput, type ServerTable, sharedByCalls as shared } from './server-table.ts'
import { serverName as name } from '../../config/index.ts'
import { type ApprovedTool, unknownServer } from './settings.ts'

export function approvalCalls(table: ServerTable, hash: () => Promise<HashText>): readonly Call[] {
  return [diffServer(table, hash), approveServer(table, hash)]
}

const toolDiff = z.strictObject({
  tool: z.string(),
  call: z.string().describe('The name of its call, once approved.'),
  state: z.enum(['new', 'changed', 'same', 'gone']),
  problem: z.string().describe('Why it cannot be approved; empty if it can.'),
  approved: toolDefinition.nullable(),
  now: toolDefinition.nullable(),
  read_only: z.boolean(),
  sink: z.boolean(),
})

type ToolDiff = z.infer<typeof toolDiff>

const offeredSchema = z.strictObject({ resources: z.boolean(), prompts: z.boolean() })

type Offered = z.infer<typeof offeredSchema>

const shown = z.strictObject({
  server: z.string(),
  identity: z.strictObject({ approved: z.string(), now: z.string() }),
  instructions: z.strictObject({ approved: z.string(), now: z.string() }),
  offers: z.strictObject({ approved: offeredSchema, now: offeredSchema }).describe('What it offers besides tools.'),
  tools: z.array(toolDiff).readonly(),
})

type Shown = z.infer<typeof shown>

const serverDiff = shown.extend({ digest: z.string().describe('Stands for all that is shown: approving needs it.') })

export type ServerDiff = z.infer<typeof serverDiff>

function diffServer(table: ServerTable, hash: () => Promise<HashText>): Call {
  return defineCall({
    ...shared,
    name: 'server.diff',
    summary: 'Starts a server and compares what it offers with what is approved.',
    input: serverInput,
    output: serverDiff,
    example: { server: 'files' },
    tier: 'side_effecting',
    effect: 'none',
    labels: { adds: ['untrusted'], sink: false },
    timeoutMs: 60_000,
    recordOutput: ({ tools, digest }) => ({ tools: tools.length, digest }),
    async run({ server }, { signal }) {
      const { diff, found } = await lookAt(table, findServer(table, server), signal)
      return { output: { ...diff, digest: digestOf(diff, found, await hash()) } }
    },
  })
}

interface Look {
  readonly diff: Shown
  readonly found: readonly FoundTool[]
  readonly offersHash: string
}

const offeredOf = ({ resources = false, prompts = false }: Partial<Offered>): Offered => ({ resources, prompts })

async function lookAt({ schemas }: ServerTable, { server, connection }: HeldServer, signal: AbortSignal): Promise<Look> {
  if (server.kept.disabled) throw switchedOff(server.name)
  const { tools, identity, instructions, offers, offersHash } = await connection.listed(signal, true)
  const found = await Promise.all(tools.map((tool) => withSchemaProblem(tool, schemas)))
  const { kept } = server
  const here = found.map((tool): ToolDiff => {
    const approved = kept.tools.find(({ definition }) => definition.name === tool.definition.name)
    return {
      tool: tool.definition.name,
      call: approved === undefined ? '' : `mcp.${server.name}.${approved.part}`,
      state: approved === undefined ? 'new' : approved.hash === tool.hash ? 'same' : 'changed',
      problem: tool.problem,
      approved: approved?.definition ?? null,
      now: tool.definition,
      read_only: approved?.readOnly ?? false,
      sink: approved?.sink ?? true,
    }
  })
  const gone = kept.tools
    .filter(({ definition }) => !found.some((tool) => tool.definition.name === definition.name))
    .map(({ definition, readOnly, sink }): ToolDiff => ({
      tool: definition.name,
      call: '',
      state: 'gone',
      problem: '',
      approved: definition,
      now: null,
      read_only: readOnly,
      sink,
    }))
  return {
    found,
    offersHash,
    diff: {
      server: server.name,
      identity: { approved: kept.identity, now: identity },
      instructions: { approved: kept.instructions, now: instructions },
      offers: { approved: kept.offers?.hash === offersHash ? offeredOf(kept.offers) : offeredOf({}), now: offers },
      tools: [...here, ...gone],
    },
  }
}

/** @returns the tool, with what is wrong with its schemas if they cannot be checked */
async function withSchemaProblem(tool: FoundTool, schemas: SchemaChecker): Promise<FoundTool> {
  if (tool.problem !== '') return tool
  const { inputSchema, outputSchema } = tool.definition
  try {
    await schemas.check(inputSchema)
    if (outputSchema !== null) await schemas.check(outputSchema)
    return tool
  } catch (error) {
    if (!isOxbowError(error, 'bad_input') && !isOxbowError(error, 'limit_reached') && !isOxbowError(error, 'timeout')) throw error
    return { ...tool, problem: `its schema cannot be checked: ${visible(error.message).slice(0, 300)}` }
  }
}

const toolNames = z.array(z.string().max(200)).max(1_000)

function approveServer(table: ServerTable, loadHash: () => Promise<HashText>): Call {
  return defineCall({
    ...shared,
    name: 'server.approve',
    summary: 'Approves tools of a server as they were shown; they are offered to agents that have the right mcp.SERVER.',
    input: z.strictObject({
      server: name,
      digest: z.string().max(100).describe('Digest that server.diff gave, of what the person has seen.'),
      tools: toolNames.describe('Tools to approve; all that can be when absent. Others lose their approval.').optional(),
      read_only: toolNames.describe('The approved tools that change nothing, and so may be repeated.').optional(),
      no_sink: toolNames.describe('The approved tools through which nothing leaves this machine.').optional(),
      resources: z.boolean().describe('Whether agents may read its resources; as it offers them when absent.').optional(),
      prompts: z.boolean().describe('Whether you may use its prompts; as it offers them when absent.').optional(),
    }),
    output: z.strictObject({ approved: z.array(z.string()) }),
    example: { server: 'files', digest: '5f1d', tools: ['read_file'], read_only: ['read_file'] },
    tier: 'side_effecting',
    effect: 'idempotent',
    timeoutMs: 60_000,
    async run({ server, digest, tools, read_only: readOnly = [], no_sink: noSink = [], resources = true, prompts = true }, context) {
      const held = findServer(table, server)
      const { diff, found, offersHash } = await lookAt(table, held, context.signal)
      const hash = await loadHash()
      if (digestOf(diff, found, hash) !== digest) throw changedMeanwhile(server)
      const unknown = [...(tools ?? []), ...readOnly, ...noSink].find((tool) => !found.some(({ definition }) => definition.name === tool))
      if (unknown !== undefined)
        throw new OxbowError('not_found', `${server} has no tool ${JSON.stringify(unknown)}.`, {
          hint: `\`oxbow servers diff ${server}\` lists its tools.`,
        })
      const chosen = found.filter(({ definition, problem }) => (tools === undefined ? problem === '' : tools.includes(definition.name)))
      const bad = chosen.find(({ problem }) => problem !== '')
      if (bad !== undefined)
        throw new OxbowError('denied', `${bad.definition.name} cannot be approved: ${bad.problem}.`, { hint: 'Approve the other tools.' })
      const approved = chosen.map(({ definition, hash: own }): ApprovedTool => ({
        hash: own,
        part: callPart(server, definition.name, hash),
        definition,
        readOnly: readOnly.includes(definition.name),
        sink: !noSink.includes(definition.name),
      }))
      const { identity, instructions, offers: offered } = diff
      const offers = { hash: offersHash, resources: resources && offered.now.resources, prompts: prompts && offered.now.prompts }
      const facts = { identity: identity.now, instructions: instructions.now, tools: approved, offers }
      await change(table, context, 'server.approve', server, (kept) => ({ ...(kept ?? unknownServer), ...facts }))
      return { output: { approved: approved.map(({ part }) => `mcp.${server}.${part}`) } }
    },
  })
}

/** Over the definitions as the server sent them, and what was approved before: what a person compares. */
function digestOf({ tools, identity, instructions, offers }: Shown, found: readonly FoundTool[], hash: HashText): string {
  return hash(
    JSON.stringify([identity, instructions, offers, tools.map(({ tool, state }) => [tool, state]), found.map((tool) => tool.hash)]),
  )
}

function switchedOff(server: string): OxbowError {
  return new OxbowError('denied', `The server ${server} is off.`, { hint: `Turn it on: oxbow servers enable ${server}.` })
}

function changedMeanwhile(server: string): OxbowError {
  return new OxbowError('denied', `What ${server} offers is not what was shown.`, {
    hint: `Look at it again: oxbow servers diff ${server}.`,
  })
}
