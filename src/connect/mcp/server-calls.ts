/** The calls by which a person adds servers, looks at what they offer, approves it, turns them off and removes them. */
import { z } from 'zod'
import { type Call, type CallContext, mcpServer, type McpServer, OxbowError } from '../../types/index.ts'
import { callPart, type FoundTool, type HashText, type ToolDefinition } from './definitions.ts'
import { maxServers } from './limits.ts'
import type { Connection } from './connection.ts'
import { type ApprovedTool, type KeptServer, type NamedServer, type Settings, unknownServer } from './settings.ts'

/** A server, and its connection. */
export interface HeldServer {
  readonly server: NamedServer
  readonly connection: Connection
}

export interface ServerTable {
  readonly settings: Settings
  readonly held: () => readonly HeldServer[]
  /** Reads the settings anew; connections of servers whose settings have changed are closed. */
  reload(): Promise<void>
  /** Tools that are not, or no longer, as approved, in the last list of the server. */
  quarantined(server: string): readonly string[]
}

const name = z.string().regex(/^[a-z][a-z0-9-]{0,23}$/, 'must have up to 24 lower-case letters, digits and -')
const shared = { audience: ['terminal'], labels: { adds: [], sink: false }, right: 'servers.write' } as const satisfies Partial<Call>

export function serverCalls(table: ServerTable, hash: () => Promise<HashText>): readonly Call[] {
  return [
    listServers(table),
    addServer(table),
    diffServer(table, hash),
    approveServer(table, hash),
    ...loginCalls(table),
    switchServer(table),
    removeServer(table),
  ]
}

interface ServerLine {
  readonly server: string
  readonly from: string
  readonly what: string
  readonly enabled: boolean
  readonly running: boolean
  readonly approved: number
  /** Approved tools that are not offered, because the server describes them differently now. */
  readonly quarantined: readonly string[]
  /** The end of what its program has written to its standard error. */
  readonly log: string
}

const shownLog = 2_000

function listServers({ held, quarantined }: ServerTable): Call<object, { servers: readonly ServerLine[] }> {
  return {
    ...shared,
    name: 'server.list',
    summary: 'Lists the servers of tools, whether they run, and what of them is approved.',
    input: z.strictObject({}),
    output: z.custom<{ servers: readonly ServerLine[] }>(),
    example: {},
    tier: 'read_only',
    right: 'servers.read',
    effect: 'none',
    timeoutMs: 10_000,
    recordOutput: ({ servers }) => ({ servers: servers.length }),
    async run() {
      const servers = held().map(({ server, connection }): ServerLine => {
        const { name: own, settings, kept, from } = server
        const { running, log } = connection.state()
        const what = settings.url === '' ? [settings.command, ...settings.args].join(' ') : settings.url
        return {
          server: own,
          from,
          what,
          enabled: !kept.disabled,
          running,
          approved: kept.tools.length,
          quarantined: quarantined(own),
          log: log.slice(-shownLog),
        }
      })
      return { output: { servers } }
    },
  }
}

type AddInput = { readonly server: string; readonly settings: McpServer }

function addServer(table: ServerTable): Call<AddInput, { server: string }> {
  return {
    ...shared,
    name: 'server.add',
    summary: 'Adds a server of tools, or changes its settings. Nothing of it is offered before a person approves it.',
    input: z.strictObject({ server: name, settings: mcpServer }),
    output: z.strictObject({ server: z.string() }),
    example: {
      server: 'files',
      settings: { ...emptySettings, command: 'node', args: ['/opt/server/index.js', '/shared'], folders: ['/shared'] },
    },
    tier: 'side_effecting',
    effect: 'idempotent',
    timeoutMs: 10_000,
    async run({ server, settings }, context) {
      const known = table.held().find((each) => each.server.name === server)?.server
      if (known?.from === 'config.toml') throw ofConfig(server)
      if (known === undefined && table.held().length >= maxServers)
        throw new OxbowError('limit_reached', `There are ${maxServers} servers already.`, {
          hint: 'Remove one: oxbow servers remove NAME.',
        })
      await change(table, context, 'server.add', server, (kept) => ({ ...(kept ?? unknownServer), settings }))
      return { output: { server } }
    },
  }
}

const emptySettings: McpServer = {
  command: '',
  args: [],
  program_folder: '',
  url: '',
  env: {},
  headers: {},
  client_id: '',
  client_secret: '',
  folders: [],
  allow: [],
  timeout_s: 30,
}

