/** How much there is, and how many bytes it takes. */
import type { UserId } from '../../../types/index.ts'
import type { MemoryKind, MemoryStats } from '../../memory.ts'
import { statementMaker } from '../../memory/memory-statement.ts'
import type { Database } from '../sqlite-database.ts'
import type { MemoryReads } from './memory-reads.ts'
import { hasTextIndex, textTable } from './text-index.ts'

/** Keys, times and links of an entry with its places in indexes, about. */
const entryBytes = 360

export function readStats(database: Database, user: UserId, reads: MemoryReads): MemoryStats {
  const sql = statementMaker('sqlite')
  const kinds = database
    .prepare<{ user: string }, { kind: MemoryKind; count: number }>(
      sql('select kind, count(*) as count from memory_entry where user = :user group by kind order by kind'),
    )
    .all({ user })
  const passages = database
    .prepare<{ user: string }, { count: number; bytes: number }>(
      sql('select count(*) as count, coalesce(sum(length(body)), 0) as bytes from memory_passage where user = :user'),
    )
    .get({ user })
  const models = reads.models.all({ user })
  const entries = kinds.reduce((sum, { count }) => sum + count, 0)
  const vectorBytes = models.reduce((sum, { vectors, dims }) => sum + vectors * dims * 4, 0)
  return {
    entries,
    passages: passages?.count ?? 0,
    byKind: Object.fromEntries(kinds.map(({ kind, count }) => [kind, count])),
    models: models.map(({ model, dims, state, vectors }) => ({ model, dims, state, vectors })),
    bytes: entries * entryBytes + (passages?.bytes ?? 0) + vectorBytes + indexBytes(database, user),
  }
}

function indexBytes(database: Database, user: UserId): number {
  if (!hasTextIndex(database, user)) return 0
  return database.query<{ bytes: number }>(`select coalesce(sum(length(block)), 0) as bytes from ${textTable(user)}_data`)[0]?.bytes ?? 0
}
