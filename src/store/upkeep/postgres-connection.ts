/** Upkeep of a user's rows in Postgres, over one connection. */
import { assertUsable, judgeSchema } from '../migrations/schema-version.ts'
import { appliedSteps } from '../migrations/migration-runner.ts'
import { openPgDriver, type PostgresSession } from '../postgres/postgres-session.ts'
import { parseAddress } from '../postgres/postgres-address.ts'
import { postgresFault } from '../postgres/postgres-fault.ts'
import { postgresMigrationDriver } from '../postgres/postgres-schema.ts'
import type { UpkeepConnection, Value, Wish } from './connection.ts'

export interface PostgresConnection extends UpkeepConnection {
  readonly session: PostgresSession
}

/** @throws OxbowError for an address that is none, a server that refuses, or tables that are not usable */
export async function connectPostgres(address: string, wish: Wish): Promise<PostgresConnection> {
  const { url, shown } = parseAddress(address)
  const typed = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work()
    } catch (error) {
      throw postgresFault(error, shown).error
    }
  }
  const driver = openPgDriver({ url, connections: 2, name: 'oxbow store', statementMs: 0 })
  const session = await typed(() => driver.connect())
  const close = async (): Promise<void> => {
    await session.close()
    await driver.close()
  }
  try {
    // Copying a large table takes as long as it takes.
    await typed(() => session.exec('set statement_timeout = 0; set idle_in_transaction_session_timeout = 0'))
    const migration = postgresMigrationDriver(session, shown)
    const db: PostgresConnection = {
      session,
      dialect: 'postgres',
      where: shown,
      migration,
      rows: (sql, values = []) => typed(async () => (await session.rows({ text: numbered(sql), values })) as unknown as Value[][]),
      exec: (sql) => typed(async () => void (await session.exec(sql))),
      transaction: (work) => typed(() => migration.transaction(work)),
      close,
    }
    if (wish !== 'any version') assertUsable(judgeSchema(await typed(() => appliedSteps(migration))), wish, shown)
    return db
  } catch (error) {
    await close()
    throw error
  }
}

/** `?` becomes `$1`, `$2` …; no statement of upkeep has one in a text. */
function numbered(sql: string): string {
  let count = 0
  return sql.replaceAll('?', () => `$${++count}`)
}
