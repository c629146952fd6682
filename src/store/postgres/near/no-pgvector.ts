/** What is said of a database without pgvector, by a guest at its start and by upkeep: nothing is wrong, and it can be better. */
import type { PostgresSession } from '../postgres-session.ts'

export const noPgvector =
  'Warning: no pgvector in this database, so vectors are compared one by one: exact, and slower the more there are. scripts/install-pgvector.sh, then `create extension vector` as an administrator, then `oxbow store vacuum`.'

/** @returns the version of pgvector in this database; null without it */
export async function pgvectorVersion(session: PostgresSession): Promise<string | null> {
  const [row] = await session.rows({ text: `select extversion::text from pg_extension where extname = 'vector'`, values: [] })
  return typeof row?.[0] === 'string' ? row[0] : null
}
