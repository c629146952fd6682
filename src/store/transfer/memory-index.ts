/** Makes the full-text index of memory anew from the passages: an index is never copied. */
import { createTextIndex, hasTextIndex, indexAll, openTextIndex } from '../sqlite/text-index.ts'
import type { UserId } from '../../types/index.ts'
import type { UpkeepConnection } from '../upkeep/connection.ts'
import type { PostgresConnection } from '../upkeep/postgres-connection.ts'
import type { SqliteConnection } from '../upkeep/sqlite-connection.ts'

export async function indexMemory(db: UpkeepConnection, user: string): Promise<void> {
  const owner = user as UserId
  if (!isSqlite(db)) {
    // Loaded with the first Postgres.
    const postings = await import('../postgres/posting-index.ts')
    await db.transaction(async () => {
      await db.rows('delete from memory_posting where "user" = ?', [user])
      await postings.indexAll((db as PostgresConnection).session, owner)
    })
    return
  }
  await db.transaction(async () => {
    if (!hasTextIndex(db.database, owner)) createTextIndex(db.database, owner)
    const index = openTextIndex(db.database, owner)
    index.clear()
    indexAll(db.database, owner, index)
  })
}

function isSqlite(db: UpkeepConnection): db is SqliteConnection {
  return db.dialect === 'sqlite'
}
