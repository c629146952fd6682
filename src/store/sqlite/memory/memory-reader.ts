/** Reads of memory in SQLite. Each sees one moment: all its statements run in one snapshot. */
import type { UserId } from '../../../types/index.ts'
import type { FoundPassage, MemoryEntry, MemoryItem } from '../../memory.ts'
import { type EntryRow, rowEntry } from '../../memory/entry-row.ts'
import { listQuery } from '../../memory/list-query.ts'
import { maxListed } from '../../memory/memory-limits.ts'
import type { MemoryAnswers, MemoryRead } from '../../memory/memory-message.ts'
import { statementMaker } from '../../memory/memory-statement.ts'
import { unpackBody } from '../../memory/passage-body.ts'
import type { Database } from '../sqlite-database.ts'
import { type FoundRow, type MemoryReads, openReadStatements } from './memory-reads.ts'
import { createMemorySearch } from './memory-search.ts'
import { readStats } from './memory-stats.ts'

/** @throws OxbowError `bad_input`, `store_corrupt` or `store_failed` */
export type MemoryReader = (read: MemoryRead) => MemoryAnswers[MemoryRead['ask']]

type Answers = { readonly [Ask in MemoryRead['ask']]: (read: MemoryRead & { ask: Ask }) => MemoryAnswers[Ask] }

export function createMemoryReader(database: Database, user: UserId): MemoryReader {
  const reads = openReadStatements(database)
  const found = (ids: readonly number[]): readonly FoundPassage[] => ids.flatMap((id) => reads.found.all({ user, id }).map(foundPassage))
  const search = createMemorySearch({ database, user, reads, found })
  /** Below it every passage has a vector of the model, and always will. */
  const complete = new Map<string, { began: number; below: number }>()

  const answers: Answers = {
    search: (read) => search(read.search),
    items: ({ ids }) => ids.flatMap((id) => readItem(reads, user, id)),
    list: ({ filter, limit, after }) => readList(database, user, filter, limit, after),
    around: (read) => readAround(reads, user, read),
    with_hash: ({ hash }) => reads.withHash.all({ user, hash }).map(({ id }) => id),
    without_vector({ model, limit }) {
      const kept = reads.models.all({ user }).find((one) => one.model === model)
      const known = complete.get(model)
      const from = known !== undefined && known.began === kept?.began ? known.below : 0
      const rows = reads.withoutVector.all({ user, model, from, limit: listLimit(limit) })
      const below = rows[0]?.id ?? reads.state.get({ user })?.next_passage ?? 0
      if (kept !== undefined) complete.set(model, { began: kept.began, below })
      return rows.map(({ id, body }) => {
        const { text, context } = unpackBody(body)
        return { id, text, context }
      })
    },
    cursor: ({ name }) => reads.cursor.get({ user, name })?.seq ?? 0,
    stats: () => readStats(database, user, reads),
  }
  return (read) =>
    database.snapshot(() => {
      const answer: (read: never) => MemoryAnswers[MemoryRead['ask']] = answers[read.ask]
      return answer(read as never)
    })
}

function listLimit(limit: number): number {
  return limit >= 0 ? Math.min(Math.floor(limit), maxListed) : 0
}

function readItem(reads: MemoryReads, user: UserId, id: string): readonly MemoryItem[] {
  return reads.entry.all({ user, id }).map((row) => ({
    entry: rowEntry(row),
    passages: reads.passagesOf.all({ user, entry: row.key }).map(({ part, start, body }) => ({ part, start, ...unpackBody(body) })),
  }))
}

function readList(
  database: Database,
  user: UserId,
  filter: (MemoryRead & { ask: 'list' })['filter'],
  limit: number,
  after: (MemoryRead & { ask: 'list' })['after'],
): readonly MemoryEntry[] {
  const { text, args } = listQuery('sqlite', filter, after)
  const statement = database.prepare<typeof args & { user: string; limit: number }, EntryRow>(statementMaker('sqlite')(text))
  return statement.all({ ...args, user, limit: listLimit(limit) }).map(rowEntry)
}

function readAround(reads: MemoryReads, user: UserId, read: MemoryRead & { ask: 'around' }): readonly FoundPassage[] {
  const { stream, place } = read
  const before = reads.entriesBefore.all({ user, stream, place, limit: listLimit(read.before) }).toReversed()
  const after = reads.entriesAfter.all({ user, stream, place, limit: listLimit(read.after) })
  return [...before, ...after].flatMap(({ key }) => reads.foundOf.all({ user, entry: key }).map(foundPassage))
}

export function foundPassage(row: FoundRow): FoundPassage {
  return { id: row.passage, part: row.part, start: row.start, ...unpackBody(row.body), entry: rowEntry(row) }
}
