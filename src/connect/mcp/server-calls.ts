/** The calls by which a person lists and adds servers, signs in to them, turns them off and removes them. */
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import { type Call, defineCall } from '../../protocol/index.ts'
import { mcpServer, type McpServer, serverName as name } from '../../config/index.ts'
import { askCalls, type AskCallDeps } from './server-asks.ts'
import { approvalCalls } from './approval-calls.ts'
import type { HashText } from './definitions.ts'
import { maxServers } from './limits.ts'
import { change, findServer, serverInput, type ServerTable, sharedByCalls as shared } from './server-table.ts'
import { unknownServer } from './settings.ts'

export function serverCalls(table: ServerTable, hash: () => Promise<HashText>): readonly Call[] {
  return [
    listServers(table),
    addServer(table),
    ...approvalCalls(table, hash),
    ...loginCalls(table),
    switchServer(table),
    removeServer(table),
  ]
}

const serverLine = z.strictObject({
  server: z.string(),
  from: z.string(),
  what: z.string(),
  settings: mcpServer.describe(
    'As it was added. Of variables and headers only those values are shown that name a secret; the others are empty.',
  ),
  enabled: z.boolean(),
  running: z.boolean(),
  approved: z.number(),
  quarantined: z
    .array(z.string())
    .readonly()
    .describe('Approved tools that are not offered, because the server describes them differently now.'),
  log: z.string().describe('The end of what its program has written to its standard error.'),
})

export type ServerLine = z.infer<typeof serverLine>

const shownLog = 2_000

function listServers({ held, quarantined }: ServerTable): Call {
  return defineCall({
    ...shared,
    name: 'server.list',
    summary: 'Lists the servers of tools, whether they run, and what of them is approved.',
    input: z.strictObject({}),
    output: z.strictObject({ servers: z.array(serverLine) }),
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
          settings: withoutValues(settings),
          enabled: !kept.disabled,
          running,
          approved: kept.tools.length,
          quarantined: quarantined(own),
          log: log.slice(-shownLog),
        }
      })
      return { output: { servers } }
    },
  })
}

function withoutValues(settings: McpServer): McpServer {
  const shown = (value: string): string => (/^\$\w+$/.test(value) ? value : '')
  const names = (values: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, shown(value)]))
  const { env, headers, client_secret: secret } = settings
  return { ...settings, env: names(env), headers: names(headers), client_secret: shown(secret) }
}

function addServer(table: ServerTable): Call {
  return defineCall({
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
  })
}

const emptySettings: McpServer = {
  command: '',
  args: [],
  program_folder: '',
  lock: '',
  url: '',
  env: {},
  headers: {},
  client_id: '',
  client_secret: '',
  folders: [],
  allow: [],
  timeout_s: 30,
  sampling_tokens: 0,
}

function loginCalls(table: ServerTable): readonly Call[] {
  const begin = defineCall({
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
  })
  const end = defineCall({
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
      return { output: { signed_in: true as const } }
    },
  })
  return [begin, end]
}

function switchServer(table: ServerTable): Call {
  return defineCall({
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
  })
}

function removeServer(table: ServerTable): Call {
  return defineCall({
    ...shared,
    name: 'server.remove',
    summary: 'Removes a server, and what of it is approved. One of config.toml only loses its approval.',
    input: serverInput,
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
  })
}

function ofConfig(server: string): OxbowError {
  return new OxbowError('denied', `The server ${server} is one of config.toml.`, { hint: 'Change it there, or use another name.' })
}

/** For reference pages; they cannot be run. */
export function describedServerCalls(): readonly Call[] {
  return [...serverCalls({} as ServerTable, async () => () => ''), ...askCalls({} as AskCallDeps)]
}
