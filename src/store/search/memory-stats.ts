/** How much there is, and how many bytes it takes. */
import type { UserId } from '../../types/index.ts'
import type { MemoryKind, MemoryModel, MemoryStats } from '../memory.ts'
import { ask, type Asking } from './asking.ts'
import type { ModelRow } from '../memory/memory-rows.ts'
import { readTexts } from '../memory/read-texts.ts'

/** Keys, times and links of an entry with its places in indexes, about. */
const entryBytes = 360

export function* readModels(user: UserId): Asking<readonly MemoryModel[]> {
  const rows = yield* ask<ModelRow>({ text: readTexts.models, args: { user } })
  return rows.map(({ model, dims, state, vectors }) => ({ model, dims, state, vectors }))
}

export function* readStats(user: UserId, indexBytes: () => Asking<number>): Asking<MemoryStats> {
  const kinds = yield* ask<{ kind: MemoryKind; count: number }>({ text: readTexts.kinds, args: { user } })
  const [passages] = yield* ask<{ count: number; bytes: number }>({ text: readTexts.passageBytes, args: { user } })
  const models = yield* readModels(user)
  const entries = kinds.reduce((sum, { count }) => sum + count, 0)
  const vectorBytes = models.reduce((sum, { vectors, dims }) => sum + vectors * dims * 4, 0)
  return {
    entries,
    passages: passages?.count ?? 0,
    byKind: Object.fromEntries(kinds.map(({ kind, count }) => [kind, count])),
    models,
    bytes: entries * entryBytes + (passages?.bytes ?? 0) + vectorBytes + (yield* indexBytes()),
  }
}
