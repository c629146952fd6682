/**
 * Reads single documents of any user from the database server, for a node of a cluster, which has no user of its own: whether a key is known, before
 * a guest is started for whoever shows it. It writes nothing.
 */
import { openPgDriver, type PostgresDriver } from '../postgres-session.ts'

export interface ServerReader {
  /** @returns the document; null: the user has no document with this name. @throws as the driver does */
  document(user: string, category: string, name: string): Promise<string | null>
  /** Never throws. */
  close(): Promise<void>
}

/** One is idle, and reads are short. */
const connections = 3
const statementMs = 2_000

/** Connects with the first question. */
export function openServerReader(address: string): ServerReader {
  let driver: PostgresDriver | null = null
  return {
    async document(user, category, name) {
      driver ??= openPgDriver({ url: address, connections, name: 'oxbow-node', statementMs, connectMs: statementMs })
      const rows = await driver.read((session) =>
        session.rows({
          name: 'one_document',
          text: 'select "body" from "document" where "user" = $1 and "category" = $2 and "name" = $3',
          values: [user, category, name],
        }),
      )
      const body = rows[0]?.[0]
      return typeof body === 'string' ? body : null
    },
    close: async () => driver?.close(),
  }
}
