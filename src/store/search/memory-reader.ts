/** Reads of memory, for any database. Each sees one moment: whoever answers them does so in one snapshot. */
import type { UserId } from '../../types/index.ts'
import type { MemoryItem } from '../memory.ts'
import { ask, type Asking } from './asking.ts'
import { type EntryRow, rowEntry, textKey } from '../memory/entry-row.ts'
import { listQuery } from '../memory/list-query.ts'
import type { MemoryAnswers, MemoryRead } from '../memory/memory-message.ts'
import type { KeyedEntryRow, ModelRow, PassageRow, StateRow } from '../memory/memory-rows.ts'
import { listLimit, readAround } from './found-passage.ts'
import { createMemorySearch, type Nearest, type TextRanking } from './memory-search.ts'
import { readModels, readStats } from './memory-stats.ts'
import type { Dialect } from '../sql/dialect.ts'
import { unpackBody } from '../memory/passage-body.ts'
import { readTexts } from '../memory/read-texts.ts'
import type { VectorReading } from './vector-reading.ts'

export interface ReaderParts {
  readonly dialect: Dialect
  readonly user: UserId
  readonly textRanking: TextRanking
  readonly vectorReading: VectorReading
  readonly nearest?: Nearest
  /** Bytes of the index of words. */
  readonly indexBytes: () => Asking<number>
}

/** @throws OxbowError `bad_input` or `store_corrupt`, and whatever the database throws */
export type MemoryReader = (read: MemoryRead) => Asking<MemoryAnswers[MemoryRead['ask']]>

type Answers = { readonly [Name in MemoryRead['ask']]: (read: MemoryRead & { ask: Name }) => Asking<MemoryAnswers[Name]> }

export function createMemoryReader(parts: ReaderParts): MemoryReader {
  const { dialect, user, indexBytes } = parts
  const answers: Answers = {
    search: createMemorySearch(parts),
    *items({ ids }) {
      const items: MemoryItem[] = []
      for (const id of ids) {
        for (const row of yield* ask<KeyedEntryRow>({ text: readTexts.entry, args: { user, id } })) {
          const passages = yield* ask<PassageRow>({ text: readTexts.passagesOf, args: { user, entry: row.key } })
          items.push({ entry: rowEntry(row), passages: passages.map(({ part, start, body }) => ({ part, start, ...unpackBody(body) })) })
        }
      }
      return items
    },
    *list({ filter, limit, after }) {
      const { text, args } = listQuery(dialect, filter, after)
      return (yield* ask<EntryRow>({ text, args: { ...args, user, limit: listLimit(limit) }, once: true })).map(rowEntry)
    },
    around: (read) => readAround(user, read),
    *with_hash({ hash }) {
      return (yield* ask<{ id: string }>({ text: readTexts.withHash, args: { user, hash, hash_key: textKey(hash) } })).map(({ id }) => id)
    },
    without_vector: createUnembedded(user),
    *cursor({ name }) {
      return (yield* ask<{ seq: number }>({ text: readTexts.cursor, args: { user, name } }))[0]?.seq ?? 0
    },
    models: () => readModels(user),
    stats: () => readStats(user, indexBytes),
  }
  return (read) => {
    const answer: (read: never) => Asking<MemoryAnswers[MemoryRead['ask']]> = answers[read.ask]
    return answer(read as never)
  }
}

/** Passages that lack a vector. Once all up to some passage have one that stays so: looking begins there the next time. */
function createUnembedded(user: UserId): Answers['without_vector'] {
  const complete = new Map<string, { readonly began: number; readonly below: number }>()
  return function* ({ model, limit }) {
    const models = yield* ask<ModelRow>({ text: readTexts.models, args: { user } })
    const began = models.find((one) => one.model === model)?.began
    const known = complete.get(model)
    const from = known !== undefined && known.began === began ? known.below : 0
    const most = listLimit(limit)
    const rows = yield* ask<Pick<PassageRow, 'id' | 'body'>>({
      text: readTexts.withoutVector,
      args: { user, model, from_id: from, limit: most },
    })
    const [state] = yield* ask<StateRow>({ text: readTexts.state, args: { user } })
    if (began !== undefined && most > 0) complete.set(model, { began, below: rows[0]?.id ?? state?.next_passage ?? 0 })
    return rows.map(({ id, body }) => {
      const { text, context } = unpackBody(body)
      return { id, text, context }
    })
  }
}
