/** What changes of memory do to indexes of pgvector, in their transaction. New vectors do not: they are put into them by upkeep. */
import type { UserId } from '../../../types/index.ts'
import type { PostgresSession } from '../postgres-session.ts'
import { type NearRow, safeName } from './near-table.ts'

/** Within a transaction: the indexes of a user whose rows go. */
export async function dropNear(session: PostgresSession, user: UserId, model: string | null = null): Promise<void> {
  const rows = await session.objects<NearRow>({
    text: 'select model, began, name, version from memory_near where "user" = $1 and (model = $2 or $2 is null)',
    values: [user, model],
  })
  for (const { name } of rows) if (safeName(name) !== null) await session.exec(`drop table if exists ${name}`)
  await session.rows({ text: 'delete from memory_near where "user" = $1 and (model = $2 or $2 is null)', values: [user, model] })
}

/** Takes out what was removed from memory, at once: no vector of what was forgotten stays. */
export async function removeNear(session: PostgresSession, user: UserId, passages: readonly number[]): Promise<void> {
  const rows = await session.objects<NearRow>({ text: 'select name from memory_near where "user" = $1', values: [user] })
  for (const name of rows.flatMap((row) => safeName(row.name) ?? [])) {
    await session.rows({ text: `delete from ${name} where passage = any(cast($1 as bigint[]))`, values: [`{${passages.join(',')}}`] })
  }
}
