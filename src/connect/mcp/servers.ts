/**
 * Servers of tools, and their approved tools as calls. What models are offered comes from what a person has approved and not from a server,
 * so no server is started before one of its tools is called or a person looks at it.
 */
import { plural, type SchemaChecker } from '../../base/index.ts'
import type { Call } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import type { CallSource, Finding } from '../call-source.ts'
import { type Connection, type ConnectionDeps, createConnection, type Listed } from './connection.ts'
import { askCalls, type AskCallDeps } from './server-asks.ts'
import { serverCalls } from './server-calls.ts'
import type { HeldServer, ServerTable } from './server-table.ts'
import { createSettings, type KeptDocuments, type NamedServer } from './settings.ts'
import { offerCalls } from './resource-calls.ts'
import { forgetTold, toldCalls, type ToldDeps } from './told-calls.ts'
import { toolCall } from './tool-call.ts'

export interface ServersDeps extends Omit<ConnectionDeps, 'onListed'>, ToldDeps {
  readonly config: Config['mcp']
  readonly documents: KeptDocuments
  readonly schemas: SchemaChecker
  /** Limits the tokens that a program may use of models in a day. */
  readonly limit: AskCallDeps['limit']
}

/** Reads the settings and starts nothing. */
export async function createServers(deps: ServersDeps): Promise<CallSource> {
  const settings = createSettings(deps.config.servers, deps.documents)
  const connections = new Map<string, { readonly key: string; readonly connection: Connection }>()
  const lists = new Map<string, Listed>()
  let held: readonly HeldServer[] = []
  let offered: readonly Call[] = []

  const offer = (): void => {
    offered = held.flatMap((each) => toldCalls(callsOf(each, lists.get(each.server.name), deps.schemas), each, deps))
  }
  const onListed: ConnectionDeps['onListed'] = (name, found) => {
    const before = lists.get(name)
    lists.set(name, found)
    const server = held.find((each) => each.server.name === name)?.server
    if (server === undefined) return
    // The tools of a request are cached by the identity of the array.
    if (JSON.stringify(changesOf(server, before)) !== JSON.stringify(changesOf(server, found))) offer()
  }
  const connectionOf = (server: NamedServer): Connection => {
    const key = JSON.stringify(server.settings)
    const now = connections.get(server.name)
    if (now?.key === key) return now.connection
    void now?.connection.close()
    lists.delete(server.name)
    const connection = createConnection(server, { ...deps, onListed })
    connections.set(server.name, { key, connection })
    return connection
  }
  const table: ServerTable = {
    schemas: deps.schemas,
    settings,
    held: () => held,
    async reload() {
      const before = held
      const loaded = await settings.load()
      held = loaded.map((server) => ({ server, connection: connectionOf(server) }))
      // Entries are made anew meanwhile.
      for (const [name, { connection }] of Array.from(connections)) {
        const server = loaded.find((each) => each.name === name)
        if (server !== undefined && !server.kept.disabled) continue
        connections.delete(name)
        lists.delete(name)
        const ended = before.find((each) => each.server.name === name)?.server
        await connection.close()
        if (ended !== undefined) await forgetTold(ended, deps, server === undefined)
        if (server !== undefined) held = held.map((each) => (each.server === server ? { server, connection: connectionOf(server) } : each))
      }
      offer()
    },
    quarantined: (name) => {
      const server = held.find((each) => each.server.name === name)?.server
      return server === undefined ? [] : quarantinedOf(server, lists.get(name))
    },
  }
  await table.reload()
  return {
    calls: [
      ...serverCalls(table, deps.hash),
      ...askCalls({
        ...deps,
        conceal: deps.secrets.conceal,
        samplingTokens: (name) => held.find(({ server }) => server.name === name)?.server.settings.sampling_tokens ?? 0,
      }),
    ],
    tools: () => offered,
    health: async () => healthOf(held, table),
    close: async () => void (await Promise.all([...connections.values()].map(({ connection }) => connection.close()))),
  }
}

function healthOf(held: readonly HeldServer[], { quarantined }: ServerTable): Finding {
  const problems = held.flatMap(({ server }) => serverProblem(server, quarantined(server.name)))
  if (problems.length > 0) return { state: 'weak', says: problems.join('; '), fix: 'oxbow servers list' }
  return {
    state: 'ok',
    says: held.length === 0 ? 'no server of tools' : plural(held.length, 'server of tools', 'servers of tools'),
    fix: '',
  }
}

function serverProblem({ name, kept }: NamedServer, quarantined: readonly string[]): readonly string[] {
  if (kept.disabled) return []
  if (quarantined.length > 0) return [`${name}: ${quarantined.join(', ')} changed since it was approved, so it is not offered`]
  return kept.tools.length === 0 && kept.offers === undefined ? [`${name}: nothing of it is approved, so agents have no tools from it`] : []
}

/** What of a server is offered. */
function callsOf({ server, connection }: HeldServer, listed: Listed | undefined, schemas: SchemaChecker): readonly Call[] {
  const { disabled, tools, offers } = server.kept
  if (disabled) return []
  const changed = changesOf(server, listed)
  return [
    ...tools.filter(({ definition }) => !changed.includes(definition.name)).map((tool) => toolCall({ server, tool, connection, schemas })),
    ...(offers === undefined || changed.includes('') ? [] : offerCalls(server, offers, connection)),
  ]
}

/** Names of approved tools that are not as approved; an empty name means what the server offers besides tools. */
function changesOf(server: NamedServer, listed: Listed | undefined): readonly string[] {
  const { offers } = server.kept
  const isChanged = listed !== undefined && offers !== undefined && offers.hash !== listed.offersHash
  return [...quarantinedOf(server, listed), ...(isChanged ? [''] : [])]
}

/** Names of approved tools that the server does not offer as approved. */
function quarantinedOf({ kept }: NamedServer, listed: Listed | undefined): readonly string[] {
  if (listed === undefined) return []
  return kept.tools
    .filter(({ hash, definition }) => listed.tools.find((tool) => tool.definition.name === definition.name)?.hash !== hash)
    .map(({ definition }) => definition.name)
}