interface ToolDiff {
  readonly tool: string
  /** The name of its call, once approved. */
  readonly call: string
  readonly state: 'new' | 'changed' | 'same' | 'gone'
  /** Why it cannot be approved; empty if it can. */
  readonly problem: string
  readonly approved: ToolDefinition | null
  readonly now: ToolDefinition | null
  readonly read_only: boolean
  readonly sink: boolean
}

interface Shown {
  readonly server: string
  readonly identity: { readonly approved: string; readonly now: string }
  readonly instructions: { readonly approved: string; readonly now: string }
  readonly tools: readonly ToolDiff[]
}

interface ServerDiff extends Shown {
  /** Stands for all that is shown: approving needs it. */
  readonly digest: string
}

const diffInput = z.strictObject({ server: name })

function diffServer(table: ServerTable, hash: () => Promise<HashText>): Call<{ server: string }, ServerDiff> {
  return {
    ...shared,
    name: 'server.diff',
    summary: 'Starts a server and shows what it offers, beside what is approved.',
    input: diffInput,
    output: z.custom<ServerDiff>(),
    example: { server: 'files' },
    tier: 'side_effecting',
    effect: 'none',
    labels: { adds: ['untrusted'], sink: false },
    timeoutMs: 60_000,
    recordOutput: ({ tools, digest }) => ({ tools: tools.length, digest }),
    async run({ server }, { signal }) {
      const { diff, found } = await lookAt(findServer(table, server), signal)
      return { output: { ...diff, digest: digestOf(diff, found, await hash()) } }
    },
  }
}

interface Look {
  readonly diff: Shown
  readonly found: readonly FoundTool[]
}

async function lookAt({ server, connection }: HeldServer, signal: AbortSignal): Promise<Look> {
  if (server.kept.disabled) throw switchedOff(server.name)
  const { tools: found, identity, instructions } = await connection.listed(signal, true)
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
    diff: {
      server: server.name,
      identity: { approved: kept.identity, now: identity },
      instructions: { approved: kept.instructions, now: instructions },
      tools: [...here, ...gone],
    },
  }
}

interface ApproveInput {
  readonly server: string
  readonly digest: string
  readonly tools?: readonly string[] | undefined
  readonly read_only?: readonly string[] | undefined
  readonly no_sink?: readonly string[] | undefined
}

const toolNames = z.array(z.string().max(200)).max(1_000)

function approveServer(table: ServerTable, loadHash: () => Promise<HashText>): Call<ApproveInput, { approved: readonly string[] }> {
  return {
    ...shared,
    name: 'server.approve',
    summary: 'Approves tools of a server as they were shown; they are offered to agents that have the right mcp.SERVER.',
    input: z.strictObject({
      server: name,
      digest: z.string().max(100).describe('Of the output of server.diff that the person has seen.'),
      tools: toolNames.describe('Tools to approve; all that can be when absent. Others lose their approval.').optional(),
      read_only: toolNames.describe('Of them, those that change nothing: they may be repeated.').optional(),
      no_sink: toolNames.describe('Of them, those through which nothing leaves this machine.').optional(),
    }),
    output: z.strictObject({ approved: z.array(z.string()) }),
    example: { server: 'files', digest: '5f1d', tools: ['read_file'], read_only: ['read_file'] },
    tier: 'side_effecting',
    effect: 'idempotent',
    timeoutMs: 60_000,
    async run({ server, digest, tools, read_only: readOnly = [], no_sink: noSink = [] }, context) {
      const held = findServer(table, server)
      const { diff, found } = await lookAt(held, context.signal)
      const hash = await loadHash()
      if (digestOf(diff, found, hash) !== digest) throw changedMeanwhile(server)
      const unknown = [...(tools ?? []), ...readOnly, ...noSink].find((tool) => !found.some(({ definition }) => definition.name === tool))
      if (unknown !== undefined)
        throw new OxbowError('not_found', `${server} has no tool ${JSON.stringify(unknown)}.`, { hint: `oxbow servers diff ${server}` })
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
      const { identity, instructions } = diff
      const facts = { identity: identity.now, instructions: instructions.now, tools: approved }
      await change(table, context, 'server.approve', server, (kept) => ({ ...(kept ?? unknownServer), ...facts }))
      return { output: { approved: approved.map(({ part }) => `mcp.${server}.${part}`) } }
    },
  }
}

/** Over the definitions as the server sent them, and what was approved before: what a person compares. */
function digestOf({ tools, identity, instructions }: Shown, found: readonly FoundTool[], hash: HashText): string {
  return hash(JSON.stringify([identity, instructions, tools.map(({ tool, state }) => [tool, state]), found.map((tool) => tool.hash)]))
}

