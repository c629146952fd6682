/** Makes the full-text index of memory anew from the passages: an index is never copied. */
import { hasTextIndex, createTextIndex, openTextIndex, scopeOf } from '../sqlite/memory/text-index.ts'
import { unpackBody } from '../memory/passage-body.ts'
import { textList } from '../memory/entry-row.ts'
import { copyBatchRows } from '../limits.ts'
import type { UserId } from '../../types/index.ts'
import type { UpkeepConnection } from '../upkeep/connection.ts'
import type { PostgresConnection } from '../upkeep/postgres-connection.ts'
import type { SqliteConnection } from '../upkeep/sqlite-connection.ts'

export async function indexMemory(db: UpkeepConnection, user: string): Promise<void> {
  const owner = user as UserId
  if (!isSqlite(db)) {
    // Loaded with the first Postgres.
    const { indexAll } = await import('../postgres/memory/posting-writer.ts')
    await db.transaction(async () => {
      await db.rows('delete from memory_posting where "user" = ?', [user])
      await indexAll((db as PostgresConnection).session, owner)
    })
    return
  }
  await db.transaction(async () => {
    if (!hasTextIndex(db.database, owner)) createTextIndex(db.database, owner)
    const index = openTextIndex(db.database, owner)
    index.clear()
    for (let after = 0; ;) {
      const rows = await db.rows(
        'select p.id, p.body, e.kind, e.session, e.tags from memory_passage p join memory_entry e on e.user = p.user and e.key = p.entry where p.user = ? and p.id > ? order by p.id limit ?',
        [user, after, copyBatchRows],
      )
      for (const [id, body, kind, session, tags] of rows) {
        const { terms, context } = unpackBody(body as Uint8Array)
        index.add({ passage: Number(id), scope: scopeOf(String(kind), String(session), textList(String(tags))), terms, context })
      }
      const last = rows.at(-1)?.[0]
      if (last === undefined) return
      after = Number(last)
    }
  })
}

function isSqlite(db: UpkeepConnection): db is SqliteConnection {
  return db.dialect === 'sqlite'
}
