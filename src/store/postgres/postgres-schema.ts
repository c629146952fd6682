/** What a Postgres database has: the version of its tables, with the driver that migrates them, and pgvector. */
import { appliedSteps, type MigrationDriver } from '../migrations/migration-runner.ts'
import { assertUsable, judgeSchema } from '../migrations/schema-version.ts'
import type { PostgresSession } from './postgres-session.ts'

export function postgresMigrationDriver(session: PostgresSession, shown: string): MigrationDriver {
  return {
    dialect: 'postgres',
    where: shown,
    exec: async (sql) => void (await session.exec(sql)),
    query: <Row>(sql: string) => session.objects<Row & object>({ text: sql, values: [] }),
    async transaction(work) {
      // A step over many rows takes as long as it takes, and the second of two that start waits for the first.
      await session.exec('begin; set local statement_timeout = 0; set local lock_timeout = 0')
      try {
        const result = await work()
        await session.exec('commit')
        return result
      } catch (error) {
        if (!session.isLost()) await session.exec('rollback')
        throw error
      }
    },
    copy: null,
  }
}

/** @throws OxbowError for a database that this program may not read */
export async function checkTables(session: PostgresSession, shown: string): Promise<void> {
  assertUsable(judgeSchema(await appliedSteps(postgresMigrationDriver(session, shown))), 'read', shown)
}

export const noPgvector =
  'Warning: no pgvector in this database, so vectors are compared one by one: exact, and slower the more there are. scripts/install-pgvector.sh, then `create extension vector` as an administrator, then `oxbow store vacuum`.'

/** @returns the version of pgvector in this database; null without it */
export async function pgvectorVersion(session: PostgresSession): Promise<string | null> {
  const [row] = await session.rows({ text: `select extversion::text from pg_extension where extname = 'vector'`, values: [] })
  return typeof row?.[0] === 'string' ? row[0] : null
}