function loginCalls(table: ServerTable): readonly Call[] {
  const begin: Call<{ server: string; redirect_url: string }, { url: string }> = {
    ...shared,
    name: 'server.login',
    summary: 'Begins to sign in to a server by OAuth: names the address where the person does that.',
    input: z.strictObject({
      server: name,
      redirect_url: z.string().regex(/^http:\/\/127\.0\.0\.1:\d{1,5}\/callback$/, 'must be http://127.0.0.1:PORT/callback'),
    }),
    output: z.strictObject({ url: z.string().describe('Empty: the server lets everybody in.') }),
    example: { server: 'tickets', redirect_url: 'http://127.0.0.1:40000/callback' },
    tier: 'side_effecting',
    effect: 'idempotent',
    timeoutMs: 60_000,
    recordOutput: () => ({}),
    run: async ({ server, redirect_url: back }, { signal }) => ({
      output: { url: await findServer(table, server).connection.beginLogin(back, signal) },
    }),
  }
  const end: Call<{ server: string; answer: string }, { signed_in: true }> = {
    ...shared,
    name: 'server.login_end',
    summary: 'Ends a login with what the browser came back with.',
    input: z.strictObject({
      server: name,
      answer: z.string().max(8_000).describe('The query of the address that the browser came back to.'),
    }),
    output: z.strictObject({ signed_in: z.literal(true) }),
    example: { server: 'tickets', answer: 'code=abc&state=def' },
    tier: 'side_effecting',
    effect: 'idempotent',
    timeoutMs: 60_000,
    // The answer has a code that is worth a token.
    recordInput: ({ server }) => ({ server }),
    async run({ server, answer }) {
      await findServer(table, server).connection.endLogin(new URLSearchParams(answer))
      return { output: { signed_in: true } }
    },
  }
  return [begin, end]
}

function switchServer(table: ServerTable): Call<{ server: string; enabled: boolean }, { server: string; enabled: boolean }> {
  return {
    ...shared,
    name: 'server.switch',
    summary: 'Turns a server off or on. Off, it is ended and its tools are not offered.',
    input: z.strictObject({ server: name, enabled: z.boolean() }),
    output: z.strictObject({ server: z.string(), enabled: z.boolean() }),
    example: { server: 'files', enabled: false },
    tier: 'side_effecting',
    effect: 'idempotent',
    timeoutMs: 10_000,
    async run({ server, enabled }, context) {
      findServer(table, server)
      await change(table, context, 'server.switch', server, (kept) => ({ ...(kept ?? unknownServer), disabled: !enabled }))
      return { output: { server, enabled } }
    },
  }
}

function removeServer(table: ServerTable): Call<{ server: string }, { removed: boolean }> {
  return {
    ...shared,
    name: 'server.remove',
    summary: 'Removes a server, and what of it is approved. One of config.toml only loses its approval.',
    input: diffInput,
    output: z.strictObject({ removed: z.boolean() }),
    example: { server: 'files' },
    tier: 'side_effecting',
    effect: 'idempotent',
    timeoutMs: 10_000,
    async run({ server }, context) {
      const { server: known, connection } = findServer(table, server)
      await connection.signOut()
      await change(table, context, 'server.remove', server, () => null)
      return { output: { removed: known.from !== 'config.toml' } }
    },
  }
}

function findServer({ held }: ServerTable, server: string): HeldServer {
  const found = held().find((each) => each.server.name === server)
  if (found !== undefined) return found
  throw new OxbowError('not_found', `There is no server ${JSON.stringify(server)}.`, {
    hint: '`oxbow servers list` shows them; `oxbow servers add` adds one.',
  })
}

async function change(
  table: ServerTable,
  { caller, id: call }: CallContext,
  own: string,
  server: string,
  next: (kept: KeptServer | null) => KeptServer | null,
): Promise<void> {
  await table.settings.change({ caller, call, name: own }, server, next)
  await table.reload()
}

function ofConfig(server: string): OxbowError {
  return new OxbowError('denied', `The server ${server} is one of config.toml.`, { hint: 'Change it there, or use another name.' })
}

function switchedOff(server: string): OxbowError {
  return new OxbowError('denied', `The server ${server} is off.`, { hint: `Turn it on: oxbow servers enable ${server}.` })
}

function changedMeanwhile(server: string): OxbowError {
  return new OxbowError('denied', `What ${server} offers is not what was shown.`, {
    hint: `Look at it again: oxbow servers diff ${server}.`,
  })
}

/** For reference pages; they cannot be run. */
export function describedServerCalls(): readonly Call[] {
  return serverCalls({} as ServerTable, async () => () => '')
}
