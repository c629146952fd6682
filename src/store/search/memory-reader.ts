/** Reads of memory, for any database. All queries of a read run in one snapshot. */
import type { UserId } from '../../base/index.ts'
import type { MemoryItem, MemoryKind, MemoryModel, MemoryStats } from '../memory.ts'
import type { MemoryAnswers, MemoryRead } from '../memory/memory-client.ts'
import { storedMarks } from '../memory/memory-marks.ts'
import { queryRows, type QuerySteps, listQuery, readTexts } from '../memory/memory-reads.ts'
import {
  type EntryRow,
  type KeyedEntryRow,
  type ModelRow,
  type PassageRow,
  rowEntry,
  type StateRow,
  textKey,
} from '../memory/memory-rows.ts'
import { unpackBody } from '../memory/passage-body.ts'
import type { Dialect } from '../sql/user-tables.ts'
import { createMemorySearch, listLimit, type Nearest, readAround } from './memory-search.ts'
import type { HeldMemory } from './held-memory.ts'
import type { VectorReading } from './vector-block.ts'

interface ReaderParts {
  readonly dialect: Dialect
  readonly user: UserId
  readonly vectorReading: VectorReading
  readonly nearest?: Nearest
  readonly held?: HeldMemory
}

/** @throws OxbowError `bad_input` or `store_corrupt`, and errors of the database */
type MemoryReader = (read: MemoryRead) => QuerySteps<MemoryAnswers[MemoryRead['ask']]>

type Answers = { readonly [Name in MemoryRead['ask']]: (read: MemoryRead & { ask: Name }) => QuerySteps<MemoryAnswers[Name]> }

export function createMemoryReader(parts: ReaderParts): MemoryReader {
  const { dialect, user } = parts
  const { search, beside } = createMemorySearch(parts)
  const answers: Answers = {
    search: (read) => search(read.searches),
    beside,
    *items({ ids }) {
      const items: MemoryItem[] = []
      for (const id of ids) {
        for (const row of yield* queryRows<KeyedEntryRow>({ text: readTexts.entry, args: { user, id } })) {
          const passages = yield* queryRows<PassageRow>({ text: readTexts.passagesOf, args: { user, entry: row.key } })
          items.push({ entry: rowEntry(row), passages: passages.map(({ part, start, body }) => ({ part, start, ...unpackBody(body) })) })
        }
      }
      return items
    },
    *list({ filter, limit, after }) {
      const { text, args } = listQuery(dialect, filter, after)
      return (yield* queryRows<EntryRow>({ text, args: { ...args, user, limit: listLimit(limit) }, once: true })).map(rowEntry)
    },
    around: (read) => readAround(user, read),
    *with_hash({ hash }) {
      return (yield* queryRows<{ id: string }>({ text: readTexts.withHash, args: { user, hash, hash_key: textKey(hash) } })).map(
        ({ id }) => id,
      )
    },
    without_vector: createUnembedded(user),
    *cursor({ name }) {
      return (yield* queryRows<{ seq: number }>({ text: readTexts.cursor, args: { user, name } }))[0]?.seq ?? 0
    },
    models: () => readModels(user),
    stats: () => readStats(user),
    marks: ({ after, limit }) => storedMarks(user, after, listLimit(limit)),
  }
  return (read) => {
    const answer: (read: never) => QuerySteps<MemoryAnswers[MemoryRead['ask']]> = answers[read.ask]
    return answer(read as never)
  }
}

/** Passages without a vector. Those below the first one found keep their vectors, so the next search starts there. */
function createUnembedded(user: UserId): Answers['without_vector'] {
  const complete = new Map<string, { readonly began: number; readonly below: number }>()
  return function* ({ model, limit }) {
    const models = yield* queryRows<ModelRow>({ text: readTexts.models, args: { user } })
    const began = models.find((one) => one.model === model)?.began
    const checked = complete.get(model)
    const from = checked !== undefined && checked.began === began ? checked.below : 0
    const maxRows = listLimit(limit)
    const rows = yield* queryRows<Pick<PassageRow, 'id' | 'body'>>({
      text: readTexts.withoutVector,
      args: { user, model, from_id: from, limit: maxRows },
    })
    const [state] = yield* queryRows<StateRow>({ text: readTexts.state, args: { user } })
    if (began !== undefined && maxRows > 0) complete.set(model, { began, below: rows[0]?.id ?? state?.next_passage ?? 0 })
    return rows.map(({ id, body }) => {
      const { text, context } = unpackBody(body)
      return { id, text, context }
    })
  }
}

/** Approximate size of an entry's keys, times and links, with its index rows. */
const entryBytes = 360

function* readModels(user: UserId): QuerySteps<readonly MemoryModel[]> {
  const rows = yield* queryRows<ModelRow>({ text: readTexts.models, args: { user } })
  return rows.map(({ model, dims, state, vectors }) => ({ model, dims, state, vectors }))
}

function* readStats(user: UserId): QuerySteps<MemoryStats> {
  const kinds = yield* queryRows<{ kind: MemoryKind; count: number }>({ text: readTexts.kinds, args: { user } })
  const [passages] = yield* queryRows<{ count: number; bytes: number }>({ text: readTexts.passageBytes, args: { user } })
  const models = yield* readModels(user)
  const entries = kinds.reduce((sum, { count }) => sum + count, 0)
  const vectorBytes = models.reduce((sum, { vectors, dims }) => sum + vectors * dims * 4, 0)
  return {
    entries,
    passages: passages?.count ?? 0,
    byKind: Object.fromEntries(kinds.map(({ kind, count }) => [kind, count])),
    models,
    bytes: entries * entryBytes + (passages?.bytes ?? 0) + vectorBytes,
  }
}
