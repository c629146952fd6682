/** The servers and their connections, as the calls about them see them. */
import { z } from 'zod'
import { OxbowError, type SchemaChecker } from '../../base/index.ts'
import type { Call, CallContext } from '../../protocol/index.ts'
import { serverName } from '../../config/index.ts'
import type { Connection } from './connection.ts'
import type { KeptServer, NamedServer, Settings } from './settings.ts'

/** A server, and its connection. */
export interface HeldServer {
  readonly server: NamedServer
  readonly connection: Connection
}

export interface ServerTable {
  readonly schemas: SchemaChecker
  readonly settings: Settings
  readonly held: () => readonly HeldServer[]
  /** Reads the settings anew; connections of servers whose settings have changed are closed. */
  reload(): Promise<void>
  /** Tools that are not, or no longer, as approved, in the last list of the server. */
  quarantined(server: string): readonly string[]
}

export const serverInput: z.ZodType<{ server: string }> = z.strictObject({ server: serverName })

export const sharedByCalls = {
  audience: ['terminal'],
  labels: { adds: [], sink: false },
  right: 'servers.write',
} as const satisfies Partial<Call>

/** @throws OxbowError `not_found` */
export function findServer({ held }: ServerTable, server: string): HeldServer {
  const found = held().find((each) => each.server.name === server)
  if (found !== undefined) return found
  throw new OxbowError('not_found', `There is no server ${JSON.stringify(server)}.`, {
    hint: '`oxbow servers list` shows them; `oxbow servers add` adds one.',
  })
}

/** Changes what is kept of a server, and makes running guests know it. */
export async function change(
  table: ServerTable,
  { caller, id: call }: CallContext,
  own: string,
  server: string,
  next: (kept: KeptServer | null) => KeptServer | null,
): Promise<void> {
  await table.settings.change({ caller, call, name: own }, server, next)
  await table.reload()
}
