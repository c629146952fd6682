/** The steps of the tables in Postgres: the driver that runs them, and what a database says of them. */
import { appliedSteps, migrate, type MigrationDriver } from '../migrations/migration-runner.ts'
import { assertUsable, judgeSchema } from '../migrations/version-range.ts'
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

/** @throws OxbowError for a database that this program may not write, or what the driver throws */
export async function migrateTables(session: PostgresSession, shown: string): Promise<void> {
  await migrate(postgresMigrationDriver(session, shown), { now: Date.now })
}

/** @throws OxbowError for a database that this program may not read */
export async function checkTables(session: PostgresSession, shown: string): Promise<void> {
  assertUsable(judgeSchema(await appliedSteps(postgresMigrationDriver(session, shown))), 'read', shown)
}
